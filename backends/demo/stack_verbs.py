"""Every verb of compose stacks, done to pretend ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app import column
from app.column import Cell, Column, Section
from app.plan import Plan, Risk, Step
from app.verb import Rows, Sections, Stream, Text
from backends.demo.container_verbs import Pretending
from backends.demo.pretending import doing, spoken, whose
from backends.demo.world import PretendContainer, today
from backends.kinds.stack import Service, Stack, StackVerbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One pretend entry of a stack's history."""

    number: int
    what: str
    images: str


Change = Callable[[PretendContainer], None]


class DemoStackVerbs(StackVerbs, Pretending):
    """The verbs of pretend stacks; those of a lower order come first."""

    def _each(
        self, targets: Sequence[Stack], words: str, change: Change, service: Sequence[str] = (), *, turn: bool = False
    ) -> list[Step]:
        """One step for each stack, lower orders first (or last)."""
        made: list[Step] = []
        before: list[Step] = []
        for order in sorted({target.order for target in targets}, reverse=turn):
            group = [self._one(t, words, change, service, before) for t in targets if t.order == order]
            made += group
            before = group
        return made

    def _one(self, target: Stack, words: str, change: Change, service: Sequence[str], before: Sequence[Step]) -> Step:
        said = " ".join(["docker compose", *(f"--profile {one}" for one in target.profiles), words, *service])

        def apply() -> None:
            for one in list(self.world.of(target.source, target.name)):
                if not service or one.template.service in service:
                    change(one)

        run = doing(self.world, apply, pieces=4)
        return Step(target, f"cd {target.dir}; {said}", run, name=target.id, behind=tuple(one.name for one in before))

    def _up(self, one: PretendContainer) -> None:
        if one.state != "running" or one.looping or one.health == "unhealthy":
            one.starts(self.clock())

    def _anew(self, one: PretendContainer) -> None:
        one.created_at = self.clock()
        one.starts(self.clock())

    async def status(self, target: Stack) -> Rows:
        """Show the pretend services."""
        columns: tuple[Column[Service], ...] = (
            Column("SERVICE", lambda s: column.text(s.name), 20),
            Column("STATE", lambda s: column.text(s.state), 12),
            Column("RUNNING", lambda s: Cell(f"{s.running}/{s.total}"), 8, "right"),
            Column("IMAGE", lambda s: column.text(s.image), 30, flex=True),
        )
        return Rows(columns, target.services)

    async def up(
        self, targets: Sequence[Stack], *, service: tuple[str, ...] = (), build: bool = False, health: bool = True
    ) -> Plan:
        """Pretend to start what is missing."""
        words = f"up -d{' --build' if build else ''}"
        return Plan(*self._each(targets, words, self._up, service))

    async def down(self, targets: Sequence[Stack], *, volumes: bool = False) -> Plan:
        """Pretend to stop and remove."""
        steps = self._each(targets, f"down{' --volumes' if volumes else ''}", lambda one: one.ends(), turn=True)
        lost = [f"the volumes of {target.id}" for target in targets] if volumes else []
        return Plan(*steps, risk=Risk.DESTROYS if volumes else None, loses=lost)

    async def stop(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Pretend to stop."""
        return Plan(*self._each(targets, "stop", lambda one: one.ends(), service, turn=True))

    async def restart(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Pretend to restart in place."""
        return Plan(*self._each(targets, "restart", lambda one: one.starts(self.clock()), service))

    async def recreate(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Pretend to make containers anew."""
        return Plan(*self._each(targets, "up -d --force-recreate", self._anew, service))

    async def pull(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Pretend to fetch newer images."""
        return Plan(*self._each(targets, "pull", lambda one: None, service))

    async def update(self, targets: Sequence[Stack], *, timeout: int = 120) -> Plan:
        """Pretend to pull, recreate and wait."""

        def change(one: PretendContainer) -> None:
            self._anew(one)
            self.world.updated[f"{one.machine.name}/{one.stack}"] = today()

        return Plan(*self._each(targets, "pull, up -d, healthy", change))

    async def rollback(self, targets: Sequence[Stack], *, to: int | None = None) -> Plan:
        """Pretend to go back."""
        return Plan(*self._each(targets, f"back to update {to or 'before the last'}", self._anew))

    async def history(self, target: Stack) -> Rows:
        """Show pretend updates."""
        images = ", ".join(service.image for service in target.services)
        items = tuple(Update(number=n, what="update", images=images) for n in (2, 1))
        columns: tuple[Column[Update], ...] = (
            Column("NO", lambda u: column.number(u.number), 4, "right"),
            Column("WHAT", lambda u: column.text(u.what), 10),
            Column("IMAGES", lambda u: column.text(u.images), 40, flex=True),
        )
        return Rows(columns, items)

    async def logs(
        self,
        targets: Sequence[Stack],
        *,
        service: tuple[str, ...] = (),
        follow: bool = False,
        lines: int = 200,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read pretend logs."""
        origins = [f"{t.id}/{s.name}" for t in targets for s in t.services if not service or s.name in service]
        read = spoken(origins, count=tail or lines, follow=follow, grep=grep, invert=invert)
        return Stream(read, whose([target.id for target in targets], "stacks"))

    async def config(self, target: Stack) -> Text:
        """Show a pretend configuration."""
        services = "".join(f"  {one.name}:\n    image: {one.image}\n" for one in target.services)
        return Text(f"name: {target.project}\nservices:\n{services}")

    async def details(self, target: Stack) -> Sections:
        """Show what pretend compose is."""
        return Sections((Section("Compose", (("version", Cell("v2.26.1 (pretend)")),)),))
