"""One picture per screen and theme, at a fixed size and clock; look at the report before accepting a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.fleet import Fleet
from backends.kinds.node import KIND
from tests.widgets.demo import NOW, demo_fleet, demo_history
from tests.widgets.screens import OverviewApp, PaneApp, WallApp

Snap = Callable[..., bool]
KINDS = (KIND, replace(KIND, plural="containers"), replace(KIND, noun="vm", plural="vms"))


@pytest.mark.parametrize("look", ["dark", "light", "contrast", "colorblind", "mono"])
def test_pane(snap_compare: Snap, look: str) -> None:
    app = PaneApp(history=demo_history())
    app.look = f"quarterdeck-{look}"
    assert snap_compare(app, terminal_size=(120, 24), press=["j", "space", "j"])


@pytest.mark.parametrize("size", [(80, 24), (200, 30)], ids=["narrow", "broad"])
def test_pane_sizes(snap_compare: Snap, size: tuple[int, int]) -> None:
    assert snap_compare(PaneApp(history=demo_history()), terminal_size=size, press=["slash", "p", "i"])


def test_empty_pane(snap_compare: Snap) -> None:
    assert snap_compare(PaneApp(Fleet()), terminal_size=(80, 24))


@pytest.mark.parametrize("size", [(80, 24), (120, 30)], ids=["narrow", "usual"])
@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS], ids=["one", "three"])
def test_overview(snap_compare: Snap, size: tuple[int, int], kinds: Any) -> None:
    assert snap_compare(OverviewApp(kinds), terminal_size=size)


@pytest.mark.parametrize("late", [0, 200], ids=["fresh", "stale"])
def test_wallboard(snap_compare: Snap, late: int) -> None:
    assert snap_compare(WallApp(KINDS, demo_fleet(NOW - late)), terminal_size=(160, 45))


def test_wallboard_page(snap_compare: Snap) -> None:
    assert snap_compare(WallApp(), terminal_size=(120, 30), press=["right"])
