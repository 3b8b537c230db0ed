"""``console``: a guest's serial terminal on the operator's own."""

from __future__ import annotations

from app.errors import Unsupported
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.verbs.base import OnGuests, hears, holds


class ConsoleVerb(OnGuests):
    """The terminal is given to ``virsh console``, which ends with ctrl-] or with the guest."""

    async def console(self, target: Vm) -> Plan:
        """Open its serial terminal here; ctrl-] leaves it."""
        now = await self.fresh(target)
        hears(target, now, "talk")
        if not now.definition.serial:
            raise Unsupported(
                "it has no serial terminal",
                where=target.id,
                todo="add <console type='pty'/> to its definition (virsh edit) and start it anew",
            )
        words = ["virsh", "-c", self.uri_at(target.source), "console", now.uuid]

        async def run(report: Report) -> Result:
            link = self.link_at(target.source)
            await link.open()  # the way that is in use is the way ssh takes
            code = await report.terminal(link.shell_argv(words))
            if code:
                return Result(code, f"the terminal ended with {code}")
            return Result(0, "left its terminal")

        notes = ["ctrl-] leaves it; whoever else has it open keeps you out"]
        line = self.line(target.source, "console", now.uuid)
        return Plan(Step(target, line, run), notes=notes, preconditions=[holds(now, "it runs")])
