"""Clusters on the screen: what an operator presses and sees, from the peer's own words to the drawn cells."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.console.conftest import Driven
from tests.doors import doors
from tests.servers.fakepve import Pve
from widgets.logview import LogPlace

pytestmark = pytest.mark.real("fakepve")

EVIL = "[@click=app.quit]x[/]\x1b[2J\x1b]0;title\x07\u202e"
WIDE = (160, 40)
SECRET = "correct-horse-battery"


@pytest.fixture
def hosts(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cluster."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PVE_TOKEN", pve.token)
    file = tmp_path / "hosts.yaml"
    entry = f"url: '{pve.url}', token: '${{PVE_TOKEN}}', fingerprint: '{pve.fingerprint}', interval: 2"
    file.write_text(f"nodes: {{}}\nproxmox: {{lab: {{{entry}}}}}\n")
    return file


def harmless(it: Driven) -> bool:
    """Nothing on the screen steers a terminal or turns the direction of text."""
    return not any(unicodedata.category(char) in ("Cc", "Cf") for char in it.screen() if char != "\n")


async def test_a_guest_with_a_hostile_name_and_notes_is_drawn_harmless(pve: Pve, hosts: Path) -> None:
    config = {"description": EVIL, "cipassword": SECRET, "tags": "prod"}
    pve.add_vm(101, EVIL, status="running", config=config, snapshots={"one": {"description": EVIL}})
    async with doors.console(doors.hosts(hosts)(), ["lab/101"], "vm", WIDE) as it:
        assert "[@click=app" in it.screen()
        assert harmless(it)
        await it.press("d")
        await it.until(lambda: "local-lvm:vm-101-disk-0" in it.screen(), "its disks")
        assert harmless(it)
        assert SECRET not in it.screen()
        await it.press("escape", "h")
        await it.until(lambda: "▸ now" in it.screen(), "its snapshots")
        assert harmless(it)
        await it.press("escape", "i")
        await it.until(lambda: "scsihw" in it.screen(), "its configuration")
        assert SECRET not in it.screen()
        assert harmless(it)


async def test_the_history_of_the_cluster_and_the_log_of_one_of_its_tasks(pve: Pve, hosts: Path) -> None:
    pve.add_vm(101, "web")
    ended = {"endtime": 1_700_000_009, "exitstatus": "WARNINGS: 1"}
    pve.add_task(type="vzdump", id="101", log=["INFO: starting", EVIL, "TASK WARNINGS: 1"], **ended)
    async with doors.console(doors.hosts(hosts)(), ["lab/101"], "vm", WIDE) as it:
        await it.press("t")
        await it.until(lambda: "vzdump" in it.screen() and "WARNINGS: 1" in it.screen(), it.screen())
        await it.press("l")
        await it.until(lambda: isinstance(it.console.place, LogPlace) and "INFO: starting" in it.screen(), "its log")
        assert harmless(it)


async def test_hypervisors_and_storages_stand_behind_the_guests(pve: Pve, hosts: Path) -> None:
    pve.add_vm(101, "web")
    async with doors.console(doors.hosts(hosts)(), ["lab/pve1"], "hypervisor", WIDE) as it:
        await it.press("d")
        await it.until(lambda: "pve-manager/" in it.screen(), it.screen())
    async with doors.console(doors.hosts(hosts)(), ["lab/pve1/local-lvm"], "storage", WIDE) as it:
        await it.press("G", "v")  # local stands before local-lvm
        await it.until(lambda: "vm-101-disk-0" in it.screen(), it.screen())
