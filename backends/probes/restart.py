"""Whether a restart is due: what the distribution says, else the running kernel against the installed ones."""

from __future__ import annotations

import re

from app.link import Probe, Tier
from backends.probes.sections import sections

_SCRIPT = r"""
[ -e /run/reboot-required ] || [ -e /var/run/reboot-required ] && echo ==required
o=
if command -v needs-restarting >/dev/null; then o=$($T needs-restarting -r)
elif command -v dnf >/dev/null; then o=$($T dnf -q --cacheonly needs-restarting -r); fi
[ -z "$o" ] || { echo ==needs_restarting; printf "%s\n" "$o"; }
echo ==kernel
uname -r
echo ==installed
for d in /lib/modules/*/modules.builtin; do [ -r "$d" ] && d=${d%/*} && echo "${d##*/}"; done
"""


def parse_restart(answer: bytes) -> bool | None:
    """True or false only where it is sure.

    Without a word of the distribution: installed kernels are those whose ``modules.builtin`` is there (it belongs to
    the package and goes with it). A newer one of the same flavour, or none that matches the running one, means that
    a restart is due; no kernels at all (containers, custom kernels) means that nobody knows.
    """
    parts = sections(answer)
    if "required" in parts:
        return True
    said = " ".join(parts.get("needs_restarting", [])).lower()
    if "reboot is required" in said:
        return True
    if "should not be necessary" in said:
        return False
    running = next(iter(parts.get("kernel", [])), "")
    installed = parts.get("installed", [])
    if not running or not installed:
        return None
    flavour = _flavour(running)
    same = [name for name in installed if _flavour(name) == flavour]
    if running not in installed:
        # The package of the running kernel is gone: replaced by another of its flavour, or never was a package.
        return True if same else None
    return _version(max(same, key=_version)) > _version(running)


def _flavour(kernel: str) -> str:
    """What stays from release to release: ``amd64`` of ``6.1.0-18-amd64``, ``rpi-v8`` of ``6.6.31+rpt-rpi-v8``."""
    match = re.search(r"[-+]([a-z][\w-]*)$", re.sub(r"\+rpt\b", "", kernel))
    return match[1] if match else ""


def _version(kernel: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", re.sub(r"[-+][a-z][\w-]*$", "", kernel)))


RESTART = Probe("restart", Tier.SLOW, parse_restart, script=_SCRIPT, every=600)
