"""Every recorded answer is read: of the official server's own code, of real hosts, and those quoted by users."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest

from app.column import clean, unescaped
from app.errors import BadAnswer, QuarterdeckError, Unsupported
from backends.proxmox import answers, wire
from backends.proxmox.client import Client
from backends.proxmox.endpoint import Answer
from backends.proxmox.failures import (
    Gone,
    IdTaken,
    InvalidParameters,
    Locked,
    MissingPrivilege,
    NodeOffline,
    Rejected,
    WrongLogin,
    refused,
)
from backends.proxmox.permissions import Permissions
from backends.proxmox.task_log import TaskLog, percent_of
from backends.proxmox.upid import TaskEnd, Upid, end_of, is_upid
from tests.proxmox.raw_peer import Asked, answer, make_identity, raw_peer
from tests.proxmox.reference import reference
from tests.proxmox.talking import talking

_PARTS = ("fog-proxmox", "go-proxmox")


def _recorded(name: str) -> Any:
    return json.loads((reference() / "recorded" / name).read_text("utf-8"))


def _interactions() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for part in _PARTS:
        for file in sorted((reference() / "recorded" / part).glob("*.json")):
            for one in json.loads(file.read_text("utf-8"))["interactions"]:
                yield file.name, one["request"], one["response"]


def _answered(response: dict[str, Any]) -> Answer:
    body = response.get("body")
    raw = b"" if body is None else (body.encode() if isinstance(body, str) else json.dumps(body).encode())
    sent = cast("dict[str, Any]", response.get("headers") or {})
    headers = {name.lower(): value for name, value in sent.items()}
    kind: Any = headers.get("content-type", "application/json")
    kind = cast("list[Any]", kind)[0] if isinstance(kind, list) else kind
    return Answer(response["status"], response.get("reason") or "", raw, str(kind).partition(";")[0])


@pytest.fixture(scope="session")
def exchanges() -> dict[str, dict[str, Any]]:
    """What the official HTTP server said, by the recording's own names."""
    found = _recorded("official-http-layer/wire.json")["exchanges"]
    return {one["name"]: one for one in found}


