"""``node services`` and ``node service``: systemd units."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from app import column
from app.column import Cell, Column, Token
from app.errors import BadAnswer, ConfigurationError, Unsupported
from app.plan import Plan, Report, Result, Risk, Step
from app.verb import RowAction, Rows
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S, tail
from backends.node_verbs.exec import ExecVerbs

Action = Literal["start", "stop", "restart", "reload", "enable", "disable"]

_NO_SYSTEMD = 69
_HAS_SYSTEMD = "command -v systemctl >/dev/null 2>&1 && [ -d /run/systemd/system ] || exit 69"
_LIST = f"""\
{_HAS_SYSTEMD}
export LC_ALL=C SYSTEMD_COLORS=0
systemctl list-units --type=service --all --plain --no-legend --no-pager --full || exit 1
echo @files
systemctl list-unit-files --type=service --plain --no-legend --no-pager --full
:"""
_SHOW = _HAS_SYSTEMD + "; LC_ALL=C systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -- {unit}"

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
"""What systemd itself allows in a unit's name; see systemd.unit(5)."""
_WAYS_IN = re.compile(
    r"(ssh|sshd|dropbear|networking|NetworkManager|systemd-networkd|wpa_supplicant|dhcpcd|tailscaled|wg-quick)"
    r"(@.*)?(\.service)?"
)
"""Units without which a node can often not be reached any more."""
_UNDO = {"start": "stop", "stop": "start", "enable": "disable", "disable": "enable"}
_JOB_S = 180.0
"""systemd itself gives up on a unit after 90 s unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One systemd service."""

    unit: str
    active: str
    """``active``, ``inactive``, ``failed``, ``activating``."""
    sub: str
    """``running``, ``exited``, ``dead``."""
    enabled: str | None
    """``enabled``, ``disabled``, ``static``, ``masked``; ``None`` for a unit without a file."""
    load: str
    description: str


def _state(service: Service) -> Cell:
    if service.active == "failed" or service.load not in ("loaded", "masked"):
        return Cell(f"! {column.clean(service.active)}", Token.CRIT, 0)
    if service.active == "active":
        return Cell("● active", Token.OK, 2)
    if service.active in ("activating", "deactivating", "reloading"):
        return Cell(f"↻ {service.active}", Token.BUSY, 1)
    return Cell(f"○ {column.clean(service.active)}", Token.MUTED, 3)


SERVICE_COLUMNS: tuple[Column[Service], ...] = (
    Column("UNIT", lambda s: column.text(s.unit.removesuffix(".service")), 32, priority=0),
    Column("STATE", _state, 14, priority=0),
    Column("SUB", lambda s: column.text(s.sub), 10, priority=3),
    Column("ENABLED", lambda s: column.text(s.enabled), 10, priority=2),
    Column("DESCRIPTION", lambda s: column.text(s.description), 30, priority=4, flex=True),
)
SERVICE_ACTIONS = (
    RowAction(key="s", verb="service", label="start", arguments={"action": "start"}, take={"unit": "unit"}),
    RowAction(key="x", verb="service", label="stop", arguments={"action": "stop"}, take={"unit": "unit"}),
    RowAction(key="r", verb="service", label="restart", arguments={"action": "restart"}, take={"unit": "unit"}),
    RowAction(key="e", verb="service", label="enable", arguments={"action": "enable"}, take={"unit": "unit"}),
    RowAction(key="D", verb="service", label="disable", arguments={"action": "disable"}, take={"unit": "unit"}),
    RowAction(key="l", verb="journal", label="journal", take={"unit": "unit"}),
)


