"""Performing a verb from the command line: targets, plan, question, job, outcomes, exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from app.cli import exits
from app.cli.fold import ending, fold_lines
from app.cli.front import CommandLine
from app.cli.live import Live, tell
from app.cli.options import Options
from app.cli.output import complain, hush, painted, print_json, print_lines, remark, terminal_width
from app.cli.running import interrupts, run
from app.cli.targets import choose, unasked, wanted
from app.column import MOOD_TOKENS, Token, clean
from app.deck import Deck, Order
from app.errors import Denied
from app.fleet import Mood
from app.fold import fold
from app.job import Ended, Job, Outcome
from app.kind import AnyKind
from app.registry import Part
from app.start import Start, open_deck
from app.verb import Verb
from app.witness import new_trace

CLOSING = 20.0
"""Seconds for disconnecting and for the last checkpoint."""
BEYOND_CONNECT = 5.0
"""Seconds a first reading may take after the connection stands."""

_MOODS = {
    Ended.DONE: Mood.UP,
    Ended.FAILED: Mood.DOWN,
    Ended.REFUSED: Mood.ATTENTION,
    Ended.DECLINED: Mood.UNKNOWN,
    Ended.CANCELLED: Mood.STALE,
}


def act(
    options: Options,
    kind: AnyKind,
    parts: Sequence[Part],
    verb: Verb,
    words: Sequence[str],
    arguments: Mapping[str, Any],
) -> int:
    """Perform a verb and return the exit code."""

    async def work() -> int:
        # Backends of other kinds are made only where they have a say in the guard; they are not asked what they see.
        start = Start(
            hosts=options.hosts,
            read_only=options.read_only,
            one_shot=True,
            rows_only=True,
            demo=options.pretend,
            only=(kind.noun,),
            acting=True,
        )
        deck = open_deck(start, parts=parts)
        try:
            return await _perform(deck, options, kind, verb, words, dict(arguments))
        finally:
            await closed(deck)

    return run(work)


async def closed(deck: Deck) -> None:
    """Close a deck, bounded in time and whatever interrupts it."""
    closing = asyncio.ensure_future(deck.close())
    try:
        async with asyncio.timeout(CLOSING):
            await asyncio.shield(closing)
    except TimeoutError:
        complain(f"not everything was closed within {CLOSING:.0f} s")
    if deck.witness.fault:
        complain(f"witness: {deck.witness.fault}")


def patience(deck: Deck) -> float:
    """Seconds to wait for a first reading."""
    return deck.inventory.ssh.connect_timeout + BEYOND_CONNECT


async def _perform(
    deck: Deck, options: Options, kind: AnyKind, verb: Verb, words: Sequence[str], arguments: dict[str, Any]
) -> int:
    front = deck.front = CommandLine(options)
    deck.feed.configure(deck.inventory, wanted(kind, deck.inventory, words, options.on, verb), stagger=0)
    limit = patience(deck)
    late = await deck.feed.first(limit, rows_only=True)
    targets = choose(deck, kind, words, options.on, acting=True) if verb.takes_target else []
    for entry in unasked(deck, kind, words, options.on) if verb.takes_target else ():
        complain(f"{entry.name}: {entry.fault}")  # what a pattern means there, nobody knows
    if verb.takes_target:  # nor what else bears that name where nobody answered
        silent = {one.source.name: f"no answer within {limit:.0f} s" for one in late}
        silent |= {one.source.name: one.fault or "" for one in deck.feed.unread(kind.noun)}
        for name, fault in silent.items():
            complain(f"{name}: {fault}")
    for param in verb.params:
        if param.secret and param.required and param.name not in arguments:
            said = await front.secret("", param.help or param.name)
            if said is None:
                raise Denied(f"'{param.option}' is needed, and there is no terminal to ask at", where=verb.title)
            arguments[param.name] = said
    order = Order(
        verb=verb,
        targets=tuple(target.ref for target in targets),
        arguments=arguments,
        why=options.why,
        trace=options.trace_id or new_trace(),
        mode=options.mode,
        parallel=options.parallel,
        wait=not options.no_wait,
        wait_timeout=options.wait_timeout,
    )
    live = None if options.json else Live([target.id for target in targets], color=options.color)
    front.give_way = live.give_way if live is not None else None
    begun: list[Job] = []

    def started(job: Job) -> None:
        begun.append(job)
        if live is not None:
            job.listeners.append(live.changed)

    try:
        outcomes = await deck.perform(order, started=started, spoken=live.spoken if live else tell)
        code = exits.of_outcomes(outcomes, options.mode)
    except asyncio.CancelledError:
        if not interrupts.seen:
            raise
        outcomes, code = (begun[0].outcomes if begun else ()), exits.INTERRUPTED
    if live is not None:
        live.end()
    try:
        report(outcomes, options, live)
    except BrokenPipeError:  # what was done is done, and its code is still worth knowing
        hush()
    if options.trace:
        remark(f"trace: {order.trace}")
    return code


def report(outcomes: Sequence[Outcome], options: Options, live: Live | None) -> None:
    """Write what became of each target."""
    if options.json:
        print_json([outcome.as_json() for outcome in outcomes])
    elif options.mode == "falsify" or any("checks" in outcome.data for outcome in outcomes):
        print_lines(falsified_lines(outcomes, color=options.color))
    elif any("stdout" in outcome.data or "stderr" in outcome.data for outcome in outcomes):
        _report_said(outcomes, options, live)
    else:
        print_lines(outcome_lines(outcomes, color=options.color))
        _sum_up(outcomes)


def _report_said(outcomes: Sequence[Outcome], options: Options, live: Live | None) -> None:
    """What the targets said, folded; a single one's output has been shown as it came."""
    if len(outcomes) == 1 and live is not None and live.spoke:
        one = outcomes[0]
        if one.outcome is not Ended.DONE:
            complain(f"{one.id}: {ending(one.outcome, one.exit_code, one.message)}")
        return
    print_lines(fold_lines(fold(outcomes), color=options.color, width=terminal_width()))
    _sum_up(outcomes)


