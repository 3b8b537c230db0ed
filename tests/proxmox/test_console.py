"""A guest's serial terminal on a real terminal, through the cluster's websocket; and the tickets for its screen."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.job import Ended, Outcome
from backends.proxmox import serial_bridge
from tests.docker.seat import Seat
from tests.proxmox.acting import Lab, opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")
WITH_SERIAL = {"serial0": "socket", "vga": "serial0"}
WEB = "pve1/101"


def typed(pve: Pve) -> str:
    """The keys that came over the terminal of 101."""
    return "".join(one for one in pve.typed(WEB) if not one.startswith("size ") and one != "ping")


@pytest.fixture
def seat() -> Iterator[Seat]:
    """A terminal."""
    one = Seat()
    yield one
    one.close()


def sit(lab: Lab, seat: Seat) -> list[list[str]]:
    """Have what wants a terminal run on this one; returns the command lines that it will have run."""
    ran: list[list[str]] = []

    async def terminal(argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        assert not env
        ran.append(list(argv))
        return await seat.run(argv)

    lab.front.terminal = terminal
    return ran


def begun(lab: Lab, *ids: str) -> asyncio.Task[Outcome]:
    return asyncio.create_task(lab.one("console", *ids))


async def ended(work: asyncio.Task[Outcome]) -> Outcome:
    return await asyncio.wait_for(work, 40)


async def test_keys_and_sizes_go_to_the_guest_and_ctrl_bracket_leaves(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        ran = sit(lab, seat)
        work = begun(lab, "lab/101")
        await seat.until(b"login: ", within=30)
        seat.type("grüße ☃\r".encode())
        await seat.until("grüße ☃\r\n".encode(), within=30)
        seat.resize(40, 120)
        await eventually(lambda: "size 120x40" in pve.typed(WEB), within=30)
        seat.type(b"size\r")
        await seat.until(b"it is 120x40", within=30)
        seat.type(b"\x03\x10\x11\x1c")  # none of these is anything but a key here
        await eventually(lambda: typed(pve).endswith("\x03\x10\x11\x1c"), within=30)
        seat.type(b"last\x1dnever")
        outcome = await ended(work)
        await eventually(lambda: not pve.get("terminals_open"), within=30)
        kept = repr(lab.witnessed())
    assert (outcome.outcome, outcome.message) == (Ended.DONE, "")
    assert pve.typed(WEB)[0] == "size 100x30"
    assert typed(pve).endswith("last")
    assert seat.as_before
    assert b"web: left its terminal" in seat.seen
    assert "PVEVNC" not in " ".join(ran[0]) + kept + outcome.message
    assert pve.token.partition("=")[2] not in " ".join(ran[0]) + kept


async def test_a_key_of_several_bytes_may_come_in_pieces(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        work = begun(lab, "lab/101")
        await seat.until(b"login: ", within=30)
        snowman = "☃".encode()
        seat.type(b"a")
        await seat.until(b"a", within=30)
        seat.type(snowman[:1])
        seat.type(b"" + snowman[1:] + b"\r")
        await seat.until("☃\r\n".encode(), within=30)
        seat.type(b"\x1d")
        await ended(work)
    assert typed(pve) == "a☃\r"


async def test_a_quiet_terminal_is_kept_open(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    monkeypatch.setattr(serial_bridge, "PING_S", 0.05)
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        work = begun(lab, "lab/101")
        await eventually(lambda: pve.typed(WEB).count("ping") >= 3, within=30)
        seat.type(b"\x1d")
        assert (await ended(work)).outcome is Ended.DONE


async def test_the_guest_ends_it_and_the_terminal_is_given_back(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        work = begun(lab, "lab/101")
        await seat.until(b"login: ", within=30)
        seat.type(b"exit\r")
        outcome = await ended(work)
    assert (outcome.outcome, outcome.message) == (Ended.DONE, "its terminal ended")
    assert seat.as_before


async def test_a_container_has_one_without_a_serial_port(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_ct(200, "box", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        work = begun(lab, "lab/200")
        await seat.until(b"login: ", within=30)
        seat.type(b"\x1d")
        assert (await ended(work)).outcome is Ended.DONE
    assert pve.requests("POST", "/termproxy")[0]["path"] == "/nodes/pve1/lxc/200/termproxy"


async def test_what_has_none_says_how_it_gets_one(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "off", config=WITH_SERIAL)
    pve.add_vm(9000, "golden", template=True, config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        bare, off, template = [await lab.one("console", f"lab/{vmid}") for vmid in (101, 102, 9000)]
    assert (bare.outcome, bare.exit_code) == (Ended.REFUSED, 4)
    assert "qm set 101 --serial0 socket" in bare.message
    assert "only a guest that runs has a terminal" in off.message
    assert "it is a template" in template.message
    assert pve.requests("POST") == []


async def test_a_token_that_gets_no_terminal_is_told_why_and_what_instead(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    pve.set("tokens_have_terminals", False)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        closed = await lab.one("console", "lab/101")
        pve.fail("POST", "/nodes/pve1/qemu/101/termproxy", status=500, message="unable to open a terminal")
        refused = await lab.one("console", "lab/101")
    for outcome in (closed, refused):
        assert (outcome.outcome, outcome.exit_code) == (Ended.FAILED, 1), outcome.message
        assert "no terminal for a token" in outcome.message
        assert "qm terminal 101" in outcome.message
    assert seat.as_before


async def test_without_a_terminal_of_ones_own_nothing_is_asked_for(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("console", "lab/101")  # the child here is one that ends at once
    assert outcome.exit_code == 0
    assert pve.requests("POST", "/termproxy") == []


async def test_killing_the_program_puts_the_terminal_back_and_closes_the_websocket(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seat: Seat
) -> None:
    pve.add_vm(101, "web", status="running", config=WITH_SERIAL)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        sit(lab, seat)
        work = begun(lab, "lab/101")
        await seat.until(b"login: ", within=30)
        assert seat.process is not None
        seat.process.terminate()
        await ended(work)
        await eventually(lambda: not pve.get("terminals_open"), within=30)
    assert seat.as_before


# -- screens


async def test_a_spice_file_is_private_and_in_no_witness(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", config={"vga": "qxl"})
    wanted = tmp_path / "web.vv"
    wanted.write_text("old", encoding="utf-8")
    wanted.chmod(0o666)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        chosen = await lab.one("viewer", "lab/101", file=wanted)
        ours = await lab.one("viewer", "lab/101")
        kept = repr(lab.witnessed())
    for outcome in (chosen, ours):
        assert outcome.exit_code == 0, outcome.message
        path = Path(outcome.data["file"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text(encoding="utf-8").splitlines()
        said: dict[str, Any] = dict(line.split("=", 1) for line in lines[1:])
        assert lines[0] == "[virt-viewer]"
        assert said["type"] == "spice"
        assert said["ca"].count("\\n") >= 2
        assert said["delete-this-file"] == "1"
        assert said["password"]
        assert said["password"] not in outcome.message + kept
        assert f"remote-viewer {path}" in outcome.data["stdout"]
        path.unlink()
    assert chosen.data["file"] == str(wanted)


async def test_another_kind_of_file_is_never_replaced(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running", config={"vga": "qxl"})
    precious = tmp_path / "notes.txt"
    precious.write_text("precious", encoding="utf-8")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("viewer", "lab/101", file=precious)
        nowhere = await lab.one("viewer", "lab/101", file=tmp_path / "no" / "web.vv")
    assert (outcome.exit_code, nowhere.exit_code) == (2, 2)
    assert precious.read_text(encoding="utf-8") == "precious"


async def test_a_screen_without_spice_points_to_the_browser(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_vm(101, "web", status="running")
    async with opened(tmp_path, monkeypatch, pve) as lab:
        spice = await lab.one("viewer", "lab/101")
        vnc = await lab.one("viewer", "lab/101", protocol="vnc")
        kept = repr(lab.witnessed())
    assert (spice.outcome, spice.exit_code) == (Ended.REFUSED, 4)
    assert "--protocol vnc" in spice.message
    assert vnc.exit_code == 0, vnc.message
    assert vnc.data["url"].startswith(f"{pve.url}/?console=kvm&novnc=1&vmid=101")
    ticket = vnc.data["stdout"].rpartition("ticket ")[2].strip()
    assert ticket
    assert ticket not in vnc.message + kept


def test_the_program_of_the_terminal_needs_nothing_but_python() -> None:
    """It is started without site packages, and says what is wrong in one line."""
    program = str(Path(serial_bridge.__file__).with_name("serial_child.py"))
    argv = [sys.executable, "-I", "-S", program, "/nowhere/at/all", "web\x1b[2J"]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert done.returncode == serial_bridge.LOST
    assert done.stderr == b"\r\nweb [2J: No such file or directory\r\n"
