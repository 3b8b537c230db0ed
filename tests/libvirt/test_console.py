"""A guest's serial terminal on a real terminal here, near and by SSH, and a guest that goes while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app.job import Ended
from tests.docker.seat import Seat
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]


@pytest.fixture
def seat() -> Iterator[Seat]:
    """A terminal."""
    one = Seat()
    yield one
    one.close()


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_what_is_typed_reaches_the_guest_and_the_way_out_is_said(
    libvirt: Libvirtd, sshd: Sshd, seat: Seat, near: bool
) -> None:
    libvirt.domain("web", system=True)
    await eventually(lambda: libvirt.ready("web"))
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as on:
        on.front.child = seat.run
        work = asyncio.create_task(on.do("console", "hp/web"))
        await seat.until(b"Escape character is ^]", 30)
        seat.type(b"hi")
        await seat.until(b"hi", 30)
        seat.type(b"\x1d")
        done = await work
        assert (done.outcome, done.exit_code) == (Ended.DONE, 0)
        assert seat.as_before
        assert libvirt.state("web") == "running"


async def test_a_guest_that_is_unplugged_meanwhile_gives_the_terminal_back(libvirt: Libvirtd, seat: Seat) -> None:
    uuid = libvirt.domain("web", system=True)
    async with watching(here(libvirt.uri, "hp")) as on:
        on.front.child = seat.run
        work = asyncio.create_task(on.do("console", "hp/web"))
        await seat.until(b"Escape character is ^]", 30)
        libvirt.virsh("destroy", uuid)
        await work
        assert seat.as_before
        await eventually(lambda: on.state("hp/web") == "stopped")


async def test_without_a_terminal_or_a_serial_port_it_is_said_why_not(libvirt: Libvirtd) -> None:
    libvirt.domain("mute", serial=False)
    libvirt.domain("off", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        mute = await on.do("console", "hp/mute")
        assert "no serial terminal" in mute.message
        off = await on.do("console", "hp/off")
        assert off.outcome is Ended.REFUSED
        assert "it is stopped" in off.message
