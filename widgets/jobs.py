"""Jobs: one line of them above everything, and the screen with their steps, logs and results."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.strip import Strip

from app.column import Token
from app.job import Job, Outcome
from app.witness import Entry
from widgets.job_lines import (
    job_line,
    job_lines,
    job_name,
    open_line,
    open_lines,
    outcome_lines,
    progress_text,
    sign_of,
)
from widgets.lines import Lines
from widgets.page import Line, Page, bars, pieces_of
from widgets.pane import KeyHint, Rule
from widgets.pieces import Piece, spread
from widgets.place import Place, heading

LAST_SHOWN = 60.0
"""Seconds an ended job stays in the tray."""


class Tray(Lines):
    """The running jobs on one line, and how the last one ended."""

    DEFAULT_CSS = """
    Tray { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: Sequence[Job] = ()
        self._now = 0.0

    def show(self, jobs: Sequence[Job], now: float) -> None:
        """Take the jobs as they are; gone from the screen when there is nothing to tell."""
        self._now = now
        self.jobs = jobs
        wanted = any(not job.ended or now - (job.ended_at or 0) < LAST_SHOWN for job in jobs)
        if wanted != self.display:
            self.display = wanted
        self.redraw()

    def draw(self, width: int, height: int) -> list[Strip]:
        """Running jobs from the left, as many as fit; the last ended one at the right."""
        palette = self.palette
        running = [job for job in self.jobs if not job.ended]
        ended = sorted((job for job in self.jobs if job.ended), key=lambda job: job.ended_at or 0)
        left: list[Piece] = [(" JOBS  ", palette[Token.TITLE])]
        right: list[Piece] = []
        if ended:
            glyph, token = sign_of(ended[-1])
            right = [(f"last: {job_name(ended[-1])} ", palette[Token.MUTED]), (f"{glyph} ", palette[_token(token)])]
        used = 7 + sum(len(text) for text, _ in right)
        for number, job in enumerate(running):
            words = f"{job_name(job)} "
            bar = progress_text(job)
            used += len(words) + len(bar) + 3
            if used > width and number:
                left.append((f"and {len(running) - number} more", palette[Token.MUTED]))
                break
            left += [(words, palette[Token.TEXT]), *pieces_of(bars(f"{bar}   ", Token.BUSY), palette)]
        return [spread(left, right, width)]


def _token(meaning: object) -> Token:
    return meaning if isinstance(meaning, Token) else Token.TEXT


class JobsPlace(Place):
    """Every job of this console, newest first; below it the chosen one's steps, result and log."""

    name_of = "jobs"

    def __init__(self) -> None:
        super().__init__()
        self.detail = Page(classes="detail")
        self._jobs: list[Job] = []
        self.open_intents: Sequence[tuple[Entry, str]] = ()
        """What another run of the console began and did not end, and what the system says of its target now."""

    DEFAULT_CSS = """
    JobsPlace > Page { height: 2fr; }
    JobsPlace > .detail { height: 3fr; }
    """

    def make_page(self) -> Page:
        """A list with a cursor."""
        page = Page(cursor=True)
        page.empty = (
            "No job has run yet.",
            "a verb's key on a row starts one; what runs goes on while you look elsewhere",
        )
        return page

    def body(self) -> ComposeResult:
        """The list over the chosen one."""
        yield self.page
        yield Rule()
        yield self.detail

    def title(self) -> tuple[Line, Line]:
        """How many run."""
        running = sum(1 for job in self._jobs if not job.ended)
        return heading("jobs", f"{running} running" if running else "none running", f"{len(self._jobs)} in all"), ()

    def hints(self) -> Sequence[KeyHint]:
        """Cancel, copy, and how to scroll what is below."""
        chosen = self.chosen
        can = chosen is not None and not chosen.ended
        return (
            KeyHint("x", "cancel", enabled=can),
            self.key("open", "its log and result"),
            self.key("copy"),
            self.key("back"),
        )

    def ready(self) -> None:
        """Show what there is."""
        self.open_intents = self.bridge.open_intents
        self.tick()

    @property
    def chosen(self) -> Job | None:
        """The job under the cursor."""
        return self._jobs[self.page.cursor] if self.page.cursor < len(self._jobs) else None

    def tick(self) -> None:
        """Look at the jobs again."""
        now = time.monotonic()
        kept = self.chosen
        self._jobs = list(reversed(self.bridge.deck.jobs.values()))
        if kept in self._jobs:
            self.page.cursor = self._jobs.index(kept)
        lines = [job_line(job, now) for job in self._jobs]
        lines += [open_line(entry, state) for entry, state in self.open_intents]
        self.page.set_lines(lines)
        self._show_detail()
        self.retitle()

    def _show_detail(self) -> None:
        job = self.chosen
        if job is not None:
            self.detail.make_lines = lambda width: job_lines(job, max(20, width - 2))
            self.detail.rearrange()
            return
        self.detail.make_lines = None
        number = self.page.cursor - len(self._jobs)
        if 0 <= number < len(self.open_intents):
            self.detail.set_lines(open_lines(*self.open_intents[number]))
        else:
            self.detail.empty = ("", "")
            self.detail.set_lines(())

    def on_page_moved(self, event: Page.Moved) -> None:
        """Another job is chosen."""
        event.stop()
        if event.page is self.page:
            self.detail.top = 0
            self.tick()

    def on_page_opened(self, event: Page.Opened) -> None:
        """Read the chosen job's log on a page of its own."""
        event.stop()
        job = self.chosen
        if job is not None:
            self.bridge.visit(lambda: JobPlace(job))

    def own_key(self, key: str) -> bool:
        """``x`` cancels the chosen job."""
        job = self.chosen
        if key != "x" or job is None:
            return False
        if job.ended:
            self.bridge.tell("it is over already")
        else:
            job.cancel()
            self.bridge.tell(f"cancelling {job_name(job)}")
        return True

    def words(self) -> str:
        """The chosen job's lines."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self.detail.lines)


class JobPlace(Place):
    """One job: its steps, its result per target, its log; the end stays in view while it runs."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.name_of = f"job {job.id}"

    def title(self) -> tuple[Line, Line]:
        """What it is and how it stands."""
        glyph, token = sign_of(self.job)
        left = (*heading("job", job_name(self.job)), ("   ", Token.TEXT), (f"{glyph} {self.job.state}", token))
        return left, ((f"trace {self.job.trace}", Token.MUTED),)

    def hints(self) -> Sequence[KeyHint]:
        """Cancel it, copy it."""
        return (KeyHint("x", "cancel", enabled=not self.job.ended), self.key("copy"), self.key("back"))

    def ready(self) -> None:
        """Show it."""
        self.tick()

    def tick(self) -> None:
        """Look again; a reader at the end stays at the end."""
        at_end = self.page.top + self.page.room >= len(self.page.lines)
        self.page.make_lines = lambda width: job_lines(self.job, max(20, width - 2))
        self.page.rearrange()
        if at_end and not self.job.ended:
            self.page.move(len(self.page.lines))
        self.retitle()

    def own_key(self, key: str) -> bool:
        """``x`` cancels."""
        if key != "x" or self.job.ended:
            return False
        self.job.cancel()
        return True


class ResultPlace(Place):
    """What came of an order for which no job ran: refusals, and every check of a falsification."""

    def __init__(self, name: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self._called = name
        self._outcomes = outcomes
        self.name_of = f"result {outcomes[0].trace if outcomes else ''}"

    def title(self) -> tuple[Line, Line]:
        """What was asked."""
        return heading("result", self._called), ()

    def hints(self) -> Sequence[KeyHint]:
        """Copy it."""
        return (self.key("copy"), self.key("back"))

    def ready(self) -> None:
        """Show it."""
        self.page.make_lines = lambda width: outcome_lines(self._outcomes, width - 2)
        self.page.rearrange()


__all__ = ["JobPlace", "JobsPlace", "ResultPlace", "Tray"]
