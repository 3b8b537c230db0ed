"""How a server proves who it is: pins, authorities, what is kept of both, and that nothing is sent before."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.errors import ConfigurationError, HostKeyError, TimedOut, Unreachable
from app.link import LinkCost
from backends.proxmox.cluster import Cluster
from backends.proxmox.failures import ChangedCertificate, NotProxmox, UnknownCertificate
from backends.proxmox.known import KnownCertificates
from backends.proxmox.shown_certificates import shown_by
from backends.proxmox.tls import Trust, certificate_of, context_for, seen_certificate
from tests.proxmox.raw_peer import Asked, Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import talking
from tests.servers.fakepve import Pve

real = pytest.mark.real("fakepve")


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


def _fine(asked: Asked) -> bytes:
    return answer('{"data":1}')


async def test_a_pinned_certificate_is_enough(identity: Identity) -> None:
    async with raw_peer(identity, _fine) as peer, talking(peer.url, fingerprints=(identity.fingerprint,)) as client:
        assert await client.get("/version") == 1


async def test_any_of_several_pins_is_enough(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path, "pve2")
    pins = (other.fingerprint, identity.fingerprint)
    async with raw_peer(identity, _fine) as peer, talking(peer.url, fingerprints=pins) as client:
        assert await client.get("/version") == 1


async def test_another_certificate_is_refused_before_anything_is_sent(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path, "pve2")
    async with raw_peer(identity, _fine) as peer, talking(peer.url, fingerprints=(other.fingerprint,)) as client:
        with pytest.raises(ChangedCertificate) as caught:
            await client.post("/nodes/pve1/x", password="s3cret")
        assert peer.asked == []
        said = str(caught.value)
        assert identity.fingerprint in said
        assert other.fingerprint in said
        assert "14 days before it ends" in said
        assert "fingerprint in hosts.yaml" in said


async def test_another_certificate_is_refused_on_a_later_connection_too(identity: Identity, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with raw_peer(identity, lambda asked: answer('{"data":1}', close=True)) as peer:
            client = await stack.enter_async_context(talking(peer.url, fingerprints=(identity.fingerprint,)))
            assert await client.get("/version") == 1
        other = make_identity(tmp_path, "pve1")
        async with raw_peer(other, _fine, port=peer.port) as stranger:
            with pytest.raises(ChangedCertificate):
                await client.get("/version")
            assert stranger.asked == []


async def test_a_pin_beats_a_signature(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path, "pve2")
    pins = (other.fingerprint,)
    async with raw_peer(identity, _fine) as peer:
        url = peer.url.replace("127.0.0.1", "localhost")
        async with talking(url, ca=identity.file) as client:
            assert await client.get("/version") == 1
        async with talking(url, ca=identity.file, fingerprints=pins) as client:
            with pytest.raises(ChangedCertificate):
                await client.get("/version")


async def test_a_self_signed_certificate_is_refused_with_the_command_that_pins_it(identity: Identity) -> None:
    async with raw_peer(identity, _fine) as peer, talking(peer.url) as client:
        with pytest.raises(UnknownCertificate) as caught:
            await client.get("/version")
        assert peer.asked == []
        assert identity.fingerprint in caught.value.what
        assert "self-signed" in caught.value.what
        assert "quarterdeck vm trust lab" in caught.value.todo
        assert isinstance(caught.value, HostKeyError)


async def test_a_signed_certificate_must_name_the_host(identity: Identity) -> None:
    async with raw_peer(identity, _fine) as peer, talking(peer.url, ca=identity.file) as client:
        with pytest.raises(UnknownCertificate, match="IP address mismatch"):
            await client.get("/version")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    async with talking("https://127.0.0.1:1", ca=file) as client:
        with pytest.raises(ConfigurationError, match="CA file cannot be read") as caught:
            await client.get("/version")
        assert caught.value.where == str(file)


@real
async def test_a_renewed_certificate_of_the_peer(pve: Pve) -> None:
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        await client.get("/version")
        before = pve.fingerprint
        pve.new_certificate()
        with pytest.raises(ChangedCertificate) as caught:
            await client.get("/version")
        assert before in caught.value.what
        assert pve.fingerprint in caught.value.what
    assert len(pve.requests()) == 1


async def test_what_a_server_shows(identity: Identity) -> None:
    async with raw_peer(identity, _fine) as peer:
        seen = await seen_certificate(peer.url)
        assert peer.asked == []
    assert seen.fingerprint == identity.fingerprint
    assert seen.subject == seen.issuer == "CN=pve1"
    assert seen.names == ("localhost",)
    assert seen.not_before is not None
    assert seen.not_after is not None
    assert (seen.not_after - seen.not_before).days == 31


async def test_a_hostile_name_in_a_certificate_is_cleaned(tmp_path: Path) -> None:
    hostile = make_identity(tmp_path, "\x1b]0;owned\x07[@click=app.quit]x\u202e")
    async with raw_peer(hostile, _fine) as peer:
        seen = await seen_certificate(peer.url)
    assert seen.subject.isprintable()
    assert "owned" in seen.subject


def test_a_certificate_that_cannot_be_read_has_its_fingerprint_all_the_same() -> None:
    seen = certificate_of(b"no certificate at all")
    assert len(seen.fingerprint) == 95
    assert (seen.subject, seen.not_after) == ("", None)


async def test_nobody_shows_anything(unused_tcp_port: int) -> None:
    with pytest.raises(Unreachable, match="nobody listens there"):
        await seen_certificate(f"https://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(ConfigurationError):
        await seen_certificate(f"http://127.0.0.1:{unused_tcp_port}")
    async with raw_peer(None, _fine) as peer:
        with pytest.raises(NotProxmox, match="nobody speaks TLS"):
            await seen_certificate(peer.url.replace("http", "https"))


async def test_a_server_that_does_not_greet_is_given_up() -> None:
    never = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await never.wait()
        finally:
            writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        with pytest.raises(TimedOut):
            await seen_certificate(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", within=0.3)
        never.set()


async def test_pins_are_kept_privately_and_counted_at_once(identity: Identity, tmp_path: Path) -> None:
    state = tmp_path / "state"
    known, elsewhere = KnownCertificates(state), KnownCertificates(state)
    async with raw_peer(identity, _fine) as peer:
        cluster = Cluster(name="lab", urls=(peer.url,))
        async with talking(peer.url, trust=lambda url: known.trust(cluster, url)) as client:
            with pytest.raises(UnknownCertificate):
                await client.get("/version")
            elsewhere.pin("lab", peer.url, await seen_certificate(peer.url))
            assert await client.get("/version") == 1
            elsewhere.forget("lab")
            with pytest.raises(UnknownCertificate):
                await client.get("/version")
            elsewhere.pin("lab", peer.url, await seen_certificate(peer.url))
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600
    assert [one.name for one in state.iterdir()] == ["known_certificates"]
    pin = known.of("lab", cluster.urls[0])
    assert pin is not None
    assert pin.fingerprint == identity.fingerprint
    assert pin.not_after is not None
    assert known.of("other", cluster.urls[0]) is None
    assert known.of("lab", "https://127.0.0.1:2") is None


async def test_a_changed_certificate_of_a_kept_pin_names_the_command(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path, "pve2")
    known = KnownCertificates(tmp_path / "state")
    async with raw_peer(identity, _fine) as peer:
        cluster = Cluster(name="lab", urls=(peer.url,))
        known.pin("lab", peer.url, certificate_of(ssl.PEM_cert_to_DER_cert(_certificate(other))))
        async with talking(peer.url, trust=lambda url: known.trust(cluster, url)) as client:
            with pytest.raises(ChangedCertificate, match="quarterdeck vm trust lab pins the new one") as caught:
                await client.get("/version")
    assert f"pinned is {other.fingerprint} (it ends on 20" in caught.value.what


def _certificate(identity: Identity) -> str:
    """The certificate alone, without the key that stands before it."""
    text = identity.file.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def test_a_pin_of_hosts_yaml_comes_before_a_kept_one(tmp_path: Path) -> None:
    known = KnownCertificates(tmp_path)
    known.pin("lab", "https://a:8006", certificate_of(b"kept"))
    pinned = Cluster(name="lab", urls=("https://a:8006",), fingerprints=("AA:BB",))
    assert known.trust(pinned, "https://a:8006") == Trust(("AA:BB",))
    kept = known.trust(Cluster(name="lab", ca=tmp_path / "ca.pem"), "https://a:8006")
    assert (kept.configured, len(kept.fingerprints)) == (False, 1)
    assert known.trust(Cluster(name="lab", ca=tmp_path / "ca.pem"), "https://b:8006") == Trust(ca=tmp_path / "ca.pem")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"lab": 1}', '{"lab": {"u": {}}}', '{"lab": {"u": {"sha256": "x", "not_after": "?"}}}']
)
def test_a_spoiled_file_of_pins_is_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    known = KnownCertificates(tmp_path)
    known.path.write_text(content)
    known.path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="known certificates cannot be read"):
        known.of("lab", "u")


def test_a_file_of_pins_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    known = KnownCertificates(tmp_path)
    known.path.write_text(json.dumps({}))
    known.path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="others may write it"):
        known.of("lab", "u")


def test_what_passes_is_old_tls_no_more() -> None:
    context = context_for(Trust(("AA",)), LinkCost())
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context_for(Trust(), LinkCost()).verify_mode is ssl.CERT_REQUIRED


async def test_what_is_put_to_an_operator_who_is_to_trust(tmp_path: Path, unused_tcp_port: int) -> None:
    known = KnownCertificates(tmp_path / "state")
    one, two = make_identity(tmp_path, "pve1"), make_identity(tmp_path, "pve2")
    away = f"https://127.0.0.1:{unused_tcp_port}"
    async with raw_peer(one, _fine) as first, raw_peer(two, _fine) as second:
        cluster = Cluster(name="lab", urls=(first.url, away, second.url))
        shown = await shown_by(cluster, known)
        assert [found.url for found in shown] == list(cluster.urls)
        assert [found.believed for found in shown] == [False, False, False]
        assert shown[1].certificate is None
        assert shown[1].error is not None
        assert shown[0].certificate is not None
        assert shown[0].certificate.fingerprint == one.fingerprint
        known.pin("lab", first.url, shown[0].certificate)
        again = await shown_by(cluster, known)
        assert [found.believed for found in again] == [True, False, False]
        pinned = Cluster(name="lab", urls=(second.url,), fingerprints=(two.fingerprint,))
        (configured,) = await shown_by(pinned, known)
        assert configured.configured
        assert configured.believed
        assert not first.asked
