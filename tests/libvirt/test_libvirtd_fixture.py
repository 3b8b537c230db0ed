"""The daemon the other tests lean on runs real guests, is swept between tests, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.servers.libvirt import Libvirtd, StartLibvirtd

pytestmark = pytest.mark.real("libvirtd")

_ALONE = """
import sys
from tests.servers.libvirt import Libvirtd
made = Libvirtd()
made.start()
made.sweep()
made.domain("left")
print(made.folder, flush=True)
sys.stdin.readline()
"""


def _processes(folder: Path) -> list[str]:
    """Daemons and guests that belong to a folder."""
    found: list[str] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line[:200])
    return found


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_finds_it_empty(libvirt: Libvirtd, number: int) -> None:
    assert libvirt.uuids() == {}
    assert libvirt.volumes() == set()
    libvirt.domain(f"left-{number}")
    libvirt.virsh("snapshot-create-as", f"left-{number}", "kept")
    assert libvirt.state(f"left-{number}") == "running"


def test_guests_outlive_their_daemon_and_not_their_test(libvirt_at: StartLibvirtd) -> None:
    daemon = libvirt_at()
    daemon.domain("one")
    daemon.kill()
    daemon.start()
    assert daemon.state("one") == "running"
    daemon.remove()
    assert not daemon.folder.exists()
    assert _processes(daemon.folder) == []


def test_nothing_is_left_where_the_test_process_is_killed() -> None:
    alone = subprocess.Popen(
        [sys.executable, "-c", _ALONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert alone.stdin is not None
    assert alone.stdout is not None
    folder = Path(alone.stdout.readline().decode().strip())
    assert _processes(folder) != []
    alone.kill()
    alone.wait(60)
    alone.stdin.close()
    alone.stdout.close()
    deadline = time.monotonic() + 60
    while folder.exists() or _processes(folder):
        assert time.monotonic() < deadline, _processes(folder)
        time.sleep(0.05)
