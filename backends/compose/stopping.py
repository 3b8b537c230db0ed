"""``stack stop`` and ``down``."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import clean
from app.errors import QuarterdeckError
from app.plan import Plan, Report, Result, Risk
from backends.compose.base import Work
from backends.compose.rows import PROJECT
from backends.compose.starting import Commands, Perform, Starting
from backends.kinds.stack import Stack


class Stopping(Starting):
    """What makes containers end; in the reverse of the order they were started in."""

    async def stop(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Stop its containers and keep them."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            commands = [("stop", *self.chosen(row, service))]
            return lambda program: commands, lambda work, report: work.compose(report, *commands)

        return await self.planned(targets, "stop", prepare, bare=True, look_first=False, reverse=True)

    async def down(self, targets: Sequence[Stack], *, volumes: bool = False) -> Plan:
        """Stop and remove its containers and networks."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            commands = [("down", "--volumes")] if volumes else [("down",)]

            async def run(work: Work, report: Report) -> Result:
                done = await work.compose(report, *commands)
                left = await self._left(work) if done.exit_code == 0 else []
                if left:  # compose says nothing of containers of services that it was not told of
                    words = f"still there: {', '.join(left)}; their profiles were not named"
                    return Result(1, words, {**done.data, "left": left})
                return done

            return lambda program: commands, run

        plan = await self.planned(targets, "down", prepare, bare=True, look_first=False, reverse=True)
        if not volumes:
            return plan
        loses, notes = self._lost(targets)
        return Plan(*plan.steps, loses=loses, notes=[*plan.notes, *notes], risk=Risk.DESTROYS, proofs=plan.proofs)

    async def _left(self, work: Work) -> list[str]:
        from backends.compose.health import containers_of

        return [clean(one.name) for one in await containers_of(work.engine, work.project)]

    def _lost(self, targets: Sequence[Stack]) -> tuple[list[str], list[str]]:
        """(the volumes that will be gone, what is not known of them)."""
        loses: list[str] = []
        notes: list[str] = []
        for row in targets:
            try:
                seen = self.engines.of(row.source).seen
            except QuarterdeckError:
                seen = None
            if seen is None or row.project is None:
                notes.append(f"{row.id}: which volumes it has is not known, because its engine does not answer")
                continue
            named = [one.name for one in seen.volumes if one.labels.get(PROJECT) == row.project]
            loses += [f"volume {clean(name)} on {row.source}, with its data" for name in named]
            if not named:
                notes.append(f"{row.id}: it has no named volumes")
        return loses, notes
