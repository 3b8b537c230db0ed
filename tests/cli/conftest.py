"""A fresh world for every test of the command line."""

from __future__ import annotations

import pytest

from tests.frame import galley
from tests.frame.galley import Purse, World


@pytest.fixture(autouse=True)
def world() -> World:
    """Two galleys, three kettles, one mug, and ten coins."""
    galley.PURSE.__dict__.update(vars(Purse()))
    return galley.reset()
