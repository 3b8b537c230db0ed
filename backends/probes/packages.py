"""Pending package updates, from what the host's package manager already knows: no network, no root, no locks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.link import Probe, Tier
from backends.probes.sections import sections

_SCRIPT = r"""
n=; command -v nice >/dev/null && n="nice -n 19"
if command -v apt-get >/dev/null; then
o=$($n apt-get -s -qq -o Debug::NoLocking=1 upgrade) && echo ==apt && printf "%s\n" "$o" | grep "^Inst "
elif command -v dnf >/dev/null; then
o=$($n dnf -q --cacheonly check-update); e=$?
case $e in 0|100) echo ==dnf; printf "%s\n" "$o";; *) exit;; esac
o=$($n dnf -q --cacheonly --security check-update); e=$?
case $e in 0|100) echo ==security; printf "%s\n" "$o";; esac
elif command -v apk >/dev/null; then
if o=$(apk --no-network list -u); then echo ==apk; printf "%s\n" "$o"
elif o=$(apk --no-network version -l "<"); then echo ==apk_version; printf "%s\n" "$o"; fi
fi
"""


@dataclass(frozen=True, slots=True)
class Updates:
    """How many packages have a newer version; ``security`` is ``None`` where the manager does not tell."""

    pending: int
    security: int | None


def parse_updates(answer: bytes) -> Updates | None:
    """Counts of packages; ``None`` without a package manager that can say."""
    parts = sections(answer)
    if "apt" in parts:
        lines = [line for line in parts["apt"] if line.startswith("Inst ")]
        # The origin stands in parentheses: "Debian-Security:12/stable-security", "Ubuntu:22.04/jammy-security".
        security = [line for line in lines if re.search(r"\([^()]*-security\b[^()]*\)", line, re.IGNORECASE)]
        return Updates(len(lines), len(security))
    if "dnf" in parts:
        return Updates(
            len(_dnf_names(parts["dnf"])), len(_dnf_names(parts["security"])) if "security" in parts else None
        )
    if "apk" in parts:
        return Updates(sum("[upgradable from:" in line for line in parts["apk"]), None)
    if "apk_version" in parts:
        return Updates(sum(bool(re.match(r"\S+\s+<\s+\S", line)) for line in parts["apk_version"]), None)
    return None


def _dnf_names(lines: list[str]) -> set[str]:
    """Packages of ``check-update``: a name with its architecture, a version, a repository.

    A name that is too long for its column stands on a line of its own. What is obsoleted comes after and is no update.
    """
    names: set[str] = set()
    for line in lines:
        if line.startswith("Obsoleting"):
            break
        fields = line.split()
        if line[0].isspace() or "." not in fields[0] or len(fields) not in (1, 3):
            continue
        names.add(fields[0])
    return names


UPDATES = Probe("updates", Tier.SLOW, parse_updates, script=_SCRIPT, every=3600)
