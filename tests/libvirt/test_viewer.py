"""Where a guest's screen is to be seen: its address, and the tunnel that leads there from elsewhere."""

from __future__ import annotations

import asyncio
import re

import pytest

from app.job import Ended
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]

SECRET = "correcth"


def with_screen(libvirt: Libvirtd, name: str) -> str:
    """A guest that runs and has a VNC screen with a password."""
    uuid = libvirt.domain(name, start=False)
    screen = f"<graphics type='vnc' port='-1' autoport='yes' passwd='{SECRET}'/></devices>"
    file = libvirt.folder / "screen.xml"
    file.write_text(libvirt.virsh("dumpxml", uuid).stdout.replace("</devices>", screen))
    libvirt.virsh("define", str(file))
    libvirt.virsh("start", uuid)
    return uuid


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_the_way_to_a_screen_is_told(libvirt: Libvirtd, sshd: Sshd, near: bool) -> None:
    with_screen(libvirt, "web")
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as on:
        for protocol in ("vnc", "spice"):  # what it does not speak is said, and what it speaks is shown
            done = await on.do("viewer", "hp/web", protocol=protocol)
            assert done.outcome is Ended.DONE, done.message
            said = str(done.data["stdout"])
            found = re.search(r"remote-viewer vnc://127\.0\.0\.1:(\d+)", said)
            assert found is not None, said
            port = int(found[1])
            assert (f"quarterdeck node tunnel hp {port}:127.0.0.1:{port}" in said) is not near
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
        assert SECRET not in on.witnessed() + str(done.data)


async def test_where_there_is_none_it_is_said_why(libvirt: Libvirtd) -> None:
    libvirt.domain("blind")
    libvirt.domain("off", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        blind = await on.do("viewer", "hp/blind")
        assert blind.outcome is Ended.REFUSED
        assert "no screen" in blind.message
        assert "virsh edit" in blind.message
        off = await on.do("viewer", "hp/off")
        assert off.outcome is Ended.REFUSED
        assert "it is stopped" in off.message
