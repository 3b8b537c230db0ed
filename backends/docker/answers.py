"""Parts of an engine's JSON answers, each as what it should be: something else reads as empty."""

from __future__ import annotations

from typing import Any, cast


def mapping(value: Any) -> dict[str, Any]:
    """An object; empty for ``null`` and anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return (
        [mapping(one) for one in cast("list[Any]", value) if isinstance(one, dict)] if isinstance(value, list) else []
    )


def strings(value: Any) -> list[str]:
    """The texts of a list."""
    return [one for one in cast("list[Any]", value) if isinstance(one, str)] if isinstance(value, list) else []
