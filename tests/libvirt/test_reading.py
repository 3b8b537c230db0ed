"""Guests of a real libvirt as rows: near and by SSH, with figures, changing as soon as something happens."""

from __future__ import annotations

import pytest

from app.fleet import Ref
from app.inventory.model import NodeEntry, PingEntry
from app.verb import Rows
from backends.kinds.storage import Storage
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]

ODD = '[@click=x]a\'b "q" $(touch x) #1'


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_guests_have_figures_and_change_when_something_happens(libvirt: Libvirtd, sshd: Sshd, near: bool) -> None:
    uuid = libvirt.domain("web", cores=2, disks=2)
    libvirt.domain(ODD, start=False)
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as seen:
        assert set(seen.rows) == {"hp/web", f"hp/{ODD}"}
        web = seen.rows["hp/web"]
        assert (web.key, web.state, web.cores, web.host) == (uuid, "running", 2, "hp")
        assert web.parent == Ref("node", "hp")
        assert web.mem_total_bytes == 32 << 20
        assert web.disk_total_bytes == 32 << 20
        assert web.uptime_s is not None
        assert web.uptime_s < 600
        assert seen.state(f"hp/{ODD}") == "stopped"
        await eventually(lambda: seen.rows["hp/web"].cpu_percent is not None)
        assert seen.rows["hp/web"].disk_read_bytes_per_s is not None

        libvirt.virsh("suspend", uuid)
        await eventually(lambda: seen.state("hp/web") == "paused")
        libvirt.virsh("destroy", uuid)
        await eventually(lambda: seen.state("hp/web") == "stopped")
        assert seen.rows["hp/web"].uptime_s is None
        libvirt.virsh("undefine", uuid)
        await eventually(lambda: set(seen.rows) == {f"hp/{ODD}"})
        new = libvirt.domain("new")
        await eventually(lambda: seen.state("hp/new") == "running")
        assert seen.rows["hp/new"].key == new
        await eventually(lambda: seen.rows["hp/new"].uptime_s is not None)


async def test_looking_opens_one_channel_and_starts_nothing(libvirt: Libvirtd, sshd: Sshd) -> None:
    libvirt.domain("web", start=False)
    async with watching(far(sshd, libvirt.uri), sshd=sshd) as seen:
        cost = seen.deck.context.links.of("hp").cost
        moved = cost.bytes_in
        for _ in range(3):
            seen.deck.feed.nudge("libvirt", "hp")
            await eventually(lambda: cost.bytes_in > moved + 500)  # noqa: B023
            moved = cost.bytes_in
        assert (cost.channels, cost.commands) == (1, 0)


async def test_a_guest_that_is_a_node_bears_its_tags(libvirt: Libvirtd) -> None:
    libvirt.domain("web", start=False)
    node = NodeEntry(name="web", ping=PingEntry(method="tcp", host="127.0.0.1", port=9), tags=frozenset({"prod"}))
    async with watching(here(libvirt.uri, "hp"), node) as seen:
        web = seen.rows["hp/web"]
        assert web.runs_as == Ref("node", "web")
        assert "prod" in web.tags


async def test_details_are_asked_for_only_when_somebody_looks(libvirt: Libvirtd) -> None:
    libvirt.domain("web", disks=2, extra="<title>shop</title><description>first\n[b]second</description>")
    async with watching(here(libvirt.uri, "hp")) as seen:
        told = await seen.read("details", "hp/web")
        sections = {one.title: one for one in told.sections}
        assert ("title", "shop") in [(label, cell.text) for label, cell in sections["Definition"].lines]
        assert "in memory" in [label for label, _ in sections["Definition"].lines]
        assert [row[0].text for row in sections["Disks"].rows] == ["vda", "vdb"]
        assert sections["Disks"].rows[0][2].text == "16M"
        assert len(sections["Networks"].rows) == 1
        assert [cell.text for _, cell in sections["Notes"].lines] == ["first", "[b]second"]
        text = await seen.read("inspect", "hp/web")
        assert "<domain type='qemu'>" in text.text


async def test_storage_pools_are_rows_with_what_is_on_them(libvirt: Libvirtd, sshd: Sshd) -> None:
    libvirt.domain("web", start=False)
    libvirt.virsh("vol-create-as", "images", "spare one.raw", "1M", "--format", "raw")
    async with watching(far(sshd, libvirt.uri), sshd=sshd) as seen:
        (pool,) = seen.deck.feed.fleet.of(Storage)
        assert (pool.id, pool.state, pool.type, pool.host) == ("hp/images", "available", "dir", "hp")
        assert pool.used_bytes is not None
        assert pool.total_bytes is not None
        assert 0 < pool.used_bytes < pool.total_bytes
        declared = seen.deck.catalog.find("storage", "content")
        assert declared is not None
        rows = await seen.deck.look(declared, pool, {})
        assert isinstance(rows, Rows)
        assert [(one.name, one.format, one.guest) for one in rows.items] == [
            ("spare one.raw", "raw", ""),
            ("web-0.qcow2", "qcow2", "web"),
        ]
