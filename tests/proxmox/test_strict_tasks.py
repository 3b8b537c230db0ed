"""Tasks and their lists, as Proxmox has them."""

from __future__ import annotations

import time

import pytest

from tests.proxmox.strict_asking import Asking
from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")
VM = "/nodes/pve1/qemu/101"
TASKS = "/nodes/pve1/tasks"


def test_an_empty_log_is_one_row_that_says_so(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.take_seconds("qmstart", 10_000)
    with Asking(pve) as asking:
        upid = asking.data("POST", f"{VM}/status/start")
        answer = asking.ask("GET", f"{TASKS}/{upid}/log").json()
        assert answer == {"data": [{"n": 1, "t": "no content"}], "total": 1}
        status = asking.data("GET", f"{TASKS}/{upid}/status")
        assert status["status"] == "running"
        assert "exitstatus" not in status
        assert (status["user"], status["tokenid"]) == ("deck@pve", "console")
        asking.data("DELETE", f"{TASKS}/{upid}")
        assert asking.end_of(upid) == "received interrupt"
    assert pve.guest(101)["status"] == "stopped"


def test_a_copy_tells_how_far_it_is(pve: Pve) -> None:
    pve.add_vm(101, "web")
    with Asking(pve) as asking:
        upid = asking.data("POST", f"{VM}/clone", newid=102)
        assert asking.end_of(upid) == "OK"
        answer = asking.ask("GET", f"{TASKS}/{upid}/log", limit=0).json()
        lines = [row["t"] for row in answer["data"]]
        assert "transferred 16.0 GiB of 32.0 GiB (50.00%)" in lines
        assert lines[-1] == "TASK OK"
        assert answer["total"] == len(lines)
        part = asking.data("GET", f"{TASKS}/{upid}/log", start=2, limit=2)
        assert [row["n"] for row in part] == [3, 4]


@pytest.mark.parametrize(
    ("how", "ended", "last"),
    [
        ({"error": "no such disk"}, "no such disk", "TASK ERROR: no such disk"),
        ({"warnings": 2}, "WARNINGS: 2", "TASK WARNINGS: 2"),
    ],
)
def test_tasks_end_in_other_ways_too(pve: Pve, how: dict[str, object], ended: str, last: str) -> None:
    pve.add_vm(101, "web")
    pve.end_next("qmstart", **how)  # pyright: ignore[reportArgumentType]  # one of its words each
    with Asking(pve) as asking:
        assert asking.ended("POST", f"{VM}/status/start") == ended
    assert pve.tasks("qmstart")[0]["log"][-1] == last


def test_a_killed_task_ends_without_a_word(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.end_next("qmstart", lost=True)
    with Asking(pve) as asking:
        assert asking.ended("POST", f"{VM}/status/start") == "unexpected status"
        rows = asking.data("GET", TASKS, statusfilter="unknown")
    assert [row["type"] for row in rows] == ["qmstart"]


def test_the_list_has_sources_filters_and_a_total(pve: Pve) -> None:
    for number in range(60):
        pve.add_task(
            type="vzdump" if number % 2 else "qmstart", id=str(100 + number % 3), starttime=1_700_000_000 + number
        )
    pve.add_task(type="qmstop", exitstatus="WARNINGS: 1", starttime=1_700_001_000)
    pve.add_task(type="qmstop", exitstatus="it burns", starttime=1_700_002_000)
    pve.add_vm(101, "web")
    pve.take_seconds("qmstart", 10_000)
    with Asking(pve) as asking:
        running = asking.data("POST", f"{VM}/status/start")
        archive = asking.ask("GET", TASKS).json()
        assert (len(archive["data"]), archive["total"]) == (50, 62)
        assert running not in [row["upid"] for row in archive["data"]]
        everything = asking.ask("GET", TASKS, source="all", limit=100).json()
        assert everything["total"] == 63
        assert everything["data"][0]["status"] == "RUNNING"
        assert asking.ask("GET", TASKS, source="active").json()["total"] == 1
        assert asking.ask("GET", TASKS, errors=1).json()["total"] == 1
        assert asking.ask("GET", TASKS, statusfilter="warning,error").json()["total"] == 2
        assert asking.ask("GET", TASKS, typefilter="vzdump").json()["total"] == 30
        assert asking.ask("GET", TASKS, vmid=101).json()["total"] == 20
        assert asking.ask("GET", TASKS, since=1_700_001_000).json()["total"] == 2
        page = asking.ask("GET", TASKS, start=60, limit=10).json()
        assert [row["starttime"] for row in page["data"]] == [1_700_000_001, 1_700_000_000]


def test_a_token_sees_its_own_tasks_only(pve: Pve) -> None:
    pve.add_vm(101, "web")
    pve.add_task(type="qmstop", user="root@pam")
    token = pve.make_token("deck@pve!small", ("/vms", "VM.Audit", "VM.PowerMgmt"))
    with Asking(pve, token) as asking:
        asking.ended("POST", f"{VM}/status/start")
        assert [row["type"] for row in asking.data("GET", TASKS)] == ["qmstart"]
        assert asking.data("GET", "/cluster/tasks") == []
    with Asking(pve) as asking:
        assert {row["type"] for row in asking.data("GET", "/cluster/tasks")} == {"qmstart", "qmstop"}


def test_tasks_that_never_were(pve: Pve) -> None:
    lost = "UPID:pve1:0007AF46:04AB1D60:6719FE11:qmstart:100:root@pam!t:"
    with Asking(pve) as asking:
        answer = asking.ask("GET", f"{TASKS}/{lost}/status")
        assert (answer.status_code, answer.json()["errors"]) == (400, {"upid": "no such task"})
        assert asking.data("GET", f"{TASKS}/{lost}/log")[0]["t"].startswith("unable to open file")
        answer = asking.ask("GET", f"{TASKS}/nonsense/status")
        assert "unable to parse worker upid" in answer.json()["errors"]["upid"]


def test_ha_tasks_end_before_anything_has_happened(pve: Pve) -> None:
    pve.add_vm(101, "web", ha_state="stopped")
    pve.set("ha_delay", 1_000_000)
    with Asking(pve) as asking:
        upid = asking.data("POST", f"{VM}/status/start")
        assert ":hastart:101:" in upid
        assert asking.end_of(upid) == "OK"
        assert asking.data("GET", f"{VM}/status/current")["status"] == "stopped"
    assert not pve.tasks("qmstart")


def test_ha_does_it_later_as_root(pve: Pve) -> None:
    pve.add_vm(101, "web", ha_state="stopped")
    with Asking(pve) as asking:
        asking.ended("POST", f"{VM}/status/start")
        deadline = time.monotonic() + 20
        while asking.data("GET", f"{VM}/status/current")["status"] != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert [one["user"] for one in pve.tasks("qmstart")] == ["root@pam"]
