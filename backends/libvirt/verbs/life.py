"""From running to stopped and back: start, shutdown, stop, reboot, reset, suspend, resume."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

from app.errors import QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.session import Session
from backends.libvirt.verbs.base import (
    COPY_S,
    OnGuests,
    check_time,
    hears,
    holds,
    lane,
    no_template,
    nothing,
    running,
    typed,
)

LOOK_EVERY_S = 1.0
"""Between two looks whether a system has shut down."""
_REBOOTED = re.compile(r"event '(reboot|lifecycle)' for domain '(.*)'(?:: (\w+).*)?")


class LifeVerbs(OnGuests):
    """Switches, buttons and the sleep between."""

    async def start(self, target: Vm) -> Plan:
        """Start it; one whose memory was saved to disk goes on where it was."""
        now = await self.fresh(target)
        no_template(target, now)
        if now.state == "running":
            return nothing(target, "is running already")
        if now.runs:
            raise Refused(
                f"it is {now.words}, and runs already", where=target.id, todo=f"quarterdeck vm resume {typed(target)}"
            )
        done = "goes on where it was" if now.saved else "started"
        step = self.step(target, "start", now.uuid, done=done, within=COPY_S if now.saved else 120.0, undo="shutdown")
        return Plan(step, preconditions=[holds(now, "it does not run yet")])

    async def shutdown(self, target: Vm, *, timeout: int = 60, force: bool = False) -> Plan:
        """Ask its system to shut down, and with ``force`` pull its plug when the time is over."""
        check_time(timeout)
        now = await self.fresh(target)
        if not now.runs:
            return nothing(target, f"is {now.words} already")
        hears(target, now, "shut down")

        async def wait(report: Report) -> Result:
            seconds = await self._off(target, timeout, report)
            if seconds is not None:
                return Result(0, f"shut down after {seconds:.0f} s")
            said = f"it still runs {timeout} s after it was asked"
            if force:
                return Result(0, said)
            return Result(1, f"{said}; pull its plug with: quarterdeck vm stop {typed(target)}")

        steps = [
            self.step(target, "shutdown", now.uuid, done="asked to shut down", name="ask", undo="start", then=wait)
        ]
        if force:
            steps.append(self._plug_if_on(target, now.uuid, timeout))
        return Plan(*steps, preconditions=[holds(now, "it runs")])

    def _plug_if_on(self, target: Vm, uuid: str, timeout: int) -> Step:
        line = self.line(target.source, "destroy", uuid)

        async def run(report: Report) -> Result:
            if not report.wait or not (await self.fresh(target)).runs:
                return Result(0, "it shut down by itself" if report.wait else "not waited for")
            result = await self.act(target, line, report)
            return result if result.exit_code else Result(0, f"its plug was pulled after {timeout} s")

        return Step(target, f"{line}   # if it still runs after {timeout} s", run, after=("ask",), lane=lane(target))

    async def _off(self, target: Vm, timeout: int, report: Report) -> float | None:
        """Seconds until it was off, or ``None`` when it was not in time."""
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < timeout:
            report.progress(spent, timeout, "s")
            said = await self.answer(target.source, f"domstate {target.key}", target.id)
            if said.strip() in ("shut off", "crashed"):
                return time.monotonic() - begun
            await asyncio.sleep(min(LOOK_EVERY_S, max(0.1, timeout - spent)))
        return None

    async def stop(self, target: Vm) -> Plan:
        """Pull its plug."""
        now = await self.fresh(target)
        if not now.runs:
            return nothing(target, f"is {now.words} already")
        step = self.step(target, "destroy", now.uuid, done="stopped", undo="start")
        loses = [] if now.persistent else [f"{target.id} itself: it is transient, and goes when it stops"]
        return Plan(step, loses=loses, preconditions=[holds(now, "it runs")])

    async def reboot(self, target: Vm, *, timeout: int = 60) -> Plan:
        """Ask its system to restart, and wait until it does."""
        check_time(timeout)
        now = await self.fresh(target)
        no_template(target, now)
        hears(target, now, "restart")
        line = self.line(target.source, "reboot", now.uuid)

        async def run(report: Report) -> Result:
            if not report.wait:
                result = await self.act(target, line, report)
                return result if result.exit_code else Result(0, "asked to restart")
            return await self._restarted(target, now.name, timeout, report, lambda: self.act(target, line, report))

        note = f"{target.id}: changes of its definition take effect when it was off, not by this"
        return Plan(Step(target, line, run, lane=lane(target)), notes=[note], preconditions=[holds(now, "it runs")])

    async def _restarted(
        self, target: Vm, name: str, timeout: int, report: Report, ask: Callable[[], Awaitable[Result]]
    ) -> Result:
        """Ask, with an ear at what libvirt tells: nothing else shows that a system has restarted."""
        restarted = asyncio.Event()

        def heard(letter: str, text: str) -> None:
            event = _REBOOTED.fullmatch(text) if letter == "!" else None
            if event is not None and event[2] == name and (event[1] == "reboot" or event[3] == "Started"):
                restarted.set()

        try:
            session = await Session.open(self.link_at(target.source), self.uri_at(target.source), heard)
        except QuarterdeckError:  # no channel is free for long
            result = await ask()
            return result if result.exit_code else Result(0, "asked to restart")
        try:
            await session.ask("uri")
            result = await ask()
            if result.exit_code:
                return result
            begun = time.monotonic()
            report.log("waiting for its system to restart")
            try:
                async with asyncio.timeout(timeout):
                    await restarted.wait()
            except TimeoutError:
                said = f"it was asked, and has not restarted within {timeout} s"
                return Result(1, f"{said}; press its button with: quarterdeck vm reset {typed(target)}")
            return Result(0, f"restarted after {time.monotonic() - begun:.0f} s")
        finally:
            await session.close()

    async def reset(self, target: Vm) -> Plan:
        """Press its reset button."""
        now = await self.fresh(target)
        running(target, now, "be reset")
        return Plan(self.step(target, "reset", now.uuid, done="reset"), preconditions=[holds(now, "it runs")])

    async def suspend(self, target: Vm, *, disk: bool = False) -> Plan:
        """Freeze it where it is; with ``disk`` its memory is written down and it is stopped."""
        now = await self.fresh(target)
        if disk:
            if now.saved:
                return nothing(target, "is saved to disk already")
            running(target, now, "be saved")
            step = self.step(
                target,
                "managedsave",
                now.uuid,
                done="its memory is on disk, and it is off",
                within=COPY_S,
                undo="resume",
            )
            return Plan(step, preconditions=[holds(now, "it runs")])
        if now.state == "paused":
            return nothing(target, "is paused already")
        hears(target, now, "pause")
        step = self.step(target, "suspend", now.uuid, done="frozen", undo="resume")
        return Plan(step, preconditions=[holds(now, "it runs")])

    async def resume(self, target: Vm) -> Plan:
        """Let it go on where it was frozen."""
        now = await self.fresh(target)
        if now.state == "running":
            return nothing(target, "is running already")
        if now.state == "stopped":
            raise Refused("it is not frozen but stopped", where=target.id, todo=f"quarterdeck vm start {typed(target)}")
        word = "start" if now.saved else "resume" if now.state == "paused" else "dompmwakeup"
        step = self.step(target, word, now.uuid, done="goes on", within=COPY_S, undo="suspend")
        return Plan(step, preconditions=[holds(now, "it is frozen")])
