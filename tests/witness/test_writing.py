"""Writing: what is in an entry, who may read it, several consoles at once, torn lines, hostile strings."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import WitnessError
from app.witness import Draft, Entry, Phase, Witness, new_trace
from app.witness.chain import Chain, Request
from app.witness.entry import GENESIS, decode
from app.witness.query import Filter, read
from app.witness.segments import SEGMENT_BYTES, segments
from app.witness.verify import verify
from tests.waiting import eventually
from tests.witness.logs import HOST, NAME, OPERATOR, build, draft, only_segment, put_lines, stored_lines


def a_witness(folder: Path, **given: object) -> Witness:
    return Witness(folder, operator=OPERATOR, host=HOST, **given)  # pyright: ignore[reportArgumentType]


async def test_an_entry_keeps_every_field(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    wanted = draft(
        Phase.INTENT,
        plan=("systemctl reboot", "wait for sshd"),
        why="a new kernel",
        message="m",
        handle="pid:1",
        cost={"money": 0.5, "seconds": None},
        digest="d" * 64,
    )
    assert await log.begin(wanted, outcomes=2) == 1
    (entry,) = await log.tail(5)
    await log.close()
    for name in ("verb", "target", "plan", "why", "trace", "phase", "message", "handle", "cost", "digest"):
        assert getattr(entry, name) == getattr(wanted, name), name
    assert (entry.seq, entry.operator, entry.host, entry.prev_hash, entry.outcomes) == (1, OPERATOR, HOST, GENESIS, 2)
    assert entry.time.endswith("Z")
    assert len(entry.time) == len("2025-11-20T09:41:03.120000Z")


@pytest.mark.parametrize("how", ["begin", "record"])
async def test_a_cancel_that_comes_with_the_answer_counts(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_witness(tmp_path)
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def submit(request: Request) -> asyncio.Future[int]:
        return answered

    monkeypatch.setattr(log, "_submit", submit)
    waiting = asyncio.create_task(getattr(log, how)(draft()))
    await asyncio.sleep(0)
    answered.set_result(7)
    await asyncio.sleep(0)  # it has its answer by now, and has not gone on with it
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await log.close()


async def test_the_hash_covers_the_very_bytes_before_it(tmp_path: Path) -> None:
    chain = build(tmp_path, 3)
    previous = GENESIS
    for line in stored_lines(chain):
        entry = decode(line)
        assert hashlib.sha256(line[: line.index(b',"hash":"')]).hexdigest() == entry.hash
        assert entry.prev_hash == previous
        previous = entry.hash


async def test_files_are_for_the_operator_only(tmp_path: Path) -> None:
    log = a_witness(tmp_path / "state" / "witness", segment_bytes=500)
    for _ in range(4):
        await log.begin(draft(Phase.INTENT))
    await log.open_intents()
    held = list((tmp_path / "state").rglob("*"))
    await log.close()
    held += list((tmp_path / "state").rglob("*"))
    assert len(held) > 8
    for path in {tmp_path / "state", *held}:
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    "text",
    ["two\nlines\r\n", "\x1b[31mred\x1b[0m\x07", "half \ud800 a pair", "\u2028\u202eoverride", '"},"hash":"', "💥é\0"],
)
async def test_hostile_strings_come_back_as_they_were(tmp_path: Path, text: str) -> None:
    log = a_witness(tmp_path)
    await log.record(draft(verb=text, target=text, plan=(text, text), why=text, message=text, handle=text, trace=text))
    (entry,) = await asyncio.to_thread(lambda: list(log.entries(trace=text, text=text)))
    await log.close()
    assert (entry.verb, entry.plan, entry.why, entry.message, entry.handle) == (text, (text, text), text, text, text)
    assert len(stored_lines(log.folder)) == 1
    assert verify(log.folder).first_break is None


async def test_what_json_has_no_word_for_is_kept_all_the_same(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    await log.record(draft(cost={"money": math.nan, "parts": (1, Path("/x"))}))
    (entry,) = await log.tail(1)
    await log.close()
    assert entry.cost == {"money": None, "parts": [1, "/x"]}


async def test_an_entry_is_synced_to_the_disk_before_its_number_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def sync(fd: int) -> None:
        os.fsync(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr("app.witness.chain.sync", sync)
    log = a_witness(tmp_path)
    await log.begin(draft(Phase.INTENT))
    assert synced == [only_segment(log.folder).stat().st_size]
    await log.record(draft(Phase.OUTCOME, outcome="done"))
    assert synced[1:] == [only_segment(log.folder).stat().st_size]
    await log.close()


async def test_what_could_not_be_synced_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_witness(tmp_path)
    await log.record(draft())
    before = only_segment(log.folder).read_bytes()

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error", fd)

    with monkeypatch.context() as patched:
        patched.setattr("app.witness.chain.sync", broken)
        with pytest.raises(WitnessError, match="Input/output error"):
            await log.begin(draft(Phase.INTENT), outcomes=3)
    assert only_segment(log.folder).read_bytes() == before
    assert [path.stat().st_size for path in (log.folder / "room").iterdir()] == [0]
    assert await log.begin(draft(Phase.INTENT)) == 2
    await log.close()
    assert verify(log.folder).first_break is None


async def test_many_at_once_are_one_chain_in_order_of_asking(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    numbers = await asyncio.gather(*(log.record(draft(message=str(n))) for n in range(200)))
    assert numbers == list(range(1, 201))
    assert [int(entry.message) for entry in await log.tail(3)] == [197, 198, 199]
    await log.close()
    assert verify(log.folder).entries == 200


WRITER = """
import asyncio, sys
from pathlib import Path
from app.witness import Draft, Phase, Witness

