"""From running to stopped and back: start, shutdown, stop, reboot, reset, suspend, resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import ConfigurationError, QuarterdeckError, Refused, Unsupported
from app.plan import Plan
from backends.kinds.vm_row import Vm
from backends.proxmox import wire
from backends.proxmox.lenient import text
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.verbs.acting import Acting, Against, Call, no_template, nothing

LONGEST_S = 24 * 3600
_HIBERNATED = ("suspended",)
"""The lock of a guest whose memory is saved to disk: starting and resuming take it away."""


class PowerVerbs(Acting):
    """Switches, buttons and the sleep between."""

    async def start(self, target: Vm) -> Plan:
        """Start it; one whose memory was saved to disk goes on where it was."""
        now, held = await self.ready(target, "start", _startable, locks=_HIBERNATED)
        if now.status == "running":
            return nothing(target, "is running already")
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "status", "start")),
            _startable,
            doing="start",
            done=f"started on {now.node}",
            locks=_HIBERNATED,
            undo=f"quarterdeck vm shutdown {target.id}",
            settled=lambda seen: seen.runs,
        )
        return Plan(step, preconditions=held)

    async def shutdown(self, target: Vm, *, timeout: int = 60, force: bool = False) -> Plan:
        """Ask its system to shut down, and with ``force`` pull its plug when the time is over."""
        _check_time(timeout)
        params = {"timeout": timeout, "forceStop": True if force else None}
        undo = f"quarterdeck vm start {target.id}"
        done = "shut down" if not force else "is off"
        return await self._powered(target, "shutdown", _hears("shut down"), params, "shut down", done, undo, off=True)

    async def stop(self, target: Vm) -> Plan:
        """Pull its plug; a shutdown that is under way and does not come to an end is given up."""
        against = _runs("be stopped")
        now, held = await self.ready(target, "stop", against)
        notes: list[str] = []
        waiting = now.ha is None and await self._shutting_down(now)
        if waiting:
            notes.append(f"{target.id}: a shutdown is under way, and is given up")
        if now.ha is not None:
            notes.append(f"{target.id}: high availability does it, and may act some seconds later")
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "status", "stop"), {"overrule-shutdown": True if waiting else None}),
            against,
            doing="stop",
            done="stopped",
            undo=f"quarterdeck vm start {target.id}",
            settled=lambda seen: not seen.runs,
            alone=False,
        )
        return Plan(step, notes=notes, preconditions=held)

    async def _shutting_down(self, now: FreshGuest) -> bool:
        """Whether somebody has asked it to shut down and waits: it holds the guest, and stopping would wait as well."""
        kind = "qmshutdown" if now.type == "qemu" else "vzshutdown"
        path = wire.path("nodes", now.node, "tasks")
        try:
            listed = await self.client(now.cluster).list(path, source="active", vmid=now.vmid, typefilter=kind)
        except QuarterdeckError:
            return False
        return any(text(row.get("type")) == kind and not row.get("endtime") for row in listed.rows)

    async def reboot(self, target: Vm, *, timeout: int = 60) -> Plan:
        """Ask its system to restart; changes that wait take effect."""
        _check_time(timeout)
        return await self._powered(
            target, "reboot", _hears("be rebooted"), {"timeout": timeout}, "reboot", "rebooted", ""
        )

    async def reset(self, target: Vm) -> Plan:
        """Press its reset button."""
        _no_container(target, "reset button", "quarterdeck vm reboot")
        return await self._powered(target, "reset", _runs("be reset"), {}, "reset", "reset", "")

    async def suspend(self, target: Vm, *, disk: bool = False) -> Plan:
        """Freeze it where it is; with ``disk`` its memory is written down and it is stopped."""
        _no_container(target, "pause", "quarterdeck vm shutdown")
        undo = f"quarterdeck vm resume {target.id}"
        if disk:
            params = {"todisk": True}
            done = "its memory is on disk, and it is off"
            return await self._powered(target, "suspend", _running, params, "suspend", done, undo)
        return await self._powered(target, "suspend", _running, {}, "suspend", "frozen", undo)

    async def resume(self, target: Vm) -> Plan:
        """Let it go on where it was frozen."""
        _no_container(target, "pause", "quarterdeck vm start")
        now, held = await self.ready(target, "resume", _resumable, locks=_HIBERNATED)
        if now.status == "running":
            return nothing(target, "is running already")
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "status", "resume")),
            _resumable,
            doing="resume",
            done="goes on",
            locks=_HIBERNATED,
            undo=f"quarterdeck vm suspend {target.id}",
        )
        return Plan(step, preconditions=held)

    async def _powered(
        self,
        target: Vm,
        verb: str,
        against: Against,
        params: Mapping[str, Any],
        doing: str,
        done: str,
        undo: str,
        *,
        off: bool = False,
    ) -> Plan:
        """A plan of one call below ``status``; ``off``: it does not run afterwards."""
        now, held = await self.ready(target, verb, against)
        step = self.step(
            target,
            now,
            Call("POST", self.path(now, "status", verb), params),
            against,
            doing=doing,
            done=done,
            undo=undo,
            settled=(lambda seen: not seen.runs) if off else None,
        )
        notes = [f"{target.id}: high availability does it, and may act some seconds later"] if off and now.ha else []
        return Plan(step, notes=notes, preconditions=held)


def _startable(now: FreshGuest) -> None:
    no_template(now)
    if now.status == "paused":
        todo = f"quarterdeck vm resume {now.id}"
        raise Refused("it is paused, and runs already", where=now.id, todo=todo)


def _resumable(now: FreshGuest) -> None:
    no_template(now)
    if now.status == "stopped":
        raise Refused("it is not frozen but stopped", where=now.id, todo=f"quarterdeck vm start {now.id}")


def _runs(what: str) -> Against:
    """It has to run, be it frozen."""

    def against(now: FreshGuest) -> None:
        no_template(now)
        if not now.runs:
            raise Refused(f"only a guest that runs can {what}, and it is {now.status}", where=now.id)

    return against


def _hears(what: str) -> Against:
    """It has to run, and its system has to hear what is asked of it."""
    runs = _runs(what)

    def against(now: FreshGuest) -> None:
        runs(now)
        if now.status == "paused":
            todo = f"quarterdeck vm resume {now.id}, or quarterdeck vm stop {now.id}"
            raise Refused(f"it is paused, and its system cannot hear that it is to {what}", where=now.id, todo=todo)

    return against


def _running(now: FreshGuest) -> None:
    _runs("be frozen")(now)
    if now.status == "paused":
        raise Refused("it is frozen already", where=now.id, todo=f"quarterdeck vm resume {now.id}")


def _no_container(target: Vm, what: str, instead: str) -> None:
    if target.type == "ct":
        raise Unsupported(f"a container has no {what}", where=target.id, todo=f"{instead} {target.id}")


def _check_time(timeout: int) -> None:
    if not 1 <= timeout <= LONGEST_S:
        what = f"{timeout} is no time to wait"
        raise ConfigurationError(what, where="--timeout", todo=f"give 1 to {LONGEST_S} seconds")
