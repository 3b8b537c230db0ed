"""The named string formats of Proxmox's parameters, as its own validator judges them.

``why_not("pve-configid", "1bad")`` answers the validator's text where the value is refused and ``""`` where it is not.
A format that is not known here accepts any string: a wrong refusal would teach worse than a missing one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_NAME = rf"(?:{_LABEL}\.)*{_LABEL}"
_START = r"(?:order|up|down)=\d+"
_CONFIG_ID = r"[A-Za-z][A-Za-z0-9_-]+"

Judge = Callable[[str], str]


def _pattern(pattern: str, text: str) -> Judge:
    """Refused with ``text`` (``{}`` stands for the value) unless the whole value matches."""
    compiled = re.compile(pattern)

    def judge(value: str) -> str:
        # Perl's $ also lets one newline at the end through, and so do the official patterns.
        return "" if compiled.fullmatch(value.removesuffix("\n")) else text.format(value)

    return judge


def _storage(value: str) -> str:
    if len(value) < 2:
        return f"storage ID '{value}' cannot be shorter than 2 characters"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]", value):
        return f"storage ID '{value}' contains illegal characters"
    return ""


def _user(value: str) -> str:
    if not 3 <= len(value) <= 64:
        return f"user name '{value}' is too {'short' if len(value) < 3 else 'long'}"
    if not re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", value):
        return f"value '{value}' does not look like a valid user name"
    return ""


def _address(of: Callable[[str], object], text: str) -> Judge:
    def judge(value: str) -> str:
        try:
            of(value)
        except ValueError:
            return text
        return ""

    return judge


def _network(of: Callable[[str], object], text: str) -> Judge:
    def judge(value: str) -> str:
        try:
            if "/" not in value:
                return text
            of(value)
        except ValueError:
            return text
        return ""

    return judge


def _interface(value: str) -> str:
    return (
        "" if 2 <= len(value) <= 20 and re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]{1,20}(?:[:.]\d+)?", value)
        else f"invalid network interface name '{value}'"
    )  # fmt: skip


def _mac(value: str) -> str:
    if not re.fullmatch(r"[a-fA-F0-9]{2}(?::[a-fA-F0-9]{2}){5}", value) or int(value[:2], 16) & 1:
        return "value does not look like a valid unicast MAC address"
    return ""


_address_or_name: list[Judge] = []

JUDGES: dict[str, Judge] = {
    "pve-vmid": _pattern(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-node": _pattern(_LABEL, "value does not look like a valid node name"),
    "pve-configid": _pattern(_CONFIG_ID, "invalid configuration ID '{}'"),
    "pve-storage-id": _storage,
    "pve-userid": _user,
    "pve-tokenid": _pattern(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+", "invalid token ID '{}'"),
    "pve-realm": _pattern(r"[A-Za-z][A-Za-z0-9.\-_]+", "value does not look like a valid realm"),
    "pve-poolid": _pattern(r"[A-Za-z0-9.\-_]+(?:/[A-Za-z0-9.\-_]+){0,2}", "value '{}' contains invalid characters"),
    "pve-groupid": _pattern(r"[A-Za-z0-9.\-_]+", "value '{}' contains invalid characters"),
    "pve-roleid": _pattern(r"[A-Za-z0-9.\-_]+", "value '{}' contains invalid characters"),
    "pve-iface": _interface,
    "pve-bridge-id": _pattern(r"[-_.\w\d]+", "invalid bridge name '{}'"),
    "pve-volume-id": _pattern(
        r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+", "unable to parse volume ID '{}'"
    ),
    "pve-tag": _pattern(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*", "invalid characters in tag"),
    "dns-name": _pattern(_NAME, "value does not look like a valid DNS name"),
    "ip": _address(ipaddress.ip_address, "value does not look like a valid IP address"),
    "ipv4": _address(ipaddress.IPv4Address, "value does not look like a valid IPv4 address"),
    "ipv6": _address(ipaddress.IPv6Address, "value does not look like a valid IPv6 address"),
    "CIDR": _network(lambda v: ipaddress.ip_network(v, strict=False), "value does not look like a valid CIDR network"),
    "CIDRv4": _network(ipaddress.IPv4Interface, "value does not look like a valid IPv4 network"),
    "CIDRv6": _network(ipaddress.IPv6Interface, "value does not look like a valid IPv6 network"),
    "mac-addr": _mac,
    "disk-size": _pattern(r"\d+(?:\.\d+)?[KMGT]?", "value does not look like a valid disk size: {}"),
    "urlencoded": _pattern(r"(?:[-%a-zA-Z0-9_.!~*'()])*", "{} is not a valid urlencoded string"),
    "email": _pattern(r"[\w+~-]+(?:\.[\w+~-]+)*@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*",
                      "value does not look like a valid email address"),
    "pve-task-status-type": _pattern(r"ok|error|warning|unknown", "'{}' is not a valid task status type"),
    "pve-storage-content": _pattern(r"[a-z]+", "invalid content type '{}'"),
    "pve-startup-order": _pattern(rf"(?:\d+|{_START})(?:,{_START})*", "unable to parse startup options"),
    "pve-ipv4-config": lambda value: "" if value == "dhcp" else JUDGES["CIDRv4"](value) and "not a valid IPv4 address",
    "pve-ipv6-config": lambda value: (
        "" if value in ("auto", "dhcp") else JUDGES["CIDRv6"](value) and "not a valid IPv6 address"
    ),
    "address": lambda value: (
        JUDGES["ip"](value) and JUDGES["dns-name"](value) and "value does not look like a valid address: " + value
    ),
    "pve-storage-server": lambda value: (
        JUDGES["ip"](value) and JUDGES["dns-name"](value)
        and "value does not look like a valid server name or IP address"
    ),
}  # fmt: skip
"""Format -> who judges it; each answers the text of the refusal or ``""``."""

LISTS = {"pve-tag-list": r"[;, \0]+"}


def why_not(name: str, value: str) -> str:
    """The official text (without its newline) for a value that breaks the format ``name``, or ``""``."""
    judge = JUDGES.get(name)
    if judge is not None:
        return judge(value)
    for ending in ("-list", "-opt"):
        base = JUDGES.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if base is None:
            continue
        if ending == "-opt":
            return base(value) if value else ""
        for one in re.split(r"[,;\s\0]+", value.strip()):
            refused = base(one) if one else ""
            if refused:
                return refused
    return ""
