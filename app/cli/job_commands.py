"""``quarterdeck job``: what a console or command line began and never saw the end of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import ListsGlobals, Options

if TYPE_CHECKING:
    from app.column import Column
    from app.witness import Operation


class _Job(ListsGlobals, click.Group):
    """``quarterdeck job``."""


@click.group("job", cls=_Job)
def job() -> None:
    """Operations in the witness whose outcomes have not all come: running elsewhere, or cut off."""


class _List(ListsGlobals):
    """``quarterdeck job list``."""


@job.command("list", cls=_List)
@click.pass_context
def list_jobs(context: click.Context) -> int:
    """Show what was begun and has no outcome yet, with the outside's own name for it, by which it can be followed."""
    options = context.ensure_object(Options)

    async def work() -> int:
        from app.cli.output import print_json, print_lines, table_lines, terminal_width
        from app.paths import Paths
        from app.witness import Witness

        witness = Witness(Paths.find().state_of(pretend=options.demo) / "witness")
        try:
            items = [_item(operation) for operation in await witness.open_operations()]
        finally:
            await witness.close()
        if options.json:
            print_json(items)
        elif items:
            print_lines(table_lines(_columns(), items, color=options.color, width=terminal_width()))
        else:
            print_lines(["Nothing is open: everything that was begun has its outcome."])
        return 0

    from app.cli.running import run

    return run(work)


def _item(operation: Operation) -> dict[str, Any]:
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
        "why": first.why,
    }


def _columns() -> list[Column[Any]]:
    from app.column import Column, duration, text

    return [
        Column("TRACE", lambda item: text(item["id"]), 16, priority=0),
        Column("VERB", lambda item: text(item["verb"]), 14, priority=0),
        Column("TARGET", lambda item: text(item["target"]), 20, priority=1),
        Column("AGE", lambda item: duration(item["age_s"]), 6, "right", 1),
        Column("HANDLE", lambda item: text(", ".join(item["handles"])), 20, priority=2),
        Column("OPERATOR", lambda item: text(item["operator"]), 10, priority=4),
        Column("WHY", lambda item: text(item["why"]), 20, priority=3),
    ]
