"""A console is killed in the middle: the next one finds what goes on by its UPID, follows it, writes down its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.job import Job
from app.rejoining import Loose
from tests.doors import doors
from tests.proxmox.acting import Lab, opened, written
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

_ROOT = Path(__file__).resolve().parents[2]


async def killed(
    pve: Pve, folder: Path, monkeypatch: pytest.MonkeyPatch, verb: str, *ids: str, begun: int = 1, **arguments: Any
) -> None:
    """Have another process give an order, and kill it once it has written down so many handles.

    Where it is one, the process hears nothing of how its task stands, however short that is: it cannot be done sooner
    than it is killed.
    """
    monkeypatch.setenv("TOKEN_LAB", pve.token)
    if begun == 1:
        pve.hold("GET", "/status")
    hosts = written(folder, ("lab", pve))
    command = [sys.executable, "-m", "tests.proxmox.killed", str(hosts), verb, json.dumps(ids), json.dumps(arguments)]
    log = (folder / "killed.log").open("wb")
    process = subprocess.Popen(command, cwd=_ROOT, env=dict(os.environ), stdout=log, stderr=log)
    log.close()
    witness = Path(os.environ["QUARTERDECK_HOME"])

    def handles() -> int:
        if process.poll() is not None:
            raise AssertionError((folder / "killed.log").read_text())
        found = [one for one in witness.rglob("*.jsonl") if "witness" in one.parts]
        return sum(one.read_bytes().count(b'"handle":"UPID:') for one in found)

    try:
        await eventually(lambda: handles() >= begun, within=60)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        pve.release()


async def taken_up(lab: Lab) -> tuple[Loose, Job]:
    """The one loose end there is, followed."""
    (loose,) = await lab.deck.loose_ends()
    job = lab.deck.take_up(loose)
    assert job is not None
    return loose, job


async def test_a_running_task_is_found_told_of_and_followed_to_its_end(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=100)
    await killed(pve, tmp_path, monkeypatch, "start", "lab/101")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        loose, job = await taken_up(lab)
        assert loose.words.startswith("qmstart 101 ")
        assert lab.deck.take_up(loose) is None  # it is at work on it already
        (outcome,) = await job.start()
        assert (str(outcome.outcome), outcome.message) == ("done", "taken up again: ended well")
        assert await lab.state(101) == "running"
        await eventually(lambda: lab.witnessed()[-1].phase == "outcome")
        last = lab.witnessed()[-1]
        assert (last.verb, last.target, last.outcome) == ("vm start", "vm:lab/101", "done")
        assert await lab.deck.loose_ends() == []


async def test_one_that_ended_meanwhile_is_told_as_it_ended(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=20, start_error="start failed: no such disk")
    await killed(pve, tmp_path, monkeypatch, "start", "lab/101")
    await eventually(lambda: [one["status"] for one in pve.tasks("qmstart")] == ["stopped"])
    async with opened(tmp_path, monkeypatch, pve) as lab:
        loose, job = await taken_up(lab)
        assert loose.words == "qmstart 101 ended with an error"
        (outcome,) = await job.start()
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "start failed: no such disk" in outcome.message


async def test_of_several_each_is_told_and_what_never_began_is_said_so(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vmid in (101, 102, 103):
        pve.add_vm(vmid, f"n{vmid}")
    pve.take_seconds("qmsnapshot", 50)
    ids = ("lab/101", "lab/102", "lab/103")
    await killed(pve, tmp_path, monkeypatch, "snapshot", *ids, name="before")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        _, job = await taken_up(lab)
        outcomes = {one.id: one for one in await job.start()}
        made = [vmid for vmid in (101, 102, 103) if await lab.snapshots(vmid)]
        await eventually(lambda: len([e for e in lab.witnessed() if e.phase == "outcome"]) == 3)
        assert await lab.deck.loose_ends() == []
    done = [ident for ident, one in outcomes.items() if one.exit_code == 0]
    assert done == [f"lab/{vmid}" for vmid in made]
    assert len(done) == 1  # one at a time on one storage
    others = {one.message for ident, one in outcomes.items() if ident not in done}
    assert others == {"was never begun, as far as was written down"}


async def test_ten_clones_cut_off_in_the_middle(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(9000, "base", template=True)
    pve.take_seconds("qmclone", 50)
    arguments: dict[str, Any] = {"count": 10, "name": "worker", "start": False}
    await killed(pve, tmp_path, monkeypatch, "spawn", "lab/9000", begun=2, **arguments)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        loose, job = await taken_up(lab)
        assert len(loose.standing) >= 2
        (outcome,) = await job.start()
        there = sorted(name for name in (await lab.guests()).values() if name.startswith("worker"))
        await eventually(lambda: lab.witnessed()[-1].phase == "outcome")
        assert await lab.deck.loose_ends() == []
    assert there[:2] == ["worker-1", "worker-2"]
    assert outcome.exit_code == 1
    assert "what was begun ended well, but this was not done: POST /nodes/pve1/qemu/9000/clone" in outcome.message
    assert outcome.message.endswith(" more")


async def test_what_reads_alike_is_told_once_with_how_often(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "base", template=True)
    pve.take_seconds("qmclone", 50)
    await killed(pve, tmp_path, monkeypatch, "spawn", "lab/9000", begun=1, count=4, name="worker")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        _, job = await taken_up(lab)
        (outcome,) = await job.start()
    assert "POST /nodes/pve1/qemu/9000/clone newid=<vmid> name=worker-4" in outcome.message
    assert re.search(r"\d more$|\d × POST /nodes/pve1/qemu/<vmid>/status/start$", outcome.message), outcome.message
    assert outcome.message.count("/status/start") <= 1


async def test_steps_that_were_to_follow_are_named(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running", stop_secs=50)
    await killed(pve, tmp_path, monkeypatch, "destroy", "lab/101", stop=True)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        _, job = await taken_up(lab)
        (outcome,) = await job.start()
        assert await lab.guests() == {101: "web"}
    assert outcome.exit_code == 1
    assert "what was begun ended well, but this was not done: DELETE /nodes/pve1/qemu/101" in outcome.message


async def test_what_another_console_is_at_is_left_to_it(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=3000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        starting = asyncio.ensure_future(lab.one("start", "lab/101"))
        await eventually(lambda: lab.handles())
        async with opened(tmp_path, monkeypatch, pve) as other:
            (loose,) = await other.deck.loose_ends()
            assert loose.words == "qmstart 101 runs"
            assert other.deck.take_up(loose) is None
        (job,) = lab.deck.running_jobs
        job.cancel()
        await starting


async def test_cancelling_one_that_is_followed_again_leaves_it_running_and_open(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=3000)
    await killed(pve, tmp_path, monkeypatch, "start", "lab/101")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        _, job = await taken_up(lab)
        await eventually(lambda: job.running[0].state == "running")
        job.cancel()
        (outcome,) = await job.start()
        assert str(outcome.outcome) == "cancelled"
        assert [one["status"] for one in pve.tasks("qmstart")] == ["running"]
        assert len(await lab.deck.loose_ends()) == 1


async def test_a_cluster_that_is_away_says_nothing_and_nothing_is_written(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=100)
    await killed(pve, tmp_path, monkeypatch, "start", "lab/101")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        pve.stop()
        (loose,) = await lab.deck.loose_ends()
        assert not loose.known
        assert lab.deck.take_up(loose) is None
        pve.start()
    assert not [one for one in lab.witnessed() if one.phase == "outcome"]


def test_the_command_line_lists_and_follows_it(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = tmp_path / "hosts.yaml"

    def cli(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = call([*words, "--hosts", str(hosts), "--output", "json"])
        return code, json.loads(capsys.readouterr().out)

    pve.add_vm(101, "web", start_secs=100)
    asyncio.run(killed(pve, tmp_path, monkeypatch, "start", "lab/101"))
    code, listed = cli("job", "list")
    assert code == 0
    (item,) = listed["items"]
    assert (item["verb"], item["target"], item["missing"]) == ("vm start", "vm:lab/101", 1)
    assert item["now"].startswith("qmstart 101 ")
    assert item["handles"][0].startswith("UPID:pve1:")
    code, followed = cli("job", "follow", item["id"])
    assert code == 0
    (outcome,) = followed["items"]
    assert (outcome["id"], outcome["outcome"]) == ("lab/101", "done")
    code, listed = cli("job", "list")
    assert listed["items"] == []
    code, _ = cli("job", "follow", "t-nobody")
    assert code == 1


async def test_the_console_follows_it_again_by_itself_and_says_so(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=100)
    await killed(pve, tmp_path, monkeypatch, "start", "lab/101")
    start = doors.hosts(written(tmp_path, ("lab", pve)))
    async with doors.console(start(), ["lab/101"], "vm", (160, 40)) as it:
        await it.until(lambda: any("1 action of an earlier console went on" in words for words in it.toasts()))
        (job,) = it.deck.jobs.values()
        await it.until(lambda: job.ended)
        assert job.outcomes[0].message == "taken up again: ended well"
        await it.press("ampersand")
        await it.at("jobs")
        await it.until(lambda: "start lab/101" in it.screen() and "taken up again" in it.screen(), "the ended job")
