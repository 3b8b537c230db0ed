"""Files that are no hosts.yaml at all: refused in words, quickly, and without falling over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.inventory import InvalidInventory, load, validate
from app.inventory import syntax as yaml_syntax
from tests.inventory.conftest import Mistakes, Write


def test_a_named_file_that_is_missing_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file") as caught:
        load(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in str(caught.value)


def test_a_missing_file_named_by_the_environment_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERDECK_HOSTS", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigurationError, match="QUARTERDECK_HOSTS"):
        load()


def test_without_any_file_this_machine_is_the_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inventory = load()
    assert inventory.path is None
    assert [node.name for node in inventory] == ["here"]
    assert inventory.nodes["here"].local
    assert inventory.nodes["here"].thresholds["cpu"] == (70.0, 90.0)
    assert inventory.mistakes == ()


def test_an_empty_file_is_an_inventory_without_nodes_that_says_so(write: Write) -> None:
    inventory = load(write("\n"))
    assert not inventory.nodes
    assert [mistake.warning for mistake in inventory.mistakes] == [True]


def test_a_huge_file_is_refused(write: Write) -> None:
    path = write("nodes: {}\n" + "# padding\n" * 450_000)
    with pytest.raises(InvalidInventory, match=r":1:1: larger than 4 MiB"):
        load(path)


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInventory, match="a file is expected"):
        load(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInventory, match="a file is expected"):
        load(tmp_path / "pipe")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInventory, match="a file is expected"):
        load(tmp_path)


def test_a_file_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_bytes("nodes:\n  pi: {ssh: caf\xe9}\n".encode("latin-1"))
    with pytest.raises(InvalidInventory, match=r":2:16: not UTF-8: the byte 0xe9 stands here"):
        load(path)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_bytes(b"\xef\xbb\xbfnodes:\r\n  pi: {ssh: pi, bogus: 1}\r\n")
    assert [(one.line, one.column) for one in validate(path)] == [(2, 17)]


def test_aliases_that_multiply_are_refused_at_once(mistakes: Mistakes) -> None:
    lines = ["nodes:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.monotonic()
    found = mistakes("\n".join(lines) + "\n")
    assert any("aliases make this file more than 20000 values larger" in line for line in found)
    assert time.monotonic() - started < 5


def test_merges_that_multiply_are_refused_at_once(mistakes: Mistakes) -> None:
    lines = ["nodes:", "  a0: &a0 {ssh: x}"]
    lines += [f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    started = time.monotonic()
    found = mistakes("\n".join(lines) + "\n")
    assert any("values larger" in line for line in found)
    assert time.monotonic() - started < 5


def test_a_merge_of_itself_ends(mistakes: Mistakes) -> None:
    assert mistakes("nodes:\n  a: &a {ssh: x, <<: *a}\n") == [
        "2:6: this alias stands inside the very thing it points at"
    ]
    assert mistakes("nodes:\n  a: &a {ssh: x, docker: {<<: *a}}\n")


DEEP = ["[" * 100_000, "- " * 50_000 + "a", "{a: " * 50_000, "nodes: " + "[" * 39 + "]" * 39]


@pytest.mark.parametrize("text", DEEP, ids=["lists", "lines", "mappings", "within the bound"])
def test_deep_nesting_is_refused_and_overflows_nothing(text: str, mistakes: Mistakes) -> None:
    assert mistakes(text)


@pytest.mark.parametrize("text", ["[" * 10_000, "a: [1, {b: é}]\nc: |\n  x\nd: no\n"], ids=["deep", "ordinary"])
def test_both_parsers_agree(text: str) -> None:
    def outcome(loader: object) -> str:
        try:
            return str(yaml_syntax.compose(text, loader))
        except Exception as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"

    python = yaml_syntax._PythonLoader  # pyright: ignore[reportPrivateUsage]
    assert outcome(None) == outcome(python)


def test_an_unreadable_file_says_why(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.symlink_to(path)
    with pytest.raises(ConfigurationError):
        load(path)
