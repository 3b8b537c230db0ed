"""A Raspberry Pi's under-voltage and throttling, by the firmware's ``get_throttled`` word.

Bits (Raspberry Pi documentation, ``vcgencmd``): 0 to 3 hold now, 16 to 19 have held since the boot.
"""

from __future__ import annotations

import re

from app.errors import BadAnswer
from app.link import Probe, Tier
from backends.kinds.node import Throttling

_SCRIPT = """
f=/sys/devices/platform/soc/soc:firmware/get_throttled
if [ -r $f ]; then IFS= read -r x <$f; echo "0x$x"
elif command -v vcgencmd >/dev/null; then $T vcgencmd get_throttled; fi
"""
_BITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")


def parse_throttling(answer: bytes) -> Throttling | None:
    """The word taken apart; ``None`` on anything but a Pi, or where the firmware may not be asked."""
    text = answer.decode("ascii", "replace").strip()
    if not text or "failed" in text.lower() or "not permitted" in text.lower():
        return None
    match = re.fullmatch(r"(?:throttled=)?(?:0x)+([0-9a-fA-F]{1,8})", text)
    if match is None:
        raise BadAnswer("get_throttled answered something else than a number")
    word = int(match[1], 16)
    return Throttling(
        now=tuple(name for bit, name in enumerate(_BITS) if word >> bit & 1),
        occurred=tuple(name for bit, name in enumerate(_BITS) if word >> (bit + 16) & 1),
    )


THROTTLING = Probe("throttling", Tier.SLOW, parse_throttling, script=_SCRIPT, every=30)
