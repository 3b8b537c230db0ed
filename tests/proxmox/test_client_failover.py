"""Several URLs of one cluster: the next one answers when one does not, and the first is gone back to."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from backends.proxmox.endpoint import Answer, NoAnswer, NotSent
from backends.proxmox.failures import ChangedCertificate, NodeOffline, WrongLogin
from tests.proxmox.raw_peer import Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import Clock, talking
from tests.servers.fakepve import Pve, StartPve

real = pytest.mark.real("fakepve")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def silent() -> Iterator[str]:
    """A URL where connections are neither taken nor refused: the queue of its listener is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers: list[socket.socket] = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    for one in [*fillers, listener]:
        one.close()


def _named(name: str) -> bytes:
    return answer(f'{{"data":"{name}"}}')


async def test_the_next_url_answers_within_one_interval(identity: Identity, silent: str) -> None:
    async with (
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(silent, second.url, fingerprints=(identity.fingerprint,), interval=4.0) as client,
    ):
        assert await client.get("/version") == "second"
        assert client.url == second.url
        assert silent in client.detour
        waited = re.search(r"no connection within ([\d.]+) s", client.detour)
        assert waited
        assert float(waited[1]) * 2 < 4.0


async def test_it_sticks_to_the_url_that_works_and_goes_back_later(identity: Identity, unused_tcp_port: int) -> None:
    clock = Clock()
    first_url = f"https://127.0.0.1:{unused_tcp_port}"
    async with (
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(first_url, second.url, fingerprints=(identity.fingerprint,), clock=clock) as client,
    ):
        assert await client.get("/version") == "second"
        async with raw_peer(identity, lambda asked: _named("first"), port=unused_tcp_port) as first:
            clock.now += 30
            assert await client.get("/version") == "second"
            assert not first.asked
            clock.now += 31
            assert await client.post("/nodes/pve1/x") == "second", "a change does not try what may be away"
            assert await client.get("/version") == "first"
            assert (client.url, client.detour) == (first_url, "")
            assert await client.post("/nodes/pve1/x") == "first"
        assert await client.get("/version") == "second"
        assert client.detour.startswith(f"{first_url}: nobody listens there")


async def test_a_change_goes_to_the_next_url_when_it_cannot_have_been_sent(
    identity: Identity, unused_tcp_port: int
) -> None:
    async with (
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(f"https://127.0.0.1:{unused_tcp_port}", second.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await client.post("/nodes/pve1/x") == "second"
        assert len(second.asked) == 1


async def test_a_read_goes_to_the_next_url_when_the_first_says_nothing_and_a_change_does_not(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mute(request: object) -> Answer:
        raise NoAnswer("no answer within 35 s", where="lab")

    async with (
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking("https://127.0.0.1:1", second.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        monkeypatch.setattr(client._urls.endpoints[0], "send", mute)  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(NoAnswer, match="may have been begun all the same"):
            await client.post("/nodes/pve1/x")
        with pytest.raises(NoAnswer):
            await client.get("/nodes/pve2/status")
        assert not second.asked
        assert await client.get("/version") == "second"


async def test_a_proxy_that_does_not_get_through_is_passed_by(identity: Identity) -> None:
    page = answer("<html>", "503 Service Unavailable", "text/html", close=True)
    async with (
        raw_peer(identity, lambda asked: page) as first,
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(first.url, second.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await client.get("/version") == "second"


@pytest.mark.parametrize(("status", "kind"), [("595 No route", NodeOffline), ("401 No ticket", WrongLogin)])
async def test_an_answer_is_an_answer_whatever_it_says(identity: Identity, status: str, kind: type[Exception]) -> None:
    async with (
        raw_peer(identity, lambda asked: answer("", status, "", close=True)) as first,
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(first.url, second.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(kind):
            await client.get("/nodes/pve2/status")
        assert not second.connections
        assert client.url == first.url


async def test_who_stands_in_a_servers_place_is_not_passed_over_in_silence(
    identity: Identity, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_identity(tmp_path_factory.mktemp("other"))
    async with (
        raw_peer(other, lambda asked: _named("first")) as first,
        raw_peer(identity, lambda asked: _named("second")) as second,
        talking(first.url, second.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(ChangedCertificate):
            await client.get("/version")
        assert not first.asked
        assert not second.connections


async def test_all_urls_are_named_when_none_answers(silent: str, unused_tcp_port: int) -> None:
    urls = (f"https://127.0.0.1:{unused_tcp_port}", "https://127.0.0.1:1")
    async with talking(*urls) as client:
        with pytest.raises(NotSent, match="none of its URLs answers") as caught:
            await client.get("/version")
    assert all(url.removeprefix("https://") in caught.value.what for url in urls)


@real
async def test_a_cluster_of_two_nodes_loses_the_one_that_is_asked(pve_at: StartPve) -> None:
    one, two = pve_at(), pve_at()
    _same_token(one, two)
    prints = (one.fingerprint, two.fingerprint)
    async with talking(one.url, two.url, token=one.token, fingerprints=prints) as client:
        await client.get("/version")
        assert client.url == one.url
        one.stop()
        await client.get("/version")
        assert client.url == two.url


def _same_token(one: Pve, two: Pve) -> None:
    """Both know the token of the first, as nodes of one cluster do."""
    name, _, secret = one.token.partition("=")
    tokens = two.get("apitokens")
    two.set("apitokens", {**tokens, name: secret})
