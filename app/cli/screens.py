"""The commands that open a screen: the console, and ``quarterdeck wallboard``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from app import registry
from app.cli.options import ListsGlobals, Options
from app.cli.root import unknown
from app.errors import ConfigurationError
from app.registry import PARTS, Part

CONSOLE = "app.console"
"""The module that owns the screen; imported only here, because it brings Textual with it."""


def open_console(options: Options, parts: Sequence[Part] = PARTS) -> int:
    """Open the console; returns its exit code. Raises ConfigurationError without a terminal."""
    return _open(options, parts, "run_console", read_only=options.read_only, forward={"read_only": options.read_only})


def _open(
    options: Options, parts: Sequence[Part], function: str, *, read_only: bool, forward: Mapping[str, Any]
) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigurationError(
            "a screen needs a terminal on stdin and stdout",
            todo="without one ask for results: quarterdeck node list --output json",
        )
    from app.start import Start, log_to_file, open_deck

    log_to_file(rotate=True)
    deck = open_deck(Start(hosts=options.hosts, read_only=read_only, demo=options.pretend), parts=parts)
    label = f"DEMO · {options.pretend} pretend nodes" if options.pretend else ""
    code: object = getattr(importlib.import_module(CONSOLE), function)(deck, demo_label=label, **forward)
    return code if isinstance(code, int) else 0


class _Wallboard(ListsGlobals):
    """``quarterdeck wallboard``."""


@click.command("wallboard", cls=_Wallboard)
@click.option("--rotate", type=click.FloatRange(min=1), metavar="SECONDS", help="Seconds per page; 15 unless set.")
@click.option("--pane", "panes", multiple=True, metavar="PANE", help="overview or a plural noun; may be repeated.")
@click.pass_context
def wallboard(context: click.Context, rotate: float | None, panes: tuple[str, ...]) -> int:
    """Show the panes in turn, read-only, large and without chrome; q quits."""
    options = context.ensure_object(Options)
    valid = ("overview", *(kind.plural for kind in registry.kinds().values()))
    for pane in panes:
        if pane not in valid:
            unknown(context, "there is no pane", pane, valid)
    return _open(options, PARTS, "run_wallboard", read_only=True, forward={"rotate": rotate, "panes": panes})
