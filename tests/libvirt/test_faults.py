"""A libvirt that restarts, hangs, refuses or is not there; servers that allow one channel; names of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.fleet import STALE
from app.job import Ended
from app.link import Probe, Tier
from backends import found
from backends.libvirt import backend, declared
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd, StartLibvirtd
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]

NO_GROUPS = 'setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
"""Sessions as an account of no group."""


async def test_rows_are_stale_while_it_is_away_and_come_back_by_themselves(
    libvirt_at: StartLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "INTERVAL_S", 1.0)
    daemon = libvirt_at()
    daemon.domain("web")
    async with watching(here(daemon.uri, "hp", interval=1.0)) as on:
        await eventually(lambda: on.state("hp/web") == "running")  # so short an interval may find a busy machine late
        daemon.kill()
        await eventually(lambda: (told := on.reading("hp")) is not None and told.fault)
        await eventually(lambda: on.state("hp/web") == STALE, 40)
        daemon.start()
        await eventually(lambda: on.state("hp/web") == "running", 60)
        told = on.reading("hp")
        assert told is not None
        assert told.fault is None


async def test_one_that_hangs_is_given_up_and_followed_again(
    libvirt_at: StartLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.libvirt.session.ANSWER_S", 2.0)
    daemon = libvirt_at()
    daemon.domain("web", start=False)
    async with watching(here(daemon.uri, "hp")) as on:
        daemon.pause()
        await eventually(lambda: (told := on.reading("hp")) is not None and told.fault, 60)
        daemon.resume()
        await eventually(lambda: (told := on.reading("hp")) is not None and told.fault is None, 60)
        assert on.state("hp/web") == "stopped"


async def test_an_account_without_the_group_is_told_which(libvirt: Libvirtd, sshd_at: StartSshd) -> None:
    server = sshd_at(options={"ForceCommand": NO_GROUPS})
    libvirt.domain("web", start=False)
    (libvirt.folder / "r").chmod(0o700)
    try:
        async with watching(far(server, libvirt.uri), sshd=server) as on:
            told = on.reading("hp")
            assert told is not None
            assert told.fault is not None
            assert "may not use libvirt" in told.fault
            assert "usermod -aG libvirt" in told.fault
            assert told.ours
    finally:
        (libvirt.folder / "r").chmod(0o755)


async def test_nothing_is_said_of_nodes_without_one_unless_it_was_declared(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"qemu+unix:///system?socket={tmp_path}/none"
    async with watching(far(sshd, None, "pi"), far(sshd, nowhere), sshd=sshd) as on:
        assert on.rows == {}
        declared_one = on.reading("hp")
        assert declared_one is not None
        assert declared_one.fault is not None
        assert "libvirt is not running" in declared_one.fault
        silent = on.reading("pi")
        assert silent is None or silent.fault is None


async def test_it_is_found_by_itself_where_there_is_one(
    libvirt: Libvirtd, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvirt.domain("web", start=False)
    there = libvirt.folder / "there"
    probe = Probe(
        found.PROBE.name,
        Tier.SLOW,
        found.parse_found,
        script=f"[ ! -e {there} ] || echo libvirt; echo .",
        every=1.0,
        first=True,
    )
    monkeypatch.setattr(found, "PROBE", probe)
    monkeypatch.setattr(declared, "SYSTEM", libvirt.uri)
    try:
        async with watching(far(sshd, None), sshd=sshd) as on:
            assert on.rows == {}
            there.touch()
            on.deck.feed.nudge("libvirt", "hp")
            await eventually(lambda: on.state("hp/web") == "stopped")
    finally:
        there.unlink(missing_ok=True)


async def test_where_only_one_channel_is_allowed_looks_take_turns(
    libvirt: Libvirtd, sshd_at: StartSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = sshd_at(options={"MaxSessions": "1"})
    libvirt.domain("web", start=False)
    async with watching(far(server, libvirt.uri), sshd=server) as on:
        assert on.state("hp/web") == "stopped"
        assert (await on.do("start", "hp/web")).outcome is Ended.DONE
        await eventually(lambda: on.state("hp/web") == "running", 40)


async def test_names_of_all_kinds_are_text(libvirt: Libvirtd, tmp_path: Path) -> None:
    odd = ["2", "-c", "a b", "$(touch pwned)", "[@click=app.quit]x", 'it\'s; "so" #1 \\', "\u202eabc"]
    libvirt.domain("first")
    libvirt.domain("second")
    keys = {name: libvirt.domain(name, start=False, disks=0) for name in odd}
    async with watching(here(libvirt.uri, "hp")) as on:
        ids = [f"hp/{name}" for name in odd]
        assert [on.rows[ident].key for ident in ids] == [keys[name] for name in odd]
        for done in await on.all("start", *ids):
            assert done.outcome is Ended.DONE, (done.id, done.message)
        assert {libvirt.state(name) for name in odd} == {"running"}
        for done in await on.all("destroy", *ids, stop=True):
            assert done.outcome is Ended.DONE, (done.id, done.message)
        assert {libvirt.state(name) for name in odd} == {"gone"}
        assert libvirt.state("second") == "running"
