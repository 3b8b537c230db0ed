"""The witness as a pane: the newest entries, filtered; one entry in full; and whether the chain holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from app.column import Token, clean
from app.errors import QuarterdeckError
from app.witness import Entry, Phase, as_json
from widgets.filtered import Filtered
from widgets.page import Line, Page, said, wrapped
from widgets.pane import KeyHint
from widgets.place import Place, heading

TAIL = 500
"""Entries shown; ``witness query`` on the command line reaches further back."""

_SIGNS: dict[str | None, tuple[str, Token]] = {
    "done": ("✓", Token.OK),
    "failed": ("!", Token.CRIT),
    "refused": ("–", Token.WARN),
    "declined": ("–", Token.MUTED),
    "cancelled": ("○", Token.WARN),
}
_HEADER: Line = ((f"  {'SEQ':>6}  {'TIME':<8}  {'VERB':<17} {'TARGET':<22} WHAT", "header"),)


def local_time(stamp: str, pattern: str = "%H:%M:%S") -> str:
    """A stored moment in the operator's own time."""
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime(pattern)
    except ValueError:
        return stamp[:19]


def entry_line(entry: Entry) -> Line:
    """One entry: number, time, verb, target, what happened."""
    glyph, token = _SIGNS.get(entry.outcome, ("·", Token.MUTED))
    what = entry.outcome or str(entry.phase)
    words = entry.message or (entry.plan[0] if entry.plan else "")
    target = ", ".join(part.partition(":")[2] or part for part in entry.target.split(","))
    return (
        (f"{entry.seq:>6} ", Token.MUTED),
        (f" {local_time(entry.time)} ", Token.MUTED),
        (f" {clean(entry.verb):<17.17} ", Token.TITLE),
        (f"{clean(target):<22.22} ", Token.TEXT),
        (f"{glyph} {what:<10}", token),
        (f" {clean(words)}", Token.TEXT),
        (f"   why: {clean(entry.why)}" if entry.why else "", Token.MUTED),
    )


