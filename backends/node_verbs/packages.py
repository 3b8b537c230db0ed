"""``node upgrade``: what is pending, and installing it."""

from __future__ import annotations

import re

from app import column
from app.errors import BadAnswer, Unsupported
from app.plan import Plan, Report, Result, Step
from backends.kinds.node import Node
from backends.node_verbs.base import LISTING_S
from backends.node_verbs.exec import ExecVerbs
from backends.node_verbs.pending import LIST, Update, held_back, parse_apk, parse_apt, parse_dnf
from backends.node_verbs.privilege import Privilege
from backends.node_verbs.running import Filter

APT_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "apt": (
        ["apt-get", "update"],
        ["apt-get", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "APT::Status-Fd=1", "upgrade"],
    ),
    "dnf": (["dnf", "-y", "makecache", "--refresh"], ["dnf", "-y", "upgrade"]),
    "apk": (["apk", "update"], ["apk", "upgrade"]),
}
"""Per package manager: what reads the lists anew, what installs."""
_READERS = {"apt": parse_apt, "dnf": parse_dnf, "apk": parse_apk}
_MOST_LISTED = 200
_STATUS = re.compile(r"^(dl|pm)status:[^:]*:(\d+(?:\.\d+)?):", re.MULTILINE)
_STATUS_LINE = re.compile(r"^(?:dlstatus|pmstatus|pmerror|pmconffile|media-change):[^\n]*(?:\n|\Z)", re.MULTILINE)
_KERNEL = re.compile(r"(linux-image|kernel|linux-(lts|virt|rpi)|raspberrypi-kernel)([-.\d]|$)")
_UPGRADE_S = 3 * 3600.0
"""Small boards on slow cards take their time; this only keeps a dead one from being waited for for ever."""


class PackageVerbs(ExecVerbs):
    """Packages."""

    async def upgrade(self, target: Node, *, refresh: bool = False) -> Plan:
        """Install the pending package updates (apt, dnf or apk)."""
        done = await self.link_of(target).run(LIST, timeout=LISTING_S)
        manager, _, listing = done.text.partition("\n")
        reader = _READERS.get(manager.strip())
        if reader is None:
            raise Unsupported(
                "the node has none of apt, dnf and apk", where=target.name, todo="use 'node exec' with its own tool"
            )
        failed = re.search(r"^@failed (\d+)$", listing, re.MULTILINE)
        if failed and not refresh:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise BadAnswer(
                f"{manager} could not list updates: {column.clean(words[-1]) if words else failed[1]}",
                where=target.name,
                todo="try 'node upgrade --refresh'",
            )
        updates = reader(listing)
        if not updates and not refresh:
            return Plan(notes=[f"{target.name}: nothing is pending, as its package lists stand ({manager})"])
        privilege = await self.root_on(target)
        notes = [*_listed(target, updates, refresh), *privilege.notes]
        if manager == "apt" and (held := held_back(listing)):
            notes.append(f"{target.name}: {held} more are held back by apt")
        if any(_KERNEL.match(one.name) for one in updates):
            notes.append(f"{target.name}: the kernel changes; it runs from the next restart on")
        return Plan(*self._steps(target, manager, privilege, refresh), notes=notes)

    def _steps(self, target: Node, manager: str, privilege: Privilege, refresh: bool) -> list[Step]:
        env = APT_ENV if manager == "apt" else None
        reads, installs = COMMANDS[manager]
        lane = f"packages@{target.name}"
        steps: list[Step] = []
        if refresh:
            steps.append(self._step(target, privilege, privilege.argv(reads), lane, name="refresh"))
        undo = "dpkg --configure -a, when it was cut short" if manager == "apt" else ""
        line = privilege.argv(installs, env)
        after = ("refresh",) if refresh else ()
        steps.append(self._step(target, privilege, line, lane, name="upgrade", after=after, undo=undo))
        return steps

    def _step(
        self,
        target: Node,
        privilege: Privilege,
        line: str,
        lane: str,
        *,
        name: str,
        after: tuple[str, ...] = (),
        undo: str = "",
    ) -> Step:
        async def run(report: Report) -> Result:
            through = apt_progress(report) if "APT::Status-Fd=1" in line else None
            return await self.perform_as(target, privilege, line, report, timeout=_UPGRADE_S, through=through)

        return Step(target, line, run, name=name, after=after, lane=lane, undo=undo)


def _listed(target: Node, updates: list[Update], refresh: bool) -> list[str]:
    lines = [f"{target.name}: {len(updates)} packages" + (", more perhaps once the lists are read" if refresh else "")]
    lines += [f"{target.name}: {column.clean(str(one))}" for one in updates[:_MOST_LISTED]]
    if len(updates) > _MOST_LISTED:
        lines.append(f"{target.name}: and {len(updates) - _MOST_LISTED} more")
    return lines


def apt_progress(report: Report) -> Filter:
    """Takes apt's status lines out of its output and reports the percentages that they measure.

    Downloading and installing are measured by apt apart, so the figure starts anew between them.
    """
    held = ""

    def through(text: str) -> str:
        nonlocal held
        text = held + text
        at = text.rfind("\n") + 1
        rest = text[at:]
        # only a line that may yet become a status line is held back until it is whole
        held = rest if text and _may_be_status(rest) else ""
        whole = text[:at] if held else text
        for kind, percent in _STATUS.findall(whole):
            unit = "% downloaded" if kind == "dl" else "% installed"
            report.progress(min(100.0, float(percent)), 100, unit)
        return _STATUS_LINE.sub("", whole)

    return through


def _may_be_status(start: str) -> bool:
    words = ("dlstatus:", "pmstatus:", "pmerror:", "pmconffile:", "media-change:")
    return bool(start) and any(word.startswith(start) or start.startswith(word) for word in words)
