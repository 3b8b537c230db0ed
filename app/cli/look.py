"""Reading from the command line: ``list``, ``show`` and the views of a kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.cli import exits
from app.cli.act import closed, patience
from app.cli.front import CommandLine
from app.cli.options import Options
from app.cli.output import JsonResult, complain, painted, print_json, print_lines, table_lines, terminal_width
from app.cli.running import interrupts, run
from app.cli.targets import choose, wanted
from app.column import Cell, Column, Section, Token, clean, duration
from app.deck import Deck
from app.errors import ConfigurationError, QuarterdeckError
from app.fleet import Mood, Resource
from app.kind import AnyKind
from app.registry import Part
from app.start import Start, open_deck
from app.verb import Line, Rows, Stream, Text, Verb, View, jsonable

Told = Callable[[Deck], Awaitable[int]]


def _looking(options: Options, kind: AnyKind, parts: Sequence[Part], tell: Told, *, rows_only: bool = False) -> int:
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
            columns = [*kind.columns, *_age_column(deck, rows)]
            rows = [_faulted(deck, row) for row in rows]
            lines = table_lines(columns, rows, color=options.color, wide=wide, width=terminal_width())
            print_lines(lines if rows else [] if words or options.on or faults else kind.empty)
            _complain(errors)
        return exits.PARTLY if errors else exits.DONE

    return _looking(options, kind, parts, tell)


def show_kind(options: Options, kind: AnyKind, parts: Sequence[Part], words: Sequence[str]) -> int:
    """Print everything known about the resources that match."""

    async def tell(deck: Deck) -> int:
        rows, errors = await _first(deck, options, kind, words)
        if options.json:
            print_json((resource_json(deck, kind, row) for row in rows), errors)
        else:
            for number, row in enumerate(_faulted(deck, row) for row in rows):
                print_lines([""] if number else [])
                print_lines(section_lines(clean(row.id), kind.describe(row), kind, row, color=options.color))
            _complain(errors)
        return exits.PARTLY if errors else exits.DONE

    return _looking(options, kind, parts, tell)


async def _first(
    deck: Deck, options: Options, kind: AnyKind, words: Sequence[str]
) -> tuple[list[Resource], list[dict[str, Any]]]:
    """The resources that match, once their sources have told something, and what could not be read because of us."""
    deck.feed.configure(deck.inventory, wanted(kind, deck.inventory, words, options.on))
    limit = patience(deck)
    late = await deck.feed.first(limit)
    for one in late:
        fault = f"no answer within {limit:.0f} s"
        deck.feed.failed(one, fault, ours=False)
        complain(f"{one.source.name}: {fault}")  # it may have no row to say so
    await deck.feed.first(0)
    errors: list[dict[str, Any]] = [
        {"source": one.source.name, "backend": one.source.backend, "fault": one.fault} for one in deck.feed.faults()
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


def _age_column(deck: Deck, rows: Sequence[Resource]) -> list[Column[Any]]:
    """The age of each row, where any is so old that it matters."""

    def old(row: Resource) -> float | None:
        reading, age = deck.feed.fleet.reading_of(row.ref), age_of(deck, row)
        return age if reading is not None and age is not None and age > 2 * reading.interval else None

    if all(old(row) is None for row in rows):
        return []
    return [Column("AGE", lambda row: Cell("") if old(row) is None else duration(old(row)), 6, "right", 1)]


def section_lines(title: str, sections: Sequence[Section], kind: AnyKind, row: Resource, *, color: bool) -> list[str]:
    """A describe screen as text: headings, labelled lines and small tables; the columns where there is nothing more."""
    lines = [painted(title, Token.TITLE, color=color)]
    if not sections:
        cells = [(column.title, column.cell(row)) for column in kind.columns if column.spark is None]
        sections = [Section("", tuple((title, cell) for title, cell in cells if title))]
    for section in sections:
        if section.title:
            lines += ["", painted(section.title, Token.ACCENT, color=color)]
        width = max((len(label) for label, _ in section.lines), default=0)
        lines += [f"  {label:<{width}}  {painted(cell.text, cell.token, color=color)}" for label, cell in section.lines]
        if section.rows:
            columns = [_nth(head, number) for number, head in enumerate(section.header)]
            lines += [f"  {line}" for line in table_lines(columns, section.rows, color=color)]
    return lines


def _nth(title: str, number: int) -> Column[Sequence[Cell]]:
    return Column(title, lambda cells: cells[number], 0)


def view(
    options: Options,
    kind: AnyKind,
    parts: Sequence[Part],
    verb: Verb,
    words: Sequence[str],
    arguments: Mapping[str, Any],
) -> int:
    """Read a view of each target, several at a time, and print them; a target that cannot be read stops no other."""

    async def tell(deck: Deck) -> int:
        deck.feed.configure(deck.inventory, wanted(kind, deck.inventory, words, options.on))
        await deck.feed.first(patience(deck), rows_only=True)
        targets: Sequence[Resource | None] = [None]
        if verb.takes_target:
            targets = choose(deck, kind, words, options.on, acting=False)
        room = asyncio.Semaphore(options.parallel)

        async def one(target: Resource | None) -> View | QuarterdeckError:
            async with room:
                try:
                    async with asyncio.timeout(options.wait_timeout):
                        return await deck.look(verb, target, arguments)
                except QuarterdeckError as error:
                    return error
                except TimeoutError:
                    return QuarterdeckError(f"no answer within {options.wait_timeout:g} s")

        seen = await asyncio.gather(*(one(target) for target in targets))
        return await _print_views(options, verb, targets, seen)

    return _looking(options, kind, parts, tell, rows_only=True)


async def _print_views(
    options: Options, verb: Verb, targets: Sequence[Resource | None], seen: Sequence[View | QuarterdeckError]
) -> int:
    ids = ["" if target is None else target.id for target in targets]
    good = [(one, found) for one, found in zip(ids, seen, strict=True) if not isinstance(found, QuarterdeckError)]
    errors = [(one, found) for one, found in zip(ids, seen, strict=True) if isinstance(found, QuarterdeckError)]
    code = exits.DONE
    streams = [(one, found) for one, found in good if isinstance(found, Stream)]
    if streams:
        code = await _print_streams(options, streams, errors)
    elif options.json:
        print_json(_view_items(good), [_view_error(*error) for error in errors])
    else:
        for one, found in good:
            if len(targets) > 1:
                print_lines([painted(f"── {clean(one)} ", Token.TITLE, color=options.color)])
            print_lines(_view_lines(found, color=options.color))
    if not options.json:
        for one, error in errors:
            complain(f"{one}: {error}" if one else str(error))
    if errors and code == exits.DONE:
        codes = {exits.of_error(error) for _, error in errors}
        code = exits.PARTLY if good else codes.pop() if len(codes) == 1 else exits.FAILED
    return code


def _view_items(good: Sequence[tuple[str, View]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for target, found in good:
        if isinstance(found, Rows):
            items += [{"target": target, **jsonable(item)} for item in found.items]
        elif isinstance(found, Text):
            items.append({"target": target, "text": found.text})
    return items


def _view_error(target: str, error: QuarterdeckError) -> dict[str, Any]:
    return {"target": target, "fault": error.what, "where": error.where, "todo": error.todo}


def _view_lines(found: View, *, color: bool) -> list[str]:
    if isinstance(found, Rows):
        lines = list(table_lines(found.columns, found.items, color=color, wide=True, width=terminal_width()))
        return [*lines, *([clean(found.note)] if found.note else [])]
    if isinstance(found, Text):
        return [clean(line.replace("\t", "    ")) for line in found.text.splitlines()]
    return []


async def _print_streams(
    options: Options, streams: Sequence[tuple[str, Stream]], errors: Sequence[tuple[str, QuarterdeckError]]
) -> int:
    """Lines of all targets as they come; ends with the last stream, or when interrupted, and then still whole."""
    merged = _merged(streams)
    result = JsonResult() if options.json else None
    number = 0
    code = exits.DONE
    try:
        async for target, line in merged:
            number += 1
            if result is not None:
                result.item({"target": target, "line": line})
            else:
                print_lines([f"{clean(target)} │ {clean(line)}" if len(streams) > 1 else clean(line)])
    except asyncio.CancelledError:
        if not interrupts.seen:
            raise
        code = exits.INTERRUPTED
    except QuarterdeckError as error:
        code = exits.PARTLY if number else exits.of_error(error)
        errors = [*errors, ("", error)]
        if result is None:
            complain(str(error))
    finally:
        await merged.aclose()
    if result is not None:
        result.end(_view_error(*error) for error in errors)
    return code


async def _merged(streams: Sequence[tuple[str, Stream]]):
    """The lines of several streams as they come; a full queue makes its sender wait."""
    queue: asyncio.Queue[tuple[str, str] | QuarterdeckError | None] = asyncio.Queue(1000)

    async def pump(target: str, lines: AsyncIterator[str | Line]) -> None:
        try:
            async for line in lines:
                await queue.put((target, line) if isinstance(line, str) else (line.origin or target, line.text))
        except QuarterdeckError as error:
            await queue.put(error)
        finally:
            await queue.put(None)

    tasks = [asyncio.create_task(pump(target, stream.lines)) for target, stream in streams]
    try:
        left = len(tasks)
        while left:
            got = await queue.get()
            if got is None:
                left -= 1
            elif isinstance(got, QuarterdeckError):
                raise got
            else:
                yield got
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
