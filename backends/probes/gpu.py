"""NVIDIA GPUs and who uses them, by ``nvidia-smi --query-…``."""

from __future__ import annotations

from app.errors import BadAnswer
from app.link import Probe, Tier
from backends.kinds.node import Gpu, GpuProcess
from backends.probes.sections import sections

# Names may hold commas, so they come last.
_SCRIPT = """
command -v nvidia-smi >/dev/null || exit
echo ==gpus
q=index,uuid,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,power.limit,name
$T nvidia-smi --format=csv,noheader,nounits --query-gpu=$q
echo ==processes
$T nvidia-smi --format=csv,noheader,nounits --query-compute-apps=gpu_uuid,pid,used_memory,process_name
echo ==end
"""
_MIB = 1 << 20


def _number(text: str) -> float | None:
    """A figure, or ``None`` for ``[N/A]``, ``[Not Supported]``, ``[Insufficient Permissions]`` and the like."""
    try:
        value = float(text.strip())
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _bytes(text: str) -> int | None:
    mebibytes = _number(text)
    return None if mebibytes is None else int(mebibytes * _MIB)


def parse_gpus(answer: bytes) -> tuple[Gpu, ...] | None:
    """One entry a GPU, by index; ``None`` without ``nvidia-smi``; BadAnswer with its words when it fails."""
    parts = sections(answer)
    if "gpus" not in parts:
        return None
    if "end" not in parts:
        raise BadAnswer("nvidia-smi did not come to an end")
    processes: dict[str, list[GpuProcess]] = {}
    for line in parts.get("processes", []):
        fields = [field.strip() for field in line.split(",", 3)]
        if len(fields) == 4 and fields[1].isdigit():
            one = GpuProcess(pid=int(fields[1]), name=fields[3], mem_used_bytes=_bytes(fields[2]))
            processes.setdefault(fields[0], []).append(one)
    found: list[Gpu] = []
    for line in parts["gpus"]:
        if line.startswith("No devices were found"):
            return ()
        fields = [field.strip() for field in line.split(",", 8)]
        if len(fields) != 9 or not fields[0].isdigit():
            words = line.strip().split(". ")[0][:120]
            raise BadAnswer(words if words.startswith("NVIDIA-SMI") else f"nvidia-smi: {words}")
        index, uuid, util, used, total, temp, power, limit, name = fields
        found.append(
            Gpu(
                index=int(index),
                name=name,
                util_percent=_number(util),
                mem_used_bytes=_bytes(used),
                mem_total_bytes=_bytes(total),
                temp_celsius=_number(temp),
                power_watts=_number(power),
                power_limit_watts=_number(limit),
                processes=tuple(processes.get(uuid, ())),
            )
        )
    return tuple(found)


GPUS = Probe("gpus", Tier.SLOW, parse_gpus, script=_SCRIPT, every=15)
