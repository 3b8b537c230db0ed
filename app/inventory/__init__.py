"""hosts.yaml: found, read, checked, explained, edited and watched.

The face of the package. Importing it imports neither pydantic nor yaml; reading a file does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.inventory.model import InvalidInventory, Inventory, Mistake
from app.inventory.pattern import matches, select

__all__ = [
    "InvalidInventory",
    "Inventory",
    "Mistake",
    "explain",
    "load",
    "matches",
    "schema",
    "select",
    "validate",
]


def load(path: Path | None = None) -> Inventory:
    """The inventory of a file; without a path, of the one found by the rules, or this machine alone.

    A mistake in one node's entry puts a fault on that node. Any other raises InvalidInventory, which lists them all:
    a rule that was misspelt must not silently protect nothing. A path that was given must exist.
    """
    from app.inventory.find import find

    found = find(path)
    if found.path is None:  # the first look needs no file, and so neither yaml nor pydantic
        from app.inventory.building import built_in

        return built_in(found)
    from app.inventory import kept

    return kept.load(path)


def validate(path: Path | None = None) -> tuple[Mistake, ...]:
    """Every mistake and warning of a file and of those it imports, in the order of their places."""
    from app.inventory import loading

    return loading.read(path).mistakes


def explain(path: Path | Inventory | None, name: str) -> list[tuple[str, str, str]]:
    """Where each value of a node comes from: (key, value, ``hosts.yaml:12:5`` and the like).

    Runs ``ssh -G`` for a node that is reached by SSH. Raises Missing for a node nobody configured.
    """
    from app.inventory import explaining

    return explaining.explain(path.path if isinstance(path, Inventory) else path, name)


def schema() -> dict[str, Any]:
    """The JSON Schema of hosts.yaml."""
    from app.inventory import shapes

    return shapes.json_schema()