async def main():
    log = Witness(Path(sys.argv[1]), operator="ops", host="hp", segment_bytes=20_000, every=37)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(int(sys.argv[3])):
        await log.begin(Draft(verb="v", phase=Phase.INTENT, trace=f"{sys.argv[2]}-{n}"))
        await log.record(Draft(verb="v", phase=Phase.OUTCOME, outcome="done", trace=f"{sys.argv[2]}-{n}"))
    await log.close()

asyncio.run(main())
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_several_processes_share_one_chain(tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 60) for name in "abc"]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    chain = tmp_path / NAME
    found = verify(chain)
    assert (found.first_break, found.entries) == (None, 360)
    assert found.covered == 360
    entries = list(read(chain))
    assert [entry.seq for entry in entries] == list(range(1, 361))
    assert len(segments(chain)) > 3
    for name in "abc":
        own = [entry.trace for entry in entries if entry.trace.startswith(name)]
        assert own == [f"{name}-{n}" for n in range(60) for _ in range(2)]


def test_a_killed_process_leaves_a_chain_that_goes_on_and_room_that_is_freed(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 100_000)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    chain = tmp_path / NAME
    while not list((chain / "room").glob("*")) if chain.exists() else True:
        assert process.poll() is None
    process.kill()
    process.communicate()
    left = set((chain / "room").glob("*"))
    assert left
    after = Chain(chain, OPERATOR, HOST, SEGMENT_BYTES)
    after.append([Request(draft(Phase.INTENT), reserve=1)])
    assert not left & set((chain / "room").glob("*"))
    after.close()
    assert verify(chain).first_break is None


@pytest.mark.parametrize("kept", [1, 40, 300])
async def test_a_torn_last_line_is_kept_aside_and_the_repair_is_chained(tmp_path: Path, kept: int) -> None:
    chain = build(tmp_path, 3)
    lines = stored_lines(chain)
    torn = lines[2][:kept]
    put_lines(chain, [*lines[:2], torn])
    assert verify(chain).first_break is None
    assert "unfinished" in verify(chain).notes[0]
    log = a_witness(tmp_path)
    assert await log.record(draft(message="after")) == 4
    await log.close()
    repair, after = list(read(chain))[2:]
    assert (repair.phase, repair.seq, after.message) == (Phase.REPAIR, 3, "after")
    assert hashlib.sha256(torn).hexdigest() in repair.message
    (aside,) = (chain / "torn").iterdir()
    assert aside.read_bytes() == torn
    assert aside.name in repair.message
    found = verify(chain)
    assert (found.first_break, found.repairs, found.entries) == (None, 1, 4)


async def test_a_torn_line_longer_than_its_repair_leaves_nothing_behind(tmp_path: Path) -> None:
    chain = build(tmp_path, 1)
    with only_segment(chain).open("ab") as file:
        file.write(b"\0" * 200_000)  # what some file systems leave after a power cut
    log = a_witness(tmp_path)
    await log.record(draft(message="after"))
    await log.close()
    assert verify(chain).first_break is None
    assert [entry.phase for entry in read(chain)] == [Phase.NOTE, Phase.REPAIR, Phase.NOTE]


async def test_a_torn_first_line_of_a_new_segment_is_repaired(tmp_path: Path) -> None:
    chain = build(tmp_path, 4, segment_bytes=900)
    last = segments(chain)[-1].path
    last.write_bytes(last.read_bytes()[:50])
    log = a_witness(tmp_path)
    await log.record(draft(message="after"))
    await log.close()
    assert verify(chain).first_break is None


