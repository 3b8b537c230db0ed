"""What a running job says while it runs: output as it comes, and on a terminal one line of progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from app.cli.front import tty_size
from app.cli.output import painted, remark
from app.column import Token, clean, size_text
from app.job import Job, Running, StepState
from app.plan import Step

REDRAW_EVERY = 0.25
"""Seconds between two drawings of the line of progress."""
LONGEST_LINE = 64 * 1024
"""Characters of a line without an end that are held back before it is shown in pieces."""


class Live:
    """Shows one job as it runs.

    One target: its streams are ours. Several: each line on stderr with its target before it, because the results that
    follow on stdout are folded.
    """

    def __init__(self, targets: Sequence[str], *, color: bool) -> None:
        self._alone = len(targets) == 1
        self._width = max((len(clean(target)) for target in targets), default=0)
        self._color = color
        self._screen = sys.stderr.isatty()
        self._raw = not sys.stdout.isatty()
        self._held: dict[tuple[str, str], str] = {}
        self._drawn_at = 0.0
        self._drawn = False
        self.spoke = False
        """Whether any output has been shown."""

    def spoken(self, job: Job, step: Step, stream: str, text: str) -> None:
        """Show a piece of output; what a step says of itself goes to stderr and is no output."""
        self._erase()
        if stream == "log":
            tell(job, step, stream, text)
            return
        self.spoke = True
        if self._alone:
            out = sys.stderr if stream == "stderr" else sys.stdout
            out.write(text if self._raw and out is sys.stdout else self._safe(text))
            out.flush()
            return
        key = (step.ref.id, stream)
        lines = (self._held.pop(key, "") + text).splitlines(keepends=True)
        if lines and not lines[-1].endswith(("\n", "\r")) and len(lines[-1]) < LONGEST_LINE:
            self._held[key] = lines.pop()
        for line in lines:
            self._line(step.ref.id, stream, line)
        sys.stderr.flush()

    def _line(self, target: str, stream: str, line: str) -> None:
        who = painted(f"{clean(target):>{self._width}} │", Token.MUTED, color=self._color and self._screen)
        sys.stderr.write(f"{who} {clean(line.rstrip())}\n")

    @staticmethod
    def _safe(text: str) -> str:
        """Text for a terminal: line ends and tabs stay, what could move the cursor or hide something goes."""
        return "\n".join(clean(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n"))

    def changed(self, job: Job) -> None:
        """Draw the line of progress, not more often than an eye can follow."""
        now = time.monotonic()
        if not self._screen or job.ended or now - self._drawn_at < REDRAW_EVERY:
            return
        line = progress_line(job)
        if line:
            self._drawn_at, self._drawn = now, True
            sys.stderr.write(f"\r\x1b[K{line[: tty_size() - 1]}")
            sys.stderr.flush()

    def give_way(self) -> None:
        """Draw no more progress: the terminal is somebody else's from here on."""
        self._erase()
        sys.stderr.flush()
        self._screen = False

    def end(self) -> None:
        """Show what is still held back and take the line of progress away."""
        self._erase()
        for (target, stream), line in self._held.items():
            self._line(target, stream, line)
        self._held.clear()
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            self._drawn = False


def tell(job: Job, step: Step, stream: str, text: str) -> None:
    """Show on stderr what a step says of itself, such as what it waits for; where results are JSON, nothing else."""
    if stream == "log":
        who = f"{step.ref.id}: " if step.ref.id else ""
        remark(f"{who}{text.rstrip()}")


def progress_line(job: Job) -> str:
    """``node put  34 %  12M of 40M  pi, hp``; empty while there is nothing measured to tell."""
    running = [one for one in job.running if one.state is StepState.RUNNING]
    over = sum(one.state not in (StepState.RUNNING, StepState.WAITING) for one in job.running)
    parts = [job.verb]
    if len(job.running) > 1:
        parts.append(f"{over} of {len(job.running)}")
    elif not any(one.measured for one in running):
        return ""
    share = job.progress
    if share is not None and any(one.measured and one.total for one in job.running):
        parts.append(f"{share * 100:.0f} %")
    if len(running) == 1 and running[0].measured:
        parts.append(_amount(running[0]))
    names = dict.fromkeys(clean(one.step.ref.id) for one in running if one.step.ref.id)
    parts.append(", ".join(names))
    return "  ".join(part for part in parts if part)


def _amount(one: Running) -> str:
    def written(value: float) -> str:
        if one.unit in ("B", "bytes"):
            return size_text(value)
        return f"{value:g}"

    unit = "" if one.unit in ("B", "bytes", "") else f" {one.unit}"
    return f"{written(one.done)} of {written(one.total)}{unit}" if one.total else f"{written(one.done)}{unit}"


__all__ = ["Live", "progress_line", "tell"]
