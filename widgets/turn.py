"""Between two terminals of one action: which is next, and whether to go on."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import Token, clean
from widgets.pane import KeyHint
from widgets.sheet import Sheet


class NextTurn(Sheet[bool]):
    """``enter`` opens the next one, ``esc`` leaves out all that are left."""

    def __init__(self, verb: str, who: str, number: int, total: int) -> None:
        super().__init__()
        self._verb = verb
        self._who = who
        self._number = number
        self._total = total

    def ready(self) -> None:
        """Say which is next, and how many are left."""
        self.heading.put(((f" {self._number} of {self._total}: {clean(self._verb)} {clean(self._who)}", Token.TITLE),))
        left = self._total - self._number
        words = f"   {left} more after it" if left else "   the last one"
        self.page.set_lines((((words, Token.MUTED),),))

    def hints(self) -> Sequence[KeyHint]:
        """Go on, or stop."""
        return (KeyHint("enter", "open it"), KeyHint("escape", "stop here"))

    def press(self, key: str) -> bool:
        """Answer."""
        if key == "enter":
            self.dismiss(True)
        elif key == "escape":
            self.dismiss(False)
        else:
            return False
        return True


__all__ = ["NextTurn"]
