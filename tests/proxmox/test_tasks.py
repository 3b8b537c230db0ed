"""Tasks of a cluster, followed to their end: logs, warnings, failures, lost connections, cancelling, locks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from urllib.parse import parse_qsl

import pytest

from app.errors import BadAnswer, Denied, QuarterdeckError, Unreachable
from app.plan import Result
from backends.proxmox.client import Client
from backends.proxmox.failures import Gone, Locked, Rejected, StorageFull
from backends.proxmox.tasks import LostTask, called, failure, follow, retried_on_lock, state, succeeded, watched
from backends.proxmox.upid import TaskEnd
from tests.proxmox.raw_peer import Asked, Identity, answer, make_identity, raw_peer
from tests.proxmox.talking import talking
from tests.reports import RecordingReport
from tests.servers.fakepve import Pve, StartPve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")

UPID = "UPID:pve1:0007AF46:04AB1D60:6719FE11:qmclone:100:root@pam!deck:"


@pytest.fixture
async def client(pve: Pve) -> AsyncGenerator[Client]:
    async with talking(pve.url, token=pve.token, fingerprints=(pve.fingerprint,)) as made:
        yield made


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers of these tests are quicker than clusters are."""
    monkeypatch.setattr("backends.proxmox.tasks._STEPS_S", (0.05, 0.1))
    monkeypatch.setattr("backends.proxmox.tasks._STOP_S", 30.0)  # and the machine may be busy


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


async def _begun(client: Client, pve: Pve, what: str = "start") -> str:
    pve.add_vm(101, "web", status="stopped" if what == "start" else "running")
    return str(await client.post(f"/nodes/pve1/qemu/101/status/{what}"))


async def test_a_task_is_followed_to_its_end(pve: Pve, client: Client) -> None:
    upid, report = await _begun(client, pve), RecordingReport()
    result = await follow(client, upid, report)
    assert (result.exit_code, result.message) == (0, "")
    assert result.data == {"upid": upid, "task": "ok"}
    assert report.handles == [upid]
    assert report.logs[-1] == "TASK OK"
    assert report.logs.count("TASK OK") == 1
    assert not [line for line in report.logs if "no content" in line]
    assert pve.guest(101)["status"] == "running"
    assert await state(client, upid) is TaskEnd.OK


async def test_the_name_is_written_down_before_anything_is_asked(pve: Pve, client: Client) -> None:
    upid = await _begun(client, pve)
    pve.forget()
    report = RecordingReport(handle_error=OSError("the disk is full"))
    with pytest.raises(OSError, match="full"):
        await follow(client, upid, report)
    assert pve.requests(containing="/tasks/") == []


async def test_without_waiting_it_is_only_begun(pve: Pve, client: Client) -> None:
    upid, report = await _begun(client, pve), RecordingReport(wait=False)
    pve.forget()
    result = await follow(client, upid, report)
    assert result.exit_code == 0
    assert upid in result.message
    assert report.handles == [upid]
    assert pve.requests(containing="/tasks/") == []


async def test_a_call_that_was_done_at_once(client: Client) -> None:
    report = RecordingReport()
    assert await follow(client, None, report) == Result()
    assert report.handles == []


async def test_progress_is_told(pve: Pve, client: Client) -> None:
    pve.add_vm(9000, "tmpl", template=True)
    pve.set("time_scale", 0.2)
    upid = await client.post("/nodes/pve1/qemu/9000/clone", newid=300, full=True, name="web-1")
    report = RecordingReport()
    assert (await follow(client, upid, report)).exit_code == 0
    shares = [done for done, total, unit in report.steps if (total, unit) == (100.0, "%")]
    assert shares == sorted(shares)
    assert shares[-1] == 100


