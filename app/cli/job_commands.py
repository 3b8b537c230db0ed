"""``quarterdeck job``: what a console or command line began and never saw the end of."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import ListsGlobals, Options

if TYPE_CHECKING:
    from app.column import Column
    from app.deck import Deck
    from app.rejoining import Loose


class _Job(ListsGlobals, click.Group):
    """``quarterdeck job``."""


@click.group("job", cls=_Job)
def job() -> None:
    """Operations in the witness whose outcomes have not all come: running elsewhere, or cut off.

    What the outside carries on with by itself, such as a task of a cluster, can be followed to its end.
    """


class _List(ListsGlobals):
    """``quarterdeck job list``."""


@job.command("list", cls=_List)
@click.pass_context
def list_jobs(context: click.Context) -> int:
    """Show what was begun and has no outcome yet, with the outside's own name for it, by which it can be followed."""
    options = context.ensure_object(Options)

    async def work() -> int:
        from app.cli.output import print_json, print_lines, table_lines, terminal_width

        items = [_item(loose) for loose in await _looked(options)]
        if options.json:
            print_json(items)
        elif items:
            print_lines(table_lines(_columns(items), items, color=options.color, width=terminal_width()))
        else:
            print_lines(["Nothing is open: everything that was begun has its outcome."])
        return 0

    from app.cli.running import run

    return run(work)


class _Follow(ListsGlobals):
    """``quarterdeck job follow``."""


@job.command("follow", cls=_Follow)
@click.argument("traces", nargs=-1, metavar="[TRACE]...")
@click.pass_context
def follow_jobs(context: click.Context, traces: tuple[str, ...]) -> int:
    """Follow to its end what was cut off here and goes on by itself, and write its outcome down; all without TRACE."""
    options = context.ensure_object(Options)

    async def work() -> int:
        from app.cli import exits
        from app.cli.act import report
        from app.cli.live import Live
        from app.cli.output import complain, print_json, remark
        from app.job import Job

        async with _loose_ends(options) as (deck, found):
            known = {loose.operation.first.trace for loose in found}
            for trace in traces:
                if trace not in known:
                    complain(f"nothing is open under the trace {trace}")
            wanted = [loose for loose in found if not traces or loose.operation.first.trace in traces]
            jobs: list[Job] = []
            for loose in wanted:
                taken = deck.take_up(loose)
                if taken is not None:
                    jobs.append(taken)
                else:
                    why = "another console is at work on it" if loose.known else "nobody knows how it stands"
                    complain(f"{loose.operation.first.trace} {loose.operation.first.verb}: {why}")
            live = None if options.json else Live([ref.id for job in jobs for ref in job.targets], color=options.color)
            for one in jobs if live is not None else ():
                one.listeners.append(live.changed if live is not None else lambda _: None)
            outcomes = [outcome for one in jobs for outcome in await one.start()]
            if live is not None:
                live.end()
        if options.json:
            print_json([outcome.as_json() for outcome in outcomes])
        elif outcomes:
            report(outcomes, options, live)
        else:
            remark("nothing to follow")
        missing = any(trace not in known for trace in traces)
        return exits.of_outcomes(outcomes, "normal") if outcomes else int(missing)

    from app.cli.running import run

    return run(work)


async def _looked(options: Options) -> list[Loose]:
    """What is open, and what the outside says of it; that is asked only where there is something to ask about."""
    from app.cli.output import complain
    from app.errors import ConfigurationError
    from app.paths import Paths
    from app.rejoining import Loose
    from app.witness import Witness

    witness = Witness(Paths.find().state_of(pretend=options.demo) / "witness")
    try:
        operations = await witness.open_operations()
    finally:
        await witness.close()
    if any(operation.handles() for operation in operations):
        try:
            async with _loose_ends(options) as (_, found):
                return found
        except ConfigurationError as error:
            complain(f"nobody can be asked how these stand: {error}")
    return [Loose(operation) for operation in operations]


@contextlib.asynccontextmanager
async def _loose_ends(options: Options) -> AsyncGenerator[tuple[Deck, list[Loose]]]:
    """A deck that watches nothing, and what is open with what the outside says of it."""
    from app.cli.act import closed
    from app.start import Start, open_deck

    deck = open_deck(Start(hosts=options.hosts, one_shot=True, rows_only=True, demo=options.pretend))
    try:
        yield deck, await deck.loose_ends()
    finally:
        await closed(deck)


def _item(loose: Loose) -> dict[str, Any]:
    operation = loose.operation
    first = operation.first
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(first.time)).total_seconds()
    except ValueError:
        age = None
    return {
        "id": first.trace,
        "verb": first.verb,
        "target": first.target,
        "operator": first.operator,
        "begun": first.time,
        "age_s": None if age is None else round(max(0.0, age), 3),
        "missing": operation.missing,
        "handles": operation.handles(),
        "now": loose.words or None,
        "why": first.why,
    }


def _columns(items: Sequence[Mapping[str, Any]]) -> list[Column[Any]]:
    """How it stands is a column where anybody knows that of any."""
    from app.column import Column, duration, text

    now: list[Column[Any]] = [Column("NOW", lambda item: text(item["now"]), 24, priority=1)]
    return [
        Column("TRACE", lambda item: text(item["id"]), 16, priority=0),
        Column("VERB", lambda item: text(item["verb"]), 14, priority=0),
        Column("TARGET", lambda item: text(item["target"]), 20, priority=1),
        Column("AGE", lambda item: duration(item["age_s"]), 6, "right", 1),
        *(now if any(item["now"] for item in items) else ()),
        Column("HANDLE", lambda item: text(", ".join(item["handles"])), 20, priority=2),
        Column("OPERATOR", lambda item: text(item["operator"]), 10, priority=4),
        Column("WHY", lambda item: text(item["why"]), 20, priority=3),
    ]
