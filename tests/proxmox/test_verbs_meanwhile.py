"""What somebody else did between the row, the plan, the answer and the call: never acted on as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")

BORN = {"meta": "creation-qemu=9.2.0,ctime=1700000000", "smbios1": "uuid=6c1a3f1e-7b2d-4c55-9a0e-0c1d2e3f4a5b"}
AGAIN = {"meta": "creation-qemu=9.2.0,ctime=1700009999", "smbios1": "uuid=0b9d1e22-5f63-4a07-8a51-99f0f6f4c1d3"}


@pytest.mark.parametrize("verb", ["destroy", "stop"])
async def test_a_new_guest_of_the_same_number_and_name_is_another_one(
    verb: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = "running" if verb == "stop" else "stopped"
    pve.add_vm(101, "web", status=status, config=BORN)

    def made_anew() -> None:
        pve.remove_guest(101)
        pve.add_vm(101, "web", status=status, config=AGAIN)

    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = made_anew
        outcome = await lab.one(verb, "lab/101")
        assert lab.called() == []
    assert str(outcome.outcome) == "failed"
    assert "it is another guest by now: web" in outcome.message


async def test_one_that_stays_the_same_is_acted_on(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", config=BORN)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = lambda: pve.set_config(101, cores=8, description="busy people")
        outcome = await lab.one("destroy", "lab/101")
    assert outcome.exit_code == 0, outcome.message


async def test_a_guest_that_moved_before_it_was_planned_for_is_found(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        pve.set_guest(101, node="pve2")
        outcome = await lab.one("stop", "lab/101")
        assert lab.called() == ["POST /nodes/pve2/qemu/101/status/stop"]
    assert outcome.exit_code == 0, outcome.message


async def test_one_that_moves_while_the_question_is_up_is_left_alone(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = lambda: pve.set_guest(101, node="pve2")
        outcome = await lab.one("stop", "lab/101")
        assert lab.called() == []
    assert "it has moved to pve2 meanwhile" in outcome.message


@pytest.mark.parametrize("verb", ["rollback", "delete-snapshot"])
@pytest.mark.parametrize("taken", [None, 1_700_005_000])
async def test_a_snapshot_that_is_gone_or_another_one_by_now_is_left_alone(
    verb: str, taken: int | None, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", config=BORN, snapshots={"old": {"snaptime": 1_700_000_000}})

    def retaken() -> None:
        again = {} if taken is None else {"old": {"snaptime": taken}}
        pve.remove_guest(101)
        pve.add_vm(101, "web", config=BORN, snapshots=again)

    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = retaken
        outcome = await lab.one(verb, "lab/101", name="old")
        assert lab.called() == []
    assert str(outcome.outcome) == "failed"
    assert ("is gone by now" if taken is None else "is another one by now, taken ") in outcome.message


async def test_disks_that_came_after_the_question_are_not_lost(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = lambda: pve.set_config(101, scsi1="local-lvm:vm-101-disk-7,size=900G")
        outcome = await lab.one("destroy", "lab/101")
        assert lab.called() == []
    assert "it has got more disks meanwhile: local-lvm:vm-101-disk-7" in outcome.message


async def test_a_template_is_looked_at_before_each_clone(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(9000, "golden", template=True)
    pve.add_vm(101, "web")
    pve.take_seconds("qmsnapshot", 3000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        queue = asyncio.ensure_future(lab.one("snapshot", "lab/101", name="holds-the-storage"))
        while not pve.tasks("qmsnapshot"):
            await asyncio.sleep(0.02)
        cloning = asyncio.ensure_future(lab.one("clone", "lab/9000", name="new"))
        while len(lab.deck.running_jobs) < 2:
            await asyncio.sleep(0.02)
        pve.remove_guest(9000)
        pve.add_vm(9000, "secrets", template=True)
        next(job for job in lab.deck.running_jobs if job.verb == "vm snapshot").cancel()
        await queue
        outcome = await asyncio.wait_for(cloning, 30)
        assert [one for one in lab.called() if "clone" in one] == []
    assert str(outcome.outcome) == "failed"
    assert "it is another guest by now: secrets" in outcome.message


async def test_a_lock_that_came_meanwhile_is_waited_out(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another console takes a snapshot of the guest while ours is asked about."""
    pve.add_vm(101, "web", snapshots={"old": {}})

    def somebody() -> None:
        pve.set_guest(101, lock="snapshot")

    async with opened(tmp_path, monkeypatch, pve) as lab:
        lab.front.meanwhile = somebody
        doing = asyncio.ensure_future(lab.one("rollback", "lab/101", name="old"))

        def waits() -> bool:
            return any("trying again" in line for job in lab.deck.running_jobs for line in job.log)

        async with asyncio.timeout(30):
            while not waits():
                await asyncio.sleep(0.02)
        pve.set_guest(101, lock=None)
        outcome = await asyncio.wait_for(doing, 60)
    assert (str(outcome.outcome), outcome.message) == ("done", "back at old")


async def test_a_terminal_and_a_screen_are_had_while_a_backup_holds_the_guest(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", lock="backup", config={"serial0": "socket"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        screen = await lab.one("viewer", "lab/101", protocol="vnc")
        terminal = await lab.one("console", "lab/101", mode="falsify")
    assert screen.exit_code == 0, screen.message
    assert terminal.exit_code == 0, terminal.message
