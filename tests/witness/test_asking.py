"""Asking the log: filters, moments, limits, damage, several chains, and the commands that show it all."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.witness_commands import witness
from app.errors import ConfigurationError
from app.witness import Phase
from app.witness.chain import Chain, Request
from app.witness.checkpoint import FILE, sign
from app.witness.entry import decode
from app.witness.query import Filter, moment, read
from app.witness.segments import SEGMENT_BYTES
from tests.witness.logs import HOST, NAME, OPERATOR, build, draft, only_segment, put_lines, stored_lines

NOW = datetime(2025, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A chain of six entries, one a minute from 12:00 UTC on."""
    clock: Iterator[str] = (
        (NOW + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for minute in range(100)
    )
    chain = Chain(tmp_path / NAME, OPERATOR, HOST, SEGMENT_BYTES, lambda: next(clock))
    plan = ("systemctl reboot",)
    chain.append(
        [
            Request(draft(Phase.INTENT, target="node:pi,node:hp", plan=plan, why="Kernel [5.10]"), reserve=2),
            Request(draft(Phase.STEP, target="node:hp", handle="pid:77")),
            Request(draft(Phase.OUTCOME, target="node:pi", outcome="done", exit_code=0), settles=1),
            Request(draft(Phase.OUTCOME, target="node:hp", outcome="failed", exit_code=-9, message="=1+1"), settles=1),
            Request(
                draft(Phase.REFUSAL, verb="container stop", target="container:pi/web", outcome="refused", trace="t2")
            ),
            Request(draft(Phase.NOTE, verb="console start", target="", message="Grüße\x1b[31m", trace="t3")),
        ]
    )
    chain.close()
    return tmp_path / NAME


ASKED: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4, 5, 6]),
    ({"verb": "node reboot"}, [1, 2, 3, 4]),
    ({"verb": "reboot"}, [1, 2, 3, 4]),
    ({"verb": "container"}, [5]),
    ({"verb": "con*"}, [5, 6]),
    ({"verb": "boot"}, []),
    ({"target": "node:pi"}, [1, 3]),
    ({"target": "pi"}, [1, 3]),
    ({"target": "pi/*"}, [5]),
    ({"target": "node:*"}, [1, 2, 3, 4]),
    ({"operator": "ops"}, [1, 2, 3, 4, 5, 6]),
    ({"operator": "op"}, []),
    ({"outcome": "failed"}, [4]),
    ({"outcome": "*e*"}, [3, 4, 5]),
    ({"text": "kernel"}, [1]),
    ({"text": "SYSTEMCTL"}, [1]),
    ({"text": "[5.10]"}, [1]),
    ({"text": "grüße"}, [6]),
    ({"text": "GRÜSSE"}, [6]),
    ({"text": "prev_hash"}, []),
    ({"text": "pid:77"}, [2]),
    ({"trace": "t2"}, [5]),
    ({"trace": "t"}, []),
    ({"since": NOW + timedelta(minutes=4)}, [5, 6]),
    ({"until": NOW + timedelta(minutes=1)}, [1, 2]),
    ({"since": NOW + timedelta(minutes=1), "until": NOW + timedelta(minutes=2), "outcome": "done"}, [3]),
]


@pytest.mark.parametrize(("asked", "expected"), ASKED)
def test_filters(story: Path, asked: dict[str, Any], expected: list[int]) -> None:
    assert [entry.seq for entry in read(story, Filter(**asked))] == expected
    assert [entry.seq for entry in read(story, Filter(**asked), reverse=True)] == expected[::-1]
    assert [entry.seq for entry in read(story, Filter(**asked), reverse=True, limit=1)] == expected[-1:]


