"""What cannot be read and has no row is told where rows would be: panes, overview and wallboard never look empty."""

from __future__ import annotations

from app.fleet import Fleet
from tests.widgets.demo import NOW, demo_fleet
from tests.widgets.screens import OverviewApp, PaneApp, WallApp
from widgets.empty import SHOWN

LOCKED = ("pi", "permission denied on /var/run/docker.sock, which belongs to the group docker; join it there")
GONE = ("hp\x1b[2J", "no answer within 10 s")


def shown(app: PaneApp) -> str:
    """The whole screen as text."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
    return "\n".join(strip.text for strip in strips)


def context(app: PaneApp) -> str:
    """The line above the table."""
    return shown(app).splitlines()[0]


async def test_an_empty_pane_says_who_could_not_be_asked_and_why() -> None:
    app = PaneApp(Fleet())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "No nodes are configured." in shown(app)
        assert "a adds one" in shown(app)
        app.pane.unread = lambda: [LOCKED, GONE]
        app.pane.tick(NOW)
        await pilot.pause()
        assert "No nodes are configured." in shown(app)
        assert "pi: permission denied on /var/run/docker.sock, which" in shown(app)
        assert "join it there" in shown(app), "long reasons are not cut"
        assert "hp[2J: no answer" in shown(app)
        assert "2 not read" in context(app)
        app.pane.unread = lambda: [(f"n{number}", "closed") for number in range(SHOWN + 4)]
        app.pane.tick(NOW)
        await pilot.pause()
        assert "and 4 more that cannot be read" in shown(app)
        app.pane.unread = tuple
        app.pane.tick(NOW)
        await pilot.pause()
        assert "a adds one" in shown(app)


async def test_a_pane_with_rows_counts_them() -> None:
    app = PaneApp()
    async with app.run_test(size=(120, 24)) as pilot:
        app.pane.unread = lambda: [LOCKED]
        app.pane.tick(NOW)
        await pilot.pause()
        assert "1 not read" in context(app)
        assert "permission" not in shown(app), "the row at hand has its own trouble"
        await pilot.press("G")
        await pilot.pause()
        assert "permission denied" in shown(app)


async def test_tiles_say_it_too() -> None:
    for fleet in (Fleet(), demo_fleet()):
        overview = OverviewApp(fleet=fleet)
        async with overview.run_test(size=(120, 30)) as pilot:
            overview.overview.ask_unread(lambda noun: [LOCKED] if noun == "node" else [])
            overview.overview.tick(NOW)
            await pilot.pause()
            assert "1 not read" in overview.text
            assert ("pi: permission denied" in overview.text) is not any(fleet.noun("node"))
        wall = WallApp(fleet=fleet)
        async with wall.run_test(size=(120, 30)) as pilot:
            wall.wall.ask_unread(lambda noun: [LOCKED])
            for _ in range(2):
                wall.wall.tick(NOW)
                await pilot.pause()
                assert "1 not read" in wall.text or "pi: permission denied" in wall.text
                await pilot.press("right")
