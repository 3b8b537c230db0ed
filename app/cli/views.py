"""The views of a kind from the command line: tables, text, sections, and lines that keep coming."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from app.cli import exits
from app.cli.act import patience
from app.cli.look import looking
from app.cli.options import Options
from app.cli.output import JsonResult, complain, painted, print_json, print_lines, table_lines, terminal_width
from app.cli.running import interrupts
from app.cli.section_text import section_json, section_lines
from app.cli.stream_text import line_text
from app.cli.targets import choose, wanted
from app.column import Token, clean
from app.deck import Deck
from app.errors import QuarterdeckError
from app.fleet import Resource
from app.kind import AnyKind
from app.merging import merged
from app.registry import Part
from app.verb import Line, Rows, Scope, Sections, Stream, Text, Verb, View, jsonable

Group = tuple[Resource, ...]
"""What one call of a view is about; empty for a view of the kind."""
Seen = tuple[str, View]
"""Whom a view is about, as an id, and what it gave."""
Failed = tuple[str, QuarterdeckError]


def view(
    options: Options,
    kind: AnyKind,
    parts: Sequence[Part],
    verb: Verb,
    words: Sequence[str],
    arguments: Mapping[str, Any],
) -> int:
    """Read a view of each target, several at a time, and print them; a target that cannot be read stops no other.

    A view of a group is read once for all targets of one backend.
    """

    async def tell(deck: Deck) -> int:
        deck.feed.configure(deck.inventory, wanted(kind, deck.inventory, words, options.on, verb))
        await deck.feed.first(patience(deck), rows_only=True)
        groups: list[Group] = [()]
        if verb.takes_target:
            targets = choose(deck, kind, words, options.on, acting=False)
            groups = deck.groups(targets) if verb.scope is Scope.GROUP else [(target,) for target in targets]
        room = asyncio.Semaphore(options.parallel)

        async def one(group: Group) -> View | QuarterdeckError:
            async with room:
                try:
                    async with asyncio.timeout(options.wait_timeout):
                        return await deck.look(verb, group or None, arguments)
                except QuarterdeckError as error:
                    return error
                except TimeoutError:
                    return QuarterdeckError(f"no answer within {options.wait_timeout:g} s")

        seen = await asyncio.gather(*(one(group) for group in groups))
        good: list[Seen] = []
        failed: list[Failed] = []
        for group, found in zip(groups, seen, strict=True):
            if isinstance(found, QuarterdeckError):
                failed += [(target.id, found) for target in group] or [("", found)]
            else:
                good.append((",".join(target.id for target in group), found))
        return await _print_views(options, good, failed)

    return looking(options, kind, parts, tell, rows_only=True)


async def _print_views(options: Options, good: Sequence[Seen], failed: Sequence[Failed]) -> int:
    code = exits.DONE
    streams = [(one, found) for one, found in good if isinstance(found, Stream)]
    if streams:
        code = await _print_streams(options, streams, failed)
    elif options.json:
        print_json(_view_items(good), [_view_error(*one) for one in failed])
    else:
        for one, found in good:
            if len(good) + len(failed) > 1:
                print_lines([painted(f"── {clean(one)} ", Token.TITLE, color=options.color)])
            print_lines(_view_lines(found, color=options.color))
    if not options.json:
        for one, error in failed:
            complain(f"{one}: {error}" if one else str(error))
    if failed and code == exits.DONE:
        codes = {exits.of_error(error) for _, error in failed}
        code = exits.PARTLY if good else codes.pop() if len(codes) == 1 else exits.FAILED
    return code


def _view_items(good: Sequence[Seen]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for target, found in good:
        if isinstance(found, Rows):
            items += [{"target": target, **jsonable(item)} for item in found.items]
        elif isinstance(found, Text):
            items.append({"target": target, "text": found.text})
        elif isinstance(found, Sections):
            items += [{"target": target, **section_json(section)} for section in found.sections]
    return items


def _view_error(target: str, error: QuarterdeckError) -> dict[str, Any]:
    return {"target": target, "fault": error.what, "where": error.where, "todo": error.todo}


def _view_lines(found: View, *, color: bool) -> list[str]:
    if isinstance(found, Rows):
        lines = list(table_lines(found.columns, found.items, color=color, wide=True, width=terminal_width()))
        return [*lines, *([clean(found.said)] if found.said else [])]
    if isinstance(found, Text):
        return [clean(line.replace("\t", "    ")) for line in found.text.splitlines()]
    if isinstance(found, Sections):
        lines = section_lines(found.sections, color=color)
        return lines if lines[:1] != [""] else lines[1:]
    return []


async def _print_streams(options: Options, streams: Sequence[tuple[str, Stream]], failed: Sequence[Failed]) -> int:
    """Lines of all targets as they come; ends with the last stream, or when interrupted, and then still whole.

    Who said a line stands before it where that is not the one target.
    """
    lines = merged(streams)
    result = JsonResult() if options.json else None
    several = len(streams) > 1 or any("," in target for target, _ in streams)
    timestamps = any(stream.timestamps for _, stream in streams)
    number = 0
    code = exits.DONE
    try:
        async for target, line in lines:
            number += 1
            if result is not None:
                result.item(_line_json(target, line))
            else:
                named = several or line.origin not in ("", target)
                origin = (line.origin or target) if named else ""
                print_lines([line_text(line, origin, timestamps=timestamps, color=options.color)])
    except asyncio.CancelledError:
        if not interrupts.seen:
            raise
        code = exits.INTERRUPTED
    except QuarterdeckError as error:
        code = exits.PARTLY if number else exits.of_error(error)
        failed = [*failed, ("", error)]
        if result is None:
            complain(str(error))
    finally:
        await lines.aclose()
    if result is not None:
        result.end(_view_error(*one) for one in failed)
    return code


def _line_json(target: str, line: Line) -> dict[str, Any]:
    """A line with whose it is; its moment (seconds since the epoch) and stream where they are known.

    ``target`` is the origin where the sender says one: of a group, the one that said the line.
    """
    said: dict[str, Any] = {"target": line.origin or target, "line": line.text}
    if line.origin:
        said["origin"] = line.origin
    if line.at is not None:
        said["at"] = line.at
    if line.origin or line.at is not None or line.error:
        said["error"] = line.error
    return said


__all__ = ["view"]
