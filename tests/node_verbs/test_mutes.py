"""Muting: times as people write them, and a file that several consoles share."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app.errors import ConfigurationError, QuarterdeckError
from backends.node_verbs.mutes import Mutes, parse_until
from tests.node_verbs.bench import Bench
from tests.reports import run_plan
from tests.waiting import eventually

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 28, 18, 0, 5, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ("90m", "2026-03-28T19:30:05+01:00"),
        ("2h", "2026-03-28T20:00:05+01:00"),
        ("1d12h", "2026-03-30T06:00:05+02:00"),
        ("45s", "2026-03-28T18:00:50+01:00"),
        ("18:30", "2026-03-28T18:30:00+01:00"),
        ("18:00", "2026-03-29T18:00:00+02:00"),
        ("7:05", "2026-03-29T07:05:00+02:00"),
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        (" 2026-03-31T08:00 ", "2026-03-31T08:00:00+02:00"),
        ("2026-03-31 08:00:00+00:00", "2026-03-31T08:00:00+00:00"),
        ("2026-03-31T08:00Z", "2026-03-31T08:00:00+00:00"),
    ],
)
def test_times_are_read_as_they_are_meant(said: str, until: str) -> None:
    got = parse_until(said, NOW)
    assert got.timestamp() == datetime.fromisoformat(until).timestamp()


@pytest.mark.parametrize(
    "said", ["", "soon", "0m", "25:00", "18:60", "2025-01-01", "99999999999d", "20y", "4000d", "-2h", "2026-02-30"]
)
def test_what_is_no_time_to_come_is_said(said: str) -> None:
    with pytest.raises(ConfigurationError, match="--until"):
        parse_until(said, NOW)


async def test_a_mute_is_there_until_it_is_over(tmp_path: Path) -> None:
    mutes = Mutes(tmp_path / "state")
    assert mutes.get("pi", 0) is None
    later = time.time() + 100
    mutes.set("pi", later, "disk swap")
    path = tmp_path / "state" / "mutes.json"
    assert path.stat().st_mode & 0o777 == 0o600
    other = Mutes(tmp_path / "state")
    assert other.get("pi", time.time()) == (later, "disk swap")
    assert other.get("pi", later) is None
    mutes.end("pi")
    assert mutes.get("pi", time.time()) is None, "who changed it knows at once"
    await eventually(lambda: other.get("pi", time.time()) is None)


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b'{"pi": 3, "hp": {"until": "x"}}', b"\xff\xfe", b'{"pi": {"why": "x"}}']
)
def test_a_broken_file_mutes_nobody_and_is_mended(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mutes.json").write_bytes(content)
    mutes = Mutes(tmp_path)
    assert mutes.get("pi", 0) is None
    mutes.set("hp", time.time() + 9, "")
    assert list(json.loads((tmp_path / "mutes.json").read_text())) == ["hp"]


def test_several_processes_lose_nothing(tmp_path: Path) -> None:
    line = (
        "import sys, time; from pathlib import Path; from backends.node_verbs.mutes import Mutes\n"
        "for n in range(10): Mutes(Path(sys.argv[1])).set(f'{sys.argv[2]}{n}', time.time() + 99, '')"
    )
    here = Path(__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", line, str(tmp_path), name], cwd=here) for name in ("a", "b", "c")
    ]
    assert [one.wait(60) for one in started] == [0, 0, 0]
    assert len(json.loads((tmp_path / "mutes.json").read_text())) == 30
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith("mutes")) == [
        "mutes.json",
        "mutes.lock",
    ]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QuarterdeckError, match="cannot be written"):
        Mutes(tmp_path / "file").set("pi", time.time() + 9, "")


async def test_the_verb_mutes_and_unmutes(bench: Bench) -> None:
    plan = await bench.verbs.mute(bench.here, until="2h", reason="new fan")
    assert plan.steps[0].text.startswith("mute pi until 20")
    assert plan.steps[0].text.endswith(": new fan")
    await run_plan(plan)
    held = Mutes(bench.verbs.context.state).get("pi", time.time())
    assert held is not None
    assert held[1] == "new fan"
    assert 7100 < held[0] - time.time() <= 7200
    off = await bench.verbs.mute(bench.here, off=True)
    assert off.steps[0].text == "unmute pi"
    assert off.notes[0].startswith("it is mute already, until ")
    await run_plan(off)
    assert Mutes(bench.verbs.context.state).get("pi", time.time()) is None
