"""Every probe that a node's row is made of."""

from __future__ import annotations

from typing import Any

from app.link import Probe
from backends.probes.facts import FACTS
from backends.probes.filesystems import LOCAL, NETWORK
from backends.probes.gpu import GPUS
from backends.probes.packages import UPDATES
from backends.probes.pi import THROTTLING
from backends.probes.proc import FAST
from backends.probes.restart import RESTART
from backends.probes.systemd import FAILED_UNITS
from backends.probes.temperatures import TEMPERATURES

SLOW: tuple[Probe[Any], ...] = (
    FACTS,
    LOCAL,
    TEMPERATURES,
    GPUS,
    FAILED_UNITS,
    THROTTLING,
    RESTART,
    NETWORK,
    UPDATES,
)
"""In the order in which a new connection asks them: one a tick."""

NODE_PROBES: tuple[Probe[Any], ...] = (*FAST, *SLOW)
