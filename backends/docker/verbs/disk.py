"""How large things are: ``GET /system/df`` of an engine, read once for a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.column import size_text
from backends.docker.answers import mapping, objects, strings
from backends.docker.contract import Client, Engine

DISK_S = 180.0
"""An engine counts the bytes of every volume for it, file by file."""

What = Literal["image", "volume", "build-cache"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRecord:
    """One piece of the build cache."""

    id: str
    type: str
    description: str
    size_bytes: int
    in_use: bool
    shared: bool
    """An image has it as well."""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """What an engine keeps on its disk, in bytes; what it did not tell is absent or ``None``."""

    layers: int | None = None
    """All layers of all images together, each counted once."""
    images: Mapping[str, int] = field(default_factory=dict[str, int])
    """Image id -> bytes, shared layers included."""
    volumes: Mapping[str, int] = field(default_factory=dict[str, int])
    cache: tuple[CacheRecord, ...] = ()


async def disk(engine: Engine, *what: What) -> Disk:
    """Ask an engine; only for some things where it can be asked so (from API 1.42 on; older ones tell everything)."""

    def ask(client: Client) -> Any:
        return client._result(client._get(client._url("/system/df"), params={"type": list(what)}), json=True)

    said = mapping(await engine.call(ask, timeout=DISK_S))
    layers = said.get("LayersSize")
    if layers is None:
        layers = mapping(said.get("ImageUsage")).get("TotalSize")
    return Disk(
        layers=layers if isinstance(layers, int) and layers >= 0 else None,
        images={
            str(one.get("Id")): size for one in _items(said, "Image") if (size := _size(one.get("Size"))) is not None
        },
        volumes={
            str(one.get("Name")): size
            for one in _items(said, "Volume")
            if (size := _size(mapping(one.get("UsageData")).get("Size"))) is not None
        },
        cache=tuple(_record(one) for one in _items(said, "BuildCache")),
    )


def _items(said: Mapping[str, Any], name: str) -> Sequence[dict[str, Any]]:
    """``Images`` of the older answers, ``ImageUsage.Items`` of the newer; an engine without any leaves it out."""
    plain = objects(said.get(name if name == "BuildCache" else f"{name}s"))
    return plain or objects(mapping(said.get(f"{name}Usage")).get("Items"))


def _record(one: Mapping[str, Any]) -> CacheRecord:
    parents = strings(one.get("Parents")) or strings([one.get("Parent")])
    return CacheRecord(
        id=str(one.get("ID", "")),
        type=str(one.get("Type", "")),
        description=str(one.get("Description", "")),
        size_bytes=_size(one.get("Size")) or 0,
        in_use=bool(one.get("InUse")),
        shared=bool(one.get("Shared")),
        parents=tuple(parent for parent in parents if parent),
    )


def _size(value: Any) -> int | None:
    """-1 is the engine's word for not known."""
    return value if isinstance(value, int) and value >= 0 else None


def bytes_text(size: int | None) -> str:
    """Bytes for a sentence."""
    if size is None:
        return "size not known"
    return f"{size} B" if size < 1000 else size_text(size)
