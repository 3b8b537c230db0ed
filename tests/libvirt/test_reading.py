"""Guests of a real libvirt as rows: near and by SSH, with figures, changing as soon as something happens."""

from __future__ import annotations

import pytest

from app.fleet import Ref
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
        assert web.uptime_s < 60
        assert seen.state(f"hp/{ODD}") == "stopped"
        await eventually(lambda: seen.rows["hp/web"].cpu_percent is not None, 30)
        assert seen.rows["hp/web"].disk_read_bytes_per_s is not None

        libvirt.virsh("suspend", uuid)
        await eventually(lambda: seen.state("hp/web") == "paused", 20)
        libvirt.virsh("destroy", uuid)
        await eventually(lambda: seen.state("hp/web") == "stopped", 20)
        assert seen.rows["hp/web"].uptime_s is None
        libvirt.virsh("undefine", uuid)
        await eventually(lambda: set(seen.rows) == {f"hp/{ODD}"}, 20)
        new = libvirt.domain("new")
        await eventually(lambda: seen.state("hp/new") == "running", 20)
        assert seen.rows["hp/new"].key == new
        await eventually(lambda: seen.rows["hp/new"].uptime_s is not None, 20)
