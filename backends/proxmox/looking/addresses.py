"""Where a guest can be reached: what its agent says, or of a container its node."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import BadAnswer
from backends.proxmox.lenient import mapping, rows, text

_OTHERS = ("lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "tap", "fwbr", "podman")
"""Interfaces that a guest makes for itself."""
MOST = 64


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface as the guest has it."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    """With their prefixes where told; link-local ones left out."""

    @property
    def own(self) -> bool:
        """Made by the guest for itself: a bridge of containers, a loopback."""
        return self.name.startswith(_OTHERS)


def of_agent(answer: Any) -> list[Interface]:
    """``agent/network-get-interfaces``; raises BadAnswer where the agent refused within a good answer."""
    result = mapping(answer).get("result", answer)
    error = mapping(mapping(result).get("error"))
    if error:
        raise BadAnswer(f"its agent says: {text(error.get('desc')) or text(error.get('class')) or 'no'}")
    return _interfaces(result)


def of_container(answer: Any) -> list[Interface]:
    """``lxc/N/interfaces``; nothing of one that is stopped."""
    return _interfaces(answer)


def _interfaces(answer: Any) -> list[Interface]:
    found: list[Interface] = []
    for row in rows(answer)[:MOST]:
        told = [_joined(text(one.get("ip-address")), text(one.get("prefix"))) for one in rows(row.get("ip-addresses"))]
        told += [text(row.get("inet")), text(row.get("inet6"))]
        kept = tuple(dict.fromkeys(one for one in told if _worth(one)))
        mac = text(row.get("hardware-address")) or text(row.get("hwaddr"))
        found.append(Interface(text(row.get("name")), mac.upper(), kept))
    return found


def _joined(address: str, prefix: str) -> str:
    return f"{address}/{prefix}" if address and prefix else address


def bare(address: str) -> str:
    """An address without its prefix and scope."""
    return address.partition("/")[0].partition("%")[0]


def _worth(address: str) -> bool:
    try:
        told = ipaddress.ip_address(bare(address))
    except ValueError:
        return False
    return not (told.is_loopback or told.is_link_local or told.is_unspecified)


def outward(interfaces: Sequence[Interface], macs: Sequence[str]) -> list[Interface]:
    """Those that lead out of the guest, the ones of its configured cards first and in their order."""
    order = {mac.upper(): number for number, mac in enumerate(macs)}
    out = [one for one in interfaces if one.addresses and not one.own]
    return sorted(out, key=lambda one: order.get(one.mac, len(order)))
