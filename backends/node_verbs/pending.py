"""Pending package updates as apt, dnf and apk list them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Update:
    """One package that would be replaced, or newly installed where ``old`` is empty."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} → {self.new}" if self.old else f"{self.name} {self.new} (new)"


LIST = """\
export LC_ALL=C
if command -v apt-get >/dev/null 2>&1; then
  echo apt; apt-get -s -o Debug::NoLocking=true upgrade || echo "@failed $?"
elif command -v dnf >/dev/null 2>&1; then
  echo dnf; dnf -q check-update; code=$?
  [ $code -eq 0 ] || [ $code -eq 100 ] || { echo "@failed $code"; exit 0; }
  echo @installed; rpm -qa --qf '%{NAME}.%{ARCH} %{VERSION}-%{RELEASE}\\n'
elif command -v apk >/dev/null 2>&1; then
  echo apk; apk version -l '<' || echo "@failed $?"
fi
:"""
"""Prints the package manager's name, then its listing; ``@failed CODE`` where it could not list."""

_INST = re.compile(r"^Inst (\S+) (?:\[([^\]]+)\] )?\((\S+)")
_HELD = re.compile(r"(\d+) not upgraded")
_DNF = re.compile(r"^(\S+\.\w+)\s+(?:\d+:)?(\S+)\s+\S+$")
_APK = re.compile(r"^(\S+)-(\d[^-\s]*-r\d+)\s+<\s+(\S+)")


def parse_apt(text: str) -> list[Update]:
    """What ``apt-get -s upgrade`` would install."""
    return [Update(m[1], m[2] or "", m[3]) for line in text.splitlines() if (m := _INST.match(line))]


def held_back(text: str) -> int:
    """How many packages apt would leave as they are."""
    found = _HELD.search(text)
    return int(found[1]) if found else 0


def parse_dnf(text: str) -> list[Update]:
    """What ``dnf check-update`` lists, with the old versions from ``rpm`` behind ``@installed``."""
    listing, _, installed = text.partition("@installed\n")
    listing = listing.partition("\nObsoleting Packages")[0]
    old = {words[0]: words[1] for line in installed.splitlines() if len(words := line.split()) == 2}
    return [Update(m[1], old.get(m[1], ""), m[2]) for line in listing.splitlines() if (m := _DNF.match(line))]


def parse_apk(text: str) -> list[Update]:
    """What ``apk version -l '<'`` lists."""
    return [Update(m[1], m[2], m[3]) for line in text.splitlines() if (m := _APK.match(line))]
