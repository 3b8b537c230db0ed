"""Jobs and outcomes in words and lines: what runs, how far it is, and what became of each target."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import Token, bar_text, clean, duration_text, size_text
from app.fold import Fold, fold
from app.job import Ended, Job, Outcome, Running, StepState
from app.witness import Entry
from widgets.page import Line, Span, bars, said, wrapped

_SIGNS = {"done": ("✓", Token.OK), "failed": ("!", Token.CRIT), "cancelled": ("○", Token.WARN)}
_STEP_SIGNS = {
    StepState.WAITING: ("·", Token.MUTED),
    StepState.RUNNING: ("↻", Token.BUSY),
    StepState.DONE: ("✓", Token.OK),
    StepState.FAILED: ("!", Token.CRIT),
    StepState.SKIPPED: ("–", Token.MUTED),
    StepState.CANCELLED: ("○", Token.WARN),
}


def job_name(job: Job) -> str:
    """What it does, to what: ``reboot pi``, ``upgrade 3 nodes``."""
    noun, _, verb = job.verb.partition(" ")
    ids = [ref.id for ref in job.targets if ref.id]
    if len(ids) == 1:
        return f"{verb} {clean(ids[0])}"
    return f"{verb} {len(ids)} {noun}s" if ids else job.verb


def progress_text(job: Job, width: int = 6) -> str:
    """A bar and a share where there is something measured, else ``unknown``; nothing is ever made up."""
    share = job.progress
    if share is None:
        return "progress unknown" if width > 6 else "running"
    return f"{bar_text(share, width)} {share * 100:.0f} %"


def sign_of(job: Job) -> Span:
    """One character for how it stands."""
    return _SIGNS.get(job.state, ("↻", Token.BUSY))


def job_line(job: Job, now: float) -> Line:
    """One job in the list."""
    took = duration_text((job.ended_at or now) - job.started_at)
    state = progress_text(job, 12) if not job.ended else job.state
    glyph, token = sign_of(job)
    return (
        (f"{glyph} ", token),
        (f"{job_name(job):<30.30} ", Token.TITLE),
        *bars(f"{state:<20} ", token if job.ended else Token.BUSY),
        (f"{took:>6}  ", Token.TEXT),
        (clean(_last(job)), Token.MUTED),
    )


def _last(job: Job) -> str:
    if job.ended:
        return next((outcome.message for outcome in job.outcomes if outcome.message), "")
    return job.log[-1] if job.log else ""


def job_lines(job: Job, width: int) -> list[Line]:
    """Result per target with failures first, steps, log tail."""
    lines: list[Line] = []
    if job.ended:
        lines += outcome_lines(job.outcomes, width)
        lines.append(())
    lines.append(((" STEPS", Token.MUTED),))
    told = {outcome.message for outcome in job.outcomes}
    lines += [_step_line(one, told=one.message in told) for one in job.running]
    shown = any(outcome.data.get("stdout") or outcome.data.get("stderr") for outcome in job.outcomes)
    # What a step did and why it failed stands above already.
    known = {f"{one.step.ref.id}  {one.step.text}" for one in job.running}
    known |= {f"{outcome.id}: {outcome.message}" for outcome in job.outcomes}
    log = [line for line in job.log if line not in known]
    if log and not shown:
        lines += [(), ((" LOG", Token.MUTED),)]
        lines += [said(f"   {line}") for line in log]
    return lines


def _step_line(one: Running, *, told: bool) -> Line:
    """How a step stands; ``told`` where its message has been told with its outcome."""
    glyph, token = _STEP_SIGNS[one.state]
    line: list[Span] = [(f"   {glyph} ", token), (f"{clean(one.step.ref.id):<18.18} ", Token.TITLE)]
    if one.state is StepState.RUNNING:
        line += bars(f"{step_progress(one)}  ", Token.BUSY)
    line.append((clean(one.step.text), Token.TEXT))
    if one.message and one.state is not StepState.DONE and not told:
        line.append((f"   {clean(one.message)}", token))
    return tuple(line)


def step_progress(one: Running) -> str:
    """As measured by the step, or ``unknown``."""
    if not one.measured:
        return "progress unknown"
    done = size_text(one.done) if one.unit in ("bytes", "B") else f"{one.done:g}"
    unit = "" if one.unit in ("bytes", "B") else f" {one.unit}".rstrip()
    if not one.total:
        return f"{done}{unit} so far"
    total = size_text(one.total) if one.unit in ("bytes", "B") else f"{one.total:g}"
    share = min(1.0, one.done / one.total)
    drawn = f"{bar_text(share, 12)} {share * 100:3.0f} %"
    return drawn if one.unit == "%" else f"{drawn}  {done}/{total}{unit}"


def outcome_lines(outcomes: Sequence[Outcome], width: int) -> list[Line]:
    """One block a target, failures first; equal output of many targets is shown once."""
    lines: list[Line] = []
    for number, one in enumerate(fold(outcomes)):
        if number:
            lines.append(())
        lines += _fold_head(one, width)
        if one.message and one.message != one.ended:
            texts = _plain(wrapped(said(one.message), max(10, width - 6)))
            lines += [((f"     {text}", Token.TEXT),) for text in texts]
        for text, token in ((one.stdout, Token.TEXT), (one.stderr, Token.WARN)):
            lines += [said(f"     {line.expandtabs(8)}", token) for line in text.splitlines()]
        lines += _check_lines(one.outcomes[0])
    return lines


def _fold_head(one: Fold, width: int) -> list[Line]:
    """How it ended, then every target of which that holds; as many lines as their names need."""
    glyph, token = _SIGNS.get(str(one.ended), ("!", Token.WARN))
    count = f"{len(one.outcomes)} × " if len(one.outcomes) > 1 else ""
    how = f"{one.ended}, exit {one.exit_code}" if one.exit_code or one.ended is Ended.FAILED else str(one.ended)
    names = ", ".join(clean(ident) for ident in one.ids if ident)
    first, *more = wrapped(((f"{count}{how}   ", token), (names, Token.TITLE)), max(20, width - 6))
    return [((f" {glyph} ", token), *first), *(((" " * 5, Token.TEXT), *line) for line in more)]


def _check_lines(outcome: Outcome) -> list[Line]:
    checks = outcome.data.get("checks")
    if not isinstance(checks, list):
        return []
    lines: list[Line] = [
        ((f"     would run  {clean(str(step))}", Token.TEXT),) for step in outcome.data.get("plan", ())
    ]
    for check in checks:  # pyright: ignore[reportUnknownVariableType]
        what, held, evidence = (str(check.get(k, "")) for k in ("check", "held", "evidence"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        fine = held == "True"
        sign: Span = (f"     {'✓' if fine else '!'} ", Token.OK if fine else Token.CRIT)
        lines.append((sign, (f"{clean(what)}  ", Token.TEXT), (clean(evidence), Token.MUTED)))
    return lines


def _plain(lines: Sequence[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def open_line(entry: Entry, state: str) -> Line:
    return (
        ("? ", Token.WARN),
        (f"{clean(entry.verb)} {clean(entry.target.partition(':')[2]):<24.24} ", Token.TITLE),
        (f"{'begun, end unknown':<20} ", Token.WARN),
        (f"now: {clean(state)}", Token.TEXT),
    )


def open_lines(entry: Entry, state: str) -> list[Line]:
    lines: list[Line] = [
        said(
            f" Begun {entry.time[:19].replace('T', ' ')} UTC by {entry.operator}@{entry.host}; no outcome was written."
        ),
        said(" The console that ran it ended first, or another one is still at it.", Token.MUTED),
        (),
        *(said(f"   {text}") for text in entry.plan),
    ]
    if entry.handle:
        lines += [(), *(said(f"   handle  {line}") for line in entry.handle.splitlines())]
    return [*lines, (), said(f" The system says now: {state}", Token.TITLE), said(f" trace {entry.trace}", Token.MUTED)]


__all__ = [
    "job_line",
    "job_lines",
    "job_name",
    "open_line",
    "open_lines",
    "outcome_lines",
    "progress_text",
    "sign_of",
    "step_progress",
]
