"""Power: what each verb sends, what becomes of the guest, and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")


@pytest.mark.parametrize(
    ("verb", "before", "after", "said"),
    [
        ("start", "stopped", "running", {}),
        ("shutdown", "running", "stopped", {"timeout": "60"}),
        ("stop", "running", "stopped", {}),
        ("reboot", "running", "running", {"timeout": "60"}),
        ("reset", "running", "running", {}),
        ("suspend", "running", "paused", {}),
        ("resume", "paused", "running", {}),
    ],
)
async def test_it_is_sent_as_the_plan_says_and_the_guest_changes(
    verb: str, before: str, after: str, said: dict[str, Any], pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = "stopped" if before == "stopped" else "running"
    pve.add_vm(101, "web", status=status, qmpstatus=before)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/101")
        entries = lab.witnessed()
        assert await lab.state(101) == after
    assert (str(outcome.outcome), outcome.exit_code) == ("done", 0), outcome.message
    text = " ".join([f"POST /nodes/pve1/qemu/101/status/{verb}", *(f"{name}={value}" for name, value in said.items())])
    assert entries[0].plan == (text,)
    sent = pve.requests("POST")[-1]
    assert sent["path"] == f"/nodes/pve1/qemu/101/status/{verb}"
    assert sent["values"] == said
    step = entries[1]
    assert step.handle is not None
    assert step.handle.startswith("UPID:pve1:")
    assert step.handle == outcome.data["upid"]
    assert step.target == "vm:lab/101"


@pytest.mark.parametrize(
    ("verb", "before", "why"),
    [
        ("shutdown", "stopped", "only a guest that runs can shut down, and it is stopped"),
        ("stop", "stopped", "only a guest that runs can be stopped"),
        ("reboot", "stopped", "only a guest that runs can be rebooted"),
        ("reset", "stopped", "only a guest that runs can be reset"),
        ("suspend", "stopped", "only a guest that runs can be frozen"),
        ("suspend", "paused", "it is frozen already"),
        ("shutdown", "paused", "its system cannot hear that it is to shut down; quarterdeck vm resume lab/101"),
        ("reboot", "paused", "its system cannot hear that it is to be rebooted"),
        ("start", "paused", "it is paused, and runs already; quarterdeck vm resume lab/101"),
        ("resume", "stopped", "it is not frozen but stopped; quarterdeck vm start lab/101"),
    ],
)
async def test_what_its_state_forbids_is_refused_and_not_sent(
    verb: str, before: str, why: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="stopped" if before == "stopped" else "running", qmpstatus=before)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/101")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert why in outcome.message


@pytest.mark.parametrize("verb", ["start", "shutdown", "stop", "reboot", "reset", "suspend", "resume"])
async def test_a_template_never_runs(verb: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(9000, "base", template=True, config={"template": 1})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/9000")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "it is a template, and never runs; clone it: quarterdeck vm clone lab/9000 --name NAME" in outcome.message


@pytest.mark.parametrize(("verb", "before"), [("start", "running"), ("resume", "running")])
async def test_what_is_so_already_is_nothing_to_do(
    verb: str, before: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status=before)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/101")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.message) == ("done", "nothing to do: is running already")


@pytest.mark.parametrize("verb", ["start", "stop", "shutdown", "reboot", "reset", "suspend"])
async def test_one_that_is_locked_is_left_alone(
    verb: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="stopped" if verb == "start" else "running", lock="backup", config={"lock": "backup"})
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/101")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "it is locked (backup)" in outcome.message
    assert "vm tasks" in outcome.message


async def test_options_are_sent_as_proxmox_wants_them(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", acpi=False)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("shutdown", "lab/101", timeout=7, force=True)
        assert await lab.state(101) == "stopped"
        assert lab.witnessed()[0].plan == ("POST /nodes/pve1/qemu/101/status/shutdown timeout=7 forceStop=1",)
    assert str(outcome.outcome) == "done"
    assert pve.requests("POST")[-1]["values"] == {"timeout": "7", "forceStop": "1"}


async def test_a_system_that_does_not_hear_fails_with_the_clusters_words(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", acpi=False)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("shutdown", "lab/101", timeout=2)
        assert await lab.state(101) == "running"
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "powerdown failed - got timeout" in outcome.message


@pytest.mark.parametrize("timeout", [0, -1, 90000])
async def test_a_time_nobody_means_is_a_mistake(
    timeout: int, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("shutdown", "lab/101", timeout=timeout)
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 2)
    assert "--timeout" in outcome.message


async def test_memory_saved_to_disk_is_taken_up_again(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("suspend", "lab/101", disk=True)
        assert str(outcome.outcome) == "done", outcome.message
        assert (await lab.get("/nodes/pve1/qemu/101/status/current"))["status"] == "stopped"
        assert (await lab.config(101))["lock"] == "suspended"
        refused = await lab.one("stop", "lab/101")
        assert "locked (suspended)" in refused.message
        outcome = await lab.one("start", "lab/101")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.state(101) == "running"


async def test_no_wait_returns_with_the_task_running_and_its_name_written_down(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", start_secs=10_000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("start", "lab/101", wait=False)
        assert await lab.state(101) == "stopped"
        assert str(outcome.outcome) == "done"
        assert outcome.message.startswith("begun as UPID:pve1:")
        assert lab.handles() == [outcome.data["upid"]]


async def test_stop_gives_up_a_shutdown_that_does_not_come_to_an_end(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", acpi=False)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        hanging = asyncio.ensure_future(lab.one("shutdown", "lab/101", timeout=3000))
        await eventually(lambda: lab.handles())
        outcome = await lab.one("stop", "lab/101")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.state(101) == "stopped"
        assert lab.front.questions[-1].plan.notes == ("lab/101: a shutdown is under way, and is given up",)
        assert pve.requests("POST", "status/stop")[-1]["values"] == {"overrule-shutdown": "1"}
        assert str((await hanging).outcome) == "failed"


@pytest.mark.parametrize("verb", ["start", "shutdown", "stop", "reboot"])
async def test_containers_have_the_same_switches(
    verb: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_ct(201, "box", status="stopped" if verb == "start" else "running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/201")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.state(201, type="lxc") == ("running" if verb in ("start", "reboot") else "stopped")
        assert lab.called()[-1] == f"POST /nodes/pve1/lxc/201/status/{verb}"


@pytest.mark.parametrize("verb", ["reset", "suspend", "resume"])
async def test_but_no_pause_and_no_reset_button(
    verb: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_ct(201, "box", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one(verb, "lab/201")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "a container has no" in outcome.message


async def test_high_availability_is_waited_for(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", ha_state="stopped")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("start", "lab/101")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.state(101) == "running"
        outcome = await lab.one("stop", "lab/101")
        assert str(outcome.outcome) == "done", outcome.message
        assert await lab.state(101) == "stopped"
