"""virsh's answers about all guests, read: who there is, how each is doing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import BadAnswer

LIST = "list --all --uuid --name"
SAVED = "list --all --with-managed-save --uuid"
STATS = "domstats --state --cpu-total --balloon --vcpu --interface --block --nowait"
"""What a look asks. ``--nowait`` leaves out what a guest that is being saved or copied cannot say just now."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FRESH_S = 300.0
"""What a guest's balloon said of its memory longer ago is no figure of now."""

_STATES = ("unknown", "running", "running", "paused", "running", "stopped", "stopped", "suspended")
"""virDomainState: none, running, blocked, paused, shutting down, shut off, crashed, suspended by the guest itself."""
_PAUSED_FOR = {2: "migrate", 3: "save", 4: "dump", 9: "snapshot"}
"""virDomainPausedReason: what holds a guest that is paused."""
_FAULTS = {5: "paused: a disk could not be written, is its storage full?", 6: "paused by its watchdog", 10: "crashed"}


@dataclass(frozen=True, slots=True)
class Stats:
    """What ``domstats`` says of one guest; ``None`` where it does not."""

    state: str
    """As ``Vm.state`` has it."""
    fault: str | None = None
    lock: str | None = None
    task: str | None = None
    cpu_ns: int | None = None
    cores: int | None = None
    mem_total_bytes: int | None = None
    mem_used_bytes: int | None = None
    disk_total_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    net_received_bytes: int | None = None
    net_sent_bytes: int | None = None


def uuids(answer: str) -> dict[str, str]:
    """Name -> UUID of every guest, from ``LIST``. Raises BadAnswer for what is none."""
    found: dict[str, str] = {}
    for line in answer.split("\n"):
        if not line.strip():
            continue
        uuid, _, name = line.partition(" ")
        if not UUID.fullmatch(uuid) or not name:
            raise BadAnswer("virsh lists guests in a form that cannot be read")
        found[name] = uuid
    return found


def saved(answer: str) -> frozenset[str]:
    """The UUIDs of guests whose memory is saved on disk, from ``SAVED``."""
    return frozenset(line.strip() for line in answer.split("\n") if UUID.fullmatch(line.strip()))


def stats(answer: str, now: float) -> dict[str, Stats]:
    """Name -> figures, from ``STATS``; ``now`` is the host's clock, seconds since the epoch."""
    found: dict[str, Stats] = {}
    name: str | None = None
    values: dict[str, str] = {}
    for line in [*answer.split("\n"), "Domain: ''"]:
        if line.startswith("Domain: '"):
            if name is not None:
                found[name] = _stats(values, now)
            name, values = line[9:].removesuffix("'"), {}
        elif line.startswith("  "):
            key, equals, value = line[2:].partition("=")
            if equals:
                values[key] = value
    return found


def _stats(values: Mapping[str, str], now: float) -> Stats:
    def number(key: str) -> int | None:
        said = values.get(key, "")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= 20 else None

    def total(kind: str, key: str) -> int | None:
        known = [number(f"{kind}.{n}.{key}") for n in range(min(number(f"{kind}.count") or 0, 256))]
        some = [one for one in known if one is not None]
        return sum(some) if some else None

    code, reason = number("state.state") or 0, number("state.reason") or 0
    state = _STATES[code] if code < len(_STATES) else "unknown"
    paused = state == "paused"
    fault = _FAULTS.get(reason) if paused else "crashed" if code == 6 else None
    current, most = number("balloon.current"), number("balloon.maximum")
    has = (current if state == "running" else None) or most or current
    return Stats(
        state=state,
        fault=fault,
        lock=_PAUSED_FOR.get(reason) if paused else None,
        task="shuts down" if code == 4 else None,
        cpu_ns=number("cpu.time"),
        cores=number("vcpu.current") or number("vcpu.maximum"),
        mem_total_bytes=has and has * 1024,
        mem_used_bytes=_memory(number, now) if state in ("running", "paused") else None,
        disk_total_bytes=total("block", "capacity"),
        disk_read_bytes=total("block", "rd.bytes"),
        disk_written_bytes=total("block", "wr.bytes"),
        net_received_bytes=total("net", "rx.bytes"),
        net_sent_bytes=total("net", "tx.bytes"),
    )


def _memory(number: Callable[[str], int | None], now: float) -> int | None:
    """What the guest itself says is in use, where its balloon driver does, and lately.

    What of it is in its node's memory is another thing: it never shrinks much, and says nothing of how full it is.
    """
    available, usable = number("balloon.available"), number("balloon.usable") or number("balloon.unused")
    told = number("balloon.last-update") or 0
    if available is None or usable is None or usable > available or now - told >= _FRESH_S:
        return None
    return 1024 * (available - usable)


def errors(answers: Sequence[str]) -> str | None:
    """The first answer that is an error."""
    return next((answer for answer in answers if answer.startswith("error: ")), None)
