"""The counters of one container as its engine tells them: ``GET /containers/ID/stats?stream=0&one-shot=1``.

Field names follow the Docker Engine API (v1.41), "Get container stats based on resource usage".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from backends.docker.contract import Client
from backends.docker.usage import Counters


def counters(client: Client, container_id: str) -> Counters:
    """Ask about one container; blocks. A limit that is none is told as the machine's whole memory."""
    return read(client.stats(container_id, stream=False, one_shot=True))


def machine_memory(client: Client) -> int:
    """Bytes the engine's machine has; blocks."""
    return _whole(_part(client.info()).get("MemTotal")) or 0


def read(said: Any) -> Counters:
    """Counters out of an answer; what is missing or unreadable is ``None``."""
    answer = _part(said)
    memory, cpu = _part(answer.get("memory_stats")), _part(answer.get("cpu_stats"))
    used, details = _whole(memory.get("usage")), _part(memory.get("stats"))
    idle = _whole(details.get("total_inactive_file", details.get("inactive_file")))
    if used is not None and idle is not None and idle < used:
        used -= idle
    nanoseconds = _whole(_part(cpu.get("cpu_usage")).get("total_usage"))
    blocks = _listed(_part(answer.get("blkio_stats")).get("io_service_bytes_recursive"))
    networks = [_part(one) for one in _part(answer.get("networks")).values()]
    return Counters(
        cpu_s=None if nanoseconds is None else nanoseconds / 1e9,
        mem_used_bytes=used,
        mem_limit_bytes=_whole(memory.get("limit")),
        pids=_whole(_part(answer.get("pids_stats")).get("current")),
        read_bytes=_sum(blocks, "read"),
        written_bytes=_sum(blocks, "write"),
        received_bytes=sum(_whole(one.get("rx_bytes")) or 0 for one in networks) if networks else None,
        sent_bytes=sum(_whole(one.get("tx_bytes")) or 0 for one in networks) if networks else None,
    )


def _part(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [_part(one) for one in cast("list[Any]", value)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _sum(blocks: list[Mapping[str, Any]], direction: str) -> int | None:
    found = [_whole(one.get("value")) or 0 for one in blocks if str(one.get("op")).lower() == direction]
    return sum(found) if found else None