class WitnessPlace(Filtered):
    """``w``: newest last, as a log is read; ``enter`` opens one entry, ``v`` verifies the chain."""

    name_of = "witness"

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []
        self._shown: list[Entry] = []
        self._mark: object = None
        self._status: Line = (("v verifies", Token.MUTED),)
        self._busy: asyncio.Task[None] | None = None
        self._verifying: asyncio.Task[None] | None = None

    def make_page(self) -> Page:
        """A list with a cursor."""
        page = Page(cursor=True)
        page.empty = ("Nothing was witnessed yet.", "every action leaves its intent and its outcome here")
        return page

    def title(self) -> tuple[Line, Line]:
        """Whose chain, and whether it holds."""
        witness = self.bridge.deck.witness
        left = heading("witness", f"{witness.operator}@{witness.host}", f"{len(self._shown)} entries")
        fault: Line = ((f"   ! {clean(witness.fault)}", Token.WARN),) if witness.fault else ()
        return (*left, *self.filter_words(), *fault), self._status

    def hints(self) -> Sequence[KeyHint]:
        """Open, verify, filter."""
        return (
            self.key("open"),
            KeyHint("v", "verify"),
            KeyHint("t", "its whole trace"),
            self.key("filter"),
            self.key("copy"),
            self.key("back"),
        )

    def ready(self) -> None:
        """Read the tail."""
        self.tick()

    def tick(self) -> None:
        """Read again when something was written, by whichever console."""
        mark = self.bridge.deck.witness.mark()
        if mark != self._mark and (self._busy is None or self._busy.done()):
            self._mark = mark
            self._busy = asyncio.create_task(self._read(), name="witness tail")

    async def _read(self) -> None:
        at_end = self.page.cursor >= len(self._shown) - 1
        try:
            async with asyncio.timeout(20):
                self._entries = await self.bridge.deck.witness.tail(TAIL)
        except (QuarterdeckError, TimeoutError) as error:
            self._status = ((f"! {clean(str(error) or 'no answer')}", Token.CRIT),)
        if not self.is_attached:
            return
        if at_end:
            self.page.cursor = len(self._entries)
        self.filtered()
        self.retitle()

    def filtered(self) -> None:
        """Show the entries that pass."""
        kept = self.chosen
        self._shown = [entry for entry in self._entries if self.filter.empty or self.filter.matches(_text(entry))]
        if kept is not None and kept in self._shown and self.page.cursor < len(self._entries):
            self.page.cursor = self._shown.index(kept)
        self.page.set_lines([entry_line(entry) for entry in self._shown], _HEADER)

    @property
    def chosen(self) -> Entry | None:
        """The entry under the cursor."""
        return self._shown[self.page.cursor] if self.page.cursor < len(self._shown) else None

    def on_page_opened(self, event: Page.Opened) -> None:
        """One entry in full."""
        event.stop()
        entry = self.chosen
        if entry is not None:
            self.bridge.visit(lambda: EntryPlace(entry))

    def own_key(self, key: str) -> bool:
        """``v`` verifies, ``t`` shows only what belongs to the chosen entry's operation."""
        if key == "v" and (self._verifying is None or self._verifying.done()):
            self._status = (("verifying …", Token.BUSY),)
            self._verifying = asyncio.create_task(self._verify(), name="witness verify")
            self.retitle()
        elif key == "t" and self.chosen is not None:
            self.set_filter(self.chosen.trace)
        else:
            return key == "v"
        return True

    async def _verify(self) -> None:
        from app.witness.verify import verify

        try:
            verdict = await asyncio.to_thread(verify, self.bridge.deck.witness.folder)
        except QuarterdeckError as error:
            self._status = ((f"! {clean(str(error))}", Token.CRIT),)
        else:
            broken = verdict.first_break
            if broken is not None:
                self._status = ((f"! broken at {broken.seq}: {broken.kind}: {clean(broken.what)}", Token.CRIT),)
            else:
                signed = f", {verdict.covered} of them signed" if verdict.covered else ", none signed yet"
                self._status = ((f"✓ {verdict.entries} entries hold{signed}", Token.OK),)
        if self.is_attached:
            self.retitle()

    def words(self) -> str:
        """The chosen entry as JSON."""
        from widgets.raw import as_json as indented

        return indented(as_json(self.chosen)) if self.chosen is not None else ""

    def on_unmount(self) -> None:
        """Nobody waits for it any more."""
        for task in (self._busy, self._verifying):
            if task is not None and not task.done():
                task.cancel()


def _text(entry: Entry) -> str:
    texts = (entry.verb, entry.target, entry.outcome, entry.message, entry.why, entry.trace, entry.operator)
    return "\n".join([*(text for text in texts if text), *entry.plan])


class EntryPlace(Place):
    """One entry, every field of it."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry
        self.name_of = f"entry {entry.seq}"

    def title(self) -> tuple[Line, Line]:
        """Which one."""
        phase = str(self._entry.phase) if self._entry.phase is not Phase.OUTCOME else self._entry.outcome or ""
        return heading("entry", str(self._entry.seq), self._entry.verb, phase), ()

    def hints(self) -> Sequence[KeyHint]:
        """Copy it."""
        return (self.key("copy"), self.key("back"))

    def ready(self) -> None:
        """Show every field, wrapped."""
        self.page.make_lines = self._lines
        self.page.rearrange()

    def _lines(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for spec in fields(self._entry):
            value: object = getattr(self._entry, spec.name)
            texts = list(self._entry.plan) if spec.name == "plan" else str(value).splitlines()
            if value is None or not texts:
                texts = ["–"]
            if spec.name == "time":
                texts = [f"{local_time(self._entry.time, '%Y-%m-%d %H:%M:%S %Z')}   {self._entry.time}"]
            for number, text in enumerate(texts):
                name = spec.name.replace("_", " ") if number == 0 else ""
                for row, line in enumerate(wrapped(said(text), max(20, width - 20))):
                    before = name if row == 0 else ""
                    lines.append(((f"   {before:<14} ", Token.MUTED), *line))
        return lines


__all__ = ["EntryPlace", "WitnessPlace", "entry_line"]
