"""What every registered backend must keep, whatever it talks to."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app import registry
from app.backend import Backend, Context
from app.fleet import Fleet, Reading
from app.inventory.model import Inventory, NodeEntry, PingEntry, SshEntry
from app.link import Link, Probe, Sample
from app.verb import offers, verbs_of
from tests.backends.watching import as_fed
from tests.waiting import eventually

PARTS = sorted({part.backend for part in (*registry.PARTS, *registry.DEMO)})

INVENTORY = Inventory(
    nodes={
        "here": NodeEntry(name="here", local=True, extra={"docker": "unix:///nonexistent/docker.sock"}),
        "far": NodeEntry(name="far", ssh=SshEntry(host="127.0.0.1", port=1)),
        "camera": NodeEntry(name="camera", ping=PingEntry(method="tcp", host="127.0.0.1", port=1)),
        "wrong": NodeEntry(name="wrong", ssh=SshEntry(host="x"), fault="hosts.yaml:3:1: unknown key 'sssh'"),
    },
    extra={"proxmox": {"lab": {"url": "https://127.0.0.1:1", "token": "${NOBODY_SET_THIS}"}}},
)


class Unreached:
    """Links of a fleet none of which answers."""

    def of(self, node: str) -> Link:
        from app.errors import Unreachable

        raise Unreachable("nothing answers", where=node)

    def subscribe(
        self, node: str, probes: Sequence[Probe[Any]], deliver: Callable[[Sample], None]
    ) -> Callable[[], None]:
        from app.errors import Unreachable

        told = asyncio.get_running_loop().call_soon(
            lambda: deliver(Sample(0.0, fault=Unreachable("nothing answers", where=node)))
        )
        return told.cancel

    async def close(self) -> None:
        pass


class Listening:
    """An ``Emit`` that keeps what it is told."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.faults: list[str] = []
        self.absents = 0

    def __call__(self, reading: Reading) -> None:
        self.readings.append(reading)

    def alive(self) -> None:
        pass

    def absent(self) -> None:
        self.absents += 1

    def fault(self, words: str, *, ours: bool = False) -> None:
        self.faults.append(words)


@pytest.fixture(params=PARTS, ids=lambda path: path.rpartition(":")[2])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each registered backend over an inventory that none of them can reach."""
    context = Context(
        inventory=lambda: INVENTORY, links=Unreached(), fleet=Fleet, state=tmp_path, cache=tmp_path, demo=12
    )
    made: Backend = registry.load(request.param)(context)
    return made


def test_it_names_itself_and_kinds_that_exist(backend: Backend) -> None:
    assert backend.name
    assert backend.nouns
    assert set(backend.nouns) <= set(registry.nouns())


def test_it_has_its_kinds_verbs_with_the_contracts_parameters(backend: Backend) -> None:
    for noun in backend.nouns:
        for verb in verbs_of(noun, registry.kind(noun).verbs):
            if not offers(backend, verb):
                continue
            declared = inspect.signature(getattr(verb.owner, verb.method)).parameters.values()
            defined = inspect.signature(getattr(type(backend), verb.method)).parameters.values()
            told = [(p.name, p.kind, p.default) for p in declared]
            assert [(p.name, p.kind, p.default) for p in defined] == told, verb.title


def test_its_sources_are_its_own_and_unique(backend: Backend) -> None:
    sources = backend.sources(INVENTORY)
    assert sources
    assert {source.backend for source in sources} == {backend.name}
    assert len({source.name for source in sources}) == len(sources)
    for source in sources:
        assert source.interval > 0
        assert set(source.nouns) <= set(backend.nouns)


async def test_every_source_speaks_at_once_of_rows_that_are_its_own(backend: Backend) -> None:
    for source in backend.sources(INVENTORY):
        emit = Listening()
        task = asyncio.create_task(as_fed(backend, source, emit, asyncio.Event()))
        try:
            spoken = lambda: emit.readings or emit.faults or emit.absents or task.done()  # noqa: E731, B023
            await eventually(spoken, what=f"{source.name} says something")
            assert emit.readings or emit.faults or emit.absents, task.exception() if task.done() else "silent"
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        if not emit.readings:  # rows that only the outside knows: why it cannot be asked is all there is to say
            continue
        first = emit.readings[0]
        assert (first.backend, first.source) == (backend.name, source.name)
        ids = [item.id for item in first.items]
        assert len(set(ids)) == len(ids)
        for item in first.items:
            assert item.NOUN in backend.nouns
            assert item.source == source.name
    await backend.close()


async def test_a_faulty_entry_is_a_row_with_the_fault_and_is_never_contacted(backend: Backend) -> None:
    for source in backend.sources(INVENTORY):
        if source.name != "wrong":
            continue
        emit = Listening()
        task = asyncio.create_task(as_fed(backend, source, emit, asyncio.Event()))
        await eventually(lambda: emit.readings)  # noqa: B023
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        (row,) = emit.readings[-1].items
        assert row.state == "unknown"
        assert row.fault is not None
        assert "sssh" in row.fault
