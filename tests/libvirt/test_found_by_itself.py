"""A libvirt that nobody declared: no fault where it is not, seen soon where it is started, no cost meanwhile."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet import STALE
from app.job import Ended
from backends import found
from backends.kinds.vm_row import Vm
from backends.libvirt import declared, node_guests
from tests.libvirt.watched import Guests, far, here, watching
from tests.servers.libvirt import Libvirtd, StartLibvirtd
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]

NO_GROUPS = 'setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
"""Sessions as an account of no group."""


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there where a node has a libvirt; nodes are looked at each second."""
    folder = Path(tempfile.mkdtemp(prefix="qd-there-", dir="/tmp"))
    folder.chmod(0o755)  # every account is to see it
    mark = folder / "there"
    probe = found.looking({found.LIBVIRT: f"[ -e '{mark}' ]"}, 1.0)
    monkeypatch.setattr(found, "PROBE", probe)
    monkeypatch.setattr(node_guests, "SOCKETS", (str(mark),))
    monkeypatch.setattr(node_guests, "ABSENT_WAIT_S", 0.5)
    yield mark
    shutil.rmtree(folder)


def silent(on: Guests) -> bool:
    """Nobody is told of a libvirt, nor of the lack of one."""
    told = on.reading("hp")
    faults = [one.fault for one in on.deck.feed.faults() if one.backend.name == "libvirt"]
    return not on.rows and (told is None or told.fault is None) and not faults


def test_what_is_started_is_seen_within_a_minute() -> None:
    assert node_guests.ABSENT_WAIT_S * 1.2 < 60
    assert found.EVERY_S < 60


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_one_that_is_started_later_is_seen_without_a_nudge(
    libvirt: Libvirtd, sshd: Sshd, there: Path, near: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared, "SYSTEM", libvirt.uri)
    libvirt.domain("web", start=False)
    entry = here(None, "hp") if near else far(sshd, None)
    async with watching(entry, sshd=sshd) as on:
        assert silent(on)
        there.touch()
        await eventually(lambda: on.state("hp/web") == "stopped", 60)


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_a_socket_nobody_listens_at_is_no_fault_and_one_who_does_later_is_seen(
    libvirt_at: StartLibvirtd, sshd: Sshd, there: Path, near: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = libvirt_at()
    daemon.domain("web", start=False)
    daemon.kill()
    monkeypatch.setattr(declared, "SYSTEM", daemon.uri)
    there.touch()
    entry = here(None, "hp") if near else far(sshd, None)
    async with watching(entry, sshd=sshd) as on:
        assert silent(on)
        daemon.start()
        await eventually(lambda: on.state("hp/web") == "stopped", 60)


async def test_one_that_hangs_is_no_fault_and_seen_when_it_answers(
    libvirt_at: StartLibvirtd, sshd: Sshd, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.libvirt.session.ANSWER_S", 1.0)
    daemon = libvirt_at()
    daemon.domain("web", start=False)
    monkeypatch.setattr(declared, "SYSTEM", daemon.uri)
    there.touch()
    daemon.pause()
    async with watching(far(sshd, None), sshd=sshd) as on:
        cost = on.deck.context.links.of("hp").cost
        await eventually(lambda: cost.channels >= 3, 60, "it was tried twice")
        assert silent(on)
        monkeypatch.setattr("backends.libvirt.session.ANSWER_S", 30.0)
        daemon.resume()
        await eventually(lambda: on.state("hp/web") == "stopped", 60)


async def test_one_that_will_not_have_us_is_no_fault_where_nobody_declared_it(
    libvirt: Libvirtd, sshd_at: StartSshd, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared, "SYSTEM", libvirt.uri)
    server = sshd_at(options={"ForceCommand": NO_GROUPS})
    libvirt.domain("web", start=False)
    there.touch()
    (libvirt.folder / "r").chmod(0o700)
    try:
        async with watching(far(server, None), sshd=server) as on:
            link = on.deck.context.links.of("hp")
            await eventually(lambda: link.cost.channels >= 2, 60, "it was tried")
            await eventually(lambda: silent(on), 30)
    finally:
        (libvirt.folder / "r").chmod(0o755)


async def test_a_node_without_one_costs_one_line_of_its_sampler(sshd: Sshd, there: Path) -> None:
    async with watching(far(sshd, None), sshd=sshd) as on:
        finder = on.deck.context.shared(found.found)
        await eventually(lambda: (known := finder.of("hp")) is not None and known.fault is None, 60)
        await eventually(lambda: not any("libvirt/hp" in task.get_name() for task in asyncio.all_tasks()), 30)
        cost = on.deck.context.links.of("hp").cost
        assert (cost.channels, cost.commands, cost.connects) == (1, 0, 1)


async def test_after_a_restart_there_is_each_guest_once(libvirt_at: StartLibvirtd) -> None:
    daemon = libvirt_at()
    key = daemon.domain("web")
    async with watching(here(daemon.uri, "hp", interval=1.0)) as on:
        for _ in range(2):
            daemon.kill()
            await eventually(lambda: (told := on.reading("hp")) is not None and told.fault, 60)
            assert on.state("hp/web") in ("running", STALE), "its row stays"
            daemon.start()
            await eventually(lambda: (told := on.reading("hp")) is not None and told.fault is None, 90)
            await eventually(lambda: on.state("hp/web") == "running", 60)
            assert [(one.id, one.key) for one in on.deck.feed.fleet.of(Vm)] == [("hp/web", key)]
        assert (await on.do("stop", "hp/web")).outcome is Ended.DONE


async def test_a_disk_that_cannot_grow_and_a_pool_that_is_not_there_are_said_before(libvirt: Libvirtd) -> None:
    uuid = libvirt.domain("web", start=False)
    libvirt.virsh("snapshot-create-as", uuid, "first")
    async with watching(here(libvirt.uri, "hp")) as on:
        refused = await on.do("resize", "hp/web", disk="vda", size="+1M")
        assert refused.outcome is Ended.REFUSED
        assert "cannot grow while it has snapshots: first" in refused.message
        assert "qemu-img amend" in refused.message
        missing = await on.do("clone", "hp/web", name="copy", storage='now"; here')
        assert missing.outcome is Ended.FAILED
        assert "it has: images" in missing.message
        assert libvirt.volumes() == {"web-0.qcow2"}
