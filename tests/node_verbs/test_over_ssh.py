"""The same verbs through a real sshd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.inventory.model import Sudo
from backends.node_verbs import exec as exec_verbs
from backends.node_verbs.lines import CommandLines
from backends.ssh.link import SshLink
from tests.node_verbs.bench import Bench, make_bench
from tests.node_verbs.test_local_link import group_is_empty
from tests.node_verbs.test_transfer import NAMES, holds
from tests.reports import RecordingReport, run_plan
from tests.servers.sshd import Sshd, StartSshd, sshd_at
from tests.waiting import eventually

__all__ = ["sshd_at"]

pytestmark = pytest.mark.real("sshd")


@pytest.fixture
def server(sshd_at: StartSshd, tmp_path: Path) -> Sshd:
    """A server whose sessions find the test's programs first."""
    return sshd_at(options={"SetEnv": f"PATH={tmp_path}/programs:/usr/sbin:/usr/bin:/sbin:/bin"})


@pytest.fixture
async def remote(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A node behind that server."""
    bench = make_bench(tmp_path, monkeypatch, {"pi": SshLink("pi", server.entry(), server.defaults())})
    yield bench
    await bench.verbs.close_tunnels()
    await bench.verbs.context.links.close()


async def test_exec_tells_all_it_should(remote: Bench) -> None:
    plan = await remote.verbs.exec_(remote.here, "echo out; echo err >&2; exit 9")
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert (result.exit_code, result.message) == (9, "err")
    assert result.data == {"stdout": "out\n", "stderr": "err\n", "truncated": False}
    assert report.handles[0].isdecimal()


async def test_arguments_arrive_as_they_are(remote: Bench) -> None:
    words = ["printf", "%s\\n", "a  b", "$(id)", "it's", "*", "", "ü\nx"]
    (result,) = await run_plan(await remote.verbs.exec_(remote.here, *words))
    assert result.data["stdout"] == "".join(f"{word}\n" for word in words[2:])


async def test_cancelling_leaves_no_process_there(remote: Bench) -> None:
    plan = await remote.verbs.exec_(remote.here, "echo up; (sleep 300; :) & sleep 300")
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text() == "up\n")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: group_is_empty(int(report.handles[0])))


async def test_its_time_is_up_there(remote: Bench) -> None:
    report = RecordingReport()
    (result,) = await run_plan(await remote.verbs.exec_(remote.here, "sleep 300", timeout=0.3), report)
    assert result.exit_code == 124
    await eventually(lambda: group_is_empty(int(report.handles[0])))


async def test_the_sudo_password_reaches_sudo_alone(remote: Bench) -> None:
    remote.ordinary_user(Sudo.ASK, "s3cret pass")
    plan = await remote.verbs.exec_(remote.here, "echo $BECAME; cat; ps -A -ww -o args", sudo=True)
    report = RecordingReport(secrets=["s3cret pass"])
    (result,) = await run_plan(plan, report)
    assert result.data["stdout"].startswith("root\n")
    assert "s3cret" not in report.everything() + repr(result)


async def test_a_cancelled_sudo_is_ended_as_root_there(remote: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.ordinary_user(Sudo.ASK, "pw")
    plan = await remote.verbs.exec_(remote.here, "setsid sh -c 'echo $$; sleep 300; :'; :", sudo=True)
    report = RecordingReport(secrets=["pw"])
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text().strip().isdecimal())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert exec_verbs.END_TREE.partition("@")[0] in (remote.programs / "sudo.log").read_text()
    await eventually(lambda: group_is_empty(int(report.text())))


@pytest.mark.parametrize("name", NAMES)
async def test_files_come_and_go_under_any_name(remote: Bench, tmp_path: Path, name: str) -> None:
    here = tmp_path / "from" / name
    here.parent.mkdir()
    here.write_bytes(os.urandom(50_000))
    there = tmp_path / "there 'x"
    there.mkdir()
    plan = await remote.verbs.put(remote.here, here, to=f"{there}/")
    assert holds(plan)
    report = RecordingReport()
    await run_plan(plan, report)
    assert (there / name).read_bytes() == here.read_bytes()
    assert report.steps[-1][:2] == (50_000, 50_000)
    back = await remote.verbs.get(remote.here, f"{there}/{name}", to=tmp_path)
    assert holds(back)
    await run_plan(back)
    assert (tmp_path / "pi" / name).read_bytes() == here.read_bytes()


async def test_folders_are_merged_there(remote: Bench, tmp_path: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "sub" / "page").write_text("new")
    (tmp_path / "web" / "site").mkdir(parents=True)
    (tmp_path / "web" / "site" / "kept").write_text("old")
    await run_plan(await remote.verbs.put(remote.here, tmp_path / "site", to=f"{tmp_path}/web"))
    assert (tmp_path / "web" / "site" / "sub" / "page").read_text() == "new"
    assert (tmp_path / "web" / "site" / "kept").read_text() == "old"
    await run_plan(await remote.verbs.get(remote.here, f"{tmp_path}/web/site", to=tmp_path))
    assert (tmp_path / "pi" / "site" / "sub" / "page").read_text() == "new"


async def test_processes_are_seen_and_signalled(remote: Bench) -> None:
    child = await asyncio.create_subprocess_exec("sleep", "300")
    rows = await remote.verbs.top(remote.here, limit=100_000)
    row = next(one for one in rows.items if one.pid == child.pid)
    assert (row.command, row.user) == ("sleep 300", "root" if os.geteuid() == 0 else row.user)
    await run_plan(await remote.verbs.signal(remote.here, row.pid, started=row.started))
    assert await asyncio.wait_for(child.wait(), 5) == -15


async def test_a_tunnel_leads_through(remote: Bench) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    plan = await remote.verbs.tunnel(remote.here, f"0:127.0.0.1:{server.sockets[0].getsockname()[1]}")
    (result,) = await run_plan(plan)
    reader, writer = await asyncio.open_connection("127.0.0.1", result.data["listen_port"])
    writer.write(b"hello")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"HELLO"
    writer.close()
    await run_plan(await remote.verbs.untunnel(remote.here, result.data["listen_port"]))
    server.close()


async def test_lines_end_when_nobody_reads_on(remote: Bench) -> None:
    lines = CommandLines(remote.verbs.link_of(remote.here), "echo $$; sleep 300")
    pid = int(await asyncio.wait_for(anext(lines), 10))
    await lines.aclose()
    await eventually(lambda: group_is_empty(pid))


async def test_the_shell_is_the_operators_own_ssh(remote: Bench, server: Sshd) -> None:
    plan = await remote.verbs.shell(remote.here)
    assert plan.steps[0].text.startswith("ssh ")
    report = RecordingReport(terminal_code=255)
    (result,) = await run_plan(plan, report)
    assert (result.exit_code, result.message) == (255, "ssh could not connect, or lost the connection")
    argv = report.terminals[0]
    child = await asyncio.create_subprocess_exec(
        argv[0],
        "-T",
        *argv[1:],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(child.communicate(b"echo in; exit 4\n"), 20)
    assert out.endswith(b"in\n")
    assert child.returncode == 4
    assert str(server.port) in argv
