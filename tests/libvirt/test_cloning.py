"""New guests from real ones: full copies and linked ones, what they are called and have, and the end of them."""

from __future__ import annotations

import json
import subprocess
from xml.etree.ElementTree import fromstring

import pytest

from app.job import Ended
from tests.libvirt.watched import far, here, watching
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.real("libvirtd"), pytest.mark.real("sshd")]


def backing(libvirt: Libvirtd, volume: str) -> str | None:
    """What a volume stands on."""
    argv = ["qemu-img", "info", "-U", "--output", "json", str(libvirt.images / volume)]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    return told.get("backing-filename")


@pytest.mark.parametrize("near", [True, False], ids=["local", "ssh"])
async def test_a_template_and_what_is_made_of_it(libvirt: Libvirtd, sshd: Sshd, near: bool) -> None:
    base = libvirt.domain("base", start=False, disks=2, system=True)
    entry = here(libvirt.uri, "hp") if near else far(sshd, libvirt.uri)
    async with watching(entry, sshd=sshd) as on:
        assert (await on.do("template", "hp/base")).outcome is Ended.DONE
        await eventually(lambda: on.rows["hp/base"].template)
        refused = await on.do("start", "hp/base")
        assert refused.outcome is Ended.REFUSED
        assert "it is a template" in refused.message

        done = await on.do("clone", "hp/base", name="web", cores=2, memory="48M", tag=("edge", "v1.2"), start=True)
        assert done.outcome is Ended.DONE, done.message
        await eventually(lambda: on.state("hp/web") == "running")
        web = on.rows["hp/web"]
        assert (web.cores, web.mem_total_bytes, web.labels, web.template) == (2, 48 << 20, ("edge", "v1.2"), False)
        assert web.key != base
        for disk in ("vda", "vdb"):
            original = libvirt.images / f"base-{0 if disk == 'vda' else 1}.qcow2"
            assert backing(libvirt, f"web-{disk}.qcow2") == str(original)
        xml = {name: fromstring(libvirt.virsh("dumpxml", "--inactive", name).stdout) for name in ("base", "web")}
        macs = {name: [one.get("address") for one in root.findall(".//mac")] for name, root in xml.items()}
        assert macs["base"] != macs["web"]

        held = await on.do("destroy", "hp/base")
        assert held.outcome is Ended.REFUSED
        assert "web" in held.message
        runs = await on.do("destroy", "hp/web")
        assert runs.outcome is Ended.REFUSED
        assert (await on.do("destroy", "hp/web", stop=True)).outcome is Ended.DONE
        assert on.asked.type_name == "web"
        await eventually(lambda: "hp/web" not in on.rows)
        assert libvirt.volumes() == {"base-0.qcow2", "base-1.qcow2"}
        assert (await on.do("destroy", "hp/base")).outcome is Ended.DONE
        assert libvirt.volumes() == set()


async def test_any_other_is_copied_whole_and_only_while_it_is_off(libvirt: Libvirtd) -> None:
    uuid = libvirt.domain("web")
    async with watching(here(libvirt.uri, "hp")) as on:
        refused = await on.do("clone", "hp/web", name="copy")
        assert refused.outcome is Ended.REFUSED
        assert "in the middle of its work" in refused.message
        libvirt.virsh("destroy", uuid)
        assert (await on.do("clone", "hp/web", name="copy", disk="+8M")).outcome is Ended.DONE
        assert backing(libvirt, "copy-vda.qcow2") is None
        await eventually(lambda: (row := on.row("hp/copy")) is not None and row.disk_total_bytes == 24 << 20)
        taken = await on.do("clone", "hp/web", name="copy")
        assert taken.outcome is Ended.REFUSED
        for name in ("", "a b", "$(id)", "--x", "7", "x" * 80):
            assert (await on.do("clone", "hp/web", name=name)).exit_code == 2, name
        for option in ({"to": "other"}, {"ip": "dhcp"}, {"vmid": 7}, {"snapshot": "x"}):
            assert (await on.do("clone", "hp/web", name="y", **option)).outcome is not Ended.DONE, option


async def test_ten_at_once(libvirt: Libvirtd) -> None:
    libvirt.domain("base", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        assert (await on.do("template", "hp/base")).outcome is Ended.DONE
        libvirt.domain("worker-3", start=False, disks=0)
        done = await on.do("spawn", "hp/base", count=10, name="worker", start=False)
        assert done.outcome is Ended.DONE, done.message
        assert done.message.startswith("10 made: hp/worker-1, hp/worker-2, hp/worker-4")
        assert (done.as_json()["id"], len(done.data["ids"])) == ("hp/base", 10)
        wanted = {f"hp/worker-{number}" for number in range(1, 12)} | {"hp/base"}
        await eventually(lambda: set(on.rows) == wanted)


async def test_what_is_protected_stays(libvirt: Libvirtd) -> None:
    uuid = libvirt.domain("web", start=False)
    async with watching(here(libvirt.uri, "hp")) as on:
        changed = await on.do("set", "hp/web", cores=3, memory="64M", tag=("a",), notes="--it's\nmine", protected=True)
        assert changed.outcome is Ended.DONE, changed.message
        await eventually(lambda: on.rows["hp/web"].labels == ("a",) and on.rows["hp/web"].cores == 3)
        assert libvirt.virsh("desc", uuid).stdout.strip() == "--it's\nmine"
        assert (await on.do("destroy", "hp/web")).outcome is Ended.REFUSED
        changed = await on.do("set", "hp/web", name="other", protected=False, autostart=False)
        assert changed.outcome is Ended.DONE, changed.message
        await eventually(lambda: "hp/other" in on.rows and on.rows["hp/other"].labels == ("a",))
        assert (await on.do("resize", "hp/other", disk="vda", size="+16M")).outcome is Ended.DONE
        await eventually(lambda: on.rows["hp/other"].disk_total_bytes == 32 << 20)
        assert (await on.do("resize", "hp/other", disk="vda", size="1M")).outcome is Ended.REFUSED
        assert (await on.do("destroy", "hp/other")).outcome is Ended.DONE
