"""What the layer in front of fakepve refuses, judged by recorded answers of Proxmox's own code."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.proxmox.reference import reference
from tests.proxmox.strict_asking import Asking
from tests.servers.fakepve import Pve, PveProcess, StartPve
from tests.servers.pve_schema import Schema, refusals

pytestmark = pytest.mark.real("fakepve")
VM = "/nodes/pve1/qemu/101"


def judge() -> Path:
    """What the official server decided and answered."""
    return reference() / "recorded" / "official-http-layer"


def test_every_recorded_decision_of_the_official_validator_is_ours_too() -> None:
    recorded = judge()
    schema = Schema.read("8.4")
    assert schema is not None
    cases = cast("list[dict[str, Any]]", json.loads((recorded / "param-validation.json").read_text())["cases"])
    assert len(cases) > 300
    wrong = [
        (case["path"], case["why"], ours, theirs)
        for case in cases
        if (ours := refusals(schema.paths[case["path"]][case["method"]], case["params"]))
        != (theirs := case["result"].get("errors", {}))
    ]
    assert not wrong


@pytest.mark.parametrize("version", ["8.4", "9.1"])
def test_every_path_of_the_schema_is_found_again(version: str) -> None:
    reference()
    schema = Schema.read(version)
    assert schema is not None
    lost = [path for path in schema.paths if (found := schema.find(path)) is None or found.template != path]
    assert not lost


def test_recorded_exchanges_are_answered_alike(pve_at: StartPve) -> None:
    """Status, reason and kind of body of what was sent to the official server, sent again."""
    recorded = judge()
    pve = pve_at("8.4", scale=0)
    pve.expect_violations()
    for vmid in (100, 998, 9000):
        pve.add_vm(vmid, f"vm{vmid}", template=vmid == 9000)
    limited = pve.make_token("limited@pve!t", ("/", "VM.Audit"))
    compared = 0
    for one in cast("list[dict[str, Any]]", json.loads((recorded / "wire.json").read_text())["exchanges"]):
        head, _, body = one["request"].partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        method, path, _ = line.split(" ")
        wanted = one["response"]["status_line"].split(" ", 2)
        if wanted[1] == "200" or path.startswith("/api2/extjs") or "ticket" in one["name"]:
            continue  # the recorder answered 200 with what it was sent; tickets have tests of their own
        headers = {name: value for name, _, value in (field.partition(": ") for field in fields)}
        headers = {name: value for name, value in headers.items() if name in ("Content-Type", "Authorization")}
        if "SECRET" in headers.get("Authorization", ""):
            headers["Authorization"] = f"PVEAPIToken={limited if one['name'] == 'perm_403' else pve.token}"
        with Asking(pve) as asking:
            del asking.http.headers["Authorization"]
            content = iter([b"snapname=ok1"]) if "chunked" in head else body.encode()
            answer = asking.http.request(method, f"{pve.url}{path}", headers=headers, content=content)
        assert [str(answer.status_code), answer.reason_phrase] == wanted[1:], one["name"]
        theirs = one["response"]["body"]
        if isinstance(theirs, dict):
            assert answer.json() == theirs, one["name"]
        else:
            assert answer.text == theirs, one["name"]
        compared += 1
    assert compared > 14


def test_a_401_comes_late_and_empty(pve: Pve) -> None:
    pve.set("late", 20.0)
    with Asking(pve, token="deck@pve!console=wrong") as asking:
        before = time.monotonic()
        answer = asking.ask("GET", "/nodes")
        assert time.monotonic() - before >= 0.39
    assert (answer.status_code, answer.content) == (401, b"")
    assert "content-type" not in answer.headers


def test_a_node_that_is_away_answers_an_empty_595(pve: Pve) -> None:
    pve.add_node("pve2")
    pve.add_vm(101, "web", node="pve2", status="running")
    pve.node_offline("pve2")
    with Asking(pve) as asking:
        answer = asking.ask("GET", "/nodes/pve2/status")
        rows = asking.data("GET", "/cluster/resources", type="vm")
    assert (answer.status_code, answer.content) == (595, b"")
    assert rows[0]["status"] == "unknown"
    assert "name" not in rows[0]


def test_errors_of_older_ones_have_no_message(pve: Pve) -> None:
    pve.set("older", value=True)
    with Asking(pve) as asking:
        answer = asking.ask("GET", f"{VM}/config")
    assert answer.json() == {"data": None}
    assert answer.reason_phrase == "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"


def test_a_token_is_not_its_user(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.add_vm(102, "db")
    token = pve.make_token("root@pam!narrow", ("/vms/101", "VM.Audit"))
    with Asking(pve, token) as asking:
        assert [one["vmid"] for one in asking.data("GET", "/cluster/resources", type="vm")] == [101]
        assert asking.refused("POST", f"{VM}/status/start") == (403, "Permission check failed (/vms/101, VM.PowerMgmt)")
        assert asking.data("GET", "/access/permissions") == {"/vms/101": {"VM.Audit": 1}}


def test_a_ticket_renews_itself_and_wants_its_csrf_token(pve: Pve) -> None:
    pve.set("late", 0)
    pve.add_user("deck@pve", "secret", ("/", "VM.Audit", "VM.PowerMgmt"))
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        del asking.http.headers["Authorization"]
        first = asking.data("POST", "/access/ticket", username="deck", realm="pve", password="secret")
        again = asking.data("POST", "/access/ticket", username="deck@pve", password=first["ticket"])
        asking.http.cookies.set("PVEAuthCookie", again["ticket"])
        assert asking.data("GET", "/cluster/resources", type="vm")[0]["vmid"] == 101
        assert asking.refused("POST", f"{VM}/status/start") == (401, "Permission denied - invalid csrf token")
        asking.http.headers["CSRFPreventionToken"] = again["CSRFPreventionToken"]
        assert asking.ended("POST", f"{VM}/status/start") == "OK"
        pve.revoke_tickets()
        assert asking.refused("GET", "/nodes") == (401, "permission denied - invalid PVE ticket")


def test_it_goes_and_comes_back_at_the_same_address(pve: Pve) -> None:
    pve.add_vm(101, "web")
    before = pve.url
    pve.stop()
    with Asking(pve) as asking, pytest.raises(httpx.ConnectError):
        asking.ask("GET", "/nodes")
    pve.start()
    assert pve.url == before
    with Asking(pve) as asking:
        assert asking.data("GET", "/cluster/resources", type="vm")[0]["vmid"] == 101


def test_a_cluster_has_other_doors(pve: Pve) -> None:
    door = pve.open_door()
    pve.add_vm(101, "web")
    assert door.url != pve.url
    assert door.fingerprint != pve.fingerprint
    pve.stop()
    with Asking(pve, url=door.url, ca=door.ca) as asking:
        assert asking.data("GET", "/cluster/resources", type="vm")[0]["vmid"] == 101
        pve.close_door(door)
        with pytest.raises(httpx.TransportError):
            asking.ask("GET", "/nodes")
    pve.start()


def test_connections_end_after_refusals_and_after_a_hundred_answers(pve: Pve) -> None:
    with Asking(pve) as asking:
        closed = [asking.ask("GET", "/version").headers.get("connection") == "close" for _ in range(100)]
        assert asking.ask("GET", "/nodes/pve1/qemu/101/config").headers["connection"] == "close"
    assert closed == [False] * 99 + [True]


def test_a_bad_network(pve: Pve) -> None:
    pve.network(drop_rate=1.0)
    with Asking(pve) as asking:
        with pytest.raises(httpx.TransportError):
            asking.ask("GET", "/version")
        pve.heal()
        assert asking.data("GET", "/version")["release"] == "9.1"


def test_failures_on_demand(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.fail("POST", f"{VM}/status/start", status=502, message="<h1>Bad gateway</h1>", html=True, times=1)
    with Asking(pve) as asking:
        answer = asking.ask("POST", f"{VM}/status/start")
        assert (answer.status_code, answer.text) == (502, "<h1>Bad gateway</h1>")
        pve.fail("POST", f"{VM}/status/start", error="config_lock_timeout", times=1)
        assert asking.refused("POST", f"{VM}/status/start") == (
            500, "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout",
        )  # fmt: skip
        assert asking.ended("POST", f"{VM}/status/start") == "OK"


def test_fakepve_is_in_no_process_of_tests() -> None:
    assert not [name for name in sys.modules if name.partition(".")[0] == "fakepve"]


def test_the_peers_end_with_whoever_started_them(tmp_path: Path) -> None:
    process = PveProcess(tmp_path)
    where = (Pve(process, "9.1", 0).host, 8006)
    with socket.create_connection(where, timeout=20):
        pass
    process.end()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(where, timeout=20)


def test_another_certificate_is_another_fingerprint(pve: Pve) -> None:
    old, old_ca = pve.fingerprint, pve.ca
    pve.new_certificate()
    assert pve.fingerprint != old
    with Asking(pve) as asking:
        assert asking.data("GET", "/nodes")[0]["ssl_fingerprint"] == pve.fingerprint
    assert pve.ca != old_ca


@pytest.mark.parametrize(("what", "begins"), [("html", "<!DOCTYPE"), ("text", "hello"), ("json", "{"), ("broken", "{")])
def test_it_can_be_something_else(pve: Pve, what: str, begins: str) -> None:
    pve.pretend(what)
    with Asking(pve) as asking:
        answer = asking.ask("GET", "/version")
    assert answer.status_code == 200
    assert answer.text.startswith(begins)


def test_violations_are_kept_with_what_was_wrong(pve: Pve) -> None:
    pve.expect_violations()
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        asking.ask("GET", "/nodes/pve1/nope")
        asking.ask("POST", f"{VM}/status/start", colour="red")
    assert [one["why"] for one in pve.violations()] == [
        "Method 'GET /nodes/pve1/nope' not implemented",
        "Parameter verification failed.",
    ]
    assert list(pve.violations()[1]["errors"]) == ["colour"]


def test_an_answer_is_held_until_it_is_let_go(pve: Pve) -> None:
    pve.hold("GET", "/version")
    answers: list[Any] = []
    with Asking(pve) as asking:
        thread = threading.Thread(target=lambda: answers.append(asking.data("GET", "/version")))
        thread.start()
        deadline = time.monotonic() + 20
        while not pve.held():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert not answers
        pve.release()
        thread.join(20)
    assert answers[0]["release"] == "9.1"
