"""The list of projects, looked at once for all nodes: who it is about hears of a change, nobody else does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backends.projects import listing as module
from backends.projects.listing import Listing
from backends.projects.registry import Registered, Registry
from tests.waiting import eventually

WITHIN_S = 30.0


def add(registry: Registry, name: str, node: str) -> None:
    wanted = Registered(node=node, name=name, path=f"/src/{name}", definition="{}", first_port=0)
    registry.add(wanted, (), lambda first: None)


def swap(path: Path, data: bytes) -> None:
    """Other contents at once: half a file would be a list of its own."""
    new = path.with_name("new")
    new.write_bytes(data)
    new.replace(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.02)


async def test_a_change_by_another_console_is_heard_by_the_node_it_is_about(tmp_path: Path) -> None:
    listing, other = Listing(Registry(tmp_path)), Registry(tmp_path)
    heard: list[str] = []
    ends = [listing.listen(node, lambda node=node: heard.append(node)) for node in ("pi", "hp")]
    await listing.look()
    assert listing.on("pi") == ()
    add(other, "a", "pi")
    await eventually(lambda: heard == ["pi"], WITHIN_S)
    assert [one.name for one in listing.on("pi")] == ["a"]
    assert listing.on("hp") == ()
    other.remove("pi", "a")
    await eventually(lambda: heard == ["pi", "pi"], WITHIN_S)
    assert listing.on("pi") == ()
    for end in ends:
        end()
        end()
    await eventually(lambda: not [one for one in asyncio.all_tasks() if one.get_name() == "list of projects"], WITHIN_S)


async def test_everybody_hears_that_it_cannot_be_read_and_that_it_can_again(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    add(registry, "a", "pi")
    listing = Listing(registry)
    await listing.look()
    heard: list[str] = []
    ends = [listing.listen(node, lambda node=node: heard.append(node)) for node in ("pi", "hp")]
    for path in tmp_path.glob("projects.sqlite-*"):
        path.unlink()
    kept = registry.path.read_bytes()
    swap(registry.path, b"this is no database, however long one looks at it " * 100)
    await eventually(lambda: sorted(heard) == ["hp", "pi"], WITHIN_S)
    assert "cannot be used" in (listing.broken or "")
    assert listing.on("pi") == ()
    swap(registry.path, kept)
    await eventually(lambda: sorted(heard) == ["hp", "hp", "pi", "pi"], WITHIN_S)
    assert listing.broken is None
    assert [one.name for one in listing.on("pi")] == ["a"]
    for end in ends:
        end()
