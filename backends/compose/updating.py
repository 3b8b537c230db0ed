"""``stack update``, ``rollback`` and ``history``: images as one unit, with what ran before kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app import column
from app.column import Cell, Column, Token, clean
from app.errors import ConfigurationError, Missing, QuarterdeckError
from app.plan import Plan, Report, Result
from app.verb import Rows
from backends.compose.base import Work
from backends.compose.health import HEALTHY_S
from backends.compose.history import Entry, History, Images, Ran
from backends.compose.images import changed, meant, put_back, ran
from backends.compose.program import Program
from backends.compose.starting import Commands, Perform, as_it_is
from backends.compose.stopping import Stopping
from backends.compose.unit import unit
from backends.docker.registry.accounts import Account
from backends.docker.registry.pulling import account_on
from backends.docker.registry.reference import parse
from backends.kinds.stack import Stack


class Updating(Stopping):
    """What changes the images of a stack."""

    def history_of(self, row: Stack) -> History:
        """Its recorded changes."""
        return History(self.context.state, row.id)

    async def update(self, targets: Sequence[Stack], *, timeout: int = 120) -> Plan:
        """Pull, recreate and wait until healthy, as one unit; goes back to the old images where that fails."""
        if timeout <= 0:
            raise ConfigurationError(f"{timeout} is no time", where="--timeout", todo="give seconds above 0")

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            chosen = self.chosen(row, ())
            commands = [("up", "-d", *chosen)]

            async def run(work: Work, report: Report) -> Result:
                async with unit(work) as own:
                    return await self._update(own, report, chosen, timeout)

            return lambda program: commands, run

        notes = [f"goes back to the images that run now where not all is well within {timeout} s"]
        return await self.planned(targets, "update", prepare, fetches=True, notes=notes)

    async def _update(self, work: Work, report: Report, chosen: Sequence[str], timeout: float) -> Result:
        before = await ran(work)
        names = await meant(work, chosen)
        try:
            await self.fetch(work, report, chosen)
        except (QuarterdeckError, asyncio.CancelledError):
            # Old containers run on; the names go back too, or the next ``up`` would make half an update of it.
            await asyncio.shield(asyncio.ensure_future(_names_back(work, names, report)))
            raise
        after = await meant(work, chosen)
        new = changed(before, after)
        replaced = {name: before[name] for name in new if name in before}
        if not new:
            done = await work.compose(report, ("up", "-d", *chosen))
            if done.exit_code:
                return done
            found = await self.well(work, report, chosen, done, timeout=timeout)
            return replace(found, message=f"nothing newer; {found.message}") if found.exit_code == 0 else found
        entry = await self._begin_entry(work.row, "update", before, after)
        try:
            done = await work.compose(report, ("up", "-d", *chosen))
            if done.exit_code == 0:
                done = await self.well(work, report, chosen, done, timeout=timeout)
        except asyncio.CancelledError:
            ended = self._end_entry(work.row, replace(entry, result="failed", why="cancelled"))
            await asyncio.shield(asyncio.ensure_future(ended))
            raise
        if done.exit_code == 0:
            now = await ran(work)
            await self._end_entry(work.row, replace(entry, result="done", after=now))
            said = f"{done.message}; new images: {', '.join(clean(one) for one in new)}"
            return Result(0, said, {**done.data, "changed": sorted(new), "history": entry.number})
        return await self._go_back(work, report, chosen, timeout, entry, replaced, done)

    async def _go_back(
        self,
        work: Work,
        report: Report,
        chosen: Sequence[str],
        timeout: float,
        entry: Entry,
        images: Images,
        failed: Result,
    ) -> Result:
        """The update failed: the old images again, and what became of that."""
        report.log(f"going back: {failed.message}")
        code, data = failed.exit_code or 1, dict(failed.data)
        try:
            await put_back(work, images, report, {})
            done = await work.compose(report, ("up", "-d", *as_it_is(work.program), *chosen))
            if done.exit_code == 0:
                done = await self.well(work, report, chosen, done, timeout=timeout)
        except QuarterdeckError as error:
            done = Result(1, str(error))
        why = failed.message
        if done.exit_code == 0:
            await self._end_entry(work.row, replace(entry, result="rolled back", why=why))
            words = f"{why}; it went back to the images it had, and is well"
        else:
            await self._end_entry(work.row, replace(entry, result="failed", why=why))
            words = f"{why}; going back to the images it had failed as well: {done.message}"
        return Result(code, words, {**data, "history": entry.number, "rolled_back": done.exit_code == 0})

    async def rollback(self, targets: Sequence[Stack], *, to: int | None = None) -> Plan:
        """Go back to the images that a recorded update had replaced."""
        if to is not None and len(targets) > 1:
            raise ConfigurationError("entries of one history are not those of another", where="--to", todo="name one")
        wanted = {row.id: await asyncio.to_thread(self._entry, row, to) for row in targets}

        def prepare(row: Stack) -> tuple[Commands, Perform]:
            entry = wanted[row.id]
            if isinstance(entry, QuarterdeckError):
                raise entry
            chosen = self.chosen(row, ())

            def commands(program: Program) -> Sequence[Sequence[str]]:
                return [("up", "-d", *as_it_is(program), *chosen)]

            async def run(work: Work, report: Report) -> Result:
                async with unit(work) as own:
                    return await self._rollback(own, report, chosen, entry)

            return commands, run

        notes: list[str] = []
        for row in targets:
            entry = wanted[row.id]
            if isinstance(entry, Entry):
                notes += [
                    f"{row.id}: {clean(name)}: {clean(one.image)} as {_short(one)}" for name, one in _images(entry)
                ]
        return await self.planned(targets, "rollback", prepare, notes=notes)

    def _entry(self, row: Stack, to: int | None) -> Entry | QuarterdeckError:
        """The entry to go back to; blocks for a small file."""
        try:
            every = self.history_of(row).entries()
        except QuarterdeckError as error:
            return error
        entries = [one for one in every if one.good]
        if to is not None:
            found = next((one for one in entries if one.number == to), None)
            there = ", ".join(str(one.number) for one in entries) or "none"
            return found or Missing(
                f"its history has no entry {to} to go back to", where=row.id, todo=f"there are: {there}"
            )
        if entries and every[-1].verb == "update" and every[-1].result in ("begun", "failed"):
            return entries[-1]  # it was cut off, or could not go back: what ran before it
        newest = entries[-1].after if entries else dict[str, Ran]()
        older = [one for one in entries[:-1] if changed(newest, one.after)]
        if not older:
            return Missing(
                "no older images are recorded", where=row.id, todo="only what 'stack update' replaced can come back"
            )
        return older[-1]

    async def _rollback(self, work: Work, report: Report, chosen: Sequence[str], entry: Entry) -> Result:
        for name, one in _images(entry):
            service = work.resolved.service(name)
            if service is not None and service.image and service.image != one.image:
                raise ConfigurationError(
                    f"service {clean(name)} is {clean(service.image)} now and was {clean(one.image)} then",
                    where=work.row.id,
                    todo="put the compose file back first",
                )
        before = await ran(work)
        accounts = await self._accounts(work, entry.after, report)
        wanted = {name: one for name, one in _images(entry) if work.resolved.service(name) is not None}
        names = await meant(work)
        begun = await self._begin_entry(work.row, "rollback", before, wanted)
        try:
            await put_back(work, wanted, report, accounts)
        except (QuarterdeckError, asyncio.CancelledError) as error:
            await asyncio.shield(asyncio.ensure_future(_names_back(work, names, report)))
            await self._end_entry(work.row, replace(begun, result="failed", why=str(error) or "cancelled"))
            raise
        done = await work.compose(report, ("up", "-d", *as_it_is(work.program), *chosen))
        if done.exit_code == 0:
            done = await self.well(work, report, chosen, done, timeout=HEALTHY_S)
        good = done.exit_code == 0
        now = await ran(work) if good else wanted
        result = "done" if good else "failed"
        await self._end_entry(work.row, replace(begun, result=result, after=now, why="" if good else done.message))
        words = f"{done.message}; back at entry {entry.number}" if good else done.message
        return Result(
            done.exit_code, words, {**done.data, "history": begun.number, "changed": sorted(changed(before, now))}
        )

    async def _accounts(self, work: Work, images: Images, report: Report) -> dict[str, Account | None]:
        registries = {parse(one.digest).registry for one in images.values() if one.digest}
        return {one: await account_on(self.context, work.row.source, one, report) for one in registries}

    async def _begin_entry(self, row: Stack, verb: str, before: Images, after: Images) -> Entry:
        """Write down what is about to change, and first of all what ran before anything was recorded."""
        history = self.history_of(row)

        def write() -> Entry:
            entries = history.entries()
            number = entries[-1].number + 1 if entries else 1
            last = next((one for one in reversed(entries) if one.good), None)
            if before and (last is None or changed(last.after, before)):
                history.add(Entry(number=number, at=time.time(), verb="found", result="done", after=before))
                number += 1
            entry = Entry(
                number=number,
                at=time.time(),
                verb="rollback" if verb == "rollback" else "update",
                result="begun",
                before=before,
                after=after,
            )
            history.add(entry)
            return entry

        return await asyncio.to_thread(write)

    async def _end_entry(self, row: Stack, entry: Entry) -> None:
        await asyncio.to_thread(self.history_of(row).add, entry)
        node = self.nodes.get(row.source)
        if node is not None:
            node.look_again()

    async def history(self, target: Stack) -> Rows:
        """Show the recorded updates with the digests of their images."""
        entries = await asyncio.to_thread(self.history_of(target).entries)
        rows = tuple(_shown(entry) for entry in reversed(entries))
        return Rows(HISTORY_COLUMNS, rows, note="" if rows else "nothing is recorded: 'stack update' does so")


async def _names_back(work: Work, names: Images, report: Report) -> None:
    """Let the names of images mean what they meant before, as far as possible."""
    now = await meant(work, names)
    try:
        await put_back(work, {name: names[name] for name in changed(names, now) if name in names}, report, {})
    except QuarterdeckError as error:
        report.log(f"names of images stay as they are now: {error}")


def _images(entry: Entry) -> list[tuple[str, Ran]]:
    return sorted(entry.after.items())


def _short(one: Ran) -> str:
    return clean(one.digest.rpartition("@")[2] or one.id)[:19]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One entry of a history as it is shown."""

    number: int
    at: float
    """Seconds since the epoch."""
    verb: str
    result: str
    images: str
    """Service=digest, blanks between."""
    why: str


