"""From running to stopped and back, on real guests, near and by SSH."""

from __future__ import annotations

import pytest

from app.errors import Missing
from app.job import Ended
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_every_switch(libvirt: Libvirtd, sshd: Sshd, near: bool) -> None:
    uuid = libvirt.domain("web", start=False, system=True)
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as on:
        done = await on.do("start", "hp/web")
        assert (done.outcome, done.exit_code, done.message) == (Ended.DONE, 0, "started")
        assert libvirt.state("web") == "running"
        await eventually(lambda: on.state("hp/web") == "running")

        assert (await on.do("suspend", "hp/web")).outcome is Ended.DONE
        assert libvirt.state("web") == "paused"
        refused = await on.do("shutdown", "hp/web")
        assert refused.outcome is Ended.REFUSED
        assert "paused" in refused.message
        assert (await on.do("resume", "hp/web")).outcome is Ended.DONE
        assert libvirt.state("web") == "running"

        assert (await on.do("reset", "hp/web")).message == "reset"
        assert (await on.do("suspend", "hp/web", disk=True)).outcome is Ended.DONE
        assert libvirt.state("web") == "shut off"
        await eventually(lambda: on.state("hp/web") == "suspended")
        assert (await on.do("resume", "hp/web")).message == "goes on"
        assert libvirt.state("web") == "running"

        assert (await on.do("stop", "hp/web")).outcome is Ended.DONE
        assert on.asked.plan.steps[0].text == f"virsh -c '{libvirt.uri}' destroy {uuid}"
        assert libvirt.state("web") == "shut off"
        await eventually(lambda: on.state("hp/web") == "stopped")
        assert (await on.do("stop", "hp/web")).outcome is Ended.DONE


async def test_a_system_that_heeds_its_power_button_is_waited_for(libvirt: Libvirtd, sshd: Sshd) -> None:
    libvirt.domain("web", system=True)
    async with watching(far(sshd, libvirt.uri), sshd=sshd) as on:
        await eventually(lambda: libvirt.ready("web"))
        again = await on.do("reboot", "hp/web", timeout=60)
        assert (again.outcome, again.message[:15]) == (Ended.DONE, "restarted after")
        await eventually(lambda: libvirt.ready("web", times=2))
        off = await on.do("shutdown", "hp/web", timeout=60)
        assert off.outcome is Ended.DONE
        assert off.message.startswith("shut down after")
        assert libvirt.state("web") == "shut off"


async def test_one_that_does_not_is_told_of_or_unplugged(libvirt: Libvirtd) -> None:
    libvirt.domain("deaf")
    async with watching(here(libvirt.uri, "hp")) as on:
        left = await on.do("shutdown", "hp/deaf", timeout=2)
        assert (left.outcome, left.exit_code) == (Ended.FAILED, 1)
        assert "still runs 2 s after" in left.message
        assert libvirt.state("deaf") == "running"
        assert (await on.do("shutdown", "hp/deaf", timeout=1, force=True)).outcome is Ended.DONE
        assert libvirt.state("deaf") == "shut off"


async def test_a_guest_that_is_gone_is_said_to_be(libvirt: Libvirtd) -> None:
    uuid = libvirt.domain("web", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        row = on.rows["hp/web"]
        libvirt.virsh("undefine", uuid)
        libvirt.domain("web", start=False, disks=0)
        backend = on.deck.backends["libvirt"]
        with pytest.raises(Missing, match="the guest is gone"):
            await backend.start(row)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        assert libvirt.state("web") == "shut off"
