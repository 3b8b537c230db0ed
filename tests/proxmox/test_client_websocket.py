"""The byte channel of a console: same login, same certificate check, nothing of its ticket in any message."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError, Denied, QuarterdeckError, Unreachable
from backends.proxmox.client import Client
from backends.proxmox.failures import ChangedCertificate, Gone, NotProxmox, Rejected, UnknownCertificate
from backends.proxmox.websocket import ByteChannel
from tests.proxmox.raw_peer import Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import talking
from tests.servers.fakepve import Pve

real = pytest.mark.real("fakepve")

TICKET = "PVEVNC:6719FE11::c2VjcmV0LXRpY2tldA=="


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


async def _terminal(client: Client) -> tuple[ByteChannel, bytes]:
    said = await client.post("/nodes/pve1/qemu/101/termproxy")
    found = await client.websocket("/nodes/pve1/qemu/101/vncwebsocket", port=said["port"], vncticket=said["ticket"])
    return found, f"{said['user']}:{said['ticket']}\n".encode()


async def _until(channel: ByteChannel, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        piece = await channel.read()
        assert piece, f"it ended after {got!r}"
        got += piece
    return got


@real
@pytest.mark.parametrize("login", ["token", "session"])
async def test_a_terminal_both_ways(pve: Pve, login: str) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    pve.add_user("ops@pve", "pw", ("/", "VM.Audit", "VM.Console"))
    prints = (pve.fingerprint,)
    made = (
        talking(pve.url, token=pve.token, fingerprints=prints)
        if login == "token"
        else talking(pve.url, token=None, user="ops", realm="pve", password="pw", fingerprints=prints)
    )
    async with made as client:
        channel, hello = await _terminal(client)
        sent = client.cost.bytes_out
        assert client.cost.channels == 1
        try:
            await channel.write(hello)
            assert (await _until(channel, b"OK")).startswith(b"OK")
            await channel.write(b"0:3:hi\r")
            await _until(channel, b"hi")
            await channel.write(b"0:5:exit\r")
            while await channel.read():
                pass
            assert client.cost.bytes_out > sent
        finally:
            await channel.close()
        assert await channel.read() == b""
        with pytest.raises(Unreachable, match="closed"):
            await channel.write(b"2")


@real
async def test_a_wrong_ticket_is_refused_and_not_repeated(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"serial0": "socket"})
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        with pytest.raises(Denied) as caught:
            await client.websocket("/nodes/pve1/qemu/101/vncwebsocket", port=5900, vncticket=TICKET)
        assert TICKET not in str(caught.value)


async def test_another_certificate_gets_no_ticket(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = make_identity(tmp_path_factory.mktemp("other"))
    async with raw_peer(identity, lambda asked: answer("")) as peer:
        for pins, kind in (((other.fingerprint,), ChangedCertificate), ((), UnknownCertificate)):
            async with talking(peer.url, fingerprints=pins) as client:
                with pytest.raises(kind, match=identity.fingerprint):
                    await client.websocket("/nodes/pve1/qemu/101/vncwebsocket", port=5900, vncticket=TICKET)
        assert peer.asked == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer("", "301 Moved Permanently\r\nLocation: https://127.0.0.1:1/", close=True), NotProxmox),
        (answer("", "401 permission denied", close=True), Denied),
        (answer("", "501 Method not implemented", close=True), Gone),
        (answer("", "500 \x1b[2Jno", close=True), QuarterdeckError),
        (answer("", "500 failed waiting for client", close=True), Rejected),
        (answer("hello"), Rejected),
        (b"garbage\r\n\r\n", NotProxmox),
        (None, QuarterdeckError),
    ],
)
async def test_what_is_no_console(identity: Identity, said: bytes | None, kind: type[QuarterdeckError]) -> None:
    async with (
        raw_peer(identity, lambda asked: said) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(kind) as caught:
            await client.websocket("/nodes/pve1/qemu/101/vncwebsocket", port=5900, vncticket=TICKET)
        assert str(caught.value).isprintable()
        assert TICKET not in str(caught.value)
        assert len(peer.asked) == 1


async def test_nobody_listens(unused_tcp_port: int) -> None:
    async with talking(f"https://127.0.0.1:{unused_tcp_port}", fingerprints=("AA",)) as client:
        with pytest.raises(Unreachable, match="nobody listens there"):
            await client.websocket("/nodes/pve1/vncwebsocket", port=1, vncticket=TICKET)
    async with talking() as client:
        with pytest.raises(ConfigurationError):
            await client.websocket("/nodes/pve1/vncwebsocket")
