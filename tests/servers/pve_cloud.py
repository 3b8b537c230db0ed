"""Cloud-init drives of the peer's machines, and the files and images that its storages fetch."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from tests.servers.pve_base import VM, Call, FakePve, PveError, answers
from tests.servers.pve_disks import CLOUD_KEY


class Cloud(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.download_size = 600 * 1024**2
        """Bytes that everything fetched has."""

    # -- cloud-init

    @answers("GET", f"{VM}/cloudinit")
    async def cloudinit(self, call: Call) -> list[dict[str, Any]]:
        """Its keys, and those not yet on the drive."""
        vm = self.find(call.node, call.vmid)
        drive: dict[str, Any] = getattr(vm, "cloud_drive", {})
        now = self._hiding({key: value for key, value in vm.config.items() if CLOUD_KEY.fullmatch(key)})
        rows: list[dict[str, Any]] = []
        for key in sorted({*now, *drive}):
            if drive.get(key) == now.get(key):
                rows.append({"key": key, "value": now[key]})
            elif key in now:
                rows.append({"key": key, "new": now[key]} | ({"old": drive[key]} if key in drive else {}))
            else:
                rows.append({"key": key, "old": drive[key], "delete": 1})
        return rows

    @answers("PUT", f"{VM}/cloudinit")
    async def write_cloudinit(self, call: Call) -> None:
        """Write the drive anew."""
        vm = self.find(call.node, call.vmid)
        if not any("cloudinit" in str(value) for value in vm.config.values()):
            raise PveError(500, "no cloudinit drive configured")
        vm.cloud_drive = self._hiding({key: value for key, value in vm.config.items() if CLOUD_KEY.fullmatch(key)})

    @answers("GET", f"{VM}/cloudinit/dump")
    async def dump_cloudinit(self, call: Call) -> str:
        """What would stand on the drive."""
        config = self.find(call.node, call.vmid).config
        if call.values["type"] == "network":
            return "version: 1\nconfig:\n" + "".join(
                f"    # {key}: {config[key]}\n" for key in sorted(config) if key.startswith("ipconfig")
            )
        if call.values["type"] == "meta":
            return f"instance-id: {call.vmid}\n"
        keys = urllib.parse.unquote(str(config.get("sshkeys", ""))).splitlines()
        said = [f"#cloud-config\nhostname: {config.get('name', '')}\nmanage_etc_hosts: true"]
        said += [f"user: {config['ciuser']}"] if "ciuser" in config else []
        said += ["ssh_authorized_keys:", *(f"  - {key}" for key in keys)] if keys else []
        return "\n".join(said) + "\n"

    # -- files from elsewhere

    @answers("GET", "/nodes/{node}/query-url-metadata")
    async def url_facts(self, call: Call) -> dict[str, Any]:
        """What a server says of a file; nothing is fetched."""
        name = str(call.values["url"]).rpartition("/")[2]
        return {"filename": name, "size": self.download_size, "mimetype": "application/octet-stream"}

    @answers("POST", "/nodes/{node}/storage/{storage}/download-url")
    async def download(self, call: Call) -> str:
        """Fetch a file, that is: have one of ``download_size`` bytes there when the task has ended."""
        name, asked = str(call.values["storage"]), call.values
        store = self._active_store(name, call.node)
        self._need_file_storage(store, "can't upload to storage type '{0}', not a file based storage!")
        if asked["content"] not in self._words(store.get("content")):
            raise PveError(500, f"storage '{name}' is not configured for content-type '{asked['content']}'")
        endings = {
            "iso": r"\.(?:iso|img)",
            "vztmpl": r"\.tar\.(?:gz|xz|zst|bz2)",
            "import": r"\.(?:ova|qcow2|raw|vmdk)",
        }
        if not re.search(endings[asked["content"]] + "$", asked["filename"]):
            why = {"filename": "wrong file extension"}
            raise PveError(400, "Parameter verification failed.", why)

        async def work() -> None:
            for part in (25, 50, 75, 100):
                await self.pause(1)
                self.say(f"{part * 6144}K .......... .......... .......... .......... .......... {part}% 88.1M 1s")
            self.store_file(name, asked["filename"], self.download_size, asked["content"])
            self.say(f"download of '{asked['url']}' to '/var/lib/vz/{asked['filename']}' finished")

        line = f"downloading {asked['url']} to /var/lib/vz/template/{asked['content']}/{asked['filename']}"
        return await self.task(call.node, "download", asked["filename"], call.user, work, log=[line])
