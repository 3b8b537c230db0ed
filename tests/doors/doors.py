"""The doors to one action: the command line, a key, the ``:`` line and the palette, each as an operator uses it."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.widgets import Input

from app.cli.root import call
from app.console import Console
from app.deck import Deck
from app.fleet import Ref
from app.kind import full_name
from app.paths import Paths
from app.start import Start, open_deck
from app.verb import Param, Shape, Verb
from app.witness import Entry, Witness
from tests.console.conftest import Driven
from tests.waiting import eventually
from widgets.confirm import Confirm
from widgets.form import Form
from widgets.page import plain
from widgets.rowsview import RowsPlace
from widgets.search import Palette

WHY = "because of a test"
FIELDS = ("verb", "target", "plan", "why", "phase", "outcome", "exit_code", "message", "handle", "cost", "digest")
"""What must be the same whatever the door; number, time, trace and hashes cannot be."""

Left = list[dict[str, Any]]
"""What a door left in the witness."""


@dataclass(frozen=True)
class Action:
    """One thing to do."""

    verb: Verb
    targets: tuple[str, ...] = ()
    """Names of the targets; none for a verb of the kind."""
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    """Inputs by parameter, as they are typed."""
    asks: bool = False
    """Whether there is a question, and a place to say why."""

    def words(self) -> list[str]:
        """The command line, without ``quarterdeck``."""
        said = [self.verb.noun, self.verb.name, *([",".join(self.targets)] if self.targets else [])]
        tail: list[str] = []
        for param in self.verb.params:
            if param.name not in self.given:
                continue
            text = self.given[param.name]
            if param.shape is Shape.ARGUMENT:
                said.append(text)
            elif param.shape is Shape.FLAG:
                said.append(param.option)
            elif param.shape is Shape.OPTION:
                said += [part for one in _each(param, text) for part in (param.option, one)]
            else:
                tail = ["--", text]
        return [*said, *tail]

    def line(self) -> str:
        """The same as it is typed after ``:``."""
        words = self.words()
        if "--" not in words:
            return shlex.join(words)
        at = words.index("--")
        return f"{shlex.join(words[:at])} -- {words[at + 1]}"

    @property
    def optional(self) -> bool:
        """Whether something is given that its key alone would not ask for."""
        required = {param.name for param in self.verb.params if param.required}
        return bool(self.verb.takes_target and self.given.keys() - required)


def _each(param: Param, text: str) -> list[str]:
    return shlex.split(text) if param.many else [text]


def left() -> Left:
    """What the witness of this test's home holds, without what no two operations share."""
    folders = [Paths.find().state_of(pretend=pretend) / "witness" for pretend in (False, True)]
    entries = [entry for folder in folders for entry in Witness(folder).entries()]
    assert len({entry.trace for entry in entries}) <= 1, "one action, one trace"
    assert all(entry.trace for entry in entries)
    said = [{name: _plain(getattr(entry, name)) for name in FIELDS} for entry in entries]
    assert all(set(FIELDS) <= set(Entry.__dataclass_fields__) for _ in said)
    return sorted(said, key=lambda one: (one["phase"] != "intent", one["phase"], one["target"]))


def _plain(value: Any) -> Any:
    """Measured times and process ids are not the same twice."""
    return re.sub(r"[0-9.]+(/[0-9.]+)* (m?s)\b", r"… \2", value) if isinstance(value, str) else value


def by_command_line(action: Action, options: Sequence[str]) -> Left:
    """``quarterdeck NOUN VERB …`` in this process."""
    words = action.words()
    why = ["--why", WHY] if action.asks else []
    call([*options, "--yes", *why, *words])
    return left()


Start_ = Callable[[], Deck]
Press = Callable[[Driven], Awaitable[None]]


@asynccontextmanager
async def console(
    deck: Deck, targets: Sequence[str], noun: str = "node", size: tuple[int, int] = (100, 30)
) -> AsyncGenerator[Driven]:
    """A console at the pane of a kind, in which the targets are there."""
    app = Console(deck, clock=lambda: "09:41")
    async with app.run_test(size=size) as pilot:
        it = Driven(app, pilot)
        await it.until(lambda: {one.id for one in deck.feed.fleet.noun(noun)} >= set(targets), deck.kinds[noun].plural)
        await it.press("colon")
        it.console.command_line.open(deck.kinds[noun].plural)
        await it.press("enter", "N")
        if targets:
            await it.until(lambda: app.place is not None and app.place.targets(), "a row under the cursor")
        yield it
    await app.close_down()


def in_console(action: Action, start: Start_, press: Press) -> Left:
    """Open a console, press the door's keys, answer what it asks, wait until all is over."""

    async def main() -> None:
        async with console(start(), action.targets, action.verb.noun) as it:
            await press(it)
            await answer(it, action)
            await it.until(lambda: is_over(it), f"{action.verb.title} is over; {it.toasts()} {it.screen()}")

    asyncio.run(main())
    return left()


def is_over(it: Driven) -> bool:
    """Whether the order has ended, and every outcome is on disk."""
    entries = it.witnessed()
    return not it.console._orders and bool(entries) and not it.deck.running_jobs  # pyright: ignore[reportPrivateUsage]