def _shown(entry: Entry) -> HistoryRow:
    images = " ".join(f"{name}={one.digest or one.id}" for name, one in _images(entry))
    return HistoryRow(
        number=entry.number, at=entry.at, verb=entry.verb, result=entry.result, images=images, why=entry.why
    )


_TOKENS = {"done": Token.TEXT, "rolled back": Token.WARN, "failed": Token.CRIT, "begun": Token.WARN}

HISTORY_COLUMNS: tuple[Column[HistoryRow], ...] = (
    Column("#", lambda r: column.number(r.number), 4, "right", priority=0, help="what --to takes"),
    Column(
        "AT",
        lambda r: Cell(time.strftime("%Y-%m-%d %H:%M", time.localtime(r.at)), Token.TEXT, r.at),
        16,
        priority=1,
        help="when it began",
    ),
    Column("WHAT", lambda r: column.text(r.verb), 8, priority=1, help="update, rollback, or what ran before"),
    Column("RESULT", lambda r: Cell(r.result, _TOKENS.get(r.result, Token.TEXT)), 11, priority=0, help="how it ended"),
    Column("IMAGES", lambda r: column.text(r.images), 40, priority=2, flex=True, help="service and digest"),
    Column("WHY", lambda r: column.text(r.why), 24, priority=3, help="why it did not end well"),
)
