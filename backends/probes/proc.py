"""The cheap figures, from ``/proc``: counters as the kernel gives them; rates are made of two of them elsewhere.

Formats: proc(5). These parsers run for every host at every tick, so they split bytes and do nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.errors import BadAnswer
from app.link import Probe, Tier

Ticks = tuple[int, int]
"""(busy, all) in clock ticks since the boot."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Time spent by all cores together and by each; ``cores`` are in the order of their numbers."""

    total: Ticks
    cores: tuple[Ticks, ...]
    numbers: tuple[bytes, ...]
    """Which cores those are (``cpu0``); a core that is switched off is missing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    total: int
    available: int
    swap_total: int
    swap_free: int


@dataclass(frozen=True, slots=True)
class Load:
    """Averages over 1, 5 and 15 minutes."""

    one: float
    five: float
    fifteen: float


Counters = dict[bytes, tuple[int, int]]
"""By device: bytes (in, out) or (read, written) since it was made."""


def _ticks(fields: list[bytes]) -> Ticks:
    """Busy is user, nice, system, irq and softirq; idle, iowait and steal are not, guests are in user already."""
    user, nice, system, idle = int(fields[1]), int(fields[2]), int(fields[3]), int(fields[4])
    iowait, irq, softirq, steal = (int(field) for field in (*fields[5:9], b"0", b"0", b"0", b"0")[:4])
    busy = user + nice + system + irq + softirq
    return busy, busy + idle + iowait + steal


def parse_cpu(answer: bytes) -> Cpu:
    """``/proc/stat``; only its first lines are looked at."""
    end = answer.find(b"\nintr")
    rows = [line.split() for line in (answer if end < 0 else answer[:end]).split(b"\n") if line.startswith(b"cpu")]
    if not rows or rows[0][0] != b"cpu" or any(len(row) < 5 for row in rows):
        raise BadAnswer("/proc/stat has no line of all cores")
    try:
        return Cpu(_ticks(rows[0]), tuple([_ticks(row) for row in rows[1:]]), tuple([row[0] for row in rows[1:]]))
    except ValueError:
        raise BadAnswer("/proc/stat holds something that is no number") from None


def _kib(answer: bytes, name: bytes) -> int | None:
    """One line of ``/proc/meminfo`` in bytes."""
    at = 0 if answer.startswith(name) else answer.find(b"\n" + name) + 1
    if at == 0 and not answer.startswith(name):
        return None
    end = answer.find(b"\n", at)
    fields = answer[at + len(name) : end if end >= 0 else len(answer)].split()
    if not fields or not fields[0].isdigit():
        raise BadAnswer("/proc/meminfo holds something that is no number")
    return int(fields[0]) << 10


def parse_memory(answer: bytes) -> Memory:
    """``/proc/meminfo``. Kernels before 3.14 do not say what is available: free, buffers and caches then."""
    total = _kib(answer, b"MemTotal:")
    if total is None:
        raise BadAnswer("/proc/meminfo does not say how much there is")
    available = _kib(answer, b"MemAvailable:")
    if available is None:
        parts = [_kib(answer, name) or 0 for name in (b"MemFree:", b"Buffers:", b"Cached:", b"SReclaimable:")]
        available = sum(parts) - (_kib(answer, b"Shmem:") or 0)
    available = min(total, max(0, available))
    return Memory(total, available, _kib(answer, b"SwapTotal:") or 0, _kib(answer, b"SwapFree:") or 0)


def parse_load(answer: bytes) -> Load:
    """``/proc/loadavg``."""
    try:
        one, five, fifteen = answer.split(None, 3)[:3]
        return Load(float(one), float(five), float(fifteen))
    except ValueError:
        raise BadAnswer("/proc/loadavg is unreadable") from None


def parse_uptime(answer: bytes) -> float:
    """``/proc/uptime``: seconds since the boot, in steps of 0.01; the host's own measure of time between samples."""
    try:
        seconds = float(answer.split(None, 1)[0])
    except (ValueError, IndexError):
        raise BadAnswer("/proc/uptime is unreadable") from None
    if not 0 <= seconds < 1e10:
        raise BadAnswer("/proc/uptime is absurd")
    return seconds


