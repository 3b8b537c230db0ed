"""Checkpoints go elsewhere: to the journal's socket, to a plain function, to a coroutine; and what fails is said."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from app.errors import Unreachable, WitnessError
from app.witness import Checkpoint, Witness, journald
from app.witness.checkpoint import parse
from app.witness.copies import Copy
from app.witness.query import read
from app.witness.verify import verify
from tests.waiting import eventually
from tests.witness.logs import HOST, OPERATOR, draft


def a_witness(folder: Path, copy: Copy, every: int = 1000) -> Witness:
    return Witness(folder, operator=OPERATOR, host=HOST, copy=copy, every=every)


async def test_the_journal_gets_the_whole_checkpoint(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))
        journal.settimeout(30)
        log = a_witness(tmp_path, journald(tmp_path / "socket"))
        await log.record(draft())
        await log.close()
        lines = journal.recv(65536).decode("utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    copied = parse(fields["QUARTERDECK_CHECKPOINT"].encode())
    assert (copied.origin, copied.size) == ("ops@hp", 1)
    assert fields["SYSLOG_IDENTIFIER"] == "quarterdeck"
    assert copied.head in fields["MESSAGE"]
    assert verify(log.folder, [copied]).first_break is None
    assert log.fault is None


async def test_a_coroutine_runs_on_the_loop(tmp_path: Path) -> None:
    seen: list[tuple[int, asyncio.AbstractEventLoop]] = []

    async def copy(checkpoint: Checkpoint) -> None:
        seen.append((checkpoint.size, asyncio.get_running_loop()))

    log = a_witness(tmp_path, copy, every=2)
    await log.record(draft())
    await log.record(draft())
    await eventually(lambda: seen)
    await log.close()
    assert seen == [(2, asyncio.get_running_loop())]


async def test_an_action_does_not_wait_for_a_slow_copy(tmp_path: Path) -> None:
    release = asyncio.Event()
    seen: list[int] = []

    async def copy(checkpoint: Checkpoint) -> None:
        await release.wait()
        seen.append(checkpoint.size)

    log = a_witness(tmp_path, copy, every=2)
    for number in range(1, 6):
        assert await log.record(draft()) == number
    assert seen == []
    release.set()
    await log.close()
    assert 5 in seen


@pytest.mark.parametrize("error", [OSError("no route"), Unreachable("the node is down"), RuntimeError("a defect")])
async def test_a_copy_that_fails_is_said_and_stops_nothing(tmp_path: Path, error: Exception) -> None:
    def copy(_: Checkpoint) -> None:
        raise error

    log = a_witness(tmp_path, copy, every=2)
    await log.record(draft())
    assert await log.record(draft()) == 2
    await eventually(lambda: log.fault)
    await log.record(draft())
    with pytest.raises(WitnessError, match="not copied"):
        await log.checkpoint()
    await log.close()
    assert "not copied" in (log.fault or "")
    assert len(list(read(log.folder))) == 3
    assert verify(log.folder).covered == 3


async def test_a_copy_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.witness.notary.COPY_TIMEOUT", 0.05)

    async def copy(_: Checkpoint) -> None:
        await asyncio.Event().wait()

    log = a_witness(tmp_path, copy)
    await log.record(draft())
    with pytest.raises(WitnessError, match="did not arrive"):
        await log.checkpoint()
    await log.close()


async def test_no_journal_is_an_error_that_names_the_socket(tmp_path: Path) -> None:
    log = a_witness(tmp_path, journald(tmp_path / "nobody"))
    await log.record(draft())
    with pytest.raises(WitnessError, match="nobody"):
        await log.checkpoint()
    await log.close()