def test_reading_backwards_crosses_blocks(tmp_path: Path) -> None:
    chain = Chain(tmp_path / NAME, OPERATOR, HOST, SEGMENT_BYTES)
    chain.append([Request(draft(message="x" * length)) for length in (10, 70_000, 5, 200_000, 65_000, 1)])
    assert [entry.seq for entry in read(tmp_path / NAME, reverse=True)] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("3 d", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2025-11-20T09:41:00Z", datetime(2025, 11, 20, 9, 41, tzinfo=UTC)),
        ("2025-11-20T09:41:00+02:00", datetime(2025, 11, 20, 7, 41, tzinfo=UTC)),
        ("2025-11-20", datetime(2025, 11, 20).astimezone(UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(text, option="--since", now=NOW) == expected


def test_a_date_as_the_end_includes_its_day() -> None:
    start = moment("2025-11-20", option="--until")
    assert moment("2025-11-20", option="--until", end=True) - start == timedelta(days=1, microseconds=-1)


@pytest.mark.parametrize("text", ["", "banana", "2h3", "-2h", "2025-13-01", "999999999w", "9999-12-31x", "٣h ago"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no moment") as refused:
        moment(text, option="--since", now=NOW)
    assert refused.value.where == "--since"


def run(folder: Path, *arguments: str, output: str = "json") -> Result:
    return CliRunner().invoke(witness, [*arguments], obj={"output": output, "witness_folder": folder})


def items(result: Result) -> list[dict[str, Any]]:
    return json.loads(result.stdout)["items"]


def test_query_as_json(story: Path) -> None:
    result = run(story.parent, "query", "--target", "hp")
    assert result.exit_code == 0
    assert [item["seq"] for item in items(result)] == [1, 2, 4]
    assert items(result)[0]["plan"] == ["systemctl reboot"]
    assert items(result)[2]["exit_code"] == -9
    assert [item["seq"] for item in items(run(story.parent, "query", "--limit", "2"))] == [5, 6]
    assert items(run(story.parent, "query", "--limit", "0")) == []
    assert [i["seq"] for i in items(run(story.parent, "query", "--since", "2025-11-20T12:04:00Z"))] == [5, 6]


def test_query_as_a_table_draws_nothing_hostile(story: Path) -> None:
    result = run(story.parent, "query", output="table")
    assert "\x1b" not in result.stdout
    assert "Grüße[31m" in result.stdout
    assert len(result.stdout.splitlines()) == 7


def test_query_without_a_terminal_has_no_limit(tmp_path: Path) -> None:
    build(tmp_path, 120, batch=120)
    assert len(items(run(tmp_path, "query"))) == 120


@pytest.mark.parametrize(("arguments", "count"), [((), 50), (("--limit", "70"), 70), (("--text", "note 11"), 11)])
def test_query_on_a_terminal_shows_the_newest_50_and_says_so(
    tmp_path: Path, arguments: tuple[str, ...], count: int
) -> None:
    build(tmp_path, 120, batch=120)
    code = "from app.cli.witness_commands import witness; witness()"
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", code, "query", "--folder", str(tmp_path), *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # how a terminal says that its other side is gone
            pass
        assert process.stderr is not None
        said = process.stderr.read()
    os.close(ours)
    lines = shown.decode().splitlines()
    assert len(lines) == count + 1
    assert lines[-1].endswith("note 119")
    assert (b"more: --limit" in said) is (arguments == ())


def test_query_of_nothing(tmp_path: Path) -> None:
    result = run(tmp_path / "none", "query")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"items": [], "errors": []})


def test_a_damaged_line_is_told_and_the_rest_is_shown(story: Path) -> None:
    lines = stored_lines(story)
    put_lines(story, [*lines[:2], b"rubbish\x1b\n", b'{"seq":1}\n', *lines[2:]])
    result = run(story.parent, "query")
    answer = json.loads(result.stdout)
    assert result.exit_code == 3
    assert [item["seq"] for item in answer["items"]] == [1, 2, 3, 4, 5, 6]
    assert len(answer["errors"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("query", "--since", "banana"), "no moment"),
        (("query", "--since", "1h", "--until", "2h"), "is after"),
        (("export", "--until", "x"), "no moment"),
        (("query", "--folder", "/nowhere/at/all"), "no such folder"),
        (("verify", "--folder", "/nowhere/at/all"), "no such folder"),
    ],
)
def test_wrong_use_exits_2_and_says_why(story: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(story.parent, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert said in json.loads(result.stdout)["errors"][0]["what"]
    assert run(story.parent, *arguments, output="table").stdout == ""


def test_several_chains_are_read_together(story: Path) -> None:
    other = Chain(story.parent / "ops@old", OPERATOR, "old", SEGMENT_BYTES, lambda: "2025-11-20T12:00:30.000000Z")
    other.append([Request(draft(message="from the old name"))])
    result = run(story.parent, "query")
    assert [(item["host"], item["seq"]) for item in items(result)][:3] == [("hp", 1), ("old", 1), ("hp", 2)]
    assert [item["id"] for item in items(run(story.parent, "verify"))] == ["ops@hp", "ops@old"]


def test_trace_is_a_tree_with_durations(story: Path) -> None:
    shown = run(story.parent, "trace", "t1", output="table")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0] == "trace t1 · 1 operation · 4 entries"
    assert "└─ node reboot" in shown.stdout
    assert "   ├─ plan: systemctl reboot" in shown.stdout
    assert "node:pi  done (0) · 2 min 0 s" in shown.stdout
    assert "handle pid:77 · +1 min 0 s" in shown.stdout
    (tree,) = items(run(story.parent, "trace", "t1"))
    assert (tree["duration_s"], tree["missing_outcomes"]) == (180.0, 0)
    assert [entry["since_begin_s"] for entry in tree["entries"]] == [60.0, 120.0, 180.0]
    assert "refusal" in run(story.parent, "trace", "t2", output="table").stdout


@pytest.mark.parametrize("token", ["nope", "t", "", "'; rm -rf /", "\ud800"])
def test_a_wrong_token_is_said(story: Path, token: str) -> None:
    result = run(story.parent, "trace", token)
    assert result.exit_code == 1
    assert "no operation" in json.loads(result.stdout)["errors"][0]["what"]


def test_verify_says_what_it_proves_and_what_not(story: Path, tmp_path: Path) -> None:
    last = decode(stored_lines(story)[-1])
    sign(story, origin=NAME, size=6, head=last.hash)
    whole = run(tmp_path, "verify", output="table")
    assert whole.exit_code == 0
    assert "whole · 6 entries" in whole.stdout
    assert "does not prove" in whole.stdout
    put_lines(story, stored_lines(story)[:4])
    result = run(tmp_path, "verify")
    assert result.exit_code == 1
    assert (items(result)[0]["break"]["seq"], items(result)[0]["break"]["kind"]) == (5, "truncated")
    assert "BROKEN at entry 5 (truncated)" in run(tmp_path, "verify", output="table").stdout


def test_verify_against_a_copy_misses_a_chain_that_is_gone(story: Path, tmp_path: Path) -> None:
    sign(story, origin=NAME, size=6, head=decode(stored_lines(story)[-1]).hash)
    copy = tmp_path / "copy"
    copy.write_bytes((story / FILE).read_bytes())
    assert run(tmp_path, "verify", "--against", str(copy)).exit_code == 0
    gone = run(tmp_path / "elsewhere", "verify", "--against", str(copy))
    assert gone.exit_code == 1
    assert "is gone" in json.loads(gone.stdout)["errors"][0]["what"]


def test_verify_of_nothing_is_not_well(tmp_path: Path) -> None:
    result = run(tmp_path, "verify")
    assert result.exit_code == 1
    assert "nothing to prove" in result.stderr


def test_export_as_csv_is_safe_in_a_spreadsheet(story: Path, tmp_path: Path) -> None:
    Chain(story, OPERATOR, HOST, SEGMENT_BYTES).append(
        [Request(draft(message=text)) for text in ("+1", "-1", "@x", "\t=1", "two\nlines", "half \ud800", "plain")]
    )
    result = run(tmp_path, "export", "--format", "csv")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert len(rows) == 13
    assert rows[3]["message"] == "'=1+1"
    assert rows[3]["exit_code"] == "-9"
    assert [row["message"] for row in rows[6:]] == [
        "'+1",
        "'-1",
        "'@x",
        "'\\x09=1",
        "two\nlines",
        "half \\ud800",
        "plain",
    ]
    assert rows[5]["message"] == "Grüße\\x1b[31m"


def test_export_to_a_new_file(story: Path, tmp_path: Path) -> None:
    target = tmp_path / "log.json"
    assert run(story.parent, "export", "--to", str(target), "--verb", "reboot").exit_code == 0
    assert [item["seq"] for item in json.loads(target.read_text())["items"]] == [1, 2, 3, 4]
    assert target.stat().st_mode & 0o777 == 0o600
    again = run(story.parent, "export", "--to", str(target))
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert run(story.parent, "export", "--to", str(tmp_path / "no" / "folder")).exit_code == 2


def test_checkpoint_prints_the_line_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.witness.log.operator_name", lambda: OPERATOR)
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    nothing = run(tmp_path, "checkpoint")
    assert nothing.exit_code == 1
    assert "no entry to sign" in nothing.stderr
    assert list(tmp_path.glob("ops*")) == []
    build(tmp_path, 3)
    assert items(run(tmp_path, "checkpoint"))[0]["size"] == 3
    line = run(tmp_path, "checkpoint", output="table").stdout
    assert json.loads(line)["head"] == decode(stored_lines(tmp_path / NAME)[-1]).hash


def test_the_log_is_found_without_being_told_where(home: Path) -> None:
    build(home / "quarterdeck" / "state" / "witness", 2)
    result = CliRunner().invoke(witness, ["query"])
    assert len(items(result)) == 2
    assert only_segment(home / "quarterdeck" / "state" / "witness" / NAME).exists()
