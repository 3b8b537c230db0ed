"""Calls to a cluster: what is sent, what comes back, and what each refusal becomes."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from app.errors import BadAnswer, ConfigurationError, Denied, QuarterdeckError, TimedOut, Unreachable
from backends.proxmox import wire
from backends.proxmox.answers import BehindProxy
from backends.proxmox.endpoint import Dropped, NotSent
from backends.proxmox.failures import (
    Gone,
    IdTaken,
    InvalidParameters,
    Locked,
    MissingPrivilege,
    NodeOffline,
    NoQuorum,
    NotProxmox,
    Rejected,
    StorageFull,
    WrongLogin,
    of_words,
)
from tests.proxmox.raw_peer import Asked, Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import SECRET, TOKEN, talking
from tests.servers.fakepve import Pve
from tests.waiting import eventually

real = pytest.mark.real("fakepve")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@real
async def test_reads_and_changes_a_guest(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        rows = (await client.list("/cluster/resources", type="vm")).rows
        assert [(row["vmid"], row["name"]) for row in rows] == [(101, "web")]
        config = wire.path("nodes", "pve1", "qemu", 101, "config")
        await client.put(config, description="naïve — ✓", onboot=True)
        assert (await client.get(config))["description"] == "naïve — ✓"
        assert str(await client.post("/nodes/pve1/qemu/101/status/stop")).startswith("UPID:pve1:")
        assert client.user == "deck@pve!console"
        await eventually(lambda: pve.guest(101)["status"] == "stopped", 20)
        removed = await client.delete("/nodes/pve1/qemu/101", {"destroy-unreferenced-disks": True}, purge=True)
        assert str(removed).startswith("UPID:pve1:")
    put = pve.requests("PUT")[0]
    assert put["values"] == {"description": "naïve — ✓", "onboot": "1"}
    assert pve.requests("DELETE")[0]["query"] == {"destroy-unreferenced-disks": "1", "purge": "1"}


@real
async def test_counts_what_it_costs(pve: Pve) -> None:
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        assert client.requests_a_minute == 0
        for _ in range(3):
            await client.get("/version")
        assert client.requests_a_minute == 3
        assert client.cost.commands == 3
        assert client.cost.connects == 1
        assert client.cost.bytes_out > 3 * 100
        assert client.cost.bytes_in > 3 * 50


async def test_requests_of_the_last_minute_are_counted(identity: Identity) -> None:
    now = [100.0]
    async with (
        raw_peer(identity, lambda asked: answer('{"data":1}')) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,), clock=lambda: now[0]) as client,
    ):
        await client.get("/version")
        now[0] += 59
        await client.get("/version")
        assert client.requests_a_minute == 2
        now[0] += 2
        assert client.requests_a_minute == 1


async def test_four_connections_bear_many_calls_at_once(identity: Identity) -> None:
    async def reply(asked: Asked) -> bytes:
        await asyncio.sleep(0.02)
        return answer('{"data":1}')

    async with (
        raw_peer(identity, reply) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await asyncio.gather(*(client.get("/version") for _ in range(30))) == [1] * 30
        assert 1 < peer.most_open <= 4
        assert len(peer.asked) == 30


async def test_a_node_that_hangs_does_not_hold_up_the_cluster(identity: Identity) -> None:
    go = asyncio.Event()

    async def reply(asked: Asked) -> bytes:
        if "/nodes/" in asked.line:
            await go.wait()
        return answer('{"data":1}')

    async with (
        raw_peer(identity, reply) as peer,
        talking(peer.url, "https://127.0.0.1:1", fingerprints=(identity.fingerprint,)) as client,
    ):
        hanging = [asyncio.create_task(client.get("/nodes/pve2/status")) for _ in range(8)]
        await eventually(lambda: len(peer.asked) == 3, 20)
        assert await client.get("/cluster/resources") == 1
        with pytest.raises(TimedOut, match="calls to its nodes did not end") as caught:
            await client.get("/nodes/pve2/status", within=0.1)
        assert caught.value.where == "lab/pve2"
        assert client.detour == ""
        go.set()
        assert await asyncio.gather(*hanging) == [1] * 8


@real
@pytest.mark.parametrize("older", [False, True])
async def test_refusals_of_the_peer(pve: Pve, older: bool) -> None:
    pve.set("older", older)
    pve.expect_violations()
    pve.add_vm(101, "web", status="running")
    pve.add_vm(102, "held", lock="backup")
    pve.add_node("pve2")
    pve.node_offline("pve2")
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        with pytest.raises(Gone, match="does not exist") as gone:
            await client.get("/nodes/pve1/qemu/999/config")
        assert gone.value.where == "lab/pve1"
        with pytest.raises(IdTaken) as taken:
            await client.get("/cluster/nextid", vmid=101)
        assert taken.value.vmid == 101
        with pytest.raises(InvalidParameters) as wrong:
            await client.post("/nodes/pve1/qemu/101/snapshot", snapname="1bad")
        assert set(wrong.value.fields) == {"snapname"}
        with pytest.raises(Locked) as locked:
            await client.post("/nodes/pve1/qemu/102/clone", newid=300)
        assert (locked.value.lock, locked.value.passing) == ("backup", False)
        with pytest.raises(NodeOffline) as away:
            await client.get("/nodes/pve2/status")
        assert away.value.node == "pve2"
        assert "pve2" in str(away.value)
        pve.quorum(False)
        with pytest.raises(NoQuorum):
            await client.put("/nodes/pve1/qemu/101/config", cores=2)


@real
async def test_a_missing_privilege_is_named_with_its_path(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    token = pve.make_token("deck@pve!little", ("/vms", "VM.Audit"))
    async with talking(pve.url, token=token, fingerprints=(pve.fingerprint,)) as client:
        assert client.may("/vms/101", "VM.PowerMgmt") is None
        assert client.missing("/vms/101", "VM.PowerMgmt") == ()
        await client.read_permissions()
        assert client.may("/vms/101", "VM.Audit") is True
        assert client.missing("/vms/101", "VM.Audit", "VM.PowerMgmt") == ("VM.PowerMgmt",)
        with pytest.raises(MissingPrivilege, match=r"VM\.PowerMgmt on /vms/101") as refused:
            await client.post("/nodes/pve1/qemu/101/status/stop")
        assert (refused.value.path, refused.value.privileges) == ("/vms/101", ("VM.PowerMgmt",))


@real
async def test_permissions_are_asked_again_after_a_refusal(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running")
    token = pve.make_token("deck@pve!fading", ("/vms", "VM.Audit", "VM.PowerMgmt"))
    now = [100.0]
    async with talking(pve.url, token=token, fingerprints=(pve.fingerprint,), clock=lambda: now[0]) as client:
        await client.read_permissions()
        assert client.may("/vms/101", "VM.PowerMgmt") is True
        pve.revoke("deck@pve!fading")
        now[0] += 60
        for _ in range(3):
            with pytest.raises(MissingPrivilege):
                await client.post("/nodes/pve1/qemu/101/status/stop")
        assert client.may("/vms/101", "VM.PowerMgmt") is False
        assert len(pve.requests("GET", "/access/permissions")) == 2


@real
@pytest.mark.parametrize("pretended", ["html", "text", "json", "list", "broken"])
async def test_what_is_no_proxmox_is_said_to_be_none(pve: Pve, pretended: str) -> None:
    pve.pretend(pretended)
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        with pytest.raises(NotProxmox) as caught:
            await client.get("/version")
        assert "https://HOST:8006" in caught.value.todo
        assert ("web page" in caught.value.what) is (pretended == "html")


@real
async def test_a_server_that_says_nothing_is_given_up(pve: Pve) -> None:
    pve.pretend("silent")
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as client:
        with pytest.raises(TimedOut, match=r"no (answer|connection) within 0\.3 s"):
            await client.get("/version", within=0.3)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (answer("", "301 Moved Permanently\r\nLocation: https://elsewhere/", close=True), NotProxmox, "elsewhere"),
        (answer("", "200 OK", close=True), NotProxmox, "empty"),
        (answer('{"data":null}', "403 Permission check failed", close=True), MissingPrivilege, "Permission check"),
        (answer("", "595 No route to host", "", close=True), NodeOffline, "node pve1 cannot be reached (595)"),
        (answer("", "596 Connection timed out", "", close=True), NodeOffline, "does not answer in time (596)"),
        (answer("", "599 Too many redirections", "", close=True), NodeOffline, "(599)"),
        (answer('{"data":null}', "500 got no worker upid - start worker failed", close=True), Rejected, "no worker"),
        (
            answer('{"message":"storage full: no space left on device\\n","data":null}', "500 Internal Server Error"),
            StorageFull,
            "no space left on device",
        ),
        (answer("<html>502</html>", "502 Bad Gateway", "text/html", close=True), BehindProxy, "502"),
        (answer("[1,2]"), NotProxmox, "no JSON of Proxmox"),
        (answer(b"\xff\xfe\x00"), NotProxmox, "no JSON"),
        (answer("[" * 100_000), NotProxmox, "no JSON"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", NotProxmox, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", BadAnswer, "packed"),
    ],
)
async def test_answers_nobody_hopes_for(
    identity: Identity, said: bytes, kind: type[QuarterdeckError], words: str
) -> None:
    async with (
        raw_peer(identity, lambda asked: said) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(kind) as caught:
            await client.get("/nodes/pve1/status")
        assert words in caught.value.what


async def test_a_list_must_be_one_and_a_total_may_stand_beside_it(identity: Identity) -> None:
    bodies = iter(['{"data":[{"n":1}],"total":"7"}', '{"data":null}', '{"data":{"a":1}}', '{"data":[1]}'])
    async with (
        raw_peer(identity, lambda asked: answer(next(bodies))) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        found = await client.list("/nodes/pve1/tasks")
        assert (found.rows, found.total, len(found)) == (({"n": 1},), 7, 1)
        assert list(await client.list("/nodes/pve1/tasks")) == []
        for _ in range(2):
            with pytest.raises(BadAnswer, match="list"):
                await client.list("/nodes/pve1/tasks")


async def test_an_answer_without_end_is_cut(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.proxmox.endpoint.LARGEST", 1000)
    async with (
        raw_peer(identity, lambda asked: answer(json.dumps({"data": "x" * 5000}))) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(BadAnswer, match="larger than"):
            await client.get("/version")


async def test_a_read_is_asked_again_when_its_idle_connection_was_just_closed(identity: Identity) -> None:
    said = iter([answer('{"data":1}'), None, answer('{"data":2}')])
    async with (
        raw_peer(identity, lambda asked: next(said)) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        assert await client.get("/version") == 1
        assert await client.get("/version") == 2
        assert len(peer.asked) == 3


@pytest.mark.parametrize("method", ["post", "put", "delete"])
async def test_a_change_is_never_sent_twice(identity: Identity, method: str) -> None:
    async with (
        raw_peer(identity, lambda asked: None) as peer,
        talking(peer.url, "https://127.0.0.1:1", fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(Dropped, match="may have been begun all the same"):
            await getattr(client, method)("/nodes/pve1/qemu/100/status/start")
        assert len(peer.asked) == 1


async def test_a_read_is_asked_again_only_once(identity: Identity) -> None:
    async with (
        raw_peer(identity, lambda asked: None) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(Dropped):
            await client.get("/version")
        assert len(peer.asked) == 2


async def test_hostile_texts_are_cleaned_and_bounded(identity: Identity) -> None:
    nasty = "\x1b[2J[@click=app.quit]\u202eboom\x07 " + "x" * 50_000
    body = json.dumps({"data": None, "message": nasty, "errors": {"na\x1bme": "w\x1b]0;hy\x07"}})
    plain = json.dumps({"data": None, "message": nasty})
    bodies = iter([answer(body, "400 Parameter verification failed."), answer(plain, "500 x")])
    async with (
        raw_peer(identity, lambda asked: next(bodies)) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        for _ in range(2):
            with pytest.raises(QuarterdeckError) as caught:
                await client.get("/nodes/pve1\x1b/status")
            said = str(caught.value)
            assert said.isprintable()
            assert len(said) < 3000


async def test_no_secret_is_in_a_message_a_repr_or_a_log(identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refused = answer('{"data":null}', "500 no", close=True)
    told: list[str] = []
    async with (
        raw_peer(identity, lambda asked: refused) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(Rejected) as caught:
            await client.post("/access/users", password="hunter2-hunter2")
        told += [str(caught.value), repr(caught.value), repr(client.__dict__), repr(client.cluster)]
        told += [repr(one) for one in vars(client).values()]
        assert peer.asked[0].headers["authorization"] == f"PVEAPIToken={TOKEN}"
    everything = "\n".join([*told, caplog.text])
    assert SECRET not in everything
    assert "hunter2" not in everything


async def test_nobody_listens(unused_tcp_port: int) -> None:
    async with talking(f"https://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(NotSent, match="nobody listens there"):
            await client.post("/nodes/pve1/qemu/100/status/start")


async def test_a_name_nobody_knows() -> None:
    async with talking("https://no-such-host.invalid:8006") as client:
        with pytest.raises(Unreachable, match="its name is not known"):
            await client.get("/version")


async def test_a_cluster_with_mistakes_is_not_contacted(identity: Identity) -> None:
    async with (
        raw_peer(identity, lambda asked: answer('{"data":1}')) as peer,
        talking(peer.url, fault="hosts.yaml:3:5: no url") as client,
    ):
        with pytest.raises(ConfigurationError, match="no url"):
            await client.get("/version")
        assert not peer.connections


async def test_http_is_for_the_near_end_of_a_tunnel() -> None:
    async with raw_peer(None, lambda asked: answer('{"data":1}')) as peer, talking(peer.url) as client:
        assert await client.get("/version") == 1
        assert client.cost.bytes_in > 0
        async with talking(peer.url.replace("http", "https"), fingerprints=("AA",)) as other:
            with pytest.raises(NotProxmox, match="TLS failed"):
                await other.get("/version")


def test_paths_of_parts_lead_nowhere_else() -> None:
    assert (
        wire.path("nodes", "pve1", "qemu", 101, "snapshot", "a b/../c")
        == "/nodes/pve1/qemu/101/snapshot/a%20b%2F..%2Fc"
    )
    assert wire.path("tasks", "UPID:pve:1:root@pam!t:") == "/tasks/UPID:pve:1:root@pam!t:"
    for part in ("", ".", ".."):
        with pytest.raises(BadAnswer):
            wire.path("nodes", part)


def test_parameters_as_forms_know_them() -> None:
    said = wire.encoded([("a", True), ("b", False), ("c", None), ("d", 0.5), ("e", [1, None, "x&y"]), ("f", "\ud800")])
    assert said == "a=1&b=0&d=0.5&e=1&e=x%26y&f=%3F"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", Locked),
        ("VM is locked (snapshot-delete)", Locked),
        ("cfs-lock 'storage-nfs' error: got lock request timeout", Locked),
        ("cluster not ready - no quorum?", NoQuorum),
        ("unable to create VM 300: config file already exists", IdTaken),
        ("clone failed: lvcreate 'pve/vm-300-disk-0' error: insufficient free space (1024 extents)", StorageFull),
        ("zfs error: cannot create 'rpool/data/vm-300-disk-0': out of space", StorageFull),
        ("hostname lookup 'pve9' failed - failed to get address info", Gone),
        ("snapshot 'x' does not exist", Gone),
        ("VM 300 is running - destroy failed", Rejected),
        ("can't rollback, 'a' is not most recent snapshot on 'vm-100-disk-0'", Rejected),
        ("", Rejected),
    ],
)
def test_words_that_mean_something(words: str, kind: type[QuarterdeckError]) -> None:
    error = of_words(words, where="lab")
    assert type(error) is kind
    assert error.what


def test_a_wrong_login_is_both_denied_and_a_matter_of_configuration() -> None:
    assert issubclass(WrongLogin, Denied)
    assert issubclass(WrongLogin, ConfigurationError)


async def test_a_cluster_without_a_url_says_so() -> None:
    async with talking() as client:
        assert client.url == ""
        with pytest.raises(ConfigurationError, match="no url"):
            await client.get("/version")
