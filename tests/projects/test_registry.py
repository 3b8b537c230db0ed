"""The list of projects: private, shared by processes, and never the same ports twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import BadAnswer, Refused
from backends.projects.registry import LOWEST, Registered, Registry, being_launched, cut_short


def free(first: int) -> str | None:
    return None


def wanted(name: str, node: str = "here", first_port: int = 0) -> Registered:
    return Registered(node=node, name=name, path=f"/src/{name}", definition="{}", first_port=first_port)


def test_the_lowest_free_block_is_given_and_given_again(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state")
    assert registry.all() == {}
    assert not registry.path.exists(), "reading makes nothing"
    assert [registry.add(wanted(name), (), free).first_port - LOWEST for name in "abc"] == [0, 10, 20]
    assert registry.add(wanted("a", node="pi"), (), free).first_port == LOWEST, "nodes have ports of their own"
    assert registry.remove("here", "b")
    assert not registry.remove("here", "b")
    assert registry.add(wanted("d"), (), free).first_port == LOWEST + 10
    assert [one.name for one in registry.all()["here"]] == ["a", "c", "d"]
    assert registry.get("here", "b") is None


def test_blocks_that_are_busy_or_held_elsewhere_are_passed_over(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    kept = registry.add(wanted("a"), {LOWEST + 10}, lambda first: "busy" if first == LOWEST else None)
    assert kept.first_port == LOWEST + 20
    with pytest.raises(Refused, match=r"no block of ports is left.*all busy"):
        registry.add(wanted("b"), (), lambda first: "all busy")
    assert registry.get("here", "b") is None, "nothing is kept of what failed"


def test_names_and_blocks_belong_to_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.add(wanted("a"), (), free)
    with pytest.raises(Refused, match="there is a project 'a' already, in /src/a"):
        registry.add(wanted("a"), (), free)
    with pytest.raises(Refused, match="belong to 'a' meanwhile"):
        registry.add(wanted("b", first_port=LOWEST), (), free)


def test_it_is_private_to_its_owner(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "state")
    old = os.umask(0)
    try:
        registry.add(wanted("a"), (), free)
    finally:
        os.umask(old)
    assert registry.path.stat().st_mode & 0o777 == 0o600
    assert registry.path.parent.stat().st_mode & 0o777 == 0o700
    with sqlite3.connect(registry.path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_a_file_that_is_none_of_ours_is_said_to_be_broken(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.path.write_bytes(b"this is no database" * 100)
    with pytest.raises(BadAnswer, match="the list of projects cannot be used"):
        registry.all()


_ADDER = """
import sys
from pathlib import Path
from backends.projects.registry import Registered, Registry
registry = Registry(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(15):
    one = Registered(node="here", name=f"{sys.argv[2]}{number}", path="/x", definition="{}", first_port=0)
    print(registry.add(one, (), lambda first: None).first_port)
"""


def test_two_processes_that_add_at_once_get_different_blocks(tmp_path: Path) -> None:
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", _ADDER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in "ab"
    ]
    for one in adders:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    blocks = [int(line) for one in adders for line in one.communicate(timeout=60)[0].split()]
    assert [one.returncode for one in adders] == [0, 0]
    assert sorted(blocks) == [LOWEST + 10 * number for number in range(30)]


def test_a_launch_is_under_way_only_while_its_process_lives(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.add(wanted("a"), (), free)

    def now() -> Registered:
        found = registry.get("here", "a")
        assert found is not None
        return found

    assert (being_launched(now()), cut_short(now())) == (False, False)
    registry.launching("here", "a", "{}")
    assert (being_launched(now()), cut_short(now())) == (True, False)
    registry.launched("here", "a")
    assert (being_launched(now()), cut_short(now())) == (False, False)
    line = "import sys; from pathlib import Path; from backends.projects.registry import Registry; "
    line += f"Registry(Path({str(tmp_path)!r})).launching('here', 'a', '{{}}')"
    subprocess.run([sys.executable, "-c", line], check=True, cwd=Path(__file__).parents[2])
    assert (being_launched(now()), cut_short(now())) == (False, True)
    registry.launched("here", "a", cut=True)
    assert (being_launched(now()), cut_short(now())) == (False, True)