async def answer(it: Driven, action: Action) -> None:
    """Fill in the form and the question, if they come."""
    await eventually(lambda: isinstance(it.console.screen, (Form, Confirm)) or it.witnessed(), what=str(it.toasts()))
    await it.pilot.pause()
    if isinstance(it.console.screen, Form):
        await fill_in(it, action)
        await eventually(lambda: isinstance(it.console.screen, Confirm) or it.witnessed(), what=it.screen())
    if not isinstance(it.console.screen, Confirm):
        assert not action.asks, "there was no question"
        return
    sheet = it.console.screen
    await it.pilot.pause()
    if sheet.question.type_name is not None:
        await write(it, sheet._name_field, sheet.question.type_name)  # pyright: ignore[reportPrivateUsage]
    await write(it, sheet._why, WHY)  # pyright: ignore[reportPrivateUsage]
    await it.press("enter")


async def fill_in(it: Driven, action: Action) -> None:
    """Write every given value into its field, and go on."""
    form = it.console.screen
    assert isinstance(form, Form)
    for name, text in action.given.items():
        field_ = form._inputs[name]  # pyright: ignore[reportPrivateUsage]
        if isinstance(field_, Input):
            await write(it, field_, text)
        else:
            field_.focus()
            await it.pilot.pause()
            wanted = "yes" if text == "" else text
            for _ in range(len(field_.values)):
                if field_.value == wanted:
                    break
                await it.press("right")
            assert field_.value == wanted
    await it.press("enter")


async def write(it: Driven, field_: Input, text: str) -> None:
    """Put a text into a field in place of what stands there."""
    field_.focus()
    await it.pilot.pause()
    field_.value = ""
    field_.insert_text_at_cursor(text)
    await it.pilot.pause()


async def mark(it: Driven, action: Action) -> None:
    """Put the cursor on the target, or mark them all."""
    await it.press("g")
    wanted = set(action.targets)
    if not wanted:
        return

    def at() -> str:
        ref = getattr(it.console.place, "cursor_ref", None)
        return ref.id if ref is not None else ""

    for _ in range(len(list(it.deck.feed.fleet.noun(action.verb.noun)))):
        here = at()
        if here in wanted:
            if len(action.targets) == 1:
                return
            await it.press("space")
            wanted.discard(here)
            if not wanted:
                return
        if at() == here:  # marking goes on to the next row by itself
            await it.press("j")
    assert not wanted, f"not found: {wanted}"


def by_key(action: Action, start: Start_) -> Left:
    """The verb's key on the row; with ``alt`` where options are given that it would not ask for."""
    key = action.verb.key
    assert key is not None
    names = {">": "greater_than_sign", "<": "less_than_sign"}

    async def press(it: Driven) -> None:
        await mark(it, action)
        pressed = names.get(key, key)
        await it.press(f"alt+{pressed}" if action.optional else pressed)

    return in_console(action, start, press)


def by_line(action: Action, start: Start_) -> Left:
    """The ``:`` line."""

    async def press(it: Driven) -> None:
        await it.press("colon")
        it.console.command_line.open(action.line())
        await it.press("enter")
        complaint = it.screen() if it.console.command_line.has_class("-open") else ""
        assert not complaint, complaint

    return in_console(action, start, press)


def by_palette(action: Action, start: Start_) -> Left:
    """The palette's line; the one that ends in ``…`` where there is more to fill in."""

    async def press(it: Driven) -> None:
        await mark(it, action)
        named = f"{len(action.targets)} marked"
        if len(action.targets) == 1:
            row = it.deck.feed.fleet.find(Ref(action.verb.noun, action.targets[0]))
            assert row is not None
            named = full_name(row)
        wanted = f"{action.verb.title} {named}" if action.verb.takes_target else action.verb.title
        wanted += " …" if action.optional and not any(param.required for param in action.verb.params) else ""
        await it.press("ctrl+p")
        await it.until(lambda: isinstance(it.console.screen, Palette), "the palette")
        palette = it.console.screen
        assert isinstance(palette, Palette)
        await write(it, palette.field, wanted.removesuffix(" …"))
        lines = [offer.line for offer, _ in palette.found]
        assert wanted in lines, lines
        await it.press(*["down"] * lines.index(wanted), "enter")

    return in_console(action, start, press)


def by_row(action: Action, start: Start_, view: str, key: str, row: str) -> Left:
    """A key on a row of a view: everything the verb takes comes from there."""

    async def press(it: Driven) -> None:
        await mark(it, action)
        await it.press(view)
        await it.until(lambda: isinstance(it.console.place, RowsPlace), f"the view; {it.toasts()} {it.screen()}")
        place = it.console.place
        assert isinstance(place, RowsPlace)
        await it.until(lambda: any(row in plain(line) for line in place.page.lines), it.screen())
        while row not in plain(place.page.lines[place.page.cursor]):
            await it.press("j")
        await it.press(key)

    return in_console(action, start, press)


def demo(nodes: int) -> Start_:
    """A deck over the pretend fleet."""
    return lambda: open_deck(Start(demo=nodes))


def hosts(file: Path) -> Start_:
    """A deck over the nodes of a hosts.yaml."""
    return lambda: open_deck(Start(hosts=file))
