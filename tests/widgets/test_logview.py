"""Logs on the screen: filtered, searched, coloured, saved, bounded whatever comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.app import ComposeResult

from app.column import Token
from app.errors import BadAnswer
from app.keys import Keymap, normal
from app.verb import Catalog, Line, Stream
from tests.waiting import eventually
from tests.widgets.screens import NODE_VERBS, Host
from widgets.filter import parse
from widgets.log_buffer import KEEP, KEEP_BYTES, Kept, LogBuffer, tame
from widgets.log_colour import Drawing, drawn, moment_text, origin_width
from widgets.log_file import save
from widgets.logview import LogPlace
from widgets.page import Span, plain

Snap = Callable[..., bool]
JOURNAL = next(verb for verb in NODE_VERBS if verb.name == "journal")


class LogApp(Host):
    """A log in place of the console."""

    def __init__(self, lines: Iterable[str | Line] = (), *, timestamps: bool = False, end: bool = False) -> None:
        super().__init__()
        self.queue: asyncio.Queue[str | Line | Exception | None] = asyncio.Queue()
        for line in lines:
            self.queue.put_nowait(line)
        if end:
            self.queue.put_nowait(None)
        self.closed = False
        self.told: list[str] = []
        self.keymap = Keymap(Catalog({}), ())
        self.place = LogPlace(JOURNAL, None, Stream(self._lines(), "pi", timestamps))

    async def _lines(self) -> AsyncIterator[str | Line]:
        try:
            while (line := await self.queue.get()) is not None:
                if isinstance(line, Exception):
                    raise line
                yield line
        finally:
            self.closed = True

    def compose(self) -> ComposeResult:
        """The log."""
        yield self.place

    def tell(self, words: str, *, bad: bool = False) -> None:
        """As the console does in a toast."""
        self.told.append(words)

    def on_key(self, event: events.Key) -> None:
        """As the console hands keys on."""
        key = normal(event.key, event.character)
        if self.place.has_class("-filtering"):
            return
        binding = self.keymap.find(key)
        if not self.place.own_key(key) and binding is not None and not self.place.press(binding.id):
            _ = binding.id == "console.back" and self.place.back()

    def send(self, *lines: str | Line) -> None:
        """More lines come."""
        for line in lines:
            self.queue.put_nowait(line)

    @property
    def shown(self) -> list[str]:
        """The lines of the page, without the column that marks them."""
        page = self.place.page
        rows = [page.render_line(y).text for y in range(page.size.height)]
        return [text for row in rows if (text := row[1:].rstrip(" ▐"))]

    @property
    def heading(self) -> str:
        """The title."""
        return self.place.heading.render_line(0).text


async def test_lines_are_followed_held_and_followed_again() -> None:
    app = LogApp(f"line {n}" for n in range(100))
    async with app.run_test(size=(80, 12)) as pilot:
        await eventually(
            lambda: app.shown == [f"line {n}" for n in range(90, 100)], what="a screen so low has no rules"
        )
        await pilot.press("k")
        assert "held" in app.heading
        above = app.shown
        app.send(*(f"more {n}" for n in range(50)))
        await eventually(lambda: "150 lines" in app.heading)
        assert app.shown == above
        await pilot.press("f")
        assert app.shown[-1] == "more 49"
        assert "following" in app.heading


async def test_a_filter_and_its_opposite() -> None:
    app = LogApp(["GET /a 200", "GET /b 500", "POST /a 500"])
    async with app.run_test(size=(80, 12)) as pilot:
        await eventually(lambda: len(app.shown) == 3)
        await pilot.press("slash", *"500", "enter")
        await eventually(lambda: app.shown == ["GET /b 500", "POST /a 500"])
        assert "2 of 3 lines" in app.heading
        app.send("GET /c 500", "GET /c 200")
        await eventually(lambda: len(app.shown) == 3)
        await pilot.press("slash", *["backspace"] * 3, *"!500", "enter")
        await eventually(lambda: app.shown == ["GET /a 200", "GET /c 200"])
        await pilot.press("escape")
        await eventually(lambda: len(app.shown) == 5)


async def test_a_wrong_filter_is_told_and_the_last_good_one_stays() -> None:
    app = LogApp(["one", "two"])
    async with app.run_test(size=(100, 12)) as pilot:
        await pilot.press("slash", *"one(")
        await eventually(lambda: "not a regular expression" in app.heading)
        await eventually(lambda: app.shown == ["one"])


async def test_a_search_goes_from_one_place_to_the_next() -> None:
    app = LogApp(f"line {n}" + (" needle" if n % 30 == 10 else "") for n in range(100))
    async with app.run_test(size=(80, 12)) as pilot:
        await eventually(lambda: app.shown[-1:] == ["line 99"])
        await pilot.press("number_sign", *"needle", "enter")
        page = app.place.log_page
        assert not page.follow
        assert "line 70 needle" in app.shown
        await pilot.press("N")
        assert "line 40 needle" in app.shown
        await pilot.press("N", "N")
        assert "nothing more before" in app.told[-1]
        await pilot.press("n")
        assert "line 40 needle" in app.shown
        chosen = next(line for line in app.place.page.lines if line[0][0] == "▌")
        assert ("needle", Token.MARK) in chosen
        await pilot.press("escape")
        assert "#needle" not in app.heading
        assert app.place.filter.empty


async def test_moments_and_senders_are_shown_where_they_tell_something() -> None:
    one, two = Line("a", 1769846400.25, "pi/web"), Line("b", 1769846401.0, "hp/database", True)
    app = LogApp([one])
    async with app.run_test(size=(100, 12)) as pilot:
        await eventually(lambda: app.shown == ["a"])
        app.send(two)
        await eventually(lambda: app.shown == ["pi/web      │ a", "hp/database │ b"])
        await pilot.press("t")
        assert app.shown[0] == f"{moment_text(one.at)} pi/web      │ a"
        assert len(moment_text(one.at)) == len(moment_text(None)) == 18
        marks = [line[0][0] for line in app.place.page.lines]
        assert marks == [" ", "▏"]
        await pilot.press("t")
        assert app.shown[0].startswith("pi/web")


async def test_a_view_can_ask_for_moments() -> None:
    app = LogApp([Line("a", 1769846400.25, "pi/web")], timestamps=True)
    async with app.run_test(size=(100, 12)):
        await eventually(lambda: app.shown == [f"{moment_text(1769846400.25)} a"])


async def test_long_lines_are_cut_or_wrapped() -> None:
    app = LogApp(["word " * 40])
    async with app.run_test(size=(60, 12)) as pilot:
        await eventually(lambda: len(app.shown) == 1)
        assert app.shown[0].endswith("…")
        await pilot.press("ctrl+w")
        assert len(app.shown) > 3
        assert "word" in app.shown[-1]


async def test_what_is_shown_is_saved_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = LogApp([Line("keep", 1769846400.25, "pi/web"), Line("drop", 1769846401.0, "hp/db")])
    async with app.run_test(size=(80, 12)) as pilot:
        await eventually(lambda: len(app.shown) == 2)
        await pilot.press("slash", *"keep", "enter")
        await eventually(lambda: len(app.shown) == 1)
        await pilot.press("s")
        await pilot.press("t", "s")
        first, second = sorted(tmp_path.glob("node-journal-*.log"), key=lambda path: path.stat().st_size)
        assert first.read_text() == "pi/web │ keep\n"
        assert second.read_text().endswith(" pi/web │ keep\n")
        assert first.stat().st_mode & 0o777 == 0o600
        assert str(first) in "".join(app.told)
        assert "1 lines saved" in app.told[0]


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def now(form: str) -> str:
        return "now"

    monkeypatch.setattr("widgets.log_file.time.strftime", now)
    lines = [Kept(0, "x", None, "", False)]
    (tmp_path / "a-b-now.log").write_text("mine")
    path = save("a/b", lines, timestamps=True, origins=False, folders=(tmp_path,))
    assert path.name == "a-b-now-2.log"
    assert (tmp_path / "a-b-now.log").read_text() == "mine"
    with pytest.raises(OSError, match="No such file"):
        save("x", lines, timestamps=False, origins=False, folders=(tmp_path / "none",))


async def test_an_end_and_what_went_wrong_are_said() -> None:
    app = LogApp(["x"], end=True)
    async with app.run_test(size=(80, 12)):
        await eventually(lambda: "ended" in app.heading)
        assert app.closed
    app = LogApp(["x"])
    async with app.run_test(size=(100, 12)):
        app.queue.put_nowait(BadAnswer("it broke"))
        await eventually(lambda: "ended: it broke" in app.heading)


async def test_leaving_ends_what_sends_the_lines() -> None:
    app = LogApp(["x"])
    async with app.run_test(size=(80, 12)):
        await eventually(lambda: app.shown == ["x"])
        await app.place.remove()
        await eventually(lambda: app.closed)


async def test_no_line_is_lost_while_a_filter_is_typed() -> None:
    app = LogApp(f"line {n}" for n in range(3000))
    async with app.run_test(size=(80, 12)) as pilot:
        for count, key in enumerate(["slash", *"e 7", "backspace", "enter"]):
            app.send(*(f"line {n}" for n in range(500)))
            await pilot.press(key)
            await eventually(lambda least=500 * count: app.place.buffer.count >= least)
        buffer = app.place.buffer
        await eventually(lambda: "6000 lines" in app.heading)
        assert len(buffer) + buffer.dropped == buffer.count == 6000
        await eventually(lambda: len(buffer.shown) == 6000)


async def test_a_filter_that_takes_for_ever_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widgets.logview._TOO_SLOW_S", 0.0)
    app = LogApp(f"line {n}" for n in range(1000))
    async with app.run_test(size=(80, 12)) as pilot:
        await eventually(lambda: "1000 lines" in app.heading)
        await pilot.press("slash", "9")
        await eventually(lambda: any("takes too long" in words for words in app.told))
        await eventually(lambda: app.place.filter.empty)


# what is kept


def texts(buffer: LogBuffer) -> list[str]:
    return [kept.text for kept in buffer.shown]


def refiltered(buffer: LogBuffer, typed: str) -> None:
    passes = parse(typed)
    for _ in buffer.refilter(None if passes.empty else passes.matches):
        pass


def test_lines_that_pass_outlive_the_others() -> None:
    buffer = LogBuffer()
    refiltered(buffer, "needle")
    for n in range(5 * KEEP):
        buffer.add(f"needle {n}" if n % 1000 == 0 else f"hay {n}")
    assert len(buffer.shown) == 50
    assert len(buffer) == KEEP + 50
    assert buffer.dropped == 5 * KEEP - len(buffer)
    refiltered(buffer, "needle (0|49000)$")
    assert texts(buffer) == ["needle 0", "needle 49000"]
    refiltered(buffer, "")
    assert len(buffer.shown) == KEEP
    assert texts(buffer)[-1] == f"hay {5 * KEEP - 1}"
    assert buffer.count == 5 * KEEP == len(buffer) + buffer.dropped


def test_memory_is_bounded_by_bytes_as_well() -> None:
    buffer = LogBuffer()
    for n in range(2 * KEEP):
        buffer.add("€" * 100_000 if n % 2 else "x" * 100_000)
    assert sum(sys.getsizeof(kept.text) for kept in buffer.shown) <= KEEP_BYTES
    assert 100 < len(buffer.shown) < KEEP
    assert buffer.dropped == 2 * KEEP - len(buffer.shown)


def test_parts_of_a_ring_are_the_same_from_both_ends() -> None:
    buffer = LogBuffer()
    for n in range(100):
        buffer.add(str(n))
    for begin, end in ((0, 10), (60, 70), (95, 200), (0, 100), (51, 100), (100, 110)):
        assert [kept.text for kept in buffer.shown.part(begin, end)] == [str(n) for n in range(100)][begin:end]


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\rb\x08\x00c", "a bc"),
        ("\u202eevil", "evil"),
        ("[@click=app.quit]x[/]", "[@click=app.quit]x[/]"),
        ("a\tb", "a   b"),
        ("\ud800", ""),
    ],
)
def test_lines_from_outside_are_tamed(hostile: str, safe: str) -> None:
    assert tame(hostile) == safe


# how it is drawn


def line(text: str, **more: Any) -> list[Span]:
    how = cast("Drawing", more.pop("how", Drawing()))
    kept = Kept(more.pop("number", 0), text, more.pop("at", None), more.pop("origin", ""), more.pop("error", False))
    return list(drawn(kept, how))[1:]


def test_levels_stand_out() -> None:
    assert line("an ERROR here") == [("an ", Token.TEXT), ("ERROR", Token.CRIT), (" here", Token.TEXT)]
    assert line("[warn] disk") == [("[", Token.TEXT), ("warn", Token.WARN), ("] disk", Token.TEXT)]
    assert line("terror and warnings") == [("terror and ", Token.TEXT), ("warnings", Token.WARN)]
    assert line("12:00 DEBUG x") == [("12:00 DEBUG x", Token.MUTED)]
    assert line("") == [("", Token.TEXT)]


def test_json_is_read_as_people_do() -> None:
    spans = line('{"b": {"c": 1}, "msg": "hello", "time": "T", "level": "error", "a": "x"}')
    assert "".join(text for text, _ in spans) == 'T ERROR hello  b={"c": 1} a=x '
    assert ("ERROR ", Token.CRIT) in spans
    assert ("b=", Token.MUTED) in spans
    assert ("hello  ", Token.TEXT) in spans
    assert ("x ", Token.MUTED) in spans
    assert line('{"level": 40, "msg": "x"}')[0] == ("WARN  ", Token.WARN)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1', "{not json}", "{}", "[1, 2]", '{"a": }', "{" * 3000 + "}", '{"level": NaN', "{" + "[" * 3000 + "}"],
)
def test_what_is_no_object_is_shown_as_it_is(text: str) -> None:
    assert "".join(part for part, _ in line(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"level": NaN, "msg": 1e999}',
        '{"level": true, "msg": null, "time": [1]}',
        '{"msg": "a\\u001b[31m\\nb", "\\u202e": "\\ud800"}',
        '{"level": -99999999999999999999, "msg": ""}',
    ],
)
def test_odd_objects_are_drawn_and_safe(text: str) -> None:
    shown = "".join(part for part, _ in line(text))
    assert shown.isprintable()
    shown.encode()


def test_columns_of_senders_fit_and_are_cut() -> None:
    assert origin_width(["pi/web"]) == 0
    assert origin_width(["a", "bb"]) == 2
    assert origin_width(["a", "x" * 100]) == 24
    how = Drawing(origin_width=24)
    first = line("t", origin="x" * 100, how=how)[0]
    assert first[0] == "x" * 23 + "…"
    assert line("t", origin="x" * 100, how=how)[0][1] == first[1]


def test_what_is_found_stands_out_over_other_colours() -> None:
    how = Drawing(found=lambda text: [(1, 6)])
    assert line("an ERROR", how=how) == [
        ("a", Token.TEXT),
        ("n ", Token.MARK),
        ("ERR", Token.MARK),
        ("OR", Token.CRIT),
    ]
    assert plain(tuple(line("an ERROR", how=how))) == "an ERROR"


# pictures

LINES: tuple[Line, ...] = (
    Line("listening on :8080", 1769846400.1, "pi/web"),
    Line('{"level":"info","msg":"GET /","ms":12,"user":null}', 1769846400.2, "pi/api"),
    Line('{"level":"error","msg":"no such table: \\u001b[31musers","code":500}', 1769846400.3, "pi/api", True),
    Line("\x1b[33mWARN\x1b[0m retrying in 5 s", 1769846401.0, "hp/db"),
    Line("DEBUG cache miss for [@click=app.quit]key[/]", 1769846402.0, "pi/web"),
    Line("panic: out of memory", 1769846403.0, "hp/db", True),
)


def test_merged_log(snap_compare: Snap) -> None:
    app = LogApp(LINES)

    async def ready(pilot: Any) -> None:
        await eventually(lambda: "6 lines" in app.heading)

    assert snap_compare(app, terminal_size=(100, 14), run_before=ready)


def test_searched_log(snap_compare: Snap) -> None:
    app = LogApp(LINES)

    async def ready(pilot: Any) -> None:
        await eventually(lambda: "6 lines" in app.heading)
        await pilot.press("number_sign", *"pi|mem", "enter")

    assert snap_compare(app, terminal_size=(100, 14), run_before=ready)
