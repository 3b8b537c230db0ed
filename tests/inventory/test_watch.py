"""A changed hosts.yaml is noticed, a broken one is told of, and an unchanged one is not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from app.inventory import Inventory, load
from app.inventory.watch import Change, changes
from app.paths import Paths
from tests.inventory.conftest import Write
from tests.waiting import eventually


@asynccontextmanager
async def watching(inventory: Inventory) -> AsyncGenerator[list[Change]]:
    told: list[Change] = []
    task = asyncio.create_task(changes(inventory, told.append, every=0.01))
    try:
        yield told
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_change_is_told_once(write: Write) -> None:
    path = write("nodes: {a: {ssh: a}}\n")
    async with watching(load(path)) as told:
        write("nodes: {a: {ssh: a}, b: {ssh: b}}\n")
        await eventually(lambda: told)
        write("nodes: {b: {ssh: b}}\n")
        await eventually(lambda: len(told) == 2)
    assert [list(change.inventory.nodes) for change in told if change.inventory] == [["a", "b"], ["b"]]


async def test_a_broken_file_is_told_with_its_mistakes_and_so_is_its_mending(write: Write) -> None:
    path = write("nodes: {a: {ssh: a}}\n")
    async with watching(load(path)) as told:
        write("nodes: [\n")
        await eventually(lambda: told)
        write("nodes: {a: {ssh: a}}\n")
        await eventually(lambda: len(told) == 2)
    assert told[0].inventory is None
    assert str(path) in told[0].fault
    assert len(told[0].mistakes) == 1
    assert told[1].inventory is not None


async def test_closing_a_file_to_others_mends_what_it_was_refused_for(write: Write) -> None:
    path = write("proxmox: {lab: {url: 'https://10.0.1.10:8006', token: 'root@pam!ops=5e1ec7ed'}}\n")
    path.chmod(0o644)
    inventory = load(path)
    assert [one.cluster for one in inventory.mistakes] == ["lab"]
    async with watching(inventory) as told:
        path.chmod(0o600)
        await eventually(lambda: told)
        assert told[0].inventory is not None
        assert told[0].inventory.mistakes == ()
        path.chmod(0o640)
        await eventually(lambda: len(told) == 2)
    assert [one.cluster for one in told[1].mistakes] == ["lab"]


async def test_a_deleted_file_leaves_the_old_inventory_in_use(write: Write) -> None:
    path = write("nodes: {a: {ssh: a}}\n")
    async with watching(load(path)) as told:
        path.unlink()
        await eventually(lambda: told)
        write("nodes: {b: {ssh: b}}\n")
        await eventually(lambda: len(told) == 2)
    assert told[0].inventory is None
    assert "no such file" in told[0].fault
    assert told[1].inventory is not None


async def test_imported_files_and_newly_imported_ones_are_watched(write: Write) -> None:
    path = write("import: [{ansible: i.ini}]\n")
    (path.parent / "i.ini").write_text("a\n")
    (path.parent / "j.ini").write_text("j\n")
    async with watching(load(path)) as told:
        (path.parent / "i.ini").write_text("a\nb\n")
        await eventually(lambda: told)
        write("import: [{ansible: j.ini}]\n")
        await eventually(lambda: len(told) == 2)
        (path.parent / "j.ini").write_text("k\n")
        await eventually(lambda: len(told) == 3)
    assert [list(change.inventory.nodes) for change in told if change.inventory] == [["a", "b"], ["j"], ["k"]]


async def test_touching_a_file_and_writing_comments_tell_nothing(write: Write) -> None:
    path = write("nodes: {a: {ssh: a}}\n")
    async with watching(load(path)) as told:
        os.utime(path, (1, 1))
        write("nodes: {a: {ssh: a}}\n# more\n")
        write("nodes: {a: {ssh: a}}\n# more\n# and more\n")
        path.with_name("new").write_text("nodes: {a: {ssh: a}, b: {ssh: b}}\n")
        path.with_name("new").replace(path)
        await eventually(lambda: told)
    assert len(told) == 1


async def test_a_change_between_loading_and_watching_is_not_missed(write: Write) -> None:
    inventory = load(write("nodes: {a: {ssh: a}}\n"))
    write("nodes: {b: {ssh: b}}\n")
    async with watching(inventory) as told:
        await eventually(lambda: told)
    assert told[0].inventory is not None
    assert list(told[0].inventory.nodes) == ["b"]


async def test_a_first_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = Paths.find().hosts
    async with watching(load()) as told:
        hosts.parent.mkdir(parents=True)
        hosts.write_text("nodes: {a: {ssh: a}}\n")
        await eventually(lambda: told)
        hosts.write_text("nodes: {b: {ssh: b}}\n")
        await eventually(lambda: len(told) == 2)
    assert [list(change.inventory.nodes) for change in told if change.inventory] == [["a"], ["b"]]


async def test_a_file_that_becomes_somebody_elses_is_not_used(write: Write) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    path = write("nodes: {a: {ssh: a}}\n")
    async with watching(load(path)) as told:
        theirs = path.with_name("theirs")
        theirs.write_text("nodes: {evil: {ssh: b}}\n")
        os.chown(theirs, 12345, 12345)
        theirs.replace(path)
        await eventually(lambda: told)
    assert told[0].inventory is None
    assert "not yours" in told[0].fault
