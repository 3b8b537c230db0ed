"""Quitting while jobs run: wait for them, leave them where their hosts carry them on, or cancel them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.column import Token, clean
from app.job import Job
from widgets.page import Line
from widgets.pane import KeyHint
from widgets.sheet import Sheet

Choice = Literal["wait", "leave", "cancel", "stay"]


class Leaving(Sheet[Choice]):
    """What becomes of the running jobs; nothing is chosen for the operator."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__()
        self._jobs = jobs

    @property
    def _carried(self) -> bool:
        return any(job.carried for job in self._jobs)

    def ready(self) -> None:
        """List them, and say of each whether its host goes on with it."""
        count = len(self._jobs)
        self.heading.put(((f" {count} job{'s are' if count > 1 else ' is'} running", Token.TITLE),))
        lines: list[Line] = []
        for job in self._jobs:
            names = ", ".join(clean(ref.id) for ref in job.targets[:4] if ref.id)
            fate = "its host carries it on" if job.carried else "ends with this console"
            lines.append(((f"   {job.verb:<18}", Token.TEXT), (f"{names:<28}  ", Token.TEXT), (fate, Token.MUTED)))
        self.page.set_lines(lines)

    def hints(self) -> Sequence[KeyHint]:
        """The ways out."""
        return (
            KeyHint("w", "wait, then quit"),
            KeyHint("l", "leave those carried on", enabled=self._carried),
            KeyHint("c", "cancel all"),
            KeyHint("escape", "stay"),
        )

    def press(self, key: str) -> bool:
        """Choose."""
        if key == "w":
            self.dismiss("wait")
        elif key == "l" and self._carried:
            self.dismiss("leave")
        elif key == "c":
            self.dismiss("cancel")
        elif key in ("escape", "q"):
            self.dismiss("stay")
        else:
            return False
        return True


__all__ = ["Choice", "Leaving"]
