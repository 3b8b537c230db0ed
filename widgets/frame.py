"""The frame of the console: header, one place, tray and toasts, kept in step with the fleet, the jobs and hosts.yaml.

Nothing here knows a container from a VM: panes come from the deck's kinds in their order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from app.deck import Deck
from app.errors import ConfigurationError
from app.fleet import Fleet
from app.inventory.watch import Change, changes
from app.job import Job
from app.keys import Keymap, normal
from app.kind import AnyKind, families
from app.paths import Paths
from app.witness import Entry
from widgets.clipboard import give_to_tmux
from widgets.command import CommandLine
from widgets.describe import DescribePlace
from widgets.fleet_words import Headcount, open_intents
from widgets.header import Header
from widgets.jobs import JobPlace, JobsPlace, Tray
from widgets.key_hints import pane_hints, verb_hints
from widgets.kind_pane import KindPane
from widgets.overview_place import OverviewPlace
from widgets.page import has_keys
from widgets.place import Place
from widgets.stage import OVERVIEW, Anywhere, Stage, Stop
from widgets.table import FleetTable
from widgets.terminal_app import TerminalApp, collect_from_now_on
from widgets.theme import DEFAULT, SHIPPED, Themes, wear
from widgets.toasts import ToastCorner, Toasts
from widgets.words import completions

log = logging.getLogger(__name__)

T = TypeVar("T")

HOLD_KEYS = 0.5
"""Seconds that a field has at most to deal with the key that leaves it, while further keys wait."""
LOOK_EVERY = 0.01
"""Seconds between two looks at whether it has."""
JOBS_EVERY = 0.25
"""Seconds between two paintings of the jobs at the least."""


class MainScreen(Screen[None]):
    """Header, one place, tray."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self._frame = frame

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        frame = self._frame
        yield frame.header
        yield frame.stage
        yield frame.tray
        yield frame.command_line
        with ToastCorner():
            yield frame.toasts

    def on_resize(self) -> None:
        """Leave the header out where there is no room for it."""
        self.set_class(self.size.height < 10, "-low")


