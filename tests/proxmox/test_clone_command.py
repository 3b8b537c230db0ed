"""Cloning, spawning, building, isolating and tickets as they are typed: results one by one, no secret unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from tests.proxmox.acting import written
from tests.servers.fakepve import Pve, StartPve

pytestmark = pytest.mark.real("fakepve")
Quarterdeck = Callable[..., tuple[int, list[dict[str, Any]]]]
MORE = """templates:
  plain: {vmid: 105, image: "local:import/x.qcow2", agent: false}
networks:
  machines:
    bridge: vmbr0
    rules: [{action: accept, direction: in, proto: tcp, dport: 22}]
"""


@pytest.fixture
def quarterdeck(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Quarterdeck:
    """Runs command lines over ``lab``; returns exit code and items."""
    monkeypatch.setenv("TOKEN_LAB", pve.token)
    file = written(tmp_path, ("lab", pve), more=MORE)
    drive = {"ide2": "local-lvm:vm-9000-cloudinit,media=cdrom"}
    pve.add_vm(9000, "golden", template=True, config=drive)

    def run(*words: str) -> tuple[int, list[dict[str, Any]]]:
        capsys.readouterr()
        code = call(["--hosts", str(file), "--output", "json", "--yes", "--why", "because", *words])
        return code, json.loads(capsys.readouterr().out)["items"]

    return run


def test_clone_and_spawn_as_the_issue_writes_them(quarterdeck: Quarterdeck, pve: Pve) -> None:
    code, items = quarterdeck(
        "vm", "clone", "golden", "--name", "web", "--full", "--storage", "local-lvm", "--tag", "a"
    )
    assert code == 0, items
    assert (items[0]["id"], items[0]["verb"], items[0]["guest"], items[0]["vmid"]) == (
        "lab/9000",
        "vm clone",
        "lab/100",
        100,
    )
    assert pve.guest(100)["config"]["tags"] == "a"
    code, items = quarterdeck("vm", "spawn", "lab/9000", "--count", "3", "--name", "worker", "--ip", "10.0.0.5/24")
    assert code == 0, items
    assert [one["name"] for one in items[0]["guests"]] == ["worker-1", "worker-2", "worker-3"]
    assert len(items[0]["ids"]) == 3
    code, items = quarterdeck("vm", "clone", "golden", "--name", "not_a_name")
    assert code == 2
    assert "not-a-name would do" in items[0]["message"]


def test_read_only_makes_nothing(quarterdeck: Quarterdeck, pve: Pve) -> None:
    code, items = quarterdeck("--read-only", "vm", "clone", "golden", "--name", "web")
    assert (code, items[0]["outcome"]) == (4, "refused")
    code, items = quarterdeck("--read-only", "vm", "build", "plain")
    assert (code, items[0]["outcome"]) == (4, "refused")
    assert pve.requests("POST") == []


def test_a_declared_template_is_built_once(quarterdeck: Quarterdeck, pve: Pve) -> None:
    pve.add_volume("local", "import/x.qcow2", content="import", size=600 << 20, format="qcow2")
    code, items = quarterdeck("vm", "build", "plain")
    assert code == 0, items
    assert items[0]["guest"] == "lab/105"
    pve.forget()
    code, items = quarterdeck("vm", "build", "plain", "--cluster", "lab")
    assert code == 0, items
    assert "is there already" in items[0]["message"]
    assert pve.requests("POST") == []


def test_guests_are_isolated_and_screens_are_told_to_who_asked(
    quarterdeck: Quarterdeck, pve: Pve, tmp_path: Path
) -> None:
    pve.add_vm(101, "web", status="running", config={"vga": "qxl"})
    code, items = quarterdeck("vm", "isolate", "web", "--network", "machines")
    assert code == 0, items
    assert pve.guest(101)["config"]["net0"].endswith("firewall=1")
    file = tmp_path / "web.vv"
    code, items = quarterdeck("vm", "viewer", "web", "--file", str(file))
    assert code == 0, items
    assert items[0]["file"] == str(file)
    assert "password=" in file.read_text(encoding="utf-8")
    assert "password" not in json.dumps(items)
    code, items = quarterdeck("vm", "viewer", "web", "--protocol", "vnc")
    assert code == 0, items
    assert "novnc=1" in items[0]["stdout"]


def test_a_terminal_needs_one(quarterdeck: Quarterdeck, pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    code, items = quarterdeck("vm", "console", "web")
    assert code != 0
    assert "terminal" in items[0]["message"]
    assert pve.requests("POST", "/termproxy") == []


def test_an_action_by_name_tells_of_the_cluster_that_did_not_answer(
    pve_at: StartPve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, dc = pve_at(), pve_at()
    for one in (lab, dc):
        one.add_vm(101, "web", status="running")
    monkeypatch.setenv("TOKEN_LAB", lab.token)
    monkeypatch.setenv("TOKEN_DC", dc.token)
    file = written(tmp_path, ("lab", lab), ("dc", dc))
    words = ["--hosts", str(file), "--output", "json", "--yes", "--why", "because", "vm", "stop"]
    assert call([*words, "web"]) == 2
    assert "the name of 2 vms" in capsys.readouterr().err
    dc.stop()
    assert call([*words, "lab/101"]) == 0
    assert "dc" not in capsys.readouterr().err
    lab.set_guest(101, status="running")
    assert call([*words, "web"]) == 0
    told = capsys.readouterr()
    assert [one["id"] for one in json.loads(told.out)["items"]] == ["lab/101"]
    assert "quarterdeck: dc: " in told.err
    assert "nobody listens there" in told.err
