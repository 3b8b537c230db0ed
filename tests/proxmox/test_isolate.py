"""Guests get the rules of a declared network: what is sent, what then stands there; a second time does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.proxmox.acting import Lab, opened
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")
NETWORKS = """networks:
  machines:
    bridge: vmbr1
    guests: [lab/10*]
    policy_out: drop
    rules:
      - {action: accept, direction: in, proto: tcp, dport: "22", source: 10.0.0.0/24, comment: ssh of the hub}
      - {action: accept, direction: in, proto: icmp}
      - {action: drop, direction: in}
"""
SHAPE = [("ACCEPT", "tcp", "22"), ("ACCEPT", "icmp", None), ("DROP", None, None)]


def machine(pve: Pve, vmid: int, **options: Any) -> None:
    """A guest on the network's bridge."""
    card = f"virtio=BC:24:11:00:00:{vmid % 256:02X},bridge=vmbr1"
    pve.add_vm(vmid, f"machine-{vmid}", config={"net0": card}, **options)


async def rules(lab: Lab, vmid: int) -> list[dict[str, Any]]:
    return list(await lab.get(f"/nodes/pve1/qemu/{vmid}/firewall/rules"))


def shape(found: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(one["action"], one.get("proto"), one.get("dport")) for one in found if one.get("enable")]


async def add(lab: Lab, vmid: int, **said: Any) -> None:
    """A rule that somebody else put there."""
    answer = await lab.outside.post(f"/nodes/pve1/qemu/{vmid}/firewall/rules", data={"enable": 1, **said})
    assert answer.status_code == httpx.codes.OK, answer.reason_phrase


async def test_two_guests_are_isolated_and_a_second_time_changes_nothing(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(pve, 101, status="running")
    machine(pve, 102)
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:
        outcomes = await lab.do("isolate", "lab/101", "lab/102", network="machines")
        assert [one.exit_code for one in outcomes] == [0, 0], [one.message for one in outcomes]
        for vmid in (101, 102):
            assert shape(await rules(lab, vmid)) == SHAPE
            options = await lab.get(f"/nodes/pve1/qemu/{vmid}/firewall/options")
            assert (options["enable"], options["policy_out"]) == (1, "DROP")
            assert (await lab.config(vmid))["net0"].endswith("bridge=vmbr1,firewall=1")
        pve.forget()
        again = await lab.do("isolate", "lab/101", "lab/102", network="machines")
        assert lab.called() == []
    assert (
        "3 rules added, its firewall goes on, what no rule names is dropped going out, net0 is filtered"
        in outcomes[0].message
    )
    assert all("has the rules of machines already" in one.message for one in again), [one.message for one in again]


async def test_what_was_there_is_reordered_and_what_is_not_declared_is_told_and_goes_last(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(pve, 101)
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:
        await add(lab, 101, type="in", action="ACCEPT", proto="tcp", dport="80")
        await add(lab, 101, type="in", action="ACCEPT", proto="icmp")
        await add(lab, 101, type="in", action="DROP")
        await lab.outside.put("/nodes/pve1/qemu/101/firewall/options", data={"enable": 1})
        pve.forget()
        outcome = await lab.one("isolate", "lab/101", network="machines")
        question = lab.front.questions[-1].plan
        assert outcome.exit_code == 0, outcome.message
        assert shape(await rules(lab, 101)) == SHAPE
        calls = lab.called()
    # icmp goes above the drop that had hidden it, the other rule goes when all else is there, then the card.
    assert calls == [
        "POST /nodes/pve1/qemu/101/firewall/rules",
        "PUT /nodes/pve1/qemu/101/firewall/rules/0",
        "PUT /nodes/pve1/qemu/101/firewall/rules/2",
        "PUT /nodes/pve1/qemu/101/firewall/options",
        "DELETE /nodes/pve1/qemu/101/firewall/rules/3",
        "PUT /nodes/pve1/qemu/101/config",
    ]
    assert any("in ACCEPT tcp port 80" in line for line in question.loses), question.loses
    assert any("1 rule added, 1 rule moved, 1 rule removed" in note for note in question.notes), question.notes


async def test_rules_changed_meanwhile_stop_it_and_a_second_run_goes_on(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(pve, 101)
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:

        def meanwhile() -> None:
            answer = httpx.post(
                f"{pve.api}/nodes/pve1/qemu/101/firewall/rules",
                data={"type": "in", "action": "ACCEPT", "proto": "udp", "enable": "1"},
                headers=pve.headers,
                verify=False,
                timeout=60,
            )
            assert answer.status_code == httpx.codes.OK

        lab.front.meanwhile = meanwhile
        stopped = await lab.one("isolate", "lab/101", network="machines")
        assert (str(stopped.outcome), stopped.exit_code) == ("failed", 1)
        assert "somebody else changed its firewall meanwhile" in stopped.message
        lab.front.meanwhile = lambda: None
        outcome = await lab.one("isolate", "lab/101", network="machines")
        assert outcome.exit_code == 0, outcome.message
        assert shape(await rules(lab, 101)) == SHAPE


async def test_a_firewall_that_is_off_as_a_whole_is_told_of(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(pve, 101)
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:
        await lab.one("isolate", "lab/101", network="machines")
        off = lab.front.questions[-1].plan.notes
        await lab.outside.put("/cluster/firewall/options", data={"enable": 1})
        await add(lab, 101, type="in", action="ACCEPT", proto="udp")
        await lab.one("isolate", "lab/101", network="machines")
        on = lab.front.questions[-1].plan.notes
    assert any("as a whole is off" in note for note in off)
    assert not any("as a whole is off" in note for note in on)


async def test_what_is_not_in_the_network_is_refused_and_told(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(pve, 101)
    machine(pve, 201)
    pve.add_vm(102, "elsewhere")
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:
        refused = await lab.do("isolate", "lab/101", "lab/102", network="machines")
        unknown = await lab.one("isolate", "lab/101", network="machine")
        assert lab.called() == []
        await lab.one("isolate", "lab/201", network="machines")
        notes = lab.front.questions[-1].plan.notes
    assert {one.exit_code for one in refused} == {4}
    assert "has no card on vmbr1" in refused[0].message
    assert "declares no network 'machine'" in unknown.message
    assert "the nearest is machines" in unknown.message
    assert any("is not among the guests" in note for note in notes)


async def test_a_container_keeps_its_other_settings(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "rootfs": "local-lvm:vm-100-disk-0,size=8G",
        "net0": "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:C8,ip=dhcp,tag=7,type=veth",
    }
    pve.add_ct(100, "box", config=config)
    async with opened(tmp_path, monkeypatch, pve, more=NETWORKS) as lab:
        outcome = await lab.one("isolate", "lab/100", network="machines")
        net = (await lab.config(100, type="lxc"))["net0"].split(",")
        found = await lab.get("/nodes/pve1/lxc/100/firewall/rules")
    assert outcome.exit_code == 0, outcome.message
    assert {"firewall=1", "ip=dhcp", "tag=7", "hwaddr=BC:24:11:00:00:C8"} <= set(net)
    assert shape(found) == SHAPE
