"""Ten thousand rows in a pane: keys, news, filters and quiet, in a real application on a pseudo-terminal.

``python -m benchmarks.table`` starts itself again on a pty (``--child ROLE``) and measures from outside: from the key
written to the last byte of the painted screen, CPU seconds of the whole process, bytes on the line.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.fleet import Fleet, Reading
from app.history import History
from backends.kinds.node import KIND, Filesystem, Node
from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal
from widgets.filter import parse
from widgets.row_order import SortBy
from widgets.view_state import ViewState

ROWS = 10_000
SOURCES = 200
SETTLED = 0.06
"""Seconds without a byte after which the screen counts as painted; not counted as part of the answer."""


def rows() -> list[Node]:
    """Ten thousand nodes with every figure of the narrow view."""
    disk = Filesystem(mount="/", device="sda", type="ext4", total_bytes=10**12, used_bytes=10**11, used_percent=41.0)
    return [
        Node(
            id=f"n{n:05d}",
            name=f"n{n:05d}",
            source=f"s{n % SOURCES}",
            state="down" if n % 97 == 5 else "up",
            cpu_percent=n * 37 % 89 * 1.0,
            load_1=n % 40 / 10,
            mem_total_bytes=16 * 2**30,
            mem_used_bytes=n * 53 % 14 * 2**30,
            net_rx_bytes_per_s=n * 31.0,
            net_tx_bytes_per_s=n * 7.0,
            uptime_s=n * 1000.0,
            filesystems=(disk,),
            os="Debian GNU/Linux 12 (bookworm)",
        )
        for n in range(ROWS)
    ]


def fleet_of(all_rows: list[Node], now: float) -> Fleet:
    """As the feed would hold it: one reading per source."""
    by_source: dict[str, list[Node]] = {}
    for row in all_rows:
        by_source.setdefault(row.source, []).append(row)
    return Fleet().with_readings(
        Reading(backend="b", source=source, items=tuple(items), taken_at=now) for source, items in by_source.items()
    )


def news(all_rows: list[Node]) -> Iterator[list[Node]]:
    """Each time, another 5 % of the rows have another CPU and load."""
    step = 0
    while True:
        step += 1
        for at in range(step % 20, ROWS, 20):
            row = all_rows[at]
            all_rows[at] = replace(row, cpu_percent=(step * 7 + at) % 89 * 1.0, load_1=step % 30 / 10)
        yield all_rows


def child(role: str) -> None:
    """The application under test: a pane, its themes, and news once a second where the role says so."""
    from textual.app import App, ComposeResult

    from widgets.pane import Pane
    from widgets.theme import SHIPPED, Themes, wear

    all_rows = rows()

    class Bench(App[None]):
        CSS_PATH = str(SHIPPED / "console.tcss")

        def compose(self) -> ComposeResult:
            self.history = History()
            self.pane = Pane(KIND, self.history)
            yield self.pane

        def on_mount(self) -> None:
            wear(self, Themes(), "quarterdeck-dark")
            self.fleet = fleet_of(all_rows, time.monotonic())
            self.pane.show(self.fleet, clock="09:41")
            self.pane.focus_table()
            self.changing = news(all_rows)
            if role != "keys":
                self.set_interval(1.0, self.second)

        def second(self) -> None:
            now = time.monotonic()
            if role == "quiet":
                self.fleet = Fleet().with_readings(replace(r, taken_at=now) for r in self.fleet.readings.values())
            else:
                self.fleet = fleet_of(next(self.changing), now)
                if role == "history":
                    self.history.record(self.fleet.of(Node), {"node": KIND.figures}, now)
            self.pane.show(self.fleet, now, clock="09:41")

    Bench().run()


def painted(terminal: Terminal, key: str) -> float:
    """Milliseconds from a key to the last byte of what it painted."""
    begun = time.monotonic()
    terminal.type(key)
    last = begun
    got = False
    while True:
        piece = terminal.read(SETTLED if got else 2.0, until=lambda _: True)
        if not piece:
            return (last - begun) * 1000 if got else float("inf")
        last, got = time.monotonic(), True


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def start(role: str) -> Terminal:
    """The child on a terminal of 120 by 36."""
    return Terminal([sys.executable, str(Path(__file__).resolve()), "--child", role], columns=120, rows=36)


def settle(terminal: Terminal) -> None:
    """Wait until it has painted and is idle."""
    terminal.read(30, until=lambda all_of_it: b"n00042" in all_of_it or b"n00005" in all_of_it)
    while terminal.read(1.0):
        pass


def keys() -> list[bool]:
    """From a key to the painted screen."""
    held: list[bool] = []
    with start("keys") as terminal:
        settle(terminal)
        for name, key, times in (
            ("cursor down", "j", 120),
            ("page down", "\x1b[6~", 60),
            ("to the end and back", "Gg", 20),
            ("mark", " ", 40),
        ):
            taken = [painted(terminal, one) for _ in range(times) for one in ([key] if key[0] == "\x1b" else key)]
            held.append(figure(f"{name}, p95", percentile(taken, 0.95), "ms", 16))
            figure(f"{name}, median", statistics.median(taken), "ms")
        figure("sort by name", painted(terminal, "N"), "ms")
        figure("sort by the next column", painted(terminal, "O"), "ms")
    return held


def cost(role: str, name: str, seconds: float, bound: float | None) -> bool:
    """Share of one core while news come, and bytes on the line."""
    with start(role) as terminal:
        settle_quietly(terminal)
        before, begun = terminal.cpu_seconds(), time.monotonic()
        written = len(terminal.read(seconds))
        passed = time.monotonic() - begun
        held = figure(name, 100 * (terminal.cpu_seconds() - before) / passed, "% of a core", bound)
        figure(f"{name}: on the line", written / passed, "bytes/s")
        figure(f"{name}: memory", terminal.memory_bytes() / 2**20, "MiB")
    return held


def settle_quietly(terminal: Terminal) -> None:
    """Let it start and paint, whatever comes."""
    terminal.read(5.0)


def quiet() -> bool:
    """Bytes written in a minute of equal readings."""
    with start("quiet") as terminal:
        settle_quietly(terminal)
        written = len(terminal.read(60.0))
        before = terminal.cpu_seconds()
        terminal.read(5.0)
        figure("equal readings: CPU", 20 * (terminal.cpu_seconds() - before), "% of a core")
        return figure("a minute of equal readings", written, "bytes", 0)


def pure() -> list[bool]:
    """What the order and the filter cost by themselves."""
    held: list[bool] = []
    all_rows = rows()
    state = ViewState(KIND)
    state.sort = SortBy("NAME")
    begun = time.perf_counter()
    state.take(fleet_of(all_rows, 0), 0)
    held.append(figure("first sort of 10,000 by name, index included", (time.perf_counter() - begun) * 1000, "ms", 150))
    begun = time.perf_counter()
    state.set_sort(SortBy("NAME", descending=True), 0)
    held.append(figure("sort of 10,000 by name", (time.perf_counter() - begun) * 1000, "ms", 50))
    begun = time.perf_counter()
    state.set_filter(parse("n00[13]"), 0)
    figure("first filter of 10,000", (time.perf_counter() - begun) * 1000, "ms")
    taken: list[float] = []
    for typed in ("n", "n0", "n01", "n01|dow", "!n01", "-f n17", "97 %"):
        begun = time.perf_counter()
        state.set_filter(parse(typed), 0)
        taken.append((time.perf_counter() - begun) * 1000)
    held.append(figure("a further letter of a filter, worst of 7", max(taken), "ms", 100))
    state.set_filter(parse(""), 0)
    changing = news(all_rows)
    fleet = fleet_of(next(changing), 1)
    begun = time.perf_counter()
    state.take(fleet, 1)
    figure("news of 5 % of 10,000 rows", (time.perf_counter() - begun) * 1000, "ms")
    return held


def main() -> None:
    """Measure all of it."""
    begin("the fleet table with 10,000 rows", 2.5)
    held = [*pure(), *keys()]
    held.append(cost("news", "5 % of the rows change each second", 20, 10))
    cost("history", "the same with four figures of each row recorded", 20, None)
    held.append(quiet())
    figure("load of the machine meanwhile", os.getloadavg()[0], "processes")
    end(*held)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
