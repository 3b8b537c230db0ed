"""Snapshots of real guests: kept, listed, gone back to, removed; and several guests under one name, all or none."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest

from app.job import Ended
from app.plan import Report, Result
from app.verb import Rows
from backends.kinds.vm_lists import Snapshot
from backends.kinds.vm_row import Vm
from backends.libvirt.verbs.snapshots import SnapshotVerbs
from tests.libvirt.watched import Guests, far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]


async def listed(on: Guests, guest: str) -> list[Snapshot]:
    view = await on.read("snapshots", guest)
    assert isinstance(view, Rows)
    return list(view.items)


def names(items: list[Snapshot]) -> list[tuple[int, str]]:
    return [(one.depth, one.name) for one in items]


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_there_and_back_again(libvirt: Libvirtd, sshd: Sshd, near: bool) -> None:
    libvirt.domain("web", start=False)
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as on:
        told = 'it\'s "ready" $(id) <b>'
        assert (await on.do("snapshot", "hp/web", name="first", description=told)).outcome is Ended.DONE
        assert (await on.do("start", "hp/web")).outcome is Ended.DONE
        assert (await on.do("snapshot", "hp/web", name="second", memory=True)).outcome is Ended.DONE
        first, second, now = await listed(on, "hp/web")
        assert (first.name, first.memory, first.description) == ("first", False, told)
        assert (second.name, second.memory, second.depth) == ("second", True, 1)
        assert (now.current, now.depth) == (True, 2)
        assert first.taken_at is not None

        twice = await on.do("snapshot", "hp/web", name="first")
        assert twice.outcome is Ended.REFUSED
        assert "already" in twice.message
        wrong = await on.do("snapshot", "hp/web", name="1; reboot")
        assert (wrong.outcome, wrong.exit_code) == (Ended.FAILED, 2)

        assert (await on.do("rollback", "hp/web", name="first")).outcome is Ended.DONE
        assert on.asked.type_name == "web"
        assert "everything since first" in on.asked.plan.loses[0]
        assert libvirt.state("web") == "shut off"
        assert names(await listed(on, "hp/web")) == [(0, "first"), (1, "second"), (1, "current")]
        assert (await on.do("rollback", "hp/web", name="second")).outcome is Ended.DONE
        assert libvirt.state("web") == "running"
        assert (await on.do("rollback", "hp/web", name="first", delete_newer=True, start=True)).outcome is Ended.DONE
        assert libvirt.state("web") == "running"
        assert names(await listed(on, "hp/web")) == [(0, "first"), (1, "current")]

        missing = await on.do("rollback", "hp/web", name="nowhere")
        assert missing.outcome is Ended.FAILED
        assert "it has: first" in missing.message
        assert (await on.do("delete-snapshot", "hp/web", name="first")).outcome is Ended.DONE
        assert await listed(on, "hp/web") == []


async def test_a_disk_that_keeps_none_is_refused_with_what_to_do(libvirt: Libvirtd) -> None:
    libvirt.domain("web", start=False)
    libvirt.virsh("vol-create-as", "images", "raw.img", "1M", "--format", "raw")
    libvirt.virsh("attach-disk", "web", str(libvirt.images / "raw.img"), "vdb", "--config", "--subdriver", "raw")
    async with watching(here(libvirt.uri, "hp")) as on:
        refused = await on.do("snapshot", "hp/web", name="one")
        assert refused.outcome is Ended.REFUSED
        assert "vdb is raw" in refused.message


async def test_several_are_kept_under_one_name_or_none_is(libvirt: Libvirtd) -> None:
    libvirt.domain("one", start=False)
    libvirt.domain("two", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        done = await on.all("checkpoint", "hp/one", "hp/two", name="before")
        assert [one.outcome for one in done] == [Ended.DONE, Ended.DONE]
        view = await on.read("checkpoints")
        assert isinstance(view, Rows)
        assert [(one.name, one.guests, one.members) for one in view.items] == [("before", 2, "hp/one hp/two")]
        assert {one.outcome for one in await on.all("rollback", "hp/one", "hp/two", name="before")} == {Ended.DONE}

        # The second one's disk is lost between the look and the deed.
        (libvirt.images / "two-0.qcow2").rename(libvirt.images / "lost")
        done = await on.all("checkpoint", "hp/one", "hp/two", name="after")
        assert Ended.FAILED in {one.outcome for one in done}
        assert [one.name for one in await listed(on, "hp/one")] == ["before", "current"]
        await eventually(lambda: on.state("hp/one") == "stopped")
        kept = subprocess.run(
            ["qemu-img", "snapshot", "-l", str(libvirt.images / "one-0.qcow2")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "before" in kept.stdout
        assert "after" not in kept.stdout


async def test_a_checkpoint_that_is_cancelled_is_taken_back(libvirt: Libvirtd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        libvirt.domain(name, start=False)
    act, begun = SnapshotVerbs.act, asyncio.Event()

    async def slow(self: SnapshotVerbs, target: Vm, line: str, report: Report, **more: Any) -> Result:
        if target.name == "two" and "snapshot-create-as" in line:
            begun.set()
            await asyncio.Event().wait()
        return await act(self, target, line, report, **more)

    monkeypatch.setattr(SnapshotVerbs, "act", slow)
    async with watching(here(libvirt.uri, "hp")) as on:
        work = asyncio.create_task(on.all("checkpoint", "hp/one", "hp/two", name="monday"))
        await asyncio.wait_for(begun.wait(), 30)
        await eventually(lambda: libvirt.virsh("snapshot-list", "one", "--name").stdout.split() == ["monday"], 30)
        for job in on.deck.running_jobs:
            job.cancel()
        assert {one.outcome for one in await work} == {Ended.CANCELLED}
        assert libvirt.virsh("snapshot-list", "one", "--name").stdout.split() == []
