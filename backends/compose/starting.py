"""``stack up``, ``restart``, ``recreate`` and ``pull``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from app.column import clean
from app.errors import ConfigurationError, Denied, QuarterdeckError
from app.plan import Plan, Proof, Report, Result, Step
from backends.compose.base import ComposeBase, Work, failed
from backends.compose.health import HEALTHY_S, containers_of, wait_well, wanted_of
from backends.compose.look import ComposeFailed
from backends.compose.order import in_order
from backends.compose.program import Program
from backends.compose.script import Where
from backends.docker.registry.pulling import account_on, image_id, pull
from backends.docker.registry.reference import parse
from backends.kinds.stack import Stack

FETCH = "POST /images/create?fromImage=<each image of its services>"
Commands = Callable[[Program], Sequence[Sequence[str]]]
"""The compose commands of a step, as the node's compose takes them."""
Perform = Callable[[Work, Report], Awaitable[Result]]


class Starting(ComposeBase):
    """What makes containers run."""

    async def up(
        self, targets: Sequence[Stack], *, service: tuple[str, ...] = (), build: bool = False, health: bool = True
    ) -> Plan:
        """Create and start what is missing; images that are not there are pulled."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            chosen = self.chosen(row, service)
            flags = ("--build",) if build else ()
            commands = [("up", "-d", *flags, *chosen)]

            async def run(work: Work, report: Report) -> Result:
                check_services(work, chosen)
                before = await running(work)
                await self.fetch(work, report, chosen, missing_only=True)
                done = await work.compose(report, *commands)
                if done.exit_code or not health:
                    return done
                return await self.well(work, report, chosen, done, steady=before)

            return lambda program: commands, run

        return await self.planned(targets, "up", prepare)

    async def restart(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Restart its containers in place; they and their logs stay."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            chosen = self.chosen(row, service)
            commands = [("restart", *chosen)]

            async def run(work: Work, report: Report) -> Result:
                done = await work.compose(report, *commands)
                if done.exit_code:
                    return done
                return await self.well(work, report, chosen, done)

            return lambda program: commands, run

        return await self.planned(targets, "restart", prepare, bare=True, look_first=False)

    async def recreate(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Make its containers anew from the configuration and the images that are there."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            chosen = self.chosen(row, service)
            alone = ("--no-deps",) if service else ()

            def commands(program: Program) -> Sequence[Sequence[str]]:
                return [("up", "-d", "--force-recreate", *as_it_is(program), *alone, *chosen)]

            async def run(work: Work, report: Report) -> Result:
                check_services(work, chosen)
                done = await work.compose(report, *commands(work.program))
                if done.exit_code:
                    return done
                return await self.well(work, report, chosen, done)

            return commands, run

        return await self.planned(targets, "recreate", prepare)

    async def pull(self, targets: Sequence[Stack], *, service: tuple[str, ...] = ()) -> Plan:
        """Fetch newer images; nothing that runs changes."""

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            chosen = self.chosen(row, service)
            commands: list[Sequence[str]] = [("config", *chosen)]

            async def run(work: Work, report: Report) -> Result:
                check_services(work, chosen)
                hidden = [name for name in chosen if work.resolved.service(name) is None]
                if hidden:  # behind a profile that is not named, or not there at all: compose knows
                    done = await work.compose(report, ("pull", *hidden))
                    if done.exit_code:
                        return done
                new = await self.fetch(work, report, chosen)
                if hidden and not new:
                    return Result(0, f"asked compose for {', '.join(hidden)}; nothing newer beside that")
                return Result(0, f"newer: {', '.join(map(clean, new))}" if new else "nothing newer", {"newer": new})

            return lambda program: commands, run

        return await self.planned(targets, "pull", prepare, fetches=True)

    # -- what they share

    async def planned(
        self,
        targets: Sequence[Stack],
        verb: str,
        prepare: Callable[[Stack], tuple[Commands, Perform]],
        *,
        bare: bool = False,
        look_first: bool = True,
        reverse: bool = False,
        fetches: bool = False,
        notes: Sequence[str] = (),
    ) -> Plan:
        """One plan over all targets. What is wrong with one of several is its own step's to tell.

        ``bare``: stacks that were found are worked on by their project's name alone, where compose can do that.
        ``fetches``: the engine fetches images before that.
        """
        alone = len(targets) == 1
        parts: list[tuple[Stack, Step]] = []
        proofs: list[Proof] = []
        for row in targets:
            try:
                parts.append((row, await self._step(row, verb, prepare, bare, look_first, fetches, alone=alone)))
                proofs += self.proofs(row, self.where_of(row))
            except QuarterdeckError as error:
                if alone:
                    raise
                parts.append((row, _refusing(row, verb, error)))
        return Plan(*in_order(parts, reverse=reverse), notes=notes, proofs=proofs)

    async def _step(
        self,
        row: Stack,
        verb: str,
        prepare: Callable[[Stack], tuple[Commands, Perform]],
        bare: bool,
        look_first: bool,
        fetches: bool,
        *,
        alone: bool,
    ) -> Step:
        where = self.where_of(row)
        commands, perform = prepare(row)
        program = await self.program_for(row, alone=alone)
        shown = _by_name(where, program) if bare else where

        async def run(report: Report) -> Result:
            now = await self.programs.of(self.context.links.of(row.source))
            place = _by_name(where, now) if bare else where
            try:
                work = await self.begin(row, place, verb, look_first=look_first)
                return await perform(work, report)
            except ComposeFailed as error:
                return failed(error)

        text = shown.shown(program, *commands(program))
        return Step(row, f"{FETCH}; {text}" if fetches else text, run)

    async def well(
        self,
        work: Work,
        report: Report,
        chosen: Collection[str],
        done: Result,
        *,
        steady: Collection[str] = (),
        timeout: float = HEALTHY_S,
    ) -> Result:
        """Wait for the health of what was started; the result of it all."""
        wanted, once = wanted_now(work, chosen)
        found = await wait_well(
            self.engines, work.row.source, work.project, wanted, report, once=once, steady=steady, timeout=timeout
        )
        if not found.ok:
            return Result(1, found.words, {**done.data, "unwell": list(found.waiting)})
        return Result(0, found.words, done.data)

    async def fetch(
        self, work: Work, report: Report, chosen: Collection[str] = (), *, missing_only: bool = False
    ) -> list[str]:
        """Fetch the images of services, layer by layer; returns the names that mean another image now.

        Images that are built, or never to be fetched, are compose's own business, and so are those whose registry
        does not let us in: compose may know a way.
        """
        names = dict.fromkeys(
            one.image for one in work.resolved.services if one.fetched and (not chosen or one.name in chosen)
        )
        new: list[str] = []
        for name in names:
            if missing_only and await image_id(work.engine, name) is not None:
                continue
            try:
                wanted = parse(name)
            except ConfigurationError:
                continue  # compose says what is wrong with it
            report.log(f"pulling {clean(name)}")
            account = await account_on(self.context, work.row.source, wanted.registry, report)
            try:
                fetched = await pull(work.engine, wanted, account, report)
            except Denied as error:
                if not missing_only:
                    raise
                report.log(str(error))
                continue
            if fetched.changed:
                new.append(name)
        return new


def as_it_is(program: Program) -> tuple[str, ...]:
    """Options of ``up`` that fetch and build nothing."""
    return ("--no-build", "--pull", "never") if program.version >= (2, 11) else ("--no-build",)


def check_services(work: Work, chosen: Collection[str]) -> None:
    """Raise ConfigurationError for a service that the configuration does not have.

    One behind a profile that is not enabled is not known here, and naming it enables it: compose decides on those.
    """
    if not work.resolved.services:
        raise ConfigurationError("its configuration has no services with these profiles", where=work.row.id)


async def running(work: Work) -> frozenset[str]:
    """The ids of its containers that run now."""
    return frozenset(one.id for one in await containers_of(work.engine, work.project) if one.state == "running")


def wanted_now(work: Work, chosen: Collection[str]) -> tuple[dict[str, int], frozenset[str]]:
    """(service -> containers, those that are to end) to be waited for."""
    if work.configured is None:  # by its project's name alone: what its containers' labels told
        services = {one.name: one.total for one in work.row.services if not chosen or one.name in chosen}
        return services, frozenset(one.name for one in work.row.services if one.state == "exited")
    wanted = wanted_of(work.configured, chosen)
    for name in chosen:
        wanted.setdefault(name, 1)
    return wanted, frozenset(one.name for one in work.configured.services if one.once)


def _by_name(where: Where, program: Program) -> Where:
    return replace(where, bare=True) if where.found and program.v2 else where


def _refusing(row: Stack, verb: str, error: QuarterdeckError) -> Step:
    """The step of a target for which nothing could be planned: it says why."""

    async def run(report: Report) -> Result:
        raise error

    return Step(row, f"stack {verb} {row.id}", run)
