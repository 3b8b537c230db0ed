"""A stand-in for the job that runs a step: keeps everything the step said and answers what it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.errors import Denied, Unsupported
from app.plan import Plan, Report, Result


@dataclass
class RecordingReport:
    """Satisfies ``app.plan.Report``."""

    secrets: list[str] = field(default_factory=list[str])
    """Answers to ``secret``, used up in order; Denied when none is left."""
    terminal_code: int | None = None
    """What a child given the terminal returns; ``None``: there is no terminal."""
    handle_error: Exception | None = None
    """Raised by ``handle``, as a full disk would."""
    wait: bool = True
    """False: as with ``--no-wait``."""

    logs: list[str] = field(default_factory=list[str])
    pieces: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(stream, text) as they came."""
    steps: list[tuple[float, float | None, str]] = field(default_factory=list[tuple[float, float | None, str]])
    """(done, total, unit) of each ``progress``."""
    handles: list[str] = field(default_factory=list[str])
    prompts: list[str] = field(default_factory=list[str])
    terminals: list[list[str]] = field(default_factory=list[list[str]])

    def log(self, line: str) -> None:
        """Keep the line."""
        self.logs.append(line)

    def output(self, stream: Literal["stdout", "stderr"], data: str) -> None:
        """Keep the piece."""
        self.pieces.append((stream, data))

    def progress(self, done: float, total: float | None, unit: str = "") -> None:
        """Keep the figures."""
        self.steps.append((done, total, unit))

    async def handle(self, handle: str) -> None:
        """Keep the handle, or fail as asked."""
        if self.handle_error is not None:
            raise self.handle_error
        self.handles.append(handle)

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> int:
        """Keep the command and return the code asked for."""
        if self.terminal_code is None:
            raise Unsupported("there is no terminal")
        self.terminals.append(list(argv))
        return self.terminal_code

    async def secret(self, prompt: str) -> str:
        """The next answer."""
        self.prompts.append(prompt)
        if not self.secrets:
            raise Denied("there is nobody to ask")
        return self.secrets.pop(0)

    def text(self, stream: str = "stdout") -> str:
        """All output of one stream so far."""
        return "".join(data for name, data in self.pieces if name == stream)

    def everything(self) -> str:
        """All that was said, as one text: what no secret may turn up in."""
        return repr((self.logs, self.pieces, self.steps, self.handles, self.prompts, self.terminals))


async def run_plan(plan: Plan, report: Report | None = None) -> list[Result]:
    """Run every step in order with one report; a step without a result counts as done. No guard, no job."""
    report = RecordingReport() if report is None else report
    return [await step.run(report) or Result() for step in plan.steps]