async def test_strange_whole_lines_at_the_end_stop_nobody_and_stay_a_break(tmp_path: Path) -> None:
    chain = build(tmp_path, 2)
    with only_segment(chain).open("ab") as file:
        file.write(b"rubbish\r\nmore\n")
    log = a_witness(tmp_path)
    assert await log.record(draft(message="after")) == 4
    assert await log.record(draft(message="again")) == 5
    await log.close()
    found = verify(chain)
    assert found.first_break is not None
    assert (found.first_break.seq, found.first_break.kind) == (3, "content")
    said: list[str] = []
    assert [entry.seq for entry in read(chain, damage=said.append)] == [1, 2, 3, 4, 5]
    assert len(said) == 2


async def test_the_head_is_found_from_the_tail(tmp_path: Path) -> None:
    chain = build(tmp_path, 3000, batch=3000)
    path = only_segment(chain)
    size = path.stat().st_size
    fd = os.open(path, os.O_WRONLY)  # spoil the beginning: whoever reads it would stumble
    os.pwrite(fd, b"\n" * 1000, 0)
    os.close(fd)
    assert Chain(chain, OPERATOR, HOST, SEGMENT_BYTES).append([Request(draft())]) == [3001]
    assert path.stat().st_size > size


async def test_segments_are_sealed_and_archived_byte_for_byte(tmp_path: Path) -> None:
    log = a_witness(tmp_path, segment_bytes=2000)
    for n in range(20):
        await log.record(draft(message=str(n)))
    await log.close()
    again = a_witness(tmp_path, segment_bytes=2000)  # takes up what the first one left to archive
    await again.record(draft(message="20"))
    await again.close()
    found = segments(log.folder)
    assert len(found) > 3
    assert [segment.archived for segment in found] == [True] * (len(found) - 1) + [False]
    assert [entry.message for entry in read(log.folder)] == [str(n) for n in range(21)]
    assert [entry.message for entry in read(log.folder, reverse=True, limit=12)] == [str(n) for n in range(20, 8, -1)]
    verdict = verify(log.folder)
    assert (verdict.first_break, verdict.entries) == (None, 21)


async def test_the_chain_goes_on_behind_archives_alone(tmp_path: Path) -> None:
    log = a_witness(tmp_path, segment_bytes=500)
    for _ in range(4):
        await log.record(draft())
    await log.close()
    later = a_witness(tmp_path)
    await later.record(draft())
    await later.close()
    assert verify(log.folder).entries == 5


async def test_a_mark_moves_when_another_process_writes(tmp_path: Path) -> None:
    mine, other = a_witness(tmp_path), a_witness(tmp_path)
    before = mine.mark()
    await other.record(draft())
    between = mine.mark()
    assert before != between
    assert mine.mark() == between
    await mine.record(draft())
    assert mine.mark() != between
    await mine.close()
    await other.close()