def _sum_up(outcomes: Sequence[Outcome]) -> None:
    if len(outcomes) > 1:
        counts = {ended: sum(outcome.outcome is ended for outcome in outcomes) for ended in Ended}
        sys.stdout.flush()
        remark(f"{len(outcomes)}: " + ", ".join(f"{count} {ended}" for ended, count in counts.items() if count))


def outcome_lines(outcomes: Sequence[Outcome], *, color: bool) -> list[str]:
    """One line per target: glyph, id, how it ended, and why."""
    width = max((len(clean(outcome.id)) for outcome in outcomes), default=0)
    lines: list[str] = []
    for outcome in outcomes:
        mood = _MOODS[outcome.outcome]
        glyph = painted(mood.glyph, MOOD_TOKENS[mood], color=color)
        who = f"{clean(outcome.id):<{width}}  " if width else ""
        lines.append(f"{glyph} {who}{ending(outcome.outcome, outcome.exit_code, outcome.message)}".rstrip())
    return lines


def falsified_lines(outcomes: Sequence[Outcome], *, color: bool) -> list[str]:
    """The plan, every check with its evidence, and the verdict; all targets of one plan share them."""
    lines: list[str] = []
    told = next((outcome.data for outcome in outcomes if "checks" in outcome.data), None)
    if told is not None:
        lines.append(painted("plan", Token.TITLE, color=color))
        lines += [f"  {clean(str(step))}" for step in told["plan"]]
        lines += [painted(f"  lost: {clean(str(line))}", Token.CRIT, color=color) for line in told["loses"]]
        lines += [f"  note: {clean(str(line))}" for line in told.get("notes", ())]
        lines.append(painted("checks", Token.TITLE, color=color))
        for check in told["checks"]:
            mood = Mood.UP if check["held"] else Mood.DOWN
            evidence = f": {clean(str(check['evidence']))}" if check["evidence"] else ""
            lines.append(painted(f"  {mood.glyph} ", MOOD_TOKENS[mood], color=color) + clean(check["check"]) + evidence)
        lines.append(painted("verdict", Token.TITLE, color=color))
    lines += [f"  {line}" for line in outcome_lines(outcomes, color=color)]
    return lines
