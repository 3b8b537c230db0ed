"""A disk that is full, really full: before the intent the action is refused, after it the outcome still fits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import WitnessError
from app.witness import Phase, Witness
from app.witness.query import read
from app.witness.verify import verify
from tests.witness.logs import HOST, NAME, OPERATOR, draft

LONG = "x" * 9000
"""Longer than what is left of any block."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("no mount command here")
    if done.returncode:
        pytest.skip(f"mounting is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left."""
    path = disk / "filler"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (65536, 4096, 1):
            try:
                while True:
                    os.write(fd, b"f" * size)
            except OSError:
                continue
    finally:
        os.close(fd)
    return path


def a_witness(disk: Path, segment_bytes: int = 1_000_000) -> Witness:
    return Witness(disk / "witness", operator=OPERATOR, host=HOST, segment_bytes=segment_bytes)


async def test_a_full_disk_refuses_the_action_and_loses_nothing(disk: Path) -> None:
    log = a_witness(disk)
    await log.record(draft(message="before"))
    filler = fill(disk)
    size = next((log.folder).glob("*.jsonl")).stat().st_size
    for _ in range(3):
        with pytest.raises(WitnessError, match="full") as refused:
            await log.begin(draft(Phase.INTENT, message="x"))
        assert "df" in refused.value.todo
    assert next((log.folder).glob("*.jsonl")).stat().st_size == size
    assert verify(log.folder).first_break is None
    filler.unlink()
    assert await log.begin(draft(Phase.INTENT)) == 2
    await log.close()
    assert [entry.message for entry in read(log.folder)] == ["before", ""]
    assert verify(log.folder).first_break is None


async def test_a_line_cut_short_by_a_full_disk_is_taken_back(disk: Path) -> None:
    log = a_witness(disk)
    await log.record(draft(message="before"))
    fill(disk)
    path = next(log.folder.glob("*.jsonl"))
    before = path.read_bytes()
    with pytest.raises(WitnessError, match="full"):
        await log.record(draft(message=LONG))
    assert path.read_bytes() == before
    await log.close()


async def test_outcomes_of_a_begun_action_still_fit_on_a_full_disk(disk: Path) -> None:
    log = a_witness(disk)
    await log.begin(draft(Phase.INTENT, trace="mine"), outcomes=5)
    fill(disk)
    await log.record(draft(Phase.STEP, trace="mine", handle="pid:1", message=LONG))
    with pytest.raises(WitnessError, match="full"):
        await log.record(draft(Phase.NOTE, trace="other", message=LONG * 3))
    for n in range(5):
        await log.record(draft(Phase.OUTCOME, trace="mine", outcome="done", message=f"{n}{LONG}"))
    entries = list(read(log.folder))
    assert [entry.outcome for entry in entries if entry.phase is Phase.OUTCOME] == ["done"] * 5
    assert entries[-1].message == f"4{LONG}"
    assert await log.open_intents() == []
    await log.close()
    assert verify(log.folder).first_break is None


async def test_steps_cannot_eat_the_room_of_outcomes(disk: Path) -> None:
    log = a_witness(disk)
    await log.begin(draft(Phase.INTENT, trace="mine"))
    fill(disk)
    for _ in range(5):
        with contextlib.suppress(WitnessError):
            await log.record(draft(Phase.STEP, trace="mine", message=LONG))
    with pytest.raises(WitnessError, match="full"):
        await log.record(draft(Phase.STEP, trace="mine", message=LONG))
    await log.record(draft(Phase.OUTCOME, trace="mine", outcome="failed", message=LONG))
    assert (await log.tail(1))[0].outcome == "failed"
    await log.close()


async def test_an_outcome_too_long_for_its_room_is_cut_not_lost(disk: Path) -> None:
    log = a_witness(disk)
    await log.begin(draft(Phase.INTENT, trace="mine"))
    fill(disk)
    await log.record(draft(Phase.OUTCOME, trace="mine", outcome="failed", message="\ud800" * 1_000_000))
    (entry,) = await log.tail(1)
    assert entry.outcome == "failed"
    assert entry.message.endswith("[cut to fit]")
    await log.close()
    assert verify(log.folder).first_break is None


async def test_a_full_segment_on_a_full_disk_grows_on(disk: Path) -> None:
    log = a_witness(disk, segment_bytes=100)
    await log.begin(draft(Phase.INTENT, trace="mine"))
    fill(disk)
    await log.record(draft(Phase.OUTCOME, trace="mine", outcome="done", message=LONG))
    assert (await log.tail(1))[0].outcome == "done"
    await log.close()
    assert verify(log.folder).first_break is None


async def test_room_comes_back_when_actions_end(disk: Path) -> None:
    def free() -> int:
        facts = os.statvfs(disk)
        return facts.f_bavail * facts.f_frsize

    log = a_witness(disk)
    await log.record(draft())
    before = free()
    await log.begin(draft(Phase.INTENT, trace="mine"), outcomes=10)
    assert before - free() > 10 * 16 * 1024
    for _ in range(10):
        await log.record(draft(Phase.OUTCOME, trace="mine", outcome="done"))
    assert before - free() < 32 * 1024
    with pytest.raises(WitnessError, match="full"):  # more than this disk could ever keep its promise for
        await log.begin(draft(Phase.INTENT, trace="huge"), outcomes=1000)
    assert before - free() < 32 * 1024
    await log.close()
    assert not list((log.folder / "room").iterdir())


async def test_a_checkpoint_that_does_not_fit_is_said_and_stops_nothing(disk: Path) -> None:
    log = a_witness(disk)
    await log.record(draft())
    fill(disk)
    with pytest.raises(WitnessError, match="full"):
        await log.checkpoint()
    await log.close()
    assert log.fault is not None
    assert "full" in log.fault
    assert verify(log.folder).first_break is None


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from app.errors import WitnessError
from app.witness import Draft, Phase, Witness

async def main():
    log = Witness(Path(sys.argv[1]), operator="ops", host="hp")
    await log.record(Draft(verb="v", phase=Phase.NOTE))
    size = next(log.folder.glob("*.jsonl")).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, resource.RLIM_INFINITY))
    try:
        await log.begin(Draft(verb="v", phase=Phase.INTENT))
    except WitnessError as error:
        print("refused", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(await log.begin(Draft(verb="v", phase=Phase.INTENT)))
    await log.close()

asyncio.run(main())
"""


def test_a_limit_on_file_sizes_refuses_as_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    refused, number = done.stdout.splitlines()
    assert refused.startswith("refused")
    assert number == "2"
    assert verify(tmp_path / NAME).first_break is None


STRANGER = """
import asyncio, os, sys
from pathlib import Path
from app.errors import WitnessError
from app.witness import Draft, Phase, Witness
from app.witness.segments import chains

os.setgroups([]); os.setgid(65534); os.setuid(65534)
log = Witness(Path(sys.argv[1]), operator="ops", host="hp")
for attempt in (lambda: asyncio.run(log.begin(Draft(verb="v", phase=Phase.INTENT))), lambda: chains(Path(sys.argv[1]))):
    try:
        attempt()
    except WitnessError as error:
        print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_an_error_that_says_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    asyncio.run(_written(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(tmp_path)], capture_output=True, text=True, cwd=request.config.rootpath
    )
    assert done.stdout.count("Permission denied") == 2, done.stderr


async def _written(folder: Path) -> None:
    log = Witness(folder, operator=OPERATOR, host=HOST)
    await log.record(draft())
    await log.close()
    folder.chmod(0o700)
