"""Failed systemd units, by ``systemctl --failed``."""

from __future__ import annotations

from app.link import Probe, Tier
from backends.probes.sections import sections

_SCRIPT = """
[ -d /run/systemd/system ] && o=$($T systemctl --failed --no-legend --plain --no-pager --full) &&
echo ==failed && printf "%s\\n" "$o"
"""


def parse_failed_units(answer: bytes) -> tuple[str, ...] | None:
    """The names of the units that failed; ``None`` where systemd does not run."""
    lines = sections(answer).get("failed")
    if lines is None:
        return None
    units: list[str] = []
    for line in lines:
        # Before version 246 a bullet stands in front in spite of --plain.
        fields = line.replace("●", " ").replace("*", " ", 1).split()
        if len(fields) >= 4 and "." in fields[0]:
            units.append(fields[0])
    return tuple(sorted(units))


FAILED_UNITS = Probe("failed_units", Tier.SLOW, parse_failed_units, script=_SCRIPT, every=60)
