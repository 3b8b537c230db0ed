"""Temperatures, from ``/sys/class/hwmon`` and ``/sys/class/thermal``, read by the shell's own ``read``."""

from __future__ import annotations

from collections import Counter

from app.errors import BadAnswer
from app.link import Probe, Tier
from backends.kinds.node import Temperature

_SCRIPT = r"""
r() { x=; [ -r "$1" ] && IFS= read -r x <"$1"; }
echo ==
for h in /sys/class/hwmon/hwmon*; do
[ -r "$h/name" ] || continue
r "$h/name"; n=$x
for i in "$h"/temp*_input; do
p=${i%_input}
r "$i"; v=$x; r "${p}_label"; l=$x; r "${p}_crit"
printf "h\t%s\t%s\t%s\t%s\n" "$n" "$l" "$v" "$x"
done
done
for z in /sys/class/thermal/thermal_zone*; do
[ -r "$z/temp" ] || continue
r "$z/type"; n=$x; r "$z/temp"; v=$x; c=
for t in "$z"/trip_point_*_type; do r "$t"; [ "$x" = critical ] && { r "${t%_type}_temp"; c=$x; break; }; done
printf "z\t%s\t\t%s\t%s\n" "$n" "$v" "$c"
done
"""
_LOWEST, _HIGHEST = -60.0, 125.0
"""Unconnected sensors of mainboards say such things as -62 or 127.5 degrees."""
_HIGHEST_LIMIT = 200.0


def _celsius(text: str, highest: float) -> float | None:
    """Millidegrees as degrees; nothing for what a broken or absent sensor says."""
    if not text.removeprefix("-").isdecimal() or len(text) > 9:
        return None
    value = int(text) / 1000
    return round(value, 1) if _LOWEST < value <= highest and value != 0 else None


def parse_temperatures(answer: bytes) -> tuple[Temperature, ...] | None:
    """Every sensor once; ``None`` where the host has none it tells of.

    A thermal zone mostly has a twin among the hwmon devices, under the same name: the twin is kept, as it has labels.
    """
    lines = answer.decode("utf-8", "replace").split("\n")
    if "==" not in lines:
        raise BadAnswer("the sensors' answer is incomplete")
    found: list[tuple[str, float, float | None]] = []
    devices: set[str] = set()
    for line in lines:
        fields = line.split("\t")
        if len(fields) != 5 or fields[0] not in ("h", "z"):
            continue
        kind, name, label, value, critical = fields
        name = name.strip() or "sensor"
        same = name.replace("-", "_")
        if kind == "z" and same in devices:
            continue
        celsius = _celsius(value, _HIGHEST)
        if celsius is None:
            continue
        if kind == "h":
            devices.add(same)
        limit = _celsius(critical, _HIGHEST_LIMIT)
        found.append((f"{name} {label}".strip(), celsius, limit if limit is not None and limit > 0 else None))
    counts = Counter(label for label, _, _ in found)
    seen: Counter[str] = Counter()
    named: list[Temperature] = []
    for label, celsius, critical_celsius in found:
        seen[label] += 1
        unique = f"{label} {seen[label]}" if counts[label] > 1 else label
        named.append(Temperature(label=unique, celsius=celsius, critical_celsius=critical_celsius))
    return tuple(named) or None


TEMPERATURES = Probe("temperatures", Tier.SLOW, parse_temperatures, script=_SCRIPT, every=30)