class ServiceVerbs(ExecVerbs):
    """Units: seeing and steering them."""

    async def services(self, target: Node, *, failed: bool = False) -> Rows:
        """Show the systemd services."""
        done = await self.link_of(target).run(_LIST, timeout=QUICK_S)
        if done.exit_code == _NO_SYSTEMD:
            raise no_systemd(target)
        if done.exit_code:
            raise BadAnswer(f"systemctl: {tail(done.stderr) or f'exit code {done.exit_code}'}", where=target.name)
        found = parse_services(done.text)
        shown = [one for one in found if one.active == "failed"] if failed else found
        broken = sum(one.active == "failed" for one in found)
        return Rows(
            SERVICE_COLUMNS, tuple(shown), SERVICE_ACTIONS, f"{len(found)} services, {broken} failed", every=5.0
        )

    async def service(self, target: Node, action: Action, unit: str) -> Plan:
        """Start, stop, restart, enable or disable a systemd unit."""
        unit = checked_unit(unit)
        show = _SHOW.format(unit=shlex.quote(unit))
        done = await self.link_of(target).run(show, timeout=QUICK_S)
        if done.exit_code == _NO_SYSTEMD:
            raise no_systemd(target)
        if done.exit_code:
            raise BadAnswer(f"systemctl: {tail(done.stderr) or f'exit code {done.exit_code}'}", where=target.name)
        known = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
        privilege = await self.root_on(target)
        line = privilege.argv(["systemctl", action, "--", unit])

        async def run(report: Report) -> Result:
            return await self.perform_as(target, privilege, line, report, timeout=_JOB_S)

        load = known.get("LoadState", "unknown")
        now = f"{known.get('ActiveState', 'unknown')} ({known.get('SubState', 'unknown')})"
        file = f", {known['UnitFileState']}" if known.get("UnitFileState") else ""
        cuts = action in ("stop", "disable") and _WAYS_IN.fullmatch(unit) is not None
        undo = privilege.argv(["systemctl", _UNDO[action], "--", unit]) if action in _UNDO else ""
        return Plan(
            Step(target, line, run, undo=undo),
            loses=[f"the way in, perhaps: {unit} is often how a node is reached"] if cuts else (),
            notes=[f"{unit} is {now}{file}", *privilege.notes],
            preconditions=[(f"the unit {unit} exists", load != "not-found", f"LoadState={load}")],
            risk=Risk.DESTROYS if cuts else None,
        )


def checked_unit(unit: str) -> str:
    """The unit's name, or ConfigurationError where systemd allows no such name."""
    if not _UNIT.fullmatch(unit):
        raise ConfigurationError(
            f"'{column.clean(unit)[:80]}' is no name of a unit",
            where="unit",
            todo="letters, digits and : _ . \\ @ - are allowed, as in nginx.service",
        )
    return unit


def no_systemd(node: Node) -> Unsupported:
    """The error for hosts that run something else."""
    return Unsupported(
        "the node does not run systemd", where=node.name, todo="use 'node exec' with its own service command"
    )


def parse_services(text: str) -> list[Service]:
    """What ``list-units`` and, after ``@files``, ``list-unit-files`` said; failed ones first, then by name."""
    units, _, files = text.partition("\n@files\n") if "\n@files\n" in text else text.partition("@files\n")
    enabled = {words[0]: words[1] for line in files.splitlines() if len(words := line.split()) >= 2}
    found: dict[str, Service] = {}
    for line in units.splitlines():
        words = line.lstrip("●*○×↻ ").split(None, 4)
        if len(words) < 4 or not _UNIT.fullmatch(words[0]):
            continue
        found[words[0]] = Service(
            unit=words[0],
            load=words[1],
            active=words[2],
            sub=words[3],
            enabled=enabled.get(words[0]) or enabled.get(_template(words[0])),
            description=words[4].strip() if len(words) > 4 else "",
        )
    return sorted(found.values(), key=lambda one: (one.active != "failed", one.unit))


def _template(unit: str) -> str:
    """``getty@tty1.service`` is made from ``getty@.service``."""
    before, at, after = unit.partition("@")
    return f"{before}@.{after.rpartition('.')[2]}" if at else unit