async def test_warnings_are_a_success_with_a_message(pve: Pve, client: Client) -> None:
    pve.end_next("qmstart", warnings=2)
    result = await follow(client, await _begun(client, pve), RecordingReport())
    assert result.exit_code == 0
    assert result.message == "done with 2 warnings: WARN: reason 2"
    assert result.data["task"] == "warning"
    assert failure(result) is None


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("start failed: QEMU exited with code 1", Rejected),
        ("VM is locked (backup)", Locked),
        ("lvcreate error: no space left on device", StorageFull),
    ],
)
async def test_a_failed_task_says_why(pve: Pve, client: Client, words: str, kind: type[QuarterdeckError]) -> None:
    pve.end_next("qmstart", error=words)
    pve.end_next("qmstart", error=words)
    upid = await _begun(client, pve)
    result = await follow(client, upid, RecordingReport())
    assert (result.exit_code, result.message, result.data["task"]) == (1, words, "error")
    assert isinstance(failure(result), kind)
    with pytest.raises(kind) as caught:
        await succeeded(client, await client.post("/nodes/pve1/qemu/101/status/start"), RecordingReport())
    assert caught.value.where == "lab/pve1"


async def test_a_killed_task_is_no_success(pve: Pve, client: Client) -> None:
    pve.end_next("qmstart", lost=True)
    result = await follow(client, await _begun(client, pve), RecordingReport())
    assert result.exit_code == 1
    assert result.message.startswith("unexpected status")
    assert result.data["task"] == "unknown"


async def test_a_task_nobody_knows_any_more(pve: Pve, client: Client) -> None:
    pve.expect_violations()
    upid = "UPID:pve1:0007AF46:04AB1D60:6719FE11:qmstart:100:root@pam:"
    result = await watched(client, upid, RecordingReport())
    assert result.exit_code == 1
    assert "does not know the task" in result.message
    with pytest.raises(Gone):
        await state(client, upid)
    with pytest.raises(BadAnswer, match="not the name of a task"):
        await watched(client, "12345", RecordingReport())


async def test_cancelling_stops_the_task(pve: Pve, client: Client) -> None:
    pve.set("time_scale", 1.0)
    pve.take_seconds("qmclone", 600)
    pve.add_vm(9000, "tmpl", template=True)
    upid = str(await client.post("/nodes/pve1/qemu/9000/clone", newid=300, full=True))
    report = RecordingReport()
    following = asyncio.create_task(follow(client, upid, report))
    await eventually(lambda: pve.requests("GET", "/status"), 20)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert [one["path"] for one in pve.requests("DELETE")] == [f"/nodes/pve1/tasks/{upid}"]
    assert report.logs[-1] == f"the task {upid} was stopped"
    assert (await state(client, upid)) is TaskEnd.ERROR


async def test_cancelling_while_the_call_is_on_its_way_leaves_nothing_behind(pve: Pve, client: Client) -> None:
    pve.set("time_scale", 1.0)
    pve.take_seconds("qmclone", 600)
    pve.add_vm(9000, "tmpl", template=True)
    pve.hold("POST", "/clone")
    report = RecordingReport()
    path = "/nodes/pve1/qemu/9000/clone"
    calling = asyncio.create_task(called(client, lambda: client.post(path, newid=300, full=True), report))
    await eventually(lambda: pve.held(), 20)
    calling.cancel()
    await asyncio.sleep(0)
    pve.release()
    with pytest.raises(asyncio.CancelledError):
        await calling
    (task,) = pve.tasks("qmclone")
    assert report.handles == [task["upid"]]
    assert report.logs[-1] == f"the task {task['upid']} was stopped"
    assert (await state(client, task["upid"])) is TaskEnd.ERROR


async def test_cancelling_while_its_name_is_written_down_stops_the_task(pve: Pve, client: Client) -> None:
    pve.take_seconds("qmstart", 30_000)
    writing = asyncio.Event()

    class Slow(RecordingReport):
        """Writes for as long as it is let."""

        async def handle(self, handle: str) -> None:
            await super().handle(handle)
            writing.set()
            await asyncio.Event().wait()

    upid, report = await _begun(client, pve), Slow()
    following = asyncio.create_task(follow(client, upid, report))
    await writing.wait()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert [one["path"] for one in pve.requests("DELETE")] == [f"/nodes/pve1/tasks/{upid}"]
    assert report.logs[-1] == f"the task {upid} was stopped"


