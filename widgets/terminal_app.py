"""What the console and the wallboard share: a terminal that may stop reading or go away, signals, and no tracebacks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from typing import Any, ClassVar

from textual.app import App
from textual.screen import Screen

from widgets.lines import Lines
from widgets.terminal import BACKED_UP, ConsoleDriver

log = logging.getLogger(__name__)

LOOK_EVERY = 0.25
"""Seconds between two looks at a terminal that is behind."""


LOOK_SOON = 0.02
"""Seconds until the first look at one that has just fallen behind: mostly it is for a moment."""
COLLECT_EVERY = 30.0
"""Seconds between two looks through everything for garbage; where that takes long, a thousand times as long."""
COLLECT_AT_LAST = 300.0
"""Seconds after which that is done even while somebody types."""
HANDS_OFF = 1.0
"""Seconds without a key after which a short pause is not noticed."""
_YOUNG = 2_000_000
"""New objects after which those alone are looked through."""


def collect_from_now_on() -> None:
    """Look for garbage again, once the first screen stands; what was loaded until then stays and is left out.

    Rows come and go by the thousand and are no garbage of the kind that has to be looked for: with Python's own
    thresholds that looking would take 70 ms a second at ten thousand rows, at whatever moment. ``TerminalApp`` does it
    when nobody types.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(_YOUNG, 10, 1_000_000)


class TerminalApp(App[int]):
    """Base of full-screen programs here: paints only what the terminal takes, and ends cleanly whatever happens."""

    CSS_PATH = None
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__(driver_class=ConsoleDriver)
        self.animation_level = "none"
        self.ended_by = ""
        """``SIGTERM``, ``SIGHUP``, ``terminal gone`` or ``defect``; empty where the operator quit."""
        self.log_path = ""
        """Where tracebacks go, as told to the operator."""
        self._owed = False
        self._failed = False
        self._collected_at = time.monotonic()
        self._collecting_took = 0.0

    # -- the terminal ---------------------------------------------------------------------------------------------

    @property
    def screen_driver(self) -> ConsoleDriver | None:
        """The driver, where there is a real terminal."""
        return self._driver if isinstance(self._driver, ConsoleDriver) else None

    def _display(self, screen: Screen[Any], renderable: Any) -> None:  # pyright: ignore[reportUnknownMemberType]
        """Paint, unless the terminal is behind: then once, when it has caught up."""
        driver = self.screen_driver
        if driver is None:
            super()._display(screen, renderable)  # pyright: ignore[reportUnknownMemberType]
        elif driver.waiting >= BACKED_UP:
            if not self._owed:
                self.set_timer(LOOK_SOON, self.watch_terminal)
            self._owed = True
        else:
            with driver.one_write():
                super()._display(screen, renderable)  # pyright: ignore[reportUnknownMemberType]

    def paint_now(self) -> None:
        """Paint what was redrawn, before anything else is done: what a key changed is not to wait for news.

        Textual would pass the wish for it through five queues, and then wait for the next of sixty frames a second.
        """
        screen = self.screen
        waiting = {widget for widget in Lines.repainted if widget.is_attached and widget.screen is screen}
        Lines.repainted.clear()
        if waiting and screen.is_current and not self._batch_count and not screen._layout_required:  # pyright: ignore[reportPrivateUsage]
            screen._dirty_widgets |= waiting  # pyright: ignore[reportPrivateUsage]
            screen._compositor.update_widgets(screen._dirty_widgets)  # pyright: ignore[reportPrivateUsage]
            screen._compositor_refresh()  # pyright: ignore[reportPrivateUsage]

    def watch_terminal(self) -> None:
        """Called by a timer: repaint what is owed, end when the terminal is gone."""
        driver = self.screen_driver
        if driver is None:
            return
        if driver.gone:
            self.end("terminal gone", 129)
        elif self._owed and driver.waiting == 0:
            self._owed = False
            self.screen.refresh()

    def begin_terminal(self) -> None:
        """Start looking after the terminal and the signals; called when the program is on the screen."""
        driver = self.screen_driver
        if driver is None:
            return
        self.set_interval(LOOK_EVERY, self.watch_terminal)
        self.set_interval(HANDS_OFF, self._collect)
        loop = asyncio.get_running_loop()
        for name, code in (("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)):
            number = getattr(signal, name)
            if signal.getsignal(number) is signal.SIG_IGN:  # nohup means it
                continue
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self.end, name, code)

    def _collect(self) -> None:
        """Look for garbage where that is due and nobody waits for a key's answer."""
        now = time.monotonic()
        waited = now - self._collected_at
        driver = self.screen_driver
        idle = driver is None or now - driver.last_input > HANDS_OFF
        if waited > COLLECT_AT_LAST or (idle and waited > max(COLLECT_EVERY, 1000 * self._collecting_took)):
            gc.collect()
            self._collected_at = time.monotonic()
            self._collecting_took = self._collected_at - now

    def end(self, why: str, code: int) -> None:
        """End without asking anybody."""
        if not self.ended_by:
            self.ended_by = why
            log.warning("ending: %s", why)
            self.exit(code, return_code=code)

    # -- defects --------------------------------------------------------------------------------------------------

    def _fatal_error(self) -> None:
        """A defect: the traceback goes to the log file, and its path is told."""
        log.critical("defect", exc_info=self._exception or True)
        self._failed = True
        self.ended_by = self.ended_by or "defect"
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """A defect elsewhere: no traceback on the operator's screen."""
        log.critical("defect: %s", renderables)
        self._failed = True
        self._close_messages_no_wait()

    @property
    def last_words(self) -> str:
        """What is told on the terminal after the screen is gone; empty where all went well."""
        if not self._failed:
            return ""
        where = f"; details are in {self.log_path}" if self.log_path else ""
        return f"quarterdeck: a defect ended the console{where}"

    @property
    def exit_code(self) -> int:
        """0 where the operator quit, 1 after a defect, 128 + signal else."""
        if self._failed:
            return 1
        return self.return_value or 0


__all__ = ["TerminalApp"]
