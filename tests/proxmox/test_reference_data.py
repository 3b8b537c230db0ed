"""The official schema and the recorded answers: what judges the rest of this folder must be there to judge."""

from __future__ import annotations

import os

import pytest

from tests.conftest import REAL_REQUIRED
from tests.servers.pve_schema import folder


def test_the_reference_data_is_there_where_real_parts_are_required() -> None:
    """``QUARTERDECK_SHARED`` names it; ``absent`` says in so many words that this machine has none."""
    if folder() is None:
        why = "neither QUARTERDECK_SHARED nor ../shared has proxmox/api-schema-pve9.json"
        if REAL_REQUIRED and os.environ.get("QUARTERDECK_SHARED") != "absent":
            pytest.fail(f"{why}; QUARTERDECK_SHARED=absent does without it")
        pytest.skip(why)
    assert folder() is not None
