"""The real sudo, as a user of the test's own who exists in a mount namespace only: nothing on the machine changes."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.errors import Denied
from app.inventory.model import Sudo
from app.link import Chunk, Completed, Started
from backends.local.link import LocalLink
from tests.conftest import need
from tests.node_verbs.bench import Bench, make_bench
from tests.reports import RecordingReport, run_plan
from tests.waiting import eventually

PASSWORD = "pass wörd"
HASH = "$6$quarterdeck$xDVBNySMRsat2.aF1XIss4oJN2kT11AdWWOy.dFzABRAxI4cqTFEA5b48GP6xmGFOml1LFjC2Gfj2PHBvFP5.1"
UID = 4711
INSIDE = """\
set -e
mount --make-rprivate /
for file in passwd shadow sudoers; do mount --bind "$1/$file" /etc/$file; done
mkdir -p /run/sudo
mount -t tmpfs tmpfs /run/sudo
exec setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$2"
"""

pytestmark = pytest.mark.real("sudo")


class UserLink(LocalLink):
    """This machine as that user sees it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("pi")
        self._folder = folder

    def _inside(self, command: str) -> str:
        return f"exec {shlex.join(['unshare', '-m', 'sh', '-c', INSIDE, 'sh', str(self._folder), command])}"

    async def run(
        self, command: str, *, input: bytes | None = None, timeout: float = 30.0, limit: int = 8 << 20
    ) -> Completed:
        return await super().run(self._inside(command), input=input, timeout=timeout, limit=limit)

    async def stream(
        self,
        command: str,
        *,
        stdout: Chunk,
        stderr: Chunk | None = None,
        input: bytes | None = None,
        started: Started | None = None,
    ) -> int:
        return await super().stream(self._inside(command), stdout=stdout, stderr=stderr, input=input, started=started)


Rules = Callable[[str], None]


@pytest.fixture
async def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Bench, Rules]]:
    """A node where we are that user, and a function that writes the sudoers file."""
    need(all(shutil.which(name) for name in ("sudo", "unshare", "setpriv", "mount")), "sudo")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces need root")
    folder = tmp_path / "etc"
    folder.mkdir()
    for name, line in (
        ("passwd", f"qdops:x:{UID}:{UID}::/tmp:/bin/sh"),
        ("shadow", f"qdops:{HASH}:19000:0:99999:7:::"),
    ):
        (folder / name).write_text(Path("/etc", name).read_text() + line + "\n")
        (folder / name).chmod(0o644 if name == "passwd" else 0o640)

    def rules(text: str) -> None:
        (folder / "sudoers").write_text(f"Defaults use_pty\n{text}\n")
        (folder / "sudoers").chmod(0o440)

    rules("qdops ALL=(ALL) ALL")
    bench = make_bench(tmp_path, monkeypatch, {"pi": UserLink(folder)})
    yield bench, rules
    await bench.verbs.context.links.close()


async def test_the_password_makes_root_and_is_seen_by_sudo_only(user: tuple[Bench, Rules]) -> None:
    bench, _ = user
    bench.configure(sudo=Sudo.ASK)
    plan = await bench.verbs.exec_(bench.here, "id -u; cat; ps -A -ww -o args", sudo=True)
    report = RecordingReport(secrets=[PASSWORD])
    (result,) = await run_plan(plan, report)
    assert result.exit_code == 0
    assert result.data["stdout"].startswith("0\n")
    assert PASSWORD not in report.everything() + repr(result)


async def test_a_wrong_password_is_denied(user: tuple[Bench, Rules]) -> None:
    bench, _ = user
    bench.configure(sudo=Sudo.ASK)
    plan = await bench.verbs.exec_(bench.here, "id", sudo=True)
    with pytest.raises(Denied, match="did not accept the password"):
        await run_plan(plan, RecordingReport(secrets=["wrong"]))


async def test_somebody_sudo_does_not_know_is_told_so(user: tuple[Bench, Rules]) -> None:
    bench, rules = user
    rules("root ALL=(ALL) ALL")
    bench.configure(sudo=Sudo.ASK)
    plan = await bench.verbs.exec_(bench.here, "id", sudo=True)
    with pytest.raises(Denied, match="sudo refused"):
        await run_plan(plan, RecordingReport(secrets=[PASSWORD]))


async def test_nopasswd_that_is_not_granted_fails_with_sudos_words(user: tuple[Bench, Rules]) -> None:
    bench, _ = user
    bench.configure(sudo=Sudo.NOPASSWD)
    (result,) = await run_plan(await bench.verbs.exec_(bench.here, "id", "-u", sudo=True))
    assert result.exit_code == 1
    assert "password is required" in result.message


async def test_a_password_nobody_wanted_does_not_reach_the_command(user: tuple[Bench, Rules]) -> None:
    bench, rules = user
    rules("qdops ALL=(ALL) NOPASSWD: ALL")
    bench.configure(sudo=Sudo.ASK)
    plan = await bench.verbs.exec_(bench.here, "cat; echo over", sudo=True)
    (result,) = await run_plan(plan, RecordingReport(secrets=[PASSWORD]))
    assert result.data["stdout"] == "over\n"


@pytest.mark.parametrize("way", [Sudo.NOPASSWD, Sudo.ASK])
async def test_cancelling_ends_what_root_runs(user: tuple[Bench, Rules], way: Sudo) -> None:
    bench, rules = user
    rules(f"qdops ALL=(ALL) {'NOPASSWD: ' if way is Sudo.NOPASSWD else ''}ALL")
    bench.configure(sudo=way)
    plan = await bench.verbs.exec_(bench.here, "trap '' HUP; echo $$; sleep 300; :", sudo=True)
    report = RecordingReport(secrets=[PASSWORD])
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text().strip().isdecimal())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pid = int(report.text())
    assert pid != int(report.handles[0])
    await eventually(lambda: ended(pid))


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
