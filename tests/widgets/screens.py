"""Small applications around one widget, with a fixed clock, and a count of what goes to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import App, ComposeResult
from textual.drivers.headless_driver import HeadlessDriver

from app.fleet import Fleet
from app.history import History
from app.kind import Kind
from app.verb import verbs_of
from backends.kinds.node import KIND, NodeVerbs
from tests import pilot
from tests.widgets.demo import NOW, demo_fleet, demo_history
from widgets.overview import JobLine, Overview
from widgets.pane import Pane
from widgets.table import FleetTable
from widgets.theme import SHIPPED, Themes, wear
from widgets.wallboard import Wallboard

pilot.hurry()

NODE_VERBS = verbs_of("node", NodeVerbs)


class CountingDriver(HeadlessDriver):
    """A terminal that only counts what it is told to draw."""

    written = 0

    @property
    def is_headless(self) -> bool:
        """Says no, so that everything is drawn as for a real terminal."""
        return False

    def write(self, data: str) -> None:
        """Count."""
        CountingDriver.written += len(data)


class Host(App[None]):
    """What all of them share: the style sheet and the themes."""

    CSS_PATH = str(SHIPPED / "console.tcss")
    look = "quarterdeck-dark"

    def on_mount(self) -> None:
        """Put on the theme."""
        wear(self, Themes(), self.look)


class PaneApp(Host):
    """One pane over a fleet."""

    def __init__(self, fleet: Fleet | None = None, kind: Kind[Any] = KIND, history: History | None = None) -> None:
        super().__init__()
        self.fleet = demo_fleet() if fleet is None else fleet
        self.now = NOW
        self.opened: list[str] = []
        self.moved: list[str] = []
        self.pane = Pane(kind, history or History(), verbs=NODE_VERBS, clock=lambda: self.now)

    def compose(self) -> ComposeResult:
        """The pane."""
        yield self.pane

    def on_mount(self) -> None:
        """Show the fleet and send keys to the table."""
        super().on_mount()
        self.pane.show(self.fleet, self.now, clock="09:41")
        self.pane.focus_table()

    def on_fleet_table_opened(self, event: FleetTable.Opened) -> None:
        """Remember."""
        self.opened.append(event.ref.id)

    def on_fleet_table_moved(self, event: FleetTable.Moved) -> None:
        """Remember."""
        self.moved.append(event.ref.id if event.ref else "")

    @property
    def table(self) -> FleetTable:
        """The table of the pane."""
        return self.pane.table

    @property
    def lines(self) -> list[str]:
        """What the table shows, as text."""
        return [self.table.render_line(y).text for y in range(self.table.size.height)]


class OverviewApp(Host):
    """The overview of some kinds over the demo fleet."""

    def __init__(self, kinds: Sequence[Kind[Any]] = (KIND,), fleet: Fleet | None = None) -> None:
        super().__init__()
        self.overview = Overview(kinds)
        self.fleet = demo_fleet() if fleet is None else fleet

    def compose(self) -> ComposeResult:
        """The overview."""
        yield self.overview

    def on_mount(self) -> None:
        """Two minutes of fleets, then jobs."""
        super().on_mount()
        for at in range(-60, 1):
            self.overview.show(self.fleet, NOW + 2.0 * at)
        jobs = (JobLine("clone ubuntu → lab/133", 0.62), JobLine("pull redis:7 on pi", None))
        self.overview.show(self.fleet, NOW, jobs=jobs, last="restart pi/api ✓")

    @property
    def text(self) -> str:
        """What it shows."""
        return "\n".join(self.overview.render_line(y).text for y in range(self.overview.size.height))


class WallApp(Host):
    """The wallboard over the demo fleet."""

    def __init__(self, kinds: Sequence[Kind[Any]] = (KIND,), fleet: Fleet | None = None, **more: Any) -> None:
        super().__init__()
        self.time = "09:41:07"
        self.wall = Wallboard(kinds, demo_history(), clock=lambda: self.time, **more)
        self.fleet = demo_fleet() if fleet is None else fleet

    def compose(self) -> ComposeResult:
        """The wallboard."""
        yield self.wall

    def on_mount(self) -> None:
        """Show the fleet."""
        super().on_mount()
        self.wall.show(self.fleet, NOW)
        self.wall.focus()

    @property
    def text(self) -> str:
        """What it shows."""
        return "\n".join(self.wall.render_line(y).text for y in range(self.wall.size.height))