async def test_open_intents_show_what_was_started_and_never_ended(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    await log.begin(draft(Phase.INTENT, trace="done"))
    await log.record(draft(Phase.OUTCOME, trace="done", outcome="done"))
    await log.begin(draft(Phase.INTENT, trace="many", target="node:a,node:b"), outcomes=2)
    await log.record(draft(Phase.STEP, trace="many", target="node:a", handle="pid:1"))
    await log.record(draft(Phase.STEP, trace="many", target="node:b", handle="UPID:x"))
    await log.record(draft(Phase.OUTCOME, trace="many", target="node:a", outcome="done"))
    await log.record(draft(Phase.REFUSAL, trace="alone", outcome="refused"))
    (one,) = await log.open_intents()
    assert (one.trace, one.handle, one.phase) == ("many", "UPID:x", Phase.INTENT)
    await log.begin(draft(Phase.INTENT, trace="next", verb="node upgrade"))
    await log.close()
    later = a_witness(tmp_path)
    assert [entry.trace for entry in await later.open_intents()] == ["many", "next"]
    await later.record(draft(Phase.OUTCOME, trace="many", target="node:b", outcome="failed"))
    assert [entry.trace for entry in await later.open_intents()] == ["next"]
    (later.folder / "open.json").write_text("nonsense")
    assert [entry.trace for entry in await later.open_intents()] == ["next"]
    await later.close()


async def test_hostile_names_do_not_hide_what_is_open(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    nasty = '","phase":"outcome","trace":"t1","outcomes":9}\\'
    await log.begin(draft(Phase.INTENT, trace=nasty, verb=nasty, target=nasty, plan=(nasty,), why=nasty))
    await log.record(draft(Phase.OUTCOME, trace="t1", verb=nasty, target=nasty, plan=(nasty,), message=nasty))
    assert [entry.trace for entry in await log.open_intents()] == [nasty]
    await log.record(draft(Phase.OUTCOME, trace=nasty, verb=nasty, target=nasty, cost={"trace": "t1", "outcomes": 9}))
    assert await log.open_intents() == []
    await log.close()


async def test_looking_for_open_intents_reads_only_what_is_new(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    await log.begin(draft(Phase.INTENT, trace="old"))
    assert len(await log.open_intents()) == 1
    lines = stored_lines(log.folder)
    put_lines(log.folder, [b"x" * (len(lines[0]) - 1) + b"\n"])  # would be missed if it were read again
    assert [entry.trace for entry in await log.open_intents()] == ["old"]
    await log.close()


async def test_a_caller_that_goes_away_leaves_an_ended_intent(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    task = asyncio.create_task(log.begin(draft(Phase.INTENT, target="node:a,node:b"), outcomes=2))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await log.record(draft(trace="other"))
    await log.close()
    ended = [entry for entry in read(log.folder) if entry.phase is Phase.OUTCOME]
    assert [(entry.outcome, entry.outcomes) for entry in ended] == [("cancelled", 2)]
    assert await a_witness(tmp_path).open_intents() == []


async def test_nothing_is_written_after_closing(tmp_path: Path) -> None:
    log = a_witness(tmp_path)
    await log.close()
    await log.close()
    with pytest.raises(WitnessError, match="closed"):
        await log.record(draft())
    assert not log.folder.exists()


async def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "witness").write_text("in the way")
    log = a_witness(tmp_path / "witness")
    with pytest.raises(WitnessError, match="could not be written"):
        await log.begin(draft(Phase.INTENT))
    with pytest.raises(WitnessError, match="cannot be read"):
        await log.tail(1)
    await log.close()


async def test_a_lock_held_by_somebody_else_is_an_error_not_a_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.witness.chain.LOCK_TIMEOUT", 0.1)
    build(tmp_path, 1)
    holder = Chain(tmp_path / NAME, OPERATOR, HOST, SEGMENT_BYTES)
    log = a_witness(tmp_path)
    with holder.locked(), pytest.raises(WitnessError, match="another process"):
        await log.begin(draft(Phase.INTENT))
    assert await log.begin(draft(Phase.INTENT)) == 2
    await log.close()


async def test_a_disk_that_does_not_answer_refuses_the_action_and_ends_the_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.witness.log.WRITE_TIMEOUT", 0.05)
    build(tmp_path, 1)
    log = a_witness(tmp_path)
    with Chain(tmp_path / NAME, OPERATOR, HOST, SEGMENT_BYTES).locked(), pytest.raises(WitnessError, match="answer"):
        await log.begin(draft(Phase.INTENT))
    await eventually(lambda: list(read(log.folder, Filter(outcome="cancelled"))))
    await log.close()
    assert [entry.phase for entry in read(log.folder)] == [Phase.NOTE, Phase.INTENT, Phase.OUTCOME]


def test_verifying_while_others_write_finds_no_break(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 400)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    seen: set[int] = set()
    while process.poll() is None:
        found = verify(tmp_path / NAME)
        assert found.first_break is None
        seen.add(found.entries)
    process.communicate()
    assert len(seen) > 3
    assert verify(tmp_path / NAME).entries == 800


def test_traces_are_short_and_differ() -> None:
    tokens = {new_trace() for _ in range(2000)}
    assert len(tokens) == 2000
    assert all(len(token) == 12 and token.isalnum() and token == token.lower() for token in tokens)


def test_importing_the_witness_imports_no_heavy_library() -> None:
    code = (
        "import sys, app.witness, app.cli.witness_commands as c; print({'cryptography', 'textual'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "set()", done.stderr


def test_an_entry_is_what_others_may_build_in_their_tests() -> None:
    values = json.loads(
        '{"seq":1,"time":"t","operator":"o","host":"h","verb":"v","target":"","why":"","trace":"","outcome":null,'
        '"exit_code":null,"message":"","handle":null,"cost":null,"digest":null,"prev_hash":"","hash":""}'
    )
    assert Entry(**values, plan=(), phase=Phase.NOTE).outcomes == 0
    assert Draft(verb="v", phase=Phase.NOTE).target == ""
