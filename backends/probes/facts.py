"""What does not change while a host runs: its names, its system, its kernel, what it is made of."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from app.link import Probe, Tier
from backends.probes.sections import sections

_SCRIPT = r"""
echo ==uname; uname -n; uname -s; uname -r; uname -m
echo ==os
for f in /etc/os-release /usr/lib/os-release /etc/openwrt_release; do [ -r $f ] && cat $f && break; done
echo ==darwin; command -v sw_vers >/dev/null && { sw_vers -productName; sw_vers -productVersion; }
echo ==cores; getconf _NPROCESSORS_ONLN || nproc || sysctl -n hw.ncpu
echo ==board
for f in /sys/firmware/devicetree/base/model /proc/device-tree/model; do [ -r $f ] && cat $f && break; done
echo; echo ==dmi; for f in sys_vendor product_name; do [ -r /sys/class/dmi/id/$f ] && cat /sys/class/dmi/id/$f; done
echo ==hw; [ -r /proc/version ] || sysctl -n hw.model
"""
_PLACEHOLDERS = (
    "system manufacturer",
    "system product name",
    "to be filled",
    "default string",
    "not specified",
    "none",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host says of itself; ``None`` where it does not."""

    hostname: str | None
    os: str | None
    kernel: str | None
    arch: str | None
    cores: int | None
    model: str | None


def parse_facts(answer: bytes) -> Facts:
    """Every piece that could be read; none of them is required."""
    parts = sections(answer.replace(b"\0", b""))
    uname = parts.get("uname", [])
    hostname, system, kernel, arch = (*uname, *[None] * 4)[:4]
    cores = next(iter(parts.get("cores", [])), "")
    darwin = parts.get("darwin", [])
    return Facts(
        hostname=hostname,
        os=_os(parts.get("os", [])) or " ".join(darwin).strip() or system,
        kernel=kernel,
        arch=arch,
        cores=int(cores) if cores.isdigit() and 0 < int(cores) < 100_000 else None,
        model=_model(parts),
    )


def _os(lines: list[str]) -> str | None:
    """The pretty name of ``os-release``, else name and version."""
    fields: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals:
            try:
                words = shlex.split(value)
            except ValueError:
                continue
            fields[key] = words[0] if words else ""
    name = fields.get("PRETTY_NAME") or fields.get("DISTRIB_DESCRIPTION")
    if name:
        return name
    return " ".join(part for part in (fields.get("NAME"), fields.get("VERSION")) if part) or None


def _model(parts: dict[str, list[str]]) -> str | None:
    """The board's own name, else maker and product, unless nobody filled them in."""
    board = next(iter(parts.get("board", [])), "").strip()
    if board:
        return board
    dmi = [line.strip() for line in parts.get("dmi", [])]
    kept = [line for line in dmi if not line.lower().startswith(_PLACEHOLDERS)]
    if kept:
        return " ".join(dict.fromkeys(kept))
    return next(iter(parts.get("hw", [])), "").strip() or None


FACTS = Probe("facts", Tier.ONCE, parse_facts, script=_SCRIPT)
