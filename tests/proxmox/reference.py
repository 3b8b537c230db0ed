"""The official schema and the recorded answers beside this checkout, for tests that cannot do without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import REAL_REQUIRED
from tests.servers.pve_schema import folder

WHY = "neither QUARTERDECK_SHARED nor ../shared has proxmox/api-schema-pve9.json"


def reference() -> Path:
    """The folder of them. Without one: skipped, and failed where real parts are required.

    ``QUARTERDECK_SHARED=absent`` says in so many words that this machine has none, and is believed.
    """
    place = folder()
    if place is None and REAL_REQUIRED and os.environ.get("QUARTERDECK_SHARED") != "absent":
        pytest.fail(f"{WHY}; QUARTERDECK_SHARED=absent does without it")
    if place is None:
        pytest.skip(WHY)
    return place / "proxmox"