async def test_a_call_that_is_followed_or_refused(pve: Pve, client: Client) -> None:
    pve.add_vm(101, "web")
    report = RecordingReport()
    result = await called(client, lambda: client.post("/nodes/pve1/qemu/101/status/start"), report)
    assert (result.exit_code, result.data["task"], len(report.handles)) == (0, "ok", 1)
    with pytest.raises(Gone):
        await called(client, lambda: client.post("/nodes/pve1/qemu/999/status/start"), report)


async def test_what_must_not_be_stopped_goes_on(pve: Pve, client: Client) -> None:
    pve.set("time_scale", 1.0)
    pve.take_seconds("qmclone", 600)
    pve.add_vm(9000, "tmpl", template=True)
    upid = str(await client.post("/nodes/pve1/qemu/9000/clone", newid=300, full=True))
    for begin in (follow(client, upid, RecordingReport(), stoppable=False), watched(client, upid, RecordingReport())):
        pve.forget()
        following = asyncio.create_task(begin)
        await eventually(lambda: pve.requests("GET", "/status"), 20)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
    assert pve.requests("DELETE") == []
    assert await state(client, upid) is None
    await client.delete(f"/nodes/pve1/tasks/{upid}")


async def test_a_lost_connection_is_waited_out(pve: Pve, client: Client) -> None:
    pve.set("time_scale", 1.0)
    pve.take_seconds("qmclone", 600)
    pve.add_vm(9000, "tmpl", template=True)
    upid = str(await client.post("/nodes/pve1/qemu/9000/clone", newid=300, full=True))
    report = RecordingReport()
    following = asyncio.create_task(follow(client, upid, report))
    await eventually(lambda: pve.requests("GET", "/log"), 20)
    pve.stop()
    await eventually(lambda: any("out of sight" in line for line in report.logs), 20)
    pve.start()
    await eventually(lambda: "the task is in sight again" in report.logs, 20)
    await client.delete(f"/nodes/pve1/tasks/{upid}")
    result = await following
    assert result.exit_code == 1
    assert sum("out of sight" in line for line in report.logs) == 1


async def test_following_goes_on_at_the_next_url(pve_at: StartPve, identity: Identity) -> None:
    ended = False

    def reply(asked: Asked) -> bytes:
        if "/log?" in asked.line:
            told = ended and "start=0" in asked.line  # it may end between the two questions of one look
            return answer('{"data":[{"n":1,"t":"TASK OK"}],"total":1}' if told else '{"data":[],"total":0}')
        return answer('{"data":{"status":"stopped","exitstatus":"OK"}}' if ended else '{"data":{"status":"running"}}')

    report = RecordingReport()
    async with raw_peer(identity, reply) as second:
        async with raw_peer(identity, reply) as first:
            made = talking(first.url, second.url, fingerprints=(identity.fingerprint,))
            client = await made.__aenter__()
            following = asyncio.create_task(follow(client, UPID, report))
            await eventually(lambda: first.asked, 20)
        await eventually(lambda: second.asked, 20)
        ended = True
        assert (await following).exit_code == 0
        await made.__aexit__(None, None, None)
    assert report.logs == ["TASK OK"]


async def test_a_task_out_of_sight_for_too_long_is_left_to_its_cluster(pve: Pve, client: Client) -> None:
    upid = await _begun(client, pve)
    pve.stop()
    with pytest.raises(LostTask, match="it goes on there") as caught:
        await follow(client, upid, RecordingReport(), patience_s=0.1)
    assert upid in caught.value.todo
    assert isinstance(caught.value, Unreachable)