def _bytes(exchange: dict[str, Any]) -> bytes:
    """The recorded answer as it was on the wire."""
    response = exchange["response"]
    body = response["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {**response["headers"]}
    if "Content-Length" in headers:
        headers["Content-Length"] = str(len(raw))  # the recording holds the parsed body: its blanks may differ
    lines = [response["status_line"], *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + raw


async def _call(client: Client, exchange: dict[str, Any]) -> Any:
    """The call of a recorded request, by our client's own means."""
    head, _, body = exchange["request"].partition("\r\n\r\n")
    method, target, _ = head.partition("\r\n")[0].split(" ")
    path, _, query = target.removeprefix("/api2/json").partition("?")
    params = dict(parse_qsl(query or body))
    return await getattr(client, method.lower())(path, params)


_OF_WIRE: dict[str, tuple[type[QuarterdeckError], str]] = {
    "no_auth": (WrongLogin, "is not accepted"),
    "bad_token": (WrongLogin, "is not accepted"),
    "ticket_post_no_csrf": (WrongLogin, "is not accepted"),
    "clone_bool_true": (InvalidParameters, "full: type check ('boolean') failed - got 'true'"),
    "clone_missing_newid": (InvalidParameters, "newid: property is missing and it is not optional"),
    "clone_unknown_param": (InvalidParameters, "linked: property is not defined in schema"),
    "clone_newid_text": (InvalidParameters, "newid: type check ('integer') failed - got 'abc'"),
    "clone_two_errors": (InvalidParameters, "newid: invalid format - value does not look like a valid VM ID"),
    "snap_bad_name": (InvalidParameters, "snapname: invalid format - invalid configuration ID '1bad'"),
    "snap_41_chars": (InvalidParameters, "snapname: value may only be 40 characters long"),
    "destroy_body": (BadAnswer, "Unexpected content for method 'DELETE'"),
    "chunked_post": (BadAnswer, "chunked transfer encoding not supported"),
    "unknown_path": (Unsupported, "Method 'GET /nodes/pve1/nope' not implemented"),
    "resources_bad_type": (InvalidParameters, "type: value 'guest' does not have a value in the enumeration"),
    "tasks_limit_text": (InvalidParameters, "limit: type check ('integer') failed - got 'ten'"),
    "die_500": (Gone, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist"),
    "perm_403": (MissingPrivilege, "Permission check failed (/vms/998, VM.PowerMgmt)"),
}
"""Which error each refusal of the official server is, and the words of it that must be told."""


async def test_official_answers_over_the_wire(exchanges: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    current: dict[str, Any] = {}

    def reply(asked: Asked) -> bytes:
        if "/access/permissions" in asked.line:
            return answer('{"data":{}}', close=True)
        return _bytes(current["exchange"])

    judged: set[str] = set()
    async with raw_peer(identity, reply) as peer:
        for name, exchange in exchanges.items():
            if name in ("head", "extjs_400"):
                continue  # neither is ever asked for
            current["exchange"] = exchange
            async with talking(peer.url, fingerprints=(identity.fingerprint,)) as client:
                if name not in _OF_WIRE:
                    assert exchange["response"]["status_line"] == "HTTP/1.1 200 OK", name
                    assert await _call(client, exchange) == exchange["response"]["body"]["data"], name
                    continue
                kind, words = _OF_WIRE[name]
                with pytest.raises(kind) as caught:
                    await _call(client, exchange)
                assert words in caught.value.what, name
                assert caught.value.where.startswith("lab"), name
                assert caught.value.todo or kind in (BadAnswer, Unsupported), name
                judged.add(name)
    assert judged == set(_OF_WIRE)


async def test_requests_are_framed_as_the_official_server_takes_them(
    exchanges: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    identity = make_identity(tmp_path)
    async with (
        raw_peer(identity, lambda asked: answer('{"data":null}')) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        await client.post("/nodes/pve1/qemu/9000/clone", newid=300, full=False, name="web-1", target="pve2", pool=None)
        await client.post("/nodes/pve1/qemu/100/status/start")
        await client.post("/nodes/pve1/qemu/100/snapshot", snapname="ok1", description="naïve — ✓ a;b")
        await client.delete("/nodes/pve1/qemu/100", {"destroy-unreferenced-disks": True}, purge=True)
        await client.put("/nodes/pve1/qemu/100/config", cores=2)
        await client.post("/nodes/pve1/qemu/100/agent/exec", command=["ls", "-l"])
    clone, start, snapshot, delete, change, run = peer.asked
    assert clone.body.decode() == exchanges["clone_form"]["request"].partition("\r\n\r\n")[2]
    assert clone.headers["content-type"] == "application/x-www-form-urlencoded"
    assert start.body == b""
    assert start.headers["content-length"] == "0"
    said = exchanges["snap_utf8_desc"]["request"].partition("\r\n\r\n")[2]
    assert dict(parse_qsl(snapshot.body.decode())) == dict(parse_qsl(said))
    assert delete.line == "DELETE /api2/json/nodes/pve1/qemu/100?destroy-unreferenced-disks=1&purge=1 HTTP/1.1"
    assert delete.body == b""
    assert change.body == b"cores=2"
    assert run.body == b"command=ls&command=-l"
    for asked in peer.asked:
        assert "transfer-encoding" not in asked.headers
        assert "cookie" not in asked.headers
    assert "content-type" not in delete.headers


def test_every_recorded_answer_is_read() -> None:
    data = errors = 0
    for file, request, response in _interactions():
        where = f"{file} {request['path']}"
        said, node = _answered(response), wire.node_of(request["path"])
        if response["status"] >= 400:
            with pytest.raises(QuarterdeckError) as caught:
                answers.document(said, where="lab", node=node)
            assert caught.value.what, where
            errors += 1
            continue
        found = answers.document(said, where="lab", node=node)
        assert found["data"] == response["body"]["data"], where
        rows: Any = found["data"]
        if isinstance(rows, list) and all(isinstance(row, dict) for row in cast("list[Any]", rows)):
            assert len(answers.listed(found, where="lab")) == len(cast("list[Any]", rows))
        data += 1
    assert data > 1500
    assert errors > 25


def test_recorded_refusals_mean_what_they_say() -> None:
    met: dict[str, QuarterdeckError] = {}
    for _, request, response in _interactions():
        if response["status"] >= 400 and response.get("reason"):
            with pytest.raises(QuarterdeckError) as caught:
                answers.document(_answered(response), where="lab", node=wire.node_of(request["path"]))
            met[response["reason"]] = caught.value
    taken = met["unable to create VM 100 - VM 100 already exists on node 'pve'"]
    assert isinstance(taken, IdTaken)
    assert taken.vmid == 100
    assert isinstance(met["CT 100 already exists on node 'pve'"], IdTaken)
    assert isinstance(met["Configuration file 'nodes/pve/lxc/101.conf' does not exist"], Gone)
    pool = "create pool failed: error during cfs-locked 'file-user_cfg' operation: pool 'pool1' already exists"
    assert isinstance(met[pool], Rejected)
    assert isinstance(met["invalid token value!"], WrongLogin)
    assert isinstance(met["Parameter verification failed."], InvalidParameters | IdTaken)


def test_errors_quoted_by_users() -> None:
    kinds: list[tuple[str, QuarterdeckError]] = []
    for one in _recorded("errors-in-the-wild.json")["errors"]:
        if one.get("status", 500) < 400:
            continue
        response = {"status": one.get("status", 500), "reason": one.get("reason", ""), "body": one.get("body")}
        with pytest.raises(QuarterdeckError) as caught:
            answers.document(_answered(response), where="lab", node="pve1")
        kinds.append((one["what"], caught.value))
    found = dict(kinds)
    asked = found["VMID taken, asked beforehand"]
    assert isinstance(asked, IdTaken)
    assert asked.vmid == 218
    short = found["config lock file timeout, text only in the status line"]
    assert isinstance(short, Locked)
    assert short.passing
    disk = found["source CT locked while another clone runs"]
    assert isinstance(disk, Locked)
    assert (disk.lock, disk.passing) == ("disk", True)
    bare = found["no VM.Allocate on the new id: pool must be given"]
    assert isinstance(bare, MissingPrivilege)
    assert bare.privileges == ()
    away = found["node offline, asked through another node"]
    assert isinstance(away, NodeOffline)
    assert away.node == "pve1"
    assert "Network is unreachable" in away.what


def test_every_official_refusal_names_its_parameter() -> None:
    refusals = 0
    for case in _recorded("official-http-layer/param-validation.json")["cases"]:
        result = case["result"]
        if result["status"] != 400:
            continue
        error = refused(400, "Parameter verification failed.", fields=result["errors"], where="lab")
        assert isinstance(error, InvalidParameters | IdTaken | Gone), case
        if isinstance(error, InvalidParameters):
            assert set(error.fields) == set(result["errors"]), case
        assert all(name in error.what for name in result["errors"]), case
        assert "\n" not in error.what
        refusals += 1
    assert refusals > 200


def test_upids_and_their_ends_as_the_official_code_reads_them() -> None:
    recorded = _recorded("official-http-layer/upid.json")
    for one in recorded["upids"]:
        if "error" in one:
            assert not is_upid(one["upid"])
            with pytest.raises(BadAnswer):
                Upid.parse(one["upid"])
            continue
        found = Upid.parse(one["upid"])
        assert {name: getattr(found, name) for name in one["decoded"]} == one["decoded"]
        assert str(found) == one["upid"]
    assert Upid.parse("UPID:pve:00000001:00000002:00000003:hastart:100:root@pam:").only_asks
    for one in recorded["statuses"]:
        assert str(end_of(one["status"])) == one["type"]
        assert (end_of(one["status"]) in (TaskEnd.OK, TaskEnd.WARNING)) is not one["is_error"]


def test_recorded_permissions() -> None:
    seen = 0
    for _, request, response in _interactions():
        if request["path"].startswith("/access/permissions") and response["status"] == 200:
            found = Permissions.of(response["body"]["data"])
            for path, privileges in response["body"]["data"].items():
                assert found.missing(path, *privileges) == ()
                assert found.may(f"{path}/anything", "VM.Audit") is False
            seen += 1
    assert seen


async def test_no_line_of_a_recorded_log_is_lost_or_told_twice(tmp_path: Path) -> None:
    polls: dict[str, list[dict[str, Any]]] = {}
    for file, request, response in _interactions():
        if request["path"].endswith("/log") and response["status"] == 200 and not file.startswith("pve"):
            polls.setdefault(request["path"], []).append(response["body"])
    polls = {path: bodies for path, bodies in polls.items() if len(bodies) > 1 and len(bodies[-1]["data"]) < 50}
    assert any(bodies[0]["data"][0]["t"] == "no content" for bodies in polls.values())
    identity = make_identity(tmp_path)
    current: list[dict[str, Any]] = []

    def reply(asked: Asked) -> bytes:
        """What the host held at that moment, from the line on that was asked for."""
        start = int(dict(parse_qsl(asked.line.split(" ")[1].partition("?")[2]))["start"])
        body = current[0]
        return answer(json.dumps({"data": body["data"][start:], "total": body.get("total", len(body["data"]))}))

    async with (
        raw_peer(identity, reply) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        for path, bodies in polls.items():
            upid = next(part for part in path.replace("%3A", ":").replace("%40", "@").split("/") if is_upid(part))
            log = TaskLog(client, Upid.parse(upid))
            told: list[str] = []
            for body in bodies:
                current[:] = [body]
                told += await log.more()
            expected = [row["t"] for row in bodies[-1]["data"]]
            assert told == ([] if expected == ["no content"] else [unescaped(line) for line in expected])


def test_progress_is_read_from_recorded_logs_and_nothing_else_is_taken_for_it() -> None:
    shares: list[float] = []
    for _, request, response in _interactions():
        if request["path"].endswith("/log") and response["status"] == 200:
            rows: list[Any] = [row for row in response["body"]["data"] if isinstance(row, dict)]
            for row in rows:
                share = percent_of(row.get("t", ""))
                assert (share is not None) is ("progression:" in row.get("t", "")), row
                shares += [] if share is None else [share]
    assert len(shares) > 100
    assert 0 <= min(shares) <= max(shares) <= 100


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("transferred 1.0 GiB of 32.0 GiB (3.12%)", 3.12),
        ("INFO:  12% (1.2 GiB of 10.0 GiB) in 3s, read: 400.0 MiB/s, write: 390.0 MiB/s", 12),
        ("progress 45% (read 4831838208 bytes, duration 9 sec)", 45),
        ("mirror-scsi0: transferred 2.0 GiB of 2.0 GiB (100.00%) in 5s, ready", 100),
        ("transferred: 12562779 bytes remaining: 1061179045 bytes total: 1073741824 bytes progression: 1.17 %", 1.17),
        ("the pool is 95% full", None),
        ("(999.00%)", None),
    ],
)
def test_how_far_a_line_says_a_task_is(line: str, share: float | None) -> None:
    assert percent_of(line) == share


@pytest.mark.parametrize("name", ["pve9_node_rrddata.json", "pve9_qemu_rrddata.json"])
def test_recorded_figures_over_time(name: str) -> None:
    body = _recorded(f"pulse-rrd/{name}")
    found = answers.document(Answer(200, "OK", json.dumps(body).encode()), where="lab")
    assert [row["time"] for row in answers.listed(found, where="lab")] == [row["time"] for row in body["data"]]


def test_spoiled_answers_never_raise_anything_else() -> None:
    """Recorded answers cut, mixed up and with bytes changed: an error of ours or data, nothing more."""
    dice = random.Random(7)
    samples = [_answered(response) for _, _, response in _interactions()][::5]
    refusals = 0
    for sample in samples * 5:
        raw = bytearray(sample.body[: dice.randrange(len(sample.body) + 1)] if sample.body else b"x")
        for _ in range(dice.randrange(4)):
            raw[dice.randrange(len(raw)) if len(raw) else 0 : 1] = bytes([dice.randrange(256)])
        spoiled = Answer(dice.choice([200, 204, 302, 400, 401, 403, 500, 595]), sample.reason, bytes(raw), sample.type)
        try:
            answers.listed(answers.document(spoiled, where="lab", node="pve1"), where="lab")
        except QuarterdeckError as error:
            refusals += 1
            said = str(error)
            if clean(said) != said:
                pytest.fail(repr(said))
    assert refusals > len(samples)