_DOUBLES = (
    b"lo",
    b"veth",
    b"docker",
    b"br",  # bridges: br0, br-lan, br-1a2b3c
    b"virbr",
    b"vmbr",
    b"vnet",
    b"tap",
    b"tun",
    b"wg",
    b"tailscale",
    b"zt",
    b"bond",
    b"team",
    b"vlan",
    b"vxlan",
    b"macv",
    b"ipvlan",
    b"ifb",
    b"dummy",
    b"cni",
    b"flannel",
    b"cali",
    b"cilium",
    b"lxc",
    b"lxd",
    b"fwbr",
    b"fwpr",
    b"fwln",
    b"podman",
    b"ovs",
    b"sit",
    b"gre",
    b"ip6",
    b"tunl",
    b"pppoe",
    b"nlmon",
    b"utun",
)
"""Interfaces whose bytes pass through another one as well, or never leave the host."""


def doubles(interface: bytes) -> bool:
    """Whether an interface's bytes are not to be counted: see ``_DOUBLES``; ``eth0.7`` is a VLAN on ``eth0``."""
    return interface.startswith(_DOUBLES) or b"." in interface


def parse_net(answer: bytes) -> Counters:
    """``/proc/net/dev``: bytes received and sent by each interface that leads out of the host.

    Left out are the loopback and everything virtual that would count bytes twice: bridges, their ports, tunnels,
    bonds (their slaves are counted) and VLANs (what they ride on is counted).
    """
    found: Counters = {}
    for line in answer.split(b"\n")[2:]:
        name, colon, rest = line.partition(b":")
        if not colon:
            continue
        name = name.strip()
        if doubles(name):
            continue
        fields = rest.split(None, 9)
        try:
            found[name] = (int(fields[0]), int(fields[8]))
        except (ValueError, IndexError):
            raise BadAnswer("/proc/net/dev holds something that is no number") from None
    return found


_NO_DISKS = (b"loop", b"ram", b"zram", b"dm-", b"md", b"sr", b"fd", b"drbd", b"bcache", b"zd")
_SECTOR = 512
"""Bytes; /proc/diskstats counts in these whatever the disk does."""


def parse_disks(answer: bytes) -> Counters:
    """``/proc/diskstats``: bytes read and written by each whole disk.

    Left out are partitions, what is made of other disks (``dm-``, ``md``), memory, and images in files.
    """
    found: Counters = {}
    whole = b"\0"
    for line in answer.split(b"\n"):
        fields = line.split(None, 10)
        if len(fields) < 10:
            continue
        name = fields[2]
        if not is_whole(name, whole):
            continue
        whole = name
        try:
            found[name] = (int(fields[5]) * _SECTOR, int(fields[9]) * _SECTOR)
        except ValueError:
            raise BadAnswer("/proc/diskstats holds something that is no number") from None
    return found


def is_whole(name: bytes, last: bytes) -> bool:
    """Whether a block device is a disk of its own; ``last`` is the disk that came before it in the kernel's list."""
    if name.startswith(_NO_DISKS) or (
        name.startswith(b"nvme") and b"c" in name
    ):  # nvme0c0n1: a path of a multipath disk
        return False
    rest = name[len(last) :] if name.startswith(last) else b""
    return not (rest[1:] if rest.startswith(b"p") else rest).isdigit()


FAST: tuple[Probe[Any], ...] = (
    Probe("uptime", Tier.FAST, parse_uptime, ("/proc/uptime",)),
    Probe("cpu", Tier.FAST, parse_cpu, ("/proc/stat",)),
    Probe("memory", Tier.FAST, parse_memory, ("/proc/meminfo",)),
    Probe("load", Tier.FAST, parse_load, ("/proc/loadavg",)),
    Probe("net", Tier.FAST, parse_net, ("/proc/net/dev",)),
    Probe("disks", Tier.FAST, parse_disks, ("/proc/diskstats",)),
)
