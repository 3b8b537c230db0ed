"""``node ping``, ``node reboot`` and ``node shutdown``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.errors import ConfigurationError, Denied, QuarterdeckError, Unreachable, Unsupported
from app.plan import Plan, Proof, Report, Result, Step
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S, tail
from backends.node_verbs.behind import cut_off
from backends.node_verbs.exec import ExecVerbs
from backends.node_verbs.privilege import Privilege

BOOT = "cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.boottime 2>/dev/null"
"""Prints what differs from one start of the machine to the next."""
_SYSTEMD = "[ -d /run/systemd/system ] && echo systemd; command -v {word} || true"
BACK_WITHIN_S = 600.0
GONE_WITHIN_S = 120.0
LOOK_EVERY_S = 2.0
_TELL_EVERY_S = 15.0
_MOST_PINGS = 1000
_PAUSE_S = 0.2


class PowerVerbs(ExecVerbs):
    """Whether a machine is there, and making it not be."""

    async def ping(self, target: Node, *, count: int = 3) -> Plan:
        """Measure the time an answer takes, without changing anything: an empty command over the connection."""
        link = self.link_of(target)

        async def once() -> float:
            await link.open()
            begun = time.perf_counter()
            await link.run(":", timeout=QUICK_S)
            return 1000 * (time.perf_counter() - begun)

        return ping_plan(target, ":", count, once)

    async def reboot(self, target: Node) -> Plan:
        """Restart the machine and wait until it is back."""
        privilege = await self.root_on(target)
        line = privilege.argv(await self._power_command(target, "reboot"))
        if target.transport == "local":
            return self._local(target, privilege, line, "restarts")
        before = (await self.link_of(target).run(BOOT, timeout=QUICK_S)).text.strip()

        async def run(report: Report) -> Result:
            result = await self._send(target, privilege, line, report)
            if result.exit_code or not report.wait:
                return result
            return await self._back(target, before, report)

        cut = cut_off(target.name, self.context.inventory().nodes.values())
        return Plan(Step(target, line, run), loses=cut, notes=privilege.notes)

    async def shutdown(self, target: Node) -> Plan:
        """Switch the machine off; it needs a hand, or wake-on-LAN, to come back."""
        privilege = await self.root_on(target)
        line = privilege.argv(await self._power_command(target, "poweroff"))
        if target.transport == "local":
            return self._local(target, privilege, line, "switches itself off")

        async def run(report: Report) -> Result:
            result = await self._send(target, privilege, line, report)
            if result.exit_code or not report.wait:
                return result
            return await self._gone(target, report)

        cut = cut_off(target.name, self.context.inventory().nodes.values())
        return Plan(Step(target, line, run), loses=cut, notes=privilege.notes)

    def _local(self, target: Node, privilege: Privilege, line: str, does: str) -> Plan:
        async def run(report: Report) -> Result:
            result = await self._send(target, privilege, line, report)
            return result if result.exit_code else Result(0, f"this machine {does} now")

        cut = cut_off(target.name, self.context.inventory().nodes.values())
        return Plan(Step(target, line, run), loses=["this console, which runs there", *cut], notes=privilege.notes)

    async def _power_command(self, node: Node, word: str) -> list[str]:
        said = (await self.link_of(node).run(_SYSTEMD.format(word=word), timeout=QUICK_S)).text.split()
        if not said:
            raise Unsupported(f"there is no command '{word}' on the node", where=node.name)
        return ["systemctl", word] if said[0] == "systemd" else [word]

    async def _send(self, node: Node, privilege: Privilege, line: str, report: Report) -> Result:
        """Give the command; a connection that ends meanwhile is what was wanted."""
        await self.link_of(node).open()  # a node that was gone before is no success
        await self.password_for(node, privilege, report)
        try:
            return await self.perform_as(node, privilege, line, report, timeout=60.0)
        except Denied:
            raise
        except Unreachable:
            return Result(0, "the connection ended")

    async def _back(self, node: Node, before: str, report: Report) -> Result:
        link = self.link_of(node)
        gone = False

        async def looks() -> bool:
            nonlocal gone
            try:
                await link.open()
                now = (await link.run(BOOT, timeout=5.0)).text.strip()
            except Unreachable:
                gone = True
                return False
            return now != before if before and now else gone

        seconds = await _until(looks, BACK_WITHIN_S, report, "waiting for it to come back")
        if seconds is None:
            what = "it did not answer again" if gone else "it still runs as before"
            return Result(1, f"{what} within {BACK_WITHIN_S / 60:.0f} minutes")
        return Result(0, f"back after {seconds:.0f} s", {"back_after_s": round(seconds, 1)})

    async def _gone(self, node: Node, report: Report) -> Result:
        link = self.link_of(node)

        async def looks() -> bool:
            try:
                await link.open()
                await link.run(":", timeout=5.0)
            except Unreachable:
                return True
            return False

        seconds = await _until(looks, GONE_WITHIN_S, report, "waiting for it to stop answering")
        if seconds is None:
            return Result(1, f"it still answers after {GONE_WITHIN_S:.0f} s")
        return Result(0, f"it stopped answering after {seconds:.0f} s")


async def _until(looks: Callable[[], Awaitable[bool]], within_s: float, report: Report, what: str) -> float | None:
    """Seconds until ``looks`` was true, or ``None`` when it was not in time; says now and then that it waits."""
    begun = told = time.monotonic()
    report.log(what)
    while (now := time.monotonic()) < begun + within_s:
        try:
            async with asyncio.timeout(within_s):
                if await looks():
                    return time.monotonic() - begun
        except TimeoutError:
            return None
        if now - told >= _TELL_EVERY_S:
            told = now
            report.log(f"{what}: {now - begun:.0f} s")
        await asyncio.sleep(LOOK_EVERY_S)
    return None


def ping_plan(target: Node, what: str, count: int, once: Callable[[], Awaitable[float]]) -> Plan:
    """A plan that measures ``count`` times; ``once`` returns milliseconds or raises."""
    if not 1 <= count <= _MOST_PINGS:
        raise ConfigurationError(f"{count} is no count", where="--count", todo=f"give 1 to {_MOST_PINGS}")

    async def run(report: Report) -> Result:
        times: list[float] = []
        fault = ""
        for number in range(count):
            if number:
                await asyncio.sleep(_PAUSE_S)
            try:
                times.append(await once())
                report.log(f"answer {number + 1}: {times[-1]:.1f} ms")
            except QuarterdeckError as error:
                fault = tail(str(error))
                report.log(f"no answer {number + 1}: {fault}")
            report.progress(number + 1, count, "")
        return _summary(count, times, fault)

    async def look() -> str:
        return f"{await once():.1f} ms"

    step = Step(target, f"{what}, {count} time{'s' if count > 1 else ''}", run)
    return Plan(step, proofs=[Proof(target, f"{target.name} answers", look)])


def _summary(count: int, times: list[float], fault: str) -> Result:
    data: dict[str, float | int | None] = {"sent": count, "received": len(times)}
    if not times:
        return Result(1, f"0/{count} answered: {fault}", {**data, "min_ms": None, "avg_ms": None, "max_ms": None})
    least, mean, most = min(times), sum(times) / len(times), max(times)
    data |= {"min_ms": round(least, 3), "avg_ms": round(mean, 3), "max_ms": round(most, 3)}
    message = f"{len(times)}/{count}, {least:.1f}/{mean:.1f}/{most:.1f} ms"
    return Result(0 if len(times) == count else 1, f"{message}; {fault}" if fault else message, data)
