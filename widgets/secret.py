"""Masked prompts for passwords and passphrases: one at a time, however many are wanted at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from textual.app import ComposeResult
from textual.widgets import Input

from app.column import Token, clean
from widgets.page import said
from widgets.pane import KeyHint
from widgets.sheet import Field, Row, Sheet, label

Show = Callable[["SecretPrompt"], Awaitable[str | None]]


class SecretPrompt(Sheet[str | None]):
    """Asks for one secret; what is typed is never shown, kept in memory only, and gone with the sheet."""

    def __init__(self, what: str, prompt: str, waiting: int = 0) -> None:
        super().__init__()
        self._what = what
        self._prompt = prompt
        self._waiting = waiting
        self._field = Field(password=True)

    def fields(self) -> ComposeResult:
        """The masked field."""
        with Row():
            yield label("secret")
            yield self._field

    def ready(self) -> None:
        """Say who asks for what."""
        more = f"{self._waiting} more to come" if self._waiting else ""
        self.heading.put(((f" {clean(self._what)}", Token.TITLE),), ((more, Token.MUTED),))
        self.page.set_lines([said(f"   {self._prompt.strip()}")])

    def hints(self) -> Sequence[KeyHint]:
        """Give it or not."""
        return (KeyHint("enter", "give"), KeyHint("escape", "decline"))

    def press(self, key: str) -> bool:
        """Only ``esc`` is not for the field."""
        if key == "escape":
            self._field.value = ""
            self.dismiss(None)
            return True
        return False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand it over and forget it."""
        event.stop()
        value = event.value
        self._field.value = ""
        self.dismiss(value)


class SecretQueue:
    """Many may ask at once; the operator is asked one after another, in the order they came."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def ask(self, what: str, prompt: str) -> str | None:
        """The secret, or ``None`` when the operator declined."""
        self._waiting += 1
        try:
            async with self._turn:
                return await self._show(SecretPrompt(what, prompt, self._waiting - 1))
        finally:
            self._waiting -= 1


__all__ = ["SecretPrompt", "SecretQueue"]