async def test_a_login_that_ends_meanwhile_is_no_lost_connection(identity: Identity) -> None:
    denied = answer("", "401 No ticket", "", close=True)
    async with (
        raw_peer(identity, lambda asked: denied) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(Denied):
            await follow(client, UPID, RecordingReport())


def _with_log(
    lines: Callable[[], list[str]], ended: Callable[[], bool], total: bool = True
) -> Callable[[Asked], bytes]:
    """A server with one task and its log, which answers pages as Proxmox does."""

    def reply(asked: Asked) -> bytes:
        if "/log?" not in asked.line:
            said = {"status": "stopped", "exitstatus": "job errors"} if ended() else {"status": "running"}
            return answer(json.dumps({"data": said}))
        asks = dict(parse_qsl(asked.line.split(" ")[1].partition("?")[2]))
        start, limit = int(asks["start"]), int(asks["limit"])
        known = lines() or ["no content"]
        rows = [{"n": start + n + 1, "t": line} for n, line in enumerate(known[start : start + limit])]
        return answer(json.dumps({"data": rows, **({"total": len(known)} if total else {})}))

    return reply


async def test_the_line_in_place_of_an_empty_log_swallows_nothing(identity: Identity) -> None:
    looks = 0
    written = ["first", "second", "ERROR: it went wrong", "TASK ERROR: job errors"]

    def lines() -> list[str]:
        nonlocal looks
        looks += 1
        return [] if looks < 3 else written[: looks - 2]

    report = RecordingReport()
    async with (
        raw_peer(identity, _with_log(lines, lambda: looks > 5)) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        result = await follow(client, UPID, report)
    assert report.logs == written
    assert result.message == "job errors; its log ends: ERROR: it went wrong"


@pytest.mark.parametrize("total", [True, False])
async def test_a_huge_log_is_bounded_and_what_is_left_out_is_counted(identity: Identity, total: bool) -> None:
    lines = [f"line {n} \x1b[31mred\x1b[0m" + "x" * 3000 for n in range(50_000)]
    report = RecordingReport()
    async with (
        raw_peer(identity, _with_log(lambda: lines, lambda: True, total)) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        result = await follow(client, UPID, report)
        assert len(peer.asked) < 10
    assert len(report.logs) <= 1001
    assert all(line.isprintable() and len(line) <= 1001 for line in report.logs)
    if not total:
        assert report.logs[-1] == "… the rest of its log is left out"
    else:
        assert "49500 lines of its log are left out" in report.logs[0]
        assert result.data["log_left_out"] == 49_500
        assert report.logs[-1].startswith("line 49999 red")


async def test_answers_about_a_task_that_are_none(identity: Identity) -> None:
    async with (
        raw_peer(identity, lambda asked: answer('{"data":[]}')) as peer,
        talking(peer.url, fingerprints=(identity.fingerprint,)) as client,
    ):
        with pytest.raises(LostTask):
            await watched(client, UPID, RecordingReport(), patience_s=0)
        with pytest.raises(BadAnswer):
            await state(client, UPID)


class Pauses:
    """Takes note of the pauses and lets no time pass."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_a_passing_lock_is_tried_again_later_each_time() -> None:
    ends: list[Result | QuarterdeckError] = [
        Locked("can't lock file"),
        Result(1, "VM is locked (clone)"),
        Locked("CT is locked (disk)", lock="disk"),
        Result(message="done"),
    ]
    pauses, report = Pauses(), RecordingReport()

    async def call() -> Result:
        end = ends.pop(0)
        if isinstance(end, QuarterdeckError):
            raise end
        return end

    assert (await retried_on_lock(call, report=report, pause=pauses)).message == "done"
    assert len(pauses.seconds) == 3
    assert 0.75 <= pauses.seconds[0] <= 1.25
    assert 3.0 <= pauses.seconds[2] <= 5.0
    assert report.logs[1].startswith("locked: VM is locked (clone); trying again in ")


@pytest.mark.parametrize("error", [Locked("VM is locked (backup)", lock="backup"), Rejected("no")])
async def test_other_refusals_are_handed_on_at_once(error: QuarterdeckError) -> None:
    pauses = Pauses()

    async def call() -> Result:
        raise error

    with pytest.raises(type(error)):
        await retried_on_lock(call, pause=pauses)
    assert pauses.seconds == []


async def test_a_lock_that_stays_ends_the_trying() -> None:
    pauses, calls = Pauses(), 0

    async def call() -> Result:
        nonlocal calls
        calls += 1
        return Result(1, "VM is locked (snapshot)")

    result = await retried_on_lock(call, attempts=4, pause=pauses)
    assert (result.message, calls, len(pauses.seconds)) == ("VM is locked (snapshot)", 4, 3)
