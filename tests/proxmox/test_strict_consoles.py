"""Consoles: a real websocket that speaks the protocol of termproxy."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import quote

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.proxmox.strict_asking import Asking
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")
VM = "/nodes/pve1/qemu/101"


def _connect(pve: Pve, path: str, told: dict[str, str]) -> connect:
    context = ssl.create_default_context(cafile=str(pve.ca))
    query = f"port={told['port']}&vncticket={quote(told['ticket'], safe='')}"
    url = f"wss://{pve.host}:8006/api2/json{path}/vncwebsocket?{query}"
    return connect(url, ssl=context, additional_headers=pve.headers, subprotocols=[Subprotocol("binary")])


async def _until(socket: ClientConnection, text: bytes) -> bytes:
    heard = b""
    async with asyncio.timeout(20):
        while text not in heard:
            said = await socket.recv()
            heard += said if isinstance(said, bytes) else said.encode()
    return heard


async def test_a_terminal_is_typed_into_sized_and_left(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    with Asking(pve) as asking:
        told = asking.data("POST", f"{VM}/termproxy", serial="serial0")
    async with _connect(pve, VM, told) as socket:
        await socket.send(f"{told['user']}:{told['ticket']}\n")
        await _until(socket, b"OK")
        await _until(socket, b"login: ")
        await socket.send("1:100:40:")
        await socket.send("2")
        await socket.send("0:4:h\u00e9y")
        await socket.send(b"0:5:\rsi")  # a frame may come in pieces
        await socket.send(b"ze0:1:\r")
        await _until(socket, b"it is 100x40")
        pve.show("news\r\n")
        await _until(socket, b"news")
        await socket.send("0:5:exit\r")
        with pytest.raises(ConnectionClosed):
            await _until(socket, b"never")
    assert pve.typed("pve1/101") == ["size 100x40", "ping", "h\u00e9y", "\rsize", "\r", "exit\r"]
    await eventually(lambda: pve.tasks("vncproxy")[0]["status"] == "stopped")


async def test_a_wrong_greeting_is_hung_up_on(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    with Asking(pve) as asking:
        told = asking.data("POST", f"{VM}/termproxy")
    async with _connect(pve, VM, told) as socket:
        await socket.send("root@pam:PVEVNC:wrong\n")
        with pytest.raises(ConnectionClosed):
            await _until(socket, b"OK")


async def test_a_ticket_is_good_once(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    with Asking(pve) as asking:
        told = asking.data("POST", f"{VM}/termproxy")
    async with _connect(pve, VM, told):
        pass
    with pytest.raises(InvalidStatus) as caught:
        async with _connect(pve, VM, told):
            pass
    assert caught.value.response.status_code == 401


async def test_a_machine_without_a_serial_port_has_no_terminal(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/termproxy", serial="serial0")[0] == 500
        told = asking.data("POST", f"{VM}/termproxy")
    async with _connect(pve, VM, told) as socket:
        await socket.send(f"{told['user']}:{told['ticket']}\n")
        await _until(socket, b"unable to find a serial interface")


async def test_a_node_has_a_shell_that_may_be_hung_up(pve: Pve) -> None:
    with Asking(pve) as asking:
        told = asking.data("POST", "/nodes/pve1/termproxy")
    async with _connect(pve, "/nodes/pve1", told) as socket:
        await socket.send(f"{told['user']}:{told['ticket']}\n")
        await _until(socket, b"OK")
        pve.hang_up()
        with pytest.raises(ConnectionClosed):
            await _until(socket, b"never")


async def test_vnc_begins_as_vnc_does(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    with Asking(pve) as asking:
        told = asking.data("POST", f"{VM}/vncproxy", websocket=1, generate_password=1)
    assert told["password"]
    async with _connect(pve, VM, told) as socket:
        assert await socket.recv() == b"RFB 003.008\n"


def test_spice_needs_its_display(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    with Asking(pve) as asking:
        assert asking.refused("POST", f"{VM}/spiceproxy") == (500, "no spice port")
        pve.set_config(101, vga="qxl")
        told = asking.data("POST", f"{VM}/spiceproxy")
    assert told["type"] == "spice"
    assert told["proxy"].startswith("http://127.")
