"""All verbs of stacks, in one class."""

from __future__ import annotations

from backends.compose.reading import Reading
from backends.compose.updating import Updating


class ComposeVerbs(Updating, Reading):
    """Mixed into a ``Backend``, before it."""


__all__ = ["ComposeVerbs"]
