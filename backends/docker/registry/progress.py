"""What a pull's messages add up to: bytes of all its layers, and a line for each thing that happens to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.column import clean, size_text
from backends.docker.answers import mapping

_FETCHED = frozenset({"Download complete", "Verifying Checksum", "Extracting", "Pull complete"})
_UNSAID = frozenset({"Verifying Checksum", "Extracting"})
"""Steps of a layer that are worth no line."""


@dataclass(slots=True)
class Layer:
    """One layer on its way; ``total`` is ``None`` until the engine has told how large it is."""

    done: int = 0
    total: int | None = None
    fetched: bool = False
    unpacked: int = 0
    there: bool = False
    """It was there before, or is unpacked."""
    status: str = ""


class PullProgress:
    """Takes the messages of one pull in their order."""

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}
        self.digest = ""
        """As the engine said at the end, ``sha256:…``."""
        self.status = ""
        """Its last words, such as ``Image is up to date for …``."""

    def take(self, message: Mapping[str, Any]) -> str | None:
        """One message; returns a line for the log where it tells something new."""
        status = str(message.get("status") or "")
        name = str(message.get("id") or "")
        if not name:
            return self._whole(status)
        if status.startswith("Pulling from"):
            return clean(f"{name}: {status[0].lower()}{status[1:]}")
        layer = self.layers.setdefault(name, Layer())
        detail = mapping(message.get("progressDetail"))
        current, total = _bytes(detail.get("current")), _bytes(detail.get("total"))
        if status == "Downloading":
            layer.done, layer.total = current or 0, total or layer.total
        elif status == "Extracting":
            layer.unpacked, layer.total = current or 0, layer.total or total
        elif status in ("Pull complete", "Already exists"):
            layer.there = True
            layer.unpacked = layer.total or 0
        if status in _FETCHED:
            layer.fetched = True
            layer.done = layer.total or layer.done
        return self._line(name, layer, status)

    def _whole(self, status: str) -> str | None:
        if status.startswith("Digest: "):
            self.digest = status.removeprefix("Digest: ").strip()
        elif status.startswith("Status: "):
            self.status = status.removeprefix("Status: ").strip()
        return clean(status) or None

    @staticmethod
    def _line(name: str, layer: Layer, status: str) -> str | None:
        before, layer.status = layer.status, status
        counting_down = status.startswith("Retrying") and before.startswith("Retrying")
        if status == before or status in _UNSAID or counting_down:
            return None
        size = f" {size_text(layer.total)}" if status == "Downloading" and layer.total else ""
        return clean(f"{name}: {status[:1].lower()}{status[1:]}{size}")

    @property
    def measured(self) -> tuple[int, int | None, str] | None:
        """(bytes done, bytes in all, what is counted): fetched ones, then, when all are there, unpacked ones.

        The sum of all is ``None`` while the size of any layer is yet to be told; nothing before the first layer.
        """
        new = [layer for layer in self.layers.values() if layer.status != "Already exists"]
        if not new:
            return None
        totals = [layer.total if layer.total is not None else 0 if layer.fetched else None for layer in new]
        total = None if None in totals else sum(one for one in totals if one is not None)
        if all(layer.fetched for layer in new):
            return sum(layer.unpacked for layer in new), total, "B unpacked"
        return sum(layer.done for layer in new), total, "B"


def _bytes(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
