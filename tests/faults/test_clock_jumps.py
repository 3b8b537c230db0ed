"""A wall clock that is set forward or back changes no age, no state and no order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from app.feed import Feed
from app.fleet import Ref
from app.inventory.model import Inventory, NodeEntry
from app.witness.chain import Chain, Request
from app.witness.entry import Phase
from app.witness.verify import verify
from backends.kinds.node import KIND, Node
from backends.local.backend import Local
from tests.backends.watching import context
from tests.waiting import eventually
from tests.witness.logs import HOST, OPERATOR, draft, stored_lines

YEAR = 365 * 86400.0


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the wall clock finds it a year later or earlier than the one before."""
    real, jumps = time.time, cycle((YEAR, -YEAR, 0.0))
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))


@pytest.mark.usefixtures("jumping")
async def test_ages_and_states_take_no_notice(tmp_path: Path) -> None:
    hosts = Inventory(nodes={"here": NodeEntry(name="here", local=True, interval=0.1)})
    backend = Local(context(hosts, tmp_path))
    feed = Feed([backend], {"node": KIND})
    seen: list[str] = []
    feed.listen(lambda fleet: seen.extend(str(row.state) for row in fleet.noun("node")))
    feed.configure(hosts)
    try:
        await eventually(lambda: seen.count("up") >= 4, what="several readings")
        after = seen[seen.index("up") :]
        assert set(after) == {"up"}, "never stale, never down"
        row, reading = feed.fleet.find(Ref("node", "here")), feed.fleet.reading_of(Ref("node", "here"))
        assert isinstance(row, Node)
        assert reading is not None
        assert 0 <= time.monotonic() - reading.taken_at < 60
        assert row.cpu_percent is None or 0 <= row.cpu_percent <= 100
    finally:
        await feed.close()
        await backend.context.links.close()


def test_the_witness_keeps_its_order_by_number_and_stays_whole(tmp_path: Path) -> None:
    said: Iterator[str] = iter(
        ("2026-05-01T00:00:00.000000Z", "2031-01-01T00:00:00.000000Z", "1970-01-01T00:00:01.000000Z")
    )
    chain = Chain(tmp_path / "ops@hp", OPERATOR, HOST, 1 << 20, now=lambda: next(said))
    for phase in (Phase.INTENT, Phase.STEP, Phase.OUTCOME):
        chain.append([Request(draft(phase))])
    chain.close()
    lines = stored_lines(tmp_path / "ops@hp")
    assert [b'"seq":%d' % number in line for number, line in enumerate(lines, 1)] == [True] * 3
    verdict = verify(tmp_path / "ops@hp")
    assert (verdict.first_break, verdict.entries) == (None, 3)
