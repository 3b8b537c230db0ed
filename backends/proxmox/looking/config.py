"""A guest's configuration taken apart: disks, network interfaces, and what of it is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from backends.docker.secret_words import COVER, covered_text
from backends.proxmox.lenient import text

_DISK = re.compile(r"(?:ide|sata|scsi|virtio|efidisk|tpmstate|mp|unused)\d+|rootfs")
_NET = re.compile(r"net\d+")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_SECRET = ("cipassword", "password")
_FREE_TEXT = ("args", "description", "hookscript", "cicustom")


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk or mount point."""

    key: str
    volume: str
    """``local-lvm:vm-101-disk-0``; ``none`` for an empty drive."""
    size: str
    """As it was written: ``32G``."""
    options: str
    cdrom: bool

    @property
    def storage(self) -> str:
        """Where it lies; empty for a path of the node."""
        return self.volume.partition(":")[0] if ":" in self.volume and not self.volume.startswith("/") else ""


@dataclass(frozen=True, slots=True)
class Net:
    """One network interface."""

    key: str
    name: str
    """Within the guest: of containers only."""
    model: str
    mac: str
    bridge: str
    vlan: str
    firewall: bool
    address: str
    """As configured, of containers only: ``dhcp``, ``10.0.0.5/24``."""
    down: bool


def _pairs(said: str) -> tuple[list[str], dict[str, str]]:
    """(what stands without a key, key -> value) of ``a,b=c,d=e``."""
    bare: list[str] = []
    keyed: dict[str, str] = {}
    for part in said.split(","):
        key, equals, value = part.partition("=")
        if equals:
            keyed[key.strip()] = value
        elif part:
            bare.append(part)
    return bare, keyed


def _number(key: str) -> tuple[str, int]:
    bare = key.rstrip("0123456789")
    return bare, int(key[len(bare) :] or 0)


def disks(config: Mapping[str, Any]) -> list[Disk]:
    """Its disks in the order of their keys."""
    found: list[Disk] = []
    for key in sorted((one for one in config if _DISK.fullmatch(one)), key=_number):
        bare, keyed = _pairs(text(config[key]))
        volume = bare[0] if bare else keyed.pop("file", keyed.pop("volume", ""))
        cdrom = keyed.pop("media", "") == "cdrom"
        size = keyed.pop("size", "")
        options = ",".join(f"{name}={value}" for name, value in keyed.items())
        found.append(Disk(key, volume, size, options, cdrom))
    return found


def nets(config: Mapping[str, Any]) -> list[Net]:
    """Its network interfaces in the order of their keys."""
    found: list[Net] = []
    for key in sorted((one for one in config if _NET.fullmatch(one)), key=_number):
        bare, keyed = _pairs(text(config[key]))
        model = next((name for name, value in keyed.items() if _MAC.fullmatch(value) and name != "hwaddr"), "")
        addresses = [keyed[name] for name in ("ip", "ip6") if keyed.get(name)]
        found.append(
            Net(
                key=key,
                name=keyed.get("name", ""),
                model=model or keyed.get("model", bare[0] if bare else keyed.get("type", "")),
                mac=(keyed.get(model, "") if model else keyed.get("hwaddr", keyed.get("macaddr", ""))).upper(),
                bridge=keyed.get("bridge", ""),
                vlan=keyed.get("tag", ""),
                firewall=keyed.get("firewall") == "1",
                address=", ".join(addresses),
                down=keyed.get("link_down") == "1",
            )
        )
    return found


def masked(key: str, value: Any) -> str:
    """A value of a configuration as it may be shown."""
    said = text(value) if not isinstance(value, bool) else str(int(value))
    if any(word in key.lower() for word in _SECRET):
        return COVER if said else ""
    if key == "sshkeys":
        return unquote(said).strip()
    return covered_text(said) if key in _FREE_TEXT else said


def agent_on(config: Mapping[str, Any]) -> bool:
    """Whether a virtual machine is configured to have a guest agent."""
    bare, keyed = _pairs(text(config.get("agent")))
    return (bare[0] if bare else keyed.get("enabled", "0")) == "1"
