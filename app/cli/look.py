"""Reading from the command line: ``list`` and ``show`` of a kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.cli import exits
from app.cli.act import closed, patience
from app.cli.front import CommandLine
from app.cli.options import Options
from app.cli.output import complain, painted, print_json, print_lines, table_lines, terminal_width
from app.cli.running import run
from app.cli.section_text import section_json, section_lines
from app.cli.targets import asked_for, choose, unasked, wanted
from app.column import Cell, Column, Section, Token, clean, duration
from app.deck import Deck
from app.errors import ConfigurationError, HostKeyError, QuarterdeckError
from app.fleet import Mood, Resource
from app.kind import AnyKind
from app.registry import Part
from app.start import Start, open_deck
from app.verb import Sections

Told = Callable[[Deck], Awaitable[int]]


def looking(options: Options, kind: AnyKind, parts: Sequence[Part], tell: Told, *, rows_only: bool = False) -> int:
    """Open a deck for reading one kind, run ``tell`` on it, close it."""

    async def work() -> int:
        start = Start(
            hosts=options.hosts,
            read_only=options.read_only,
            one_shot=True,
            rows_only=rows_only,
            demo=options.pretend,
            only=(kind.noun,),
        )
        deck = open_deck(start, parts=parts)
        deck.front = CommandLine(options)
        try:
            return await tell(deck)
        finally:
            await closed(deck)

    return run(work)


def list_kind(
    options: Options, kind: AnyKind, parts: Sequence[Part], words: Sequence[str], *, wide: bool, faults: bool
) -> int:
    """Print the resources that match; exit 3 where something could not be read because of us."""

    async def tell(deck: Deck) -> int:
        rows, errors = await _first(deck, options, kind, words)
        if faults:
            rows = [row for row in rows if kind.mood(row) not in (Mood.UP, Mood.MUTED)]
        if options.json:
            print_json((resource_json(deck, kind, row) for row in rows), errors)
        else:
            columns = [*kind.columns, *_age_column(deck, kind, rows)]
            rows = [_faulted(deck, row) for row in rows]
            lines = table_lines(columns, rows, color=options.color, wide=wide, width=terminal_width())
            some_unread = bool(errors or deck.feed.silent())
            narrowed = bool(words or options.on or faults)
            print_lines(lines if rows else [] if narrowed or some_unread else kind.empty)
            _complain(errors)
        return exits.PARTLY if errors else exits.DONE

    return looking(options, kind, parts, tell)


def show_kind(options: Options, kind: AnyKind, parts: Sequence[Part], words: Sequence[str]) -> int:
    """Print everything known about the resources that match."""

    async def tell(deck: Deck) -> int:
        rows, errors = await _first(deck, options, kind, words)
        details = await _details(deck, options, kind, rows)
        errors += [
            {"source": row.source, "id": row.id, "fault": str(found)}
            for row, found in zip(rows, details, strict=True)
            if isinstance(found, (ConfigurationError, HostKeyError))
        ]
        if options.json:
            items = [resource_json(deck, kind, row) for row in rows]
            for item, found in zip(items, details, strict=True):
                item |= _details_json(found)
            print_json(items, errors)
        else:
            for number, (row, found) in enumerate(zip(rows, details, strict=True)):
                print_lines([""] if number else [])
                print_lines(_shown(kind, _faulted(deck, row), found, color=options.color))
            _complain(errors)
        return exits.PARTLY if errors else exits.DONE

    return looking(options, kind, parts, tell)


async def _first(
    deck: Deck, options: Options, kind: AnyKind, words: Sequence[str]
) -> tuple[list[Resource], list[dict[str, Any]]]:
    """The resources that match, once their sources have told something, and what could not be read because of us."""
    deck.context.visible = asked_for(deck, kind, words)
    deck.feed.configure(deck.inventory, wanted(kind, deck.inventory, words, options.on))
    limit = patience(deck)
    late = await deck.feed.first(limit)
    for one in late:
        fault = f"no answer within {limit:.0f} s"
        deck.feed.failed(one, fault, ours=False)
    await deck.feed.first(0)
    for one in late if kind.by_source else deck.feed.silent():  # it may have no row to say so
        complain(f"{one.source.name}: {one.fault}")
    errors: list[dict[str, Any]] = [
        {"source": one.source.name, "backend": one.source.backend, "fault": one.fault} for one in deck.feed.faults()
    ]
    errors += [
        {"source": entry.name, "backend": "hosts.yaml", "fault": entry.fault}
        for entry in unasked(deck, kind, words, options.on)
    ]
    try:
        return choose(deck, kind, words, options.on, acting=False), errors
    except ConfigurationError:
        if not errors:
            raise
        return [], errors


def _faulted(deck: Deck, row: Resource) -> Resource:
    """The row with what was wrong with its reading, where it says nothing of its own."""
    reading = deck.feed.fleet.reading_of(row.ref)
    if row.fault is not None or reading is None or reading.fault is None:
        return row
    return replace(row, fault=reading.fault)


def _complain(errors: Sequence[Mapping[str, Any]]) -> None:
    for error in errors:
        complain(f"{error['source']}: {error['fault']}")


def age_of(deck: Deck, row: Resource) -> float | None:
    """Seconds since the row was read; ``None`` while nothing has been."""
    reading = deck.feed.fleet.reading_of(row.ref)
    if reading is None or reading.waiting or (row.state == "unknown" and reading.fault is not None):
        return None
    return max(0.0, deck.context.clock() - reading.taken_at)


def resource_json(deck: Deck, kind: AnyKind, row: Resource) -> dict[str, Any]:
    """A resource as JSON: id, name, source, state, age, fault, then its figures; unknown is ``None``."""
    reading = deck.feed.fleet.reading_of(row.ref)
    age = age_of(deck, row)
    said = {
        "id": row.id,
        "name": row.name,
        "source": row.source,
        "state": row.state,
        "age_s": None if age is None else round(age, 3),
        "fault": row.fault or (reading.fault if reading else None),
    }
    figures = kind.json(row)
    return {**said, **{name: value for name, value in figures.items() if name not in said}}


def _age_column(deck: Deck, kind: AnyKind, rows: Sequence[Resource]) -> list[Column[Any]]:
    """The age of each row, where any is so old that it matters."""
    title = "SEEN" if any(column.title == "AGE" for column in kind.columns) else "AGE"

    def old(row: Resource) -> float | None:
        reading, age = deck.feed.fleet.reading_of(row.ref), age_of(deck, row)
        return age if reading is not None and age is not None and age > 2 * reading.interval else None

    if all(old(row) is None for row in rows):
        return []
    return [Column(title, lambda row: Cell("") if old(row) is None else duration(old(row)), 6, "right", 1)]


DETAILS_WITHIN = 30.0
"""Seconds for the rest of what is known about one resource."""

Details = Sections | QuarterdeckError | None
"""What asking gave; ``None`` where there is nothing to ask."""


async def _details(deck: Deck, options: Options, kind: AnyKind, rows: Sequence[Resource]) -> list[Details]:
    """What has to be asked for, of each row whose source answers and whose backend can tell more."""
    verb = deck.catalog.find(kind.noun, kind.details) if kind.details else None
    room = asyncio.Semaphore(options.parallel)
    limit = options.wait_timeout or DETAILS_WITHIN

    async def one(row: Resource) -> Details:
        reading = deck.feed.fleet.reading_of(row.ref)
        if verb is None or verb not in deck.offered(row) or reading is None or reading.fault:
            return None
        async with room:
            try:
                async with asyncio.timeout(limit):
                    found = await deck.look(verb, row, {})
            except QuarterdeckError as error:
                return error
            except TimeoutError:
                return QuarterdeckError(f"no answer within {limit:g} s")
        return found if isinstance(found, Sections) else None

    return await asyncio.gather(*(one(row) for row in rows))


def _details_json(found: Details) -> dict[str, Any]:
    if found is None:
        return {}
    if isinstance(found, QuarterdeckError):
        return {"details": None, "details_fault": str(found)}
    return {"details": [section_json(section) for section in found.sections]}


def _shown(kind: AnyKind, row: Resource, found: Details, *, color: bool) -> list[str]:
    """A describe screen as text; the columns where a kind describes itself no further."""
    sections = list(kind.describe(row))
    if not sections:
        cells = [(column.title, column.cell(row)) for column in kind.columns if column.spark is None]
        sections = [Section("", tuple((title, cell) for title, cell in cells if title))]
    if isinstance(found, Sections):
        sections += found.sections
    lines = [painted(clean(row.id), Token.TITLE, color=color), *section_lines(sections, color=color)]
    if isinstance(found, QuarterdeckError):
        lines += ["", painted(f"The rest cannot be read: {clean(str(found))}", Token.WARN, color=color)]
    return lines
