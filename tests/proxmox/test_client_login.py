"""Tokens and sessions: what is shown, when it is renewed, and that nothing is tried over and over."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from app.errors import BadAnswer, Denied, QuarterdeckError
from backends.proxmox.failures import SecondFactor, WrongLogin
from tests.proxmox.raw_peer import Asked, Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import TOKEN, Clock, talking
from tests.servers.fakepve import Pve

real = pytest.mark.real("fakepve")

_DENIED = answer("", "401 Authentication failed!", "", close=True)
_DATA = answer('{"data":1}')


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


def _ticket(number: int) -> bytes:
    ticket = {"ticket": f"PVE:root@pam:{number}::si+g/=", "CSRFPreventionToken": f"{number}:word"}
    return answer(json.dumps({"data": ticket}))


class Sessions:
    """A server with sessions: gives out numbered tickets, and takes those it has not ended."""

    def __init__(self, password: str = "s3cret") -> None:
        self.passwords = {password}
        self.given = 0
        self.valid: set[str] = set()
        self.logins: list[dict[str, str]] = []

    def __call__(self, asked: Asked) -> bytes:
        if asked.line.startswith("POST /api2/json/access/ticket"):
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            self.logins.append(form)
            if form["password"] not in self.passwords | self.valid:
                return answer('{"data":null}', "401 authentication failure", close=True)
            self.given += 1
            self.valid.add(f"PVE:root@pam:{self.given}::si+g/=")
            return _ticket(self.given)
        name, _, cookie = asked.headers.get("cookie", "").partition("=")
        if name != "PVEAuthCookie" or unquote(cookie) not in self.valid:
            return _DENIED
        word = asked.headers.get("csrfpreventiontoken")
        if asked.line.startswith("GET "):
            assert word is None
        elif word != f"{unquote(cookie).split(':')[2]}:word":
            return _DENIED
        return _DATA


@real
async def test_user_and_password_at_the_peer(pve: Pve) -> None:
    pve.add_user("ops@pve", "pa ss&wörd", ("/", "VM.Audit", "VM.PowerMgmt"))
    pve.add_vm(101, "web", status="running")
    found: dict[str, Any] = {"user": "ops", "realm": "pve", "password": "pa ss&wörd"}
    async with talking(pve.url, token=None, fingerprints=(pve.fingerprint,), **found) as client:
        assert client.user == "ops@pve"
        assert len(await client.list("/cluster/resources", type="vm")) == 1
        assert str(await client.post("/nodes/pve1/qemu/101/status/stop")).startswith("UPID:")
        pve.revoke_tickets()
        await client.get("/version")
    assert len(pve.requests("POST", "/access/ticket")) == 2


@real
async def test_a_second_factor_is_refused_with_the_way_round_it(pve: Pve) -> None:
    pve.add_user("ops@pve", "pw")
    pve.set("second_factors", {"ops@pve": "123456"})
    found: dict[str, Any] = {"user": "ops", "realm": "pve", "password": "pw"}
    async with talking(pve.url, token=None, fingerprints=(pve.fingerprint,), **found) as client:
        for _ in range(3):
            with pytest.raises(SecondFactor, match="API token"):
                await client.get("/version")
    assert len(pve.requests("POST", "/access/ticket")) == 1


async def test_a_wrong_token_is_asked_about_once_in_half_a_minute(identity: Identity) -> None:
    clock = Clock()
    async with (
        raw_peer(identity, lambda asked: _DENIED) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,), clock=clock) as client,
    ):
        errors = await asyncio.gather(*(client.get("/version") for _ in range(4)), return_exceptions=True)
        assert {type(error) for error in errors} == {WrongLogin}
        asked = len(peer.asked)
        assert asked <= 4
        for _ in range(5):
            with pytest.raises(WrongLogin, match="ops@pve!deck is not accepted"):
                await client.get("/version")
        assert len(peer.asked) == asked
        clock.now += 31
        with pytest.raises(WrongLogin):
            await client.get("/version")
        assert len(peer.asked) == asked + 1


async def test_a_token_that_was_replaced_is_taken_up_without_a_restart(identity: Identity) -> None:
    tokens = iter([TOKEN, "ops@pve!deck=new-secret"])

    async def resolve(reference: str) -> str:
        assert reference == "file:token"
        return next(tokens)

    def reply(asked: Asked) -> bytes:
        return _DATA if asked.headers["authorization"].endswith("=new-secret") else _DENIED

    async with (
        raw_peer(identity, reply) as peer,
        talking(peer.url, token="file:token", resolve=resolve, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await client.get("/version") == 1
        assert await client.get("/version") == 1
        assert len(peer.asked) == 3


@pytest.mark.parametrize("token", ["", "nonsense", "ops@pve!deck", "ops@pve!d=x\r\nX-Evil: 1", "öps@pve!d=x"])
async def test_a_token_of_another_form_is_never_sent_nor_repeated(identity: Identity, token: str) -> None:
    async def resolve(reference: str) -> str:
        return token

    async with (
        raw_peer(identity, lambda asked: _DATA) as peer,
        talking(peer.url, token="${T}", resolve=resolve, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(WrongLogin) as caught:
            await client.get("/version")
        assert "USER@REALM!TOKENID=SECRET" in str(caught.value)
        assert not token or token not in str(caught.value)
        assert not peer.asked


async def test_many_calls_share_one_login(identity: Identity) -> None:
    sessions = Sessions()
    async with (
        raw_peer(identity, sessions) as peer,
        talking(peer.url, token=None, user="root", password="s3cret", fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await asyncio.gather(*(client.post("/nodes/pve1/x") for _ in range(8))) == [1] * 8
        assert sessions.logins == [{"username": "root@pam", "password": "s3cret"}]


async def test_a_ticket_is_renewed_with_itself_before_it_ends(identity: Identity) -> None:
    sessions, clock = Sessions(), Clock()
    login: dict[str, Any] = {"user": "root", "password": "s3cret"}
    async with (
        raw_peer(identity, sessions) as peer,
        talking(peer.url, token=None, fingerprints=(identity.fingerprint,), clock=clock, **login) as client,
    ):
        await client.get("/version")
        clock.now += 5399
        await client.get("/version")
        assert sessions.given == 1
        clock.now += 2
        await client.get("/version")
        assert sessions.given == 2
        assert sessions.logins[-1]["password"] == "PVE:root@pam:1::si+g/="
        sessions.valid.clear()
        clock.now += 7300
        await client.get("/version")
        assert [one["password"][:3] for one in sessions.logins[2:]] == ["PVE", "s3c"]


async def test_an_ended_session_is_opened_again_once(identity: Identity) -> None:
    sessions = Sessions()
    login: dict[str, Any] = {"user": "root", "password": "s3cret"}
    async with (
        raw_peer(identity, sessions) as peer,
        talking(peer.url, token=None, fingerprints=(identity.fingerprint,), **login) as client,
    ):
        await client.post("/nodes/pve1/x")
        sessions.valid.clear()
        assert await client.post("/nodes/pve1/x") == 1
        assert sessions.given == 2
        assert len(peer.asked) == 5


async def test_a_server_that_takes_no_ticket_is_not_asked_in_a_circle(identity: Identity) -> None:
    def reply(asked: Asked) -> bytes:
        return _ticket(1) if "access/ticket" in asked.line else _DENIED

    login: dict[str, Any] = {"user": "root", "password": "s3cret"}
    async with (
        raw_peer(identity, reply) as peer,
        talking(peer.url, token=None, fingerprints=(identity.fingerprint,), **login) as client,
    ):
        for _ in range(3):
            with pytest.raises(WrongLogin):
                await client.get("/version")
        assert len(peer.asked) == 4


async def test_a_wrong_configured_password_is_tried_once(identity: Identity) -> None:
    sessions = Sessions()
    login: dict[str, Any] = {"user": "root", "password": "wrong-one"}
    async with (
        raw_peer(identity, sessions) as peer,
        talking(peer.url, token=None, fingerprints=(identity.fingerprint,), **login) as client,
    ):
        for _ in range(4):
            with pytest.raises(WrongLogin, match="password of root@pam is not accepted") as caught:
                await client.get("/version")
            assert "wrong-one" not in str(caught.value)
        assert len(sessions.logins) == 1


async def test_an_operator_is_asked_for_a_password_that_nobody_configured(identity: Identity) -> None:
    sessions = Sessions()
    prompts: list[str] = []
    typed = iter(["mistyped", "s3cret"])

    async def ask(what: str, prompt: str) -> str | None:
        prompts.append(prompt)
        return next(typed)

    async with (
        raw_peer(identity, sessions) as peer,
        talking(peer.url, token=None, user="root", ask=ask, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(WrongLogin, match="type it again"):
            await client.get("/version")
        await client.get("/version")
        sessions.valid.clear()
        await client.get("/version")
    assert prompts == ["Password of root@pam at lab: "] * 2


async def test_nobody_types_a_password(identity: Identity) -> None:
    asked: list[str] = []

    async def ask(what: str, prompt: str) -> str | None:
        asked.append(what)
        return None

    async with (
        raw_peer(identity, lambda asked: _DATA) as peer,
        talking(peer.url, token=None, user="root", ask=ask, fingerprints=(identity.fingerprint,)) as client,
    ):
        for _ in range(3):
            with pytest.raises(Denied, match="no password was given"):
                await client.get("/version")
        assert not peer.asked
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"ticket": "PVE:!tfa!x", "CSRFPreventionToken": "w"}, SecondFactor),
        ({"ticket": "PVE:root@pam:1", "NeedTFA": 1, "CSRFPreventionToken": "w"}, SecondFactor),
        ({"ticket": "", "CSRFPreventionToken": "w"}, BadAnswer),
        ({"ticket": "PVE:x", "CSRFPreventionToken": "w\r\nX: 1"}, BadAnswer),
        ({"ticket": 1}, BadAnswer),
        ([], BadAnswer),
        (None, BadAnswer),
    ],
)
async def test_answers_to_a_login_that_are_no_session(
    identity: Identity, said: object, kind: type[QuarterdeckError]
) -> None:
    async with (
        raw_peer(identity, lambda asked: answer(json.dumps({"data": said}))) as peer,
        talking(peer.url, token=None, user="root", password="s3cret", fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(kind):
            await client.get("/version")


async def test_a_cookie_of_the_servers_does_not_take_the_tokens_place(identity: Identity) -> None:
    said = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: PVEAuthCookie=PVE:evil; Path=/\r\nContent-Length: 10\r\n\r\n" + b'{"data":1}'
    )
    async with (
        raw_peer(identity, lambda asked: said) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        await client.get("/version")
        await client.get("/version")
        assert "cookie" not in peer.asked[1].headers


async def test_neither_a_proxy_nor_a_netrc_of_the_environment_has_a_say(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with (
        raw_peer(identity, lambda asked: _DATA) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await client.get("/version") == 1