class Frame(TerminalApp):
    """What is on the screen and keeps itself up to date; what an operator does with it is the console's."""

    CSS_PATH = str(SHIPPED / "console.tcss")
    CSS = """
    Sheet { align: left bottom; background: transparent; }
    MainScreen.-low Header { display: none; }
    MainScreen.-tray ToastCorner { margin-bottom: 3; }
    """

    def __init__(
        self,
        deck: Deck,
        *,
        theme: str | None = None,
        read_only: bool = False,
        demo_label: str = "",
        clock: Callable[[], str] = lambda: time.strftime("%H:%M"),
    ) -> None:
        super().__init__()
        paths = Paths.find()
        self.deck = deck
        deck.read_only = deck.read_only or read_only
        self.log_path = str(paths.log / "quarterdeck.log")
        self.open_intents: Sequence[tuple[Entry, str]] = ()
        self.header = Header()
        self.tray = Tray()
        self.toasts = Toasts(time.monotonic)
        self.themes = Themes(paths.config / "themes")
        self.command_line = CommandLine(lambda typed: completions(typed, deck, lambda: sorted(self.themes.looks)))
        kinds = tuple(deck.kinds.values())
        self.families = families(kinds)
        """The kinds of each number, in the order of the numbers."""
        numbered = [family[0] for family in self.families]
        panes: dict[str, Callable[[], Anywhere]] = {OVERVIEW: lambda: OverviewPlace(kinds, clock=deck.context.clock)}
        for noun in deck.kinds:
            panes[noun] = lambda noun=noun: self._make_pane(noun)
        self.stage = Stage(panes, numbered[0].noun if len(numbered) == 1 else OVERVIEW)
        self.stage.shown = self._arrived
        self.theme_wanted = theme
        """Chosen by the operator, over what hosts.yaml says."""
        self._headcount = Headcount(deck, demo_label, clock, lambda ident: self.keymap.key(ident))
        self.tasks: set[asyncio.Task[Any]] = set()
        """What runs beside the screen and is worth waiting for at the end."""
        self.watches: set[asyncio.Task[Any]] = set()
        """What runs beside the screen for as long as it stands."""
        self._jobs_due = False
        self._held: list[events.Key] | None = None
        self.keymap = Keymap(deck.catalog, deck.kinds, deck.inventory.keys)

    def _make_pane(self, noun: str) -> KindPane:
        deck = self.deck
        family = next(one for one in self.families if deck.kinds[noun] in one)
        pane = KindPane(deck.kinds[noun], deck.history, verbs=(), clock=deck.context.clock, family=family)
        pane.unread = lambda: [(one.source.name, one.fault or "") for one in deck.feed.unread(noun)]
        pane.when_mounted = lambda: self._freshen(pane)
        return pane

    def get_default_screen(self) -> Screen[None]:
        """The one screen."""
        return MainScreen(self)

    def press(self, key: str) -> None:
        """What a key does, by its normal name."""

    async def on_event(self, event: events.Event) -> None:
        """Keys in the order they were typed: to the field that has them, else to whatever is on the screen by then.

        Each is dealt with before the next is looked at, so that what is typed ahead, over a slow line or pasted,
        means what it would have meant typed slowly.
        """
        if isinstance(event, events.Key) and not event.is_forwarded:
            if self._held is not None:
                self._held.append(event)
                return
            if isinstance(self.screen, MainScreen):
                if self.focused is None or not has_keys(self.focused):
                    await self.stage.settled()
                    self.press(normal(event.key, event.character))
                    self._offer()  # now and not when the table's message comes, so that one frame shows all of it
                    self.paint_now()
                    return
                if event.key in ("enter", "escape"):
                    self._held = []
                    self._hold(self.focused, time.monotonic() + HOLD_KEYS)
        await super().on_event(event)

    def _hold(self, field: Widget, until: float) -> None:
        """Let keys wait as long as a field still has them, but not for ever: it may keep them."""
        if self.focused is field and time.monotonic() < until:
            self.set_timer(LOOK_EVERY, lambda: self._hold(field, until))
        else:
            self.release_keys()

    def release_keys(self) -> None:
        """The field has dealt with the key that left it, or stays: go on with what was typed since."""
        held, self._held = self._held or [], None
        for event in held:
            self.post_message(event)

    # -- beginning ------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Dress, paint, and only then begin to watch the fleet."""
        self._tell_faults(wear(self, self.themes, self.theme_wanted or self.deck.inventory.theme or DEFAULT).faults)
        self._put_header()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        collect_from_now_on()
        deck = self.deck
        self.begin_terminal()
        deck.feed.listen(self._heard)
        deck.job_listeners.append(self._job_changed)
        deck.feed.configure(deck.inventory)
        self.set_interval(1.0, self._tick)
        self.do(self._look_at_open_intents())
        if deck.inventory.watched:
            watch = self.do(changes(deck.inventory, self._reloaded))
            self.tasks.discard(watch)
            self.watches.add(watch)
        for mistake in self.keymap.mistakes:
            self.tell(mistake, bad=True)
        self._tell_mistakes(tuple(str(one) for one in deck.inventory.mistakes))

    def do(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something beside the screen; its defects are logged and told, never shown as a traceback."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("beside the screen", exc_info=error)
            self.tell(f"{type(error).__name__}: {error}; details are in {self.log_path}", bad=True)

    async def _look_at_open_intents(self) -> None:
        found = await self.deck.loose_ends()
        if not found:
            return
        await self.deck.feed.first(5)
        left = [loose for loose in found if self.deck.take_up(loose) is None]
        self.open_intents = open_intents(self.deck, left)
        key = self.keymap.key("console.jobs")
        if len(left) < len(found):
            self.tell(f"{_actions(len(found) - len(left))} of an earlier console went on: followed again, see {key}")
        if left:
            self.tell(f"{_actions(len(left))} of an earlier console began and never told an end: see {key}", bad=True)

    # -- what is heard --------------------------------------------------------------------------------------------

    @property
    def place(self) -> Anywhere | None:
        """What is on the screen."""
        return self.stage.place

    def _heard(self, fleet: Fleet) -> None:
        if not self.is_running:
            return
        if self.place is not None and self.place.is_mounted:
            self.place.take(fleet)
            self._offer()
        self._put_header()

    def _tick(self) -> None:
        if self.place is not None and self.place.is_mounted:
            self.place.tick()
        self._put_header()
        self.show_jobs()
        self._tell_faults(wear(self, self.themes).faults)

    def _put_header(self) -> None:
        self.header.put(self._headcount(self.deck.feed.fleet))

    def _job_changed(self, job: Job) -> None:
        if not self._jobs_due and self.is_running:
            self._jobs_due = True
            self.set_timer(JOBS_EVERY, self._jobs_changed)

    def _jobs_changed(self) -> None:
        self._jobs_due = False
        self.show_jobs()
        if isinstance(self.place, JobsPlace | JobPlace) and self.place.is_mounted:
            self.place.tick()

    def show_jobs(self) -> None:
        """Take the jobs as they are to the tray."""
        self.tray.show(tuple(self.deck.jobs.values()), time.monotonic())
        if self.tray.is_attached:
            self.tray.screen.set_class(self.tray.display, "-tray")  # toasts stand above it

    def _reloaded(self, change: Change) -> None:
        """hosts.yaml says something else: touch only what changed."""
        self._tell_mistakes(tuple(str(one) for one in change.mistakes) or ((change.fault,) if change.fault else ()))
        if change.inventory is None:
            return
        replace = getattr(self.deck.context.inventory, "replace", None)
        if replace is None:
            self.deck.context.inventory = lambda inventory=change.inventory: inventory
        else:
            replace(change.inventory)
        self.deck.configure(change.inventory)
        self.keymap = Keymap(self.deck.catalog, self.deck.kinds, change.inventory.keys)
        self._tell_mistakes(tuple(self.keymap.mistakes))
        if self.theme_wanted is None and change.inventory.theme and change.inventory.theme != self.theme:
            wear(self, self.themes, change.inventory.theme)
        self._offer()
        if isinstance(self.place, Place) and self.place.is_mounted:
            self.place.retitle()

    def _tell_mistakes(self, mistakes: Sequence[str]) -> None:
        if mistakes:
            more = f"  (and {len(mistakes) - 1} more: quarterdeck config validate)" if len(mistakes) > 1 else ""
            self.tell(f"{mistakes[0]}{more}", bad=True)

    def _tell_faults(self, faults: Sequence[ConfigurationError]) -> None:
        for fault in faults:
            self.tell(str(fault), bad=True)

    # -- where the operator is ------------------------------------------------------------------------------------

    def _arrived(self, place: Anywhere) -> None:
        if isinstance(place, KindPane | OverviewPlace):
            self.call_after_refresh(self._freshen, place)
        else:
            self.call_after_refresh(self._offer)

    def _freshen(self, pane: KindPane | OverviewPlace) -> None:
        """A pane that comes back shows what was told while it was away."""
        if pane is self.place and pane.is_mounted:
            pane.take(self.deck.feed.fleet)
            self._offer()

    def _offer(self) -> None:
        """Show the keys of the verbs that the row at hand offers; greyed where the guard would refuse."""
        place = self.place
        if isinstance(place, KindPane) and place.is_mounted:
            place.offer(verb_hints(self.deck, self.keymap, place.noun, place.targets()), *pane_hints(self.keymap))
        elif isinstance(place, DescribePlace) and place.is_mounted:
            place.retitle()

    @on(FleetTable.Moved)
    @on(FleetTable.Arranged)
    def _row_changed(self) -> None:
        self._offer()

    @on(FleetTable.Opened)
    def _row_opened(self, event: FleetTable.Opened) -> None:
        self.visit(lambda: DescribePlace(event.ref))

    def visit(self, make: Callable[[], Place]) -> None:
        """Go to a place; ``esc`` comes back from it."""
        made = make()
        if self.place is not None and made.name_of == self.place.name_of:
            return
        first: list[Place] = [made]
        self.stage.go(Stop(made.name_of, lambda: first.pop() if first else make()))

    def pane(self, noun: str) -> None:
        """Go to a pane."""
        self.stage.go(Stop(noun))

    def number(self, family: Sequence[AnyKind]) -> None:
        """What the number of a family does: to its first pane, and from each of its panes to the one behind it."""
        nouns = [kind.noun for kind in family]
        here = self.stage.stop.name
        self.pane(nouns[(nouns.index(here) + 1) % len(nouns)] if here in nouns else nouns[0])

    def swap(self, old: Place, new: Place) -> None:
        """Put a place where another one stands."""
        self.stage.swap(old, new)

    def leave(self) -> None:
        """Go back to where the operator came from."""
        self.stage.leave()

    def tell(self, words: str, *, bad: bool = False) -> None:
        """Say something in a toast."""
        if self.is_running and self.toasts.is_mounted:
            self.toasts.say(words, bad=bad)

    def clip(self, text: str, what: str) -> None:
        """Put text into the operator's clipboard, through tmux as well, and say so."""
        if text.strip():
            self.copy_to_clipboard(text)
            if os.environ.get("TMUX") and self.screen_driver is not None:
                self.do(give_to_tmux(text))
            self.tell(f"copied {what}")


def _actions(count: int) -> str:
    return f"{count} action{'s' if count != 1 else ''}"
