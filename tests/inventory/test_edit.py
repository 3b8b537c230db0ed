"""Adding nodes to hosts.yaml and removing them: every other byte stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError, Missing
from app.inventory import edit, load
from app.inventory.edit import add_node, remove_node
from tests.inventory.conftest import Write

COMMENTED = """\
# top
version: 1

nodes:   # all of them
  # about a
  a: {ssh: a}   # beside a

  # about b
  b:
    ssh: ops@b   # beside
    # inside b
    tags:
    - x
    - 'y'

  # about c
  c: {local: true}

# after the nodes
groups: {g: [a]}   # last
"""

ENTRY: dict[str, Any] = {
    "ssh": {"host": "::1", "port": 22, "user": "o.k", "identity": ["~/k", "a b"]},
    "tags": ["yes", "1", "arm"],
    "sudo": "ask",
    "rate": {"per_hour": 0.5},
}


def test_a_node_is_added_after_the_last_and_nothing_else_changes(write: Write) -> None:
    path = write(COMMENTED)
    add_node(path, "d", {"ssh": "ops@d:22", "tags": ["arm"]})
    added = "  d:\n    ssh: ops@d:22\n    tags: [arm]\n"
    assert path.read_text() == COMMENTED.replace("  c: {local: true}\n", "  c: {local: true}\n" + added)


def test_a_node_is_removed_and_nothing_else_changes(write: Write) -> None:
    path = write(COMMENTED)
    remove_node(path, "b")
    start, end = COMMENTED.index("  b:\n"), COMMENTED.index("    - 'y'\n") + len("    - 'y'\n")
    assert path.read_text() == COMMENTED[:start] + COMMENTED[end:]


SHAPES = [
    "nodes:\n  a: {ssh: a}\n",
    "nodes:\n  a: {ssh: a}",
    "nodes:\n    a:\n        ssh: a\ntheme: x\n",
    "nodes: {a: {ssh: a}}\n",
    "nodes: {a: {ssh: a}, }  # c\ntheme: x\n",
    "nodes: {\n  a: {ssh: a},\n  # c\n}\n",
    "nodes: {}\n",
    "nodes:\n",
    "nodes: # c\ntheme: x\n",
    "nodes: null\ntheme: x\n",
    "nodes: ~  # c\n",
    "theme: x\n",
    "theme: x",
    "# only a comment\n",
    "",
    "{theme: x, nodes: {a: {ssh: a}}}\n",
    "\ufeffnodes:\n  a: {ssh: a}\n",
    "nodes:\r\n  a: {ssh: a}\r\n\r\ntheme: x\r\n",
    "nodes:\n  a: &k {ssh: a}\n  b: *k\n\n\n# end",
    "nodes:\n  é: {ssh: a}   # ünïcode 🎉\n# end\n",
    "nodes:\n  a:\n    ssh: >-\n      a\n\n  # c\ntheme: x\n",
    "---\nnodes:\n  a: {ssh: a}\n...\n",
]


@pytest.mark.parametrize("text", SHAPES)
def test_adding_and_removing_is_undone_exactly_enough(text: str, write: Write) -> None:
    path = write(text)
    before = load(path)
    add_node(path, "new-1", ENTRY)
    node = load(path).nodes["new-1"]
    assert node.fault is None
    assert node.ssh is not None
    assert (node.ssh.host, node.ssh.user, node.tags) == ("::1", "o.k", {"yes", "1", "arm"})
    remove_node(path, "new-1")
    after = load(path)
    assert (after.nodes, after.groups, after.theme) == (before.nodes, before.groups, before.theme)
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in path.read_text().splitlines() if "#" in line] == comments
    assert ("\r\n" in text) is ("\r\n" in path.read_bytes().decode())


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize(
    "text",
    [
        "nodes:\n  a: {ssh: a}\n  b: {ssh: b}\n  c: {ssh: c}\n",
        "nodes: {a: {ssh: a}, b: {ssh: b}, c: {ssh: c}}\n",
        "nodes: {\n  a: {ssh: a},\n  b: {ssh: b},\n  c: {ssh: c},\n}\n",
        "nodes:\n  a:\n    ssh: a\n\n  # x\n  b:\n    tags:\n    - t\n    ssh: b\n  c: {ssh: c}\ntheme: x",
    ],
)
def test_the_first_the_middle_and_the_last_can_be_removed(text: str, name: str, write: Write) -> None:
    path = write(text)
    remove_node(path, name)
    assert sorted(load(path).nodes) == sorted({"a", "b", "c"} - {name})


def test_a_new_file_keeps_this_machine_in_view_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "hosts.yaml"
    add_node(path, "pi", {"ssh": "pi"})
    assert list(load(path).nodes) == ["here", "pi"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("nodes: {}\n")
    real.chmod(0o640)
    link = tmp_path / "hosts.yaml"
    link.symlink_to("real.yaml")
    add_node(link, "a", {"ssh": "a"})
    assert link.is_symlink()
    assert list(load(real).nodes) == ["a"]
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.glob("*.yaml*")) == ["hosts.yaml", "real.yaml"]


def unchanged(path: Path, text: str) -> bool:
    return path.read_text() == text and [one for one in path.parent.iterdir() if "yaml." in one.name] == []


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("a", {"ssh": "x"}, "'a' stands there already"),
        ("a/b", {"ssh": "x"}, "a name is made of"),
        ("x: {}\ny", {"ssh": "x"}, "a name is made of"),
        ("new", {"ssh": "-x"}, "must not begin with a dash"),
        ("new", {"shh": "x"}, "unknown key 'shh'"),
        ("new", {"sudo": "ask"}, "nothing says how 'new' is reached"),
        ("new", {"ssh": {"host": "x", "port": "22"}}, "'port' must be a whole number"),
    ],
)
def test_what_would_not_be_valid_is_not_written(name: str, values: dict[str, Any], words: str, write: Write) -> None:
    path = write(COMMENTED)
    with pytest.raises(ConfigurationError) as caught:
        add_node(path, name, values)
    assert words in str(caught.value)
    assert unchanged(path, COMMENTED)


def test_a_node_that_a_group_names_is_not_removed(write: Write) -> None:
    path = write(COMMENTED)
    with pytest.raises(ConfigurationError, match="no node is called 'a'"):
        remove_node(path, "a")
    assert unchanged(path, COMMENTED)


def test_a_node_whose_anchor_others_use_is_not_removed(write: Write) -> None:
    text = "nodes:\n  a: &k {ssh: a}\n  b: *k\n"
    path = write(text)
    with pytest.raises(ConfigurationError, match="alias"):
        remove_node(path, "a")
    assert unchanged(path, text)


def test_an_unknown_node_is_missing(write: Write) -> None:
    path = write(COMMENTED)
    with pytest.raises(Missing, match="'z'"):
        remove_node(path, "z")


def test_a_file_with_other_faulty_nodes_can_be_edited(write: Write) -> None:
    path = write("nodes:\n  bad: {ssh: -x}\n  a: {ssh: a}\n")
    add_node(path, "b", {"ssh": "b"})
    remove_node(path, "bad")
    assert list(load(path).nodes) == ["a", "b"]


@pytest.mark.parametrize("text", ["nodes: [\n", "- a\n", "nodes:\n\ta: 1\n"])
def test_a_file_that_cannot_be_read_is_left_alone(text: str, write: Write) -> None:
    path = write(text)
    with pytest.raises(ConfigurationError):
        add_node(path, "a", {"ssh": "a"})
    assert unchanged(path, text)


def test_a_change_meanwhile_is_not_overwritten(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("nodes:\n  a: {ssh: a}\n")
    check = edit._refuse_new_mistakes  # pyright: ignore[reportPrivateUsage]

    def meanwhile(*given: Any) -> None:
        check(*given)
        path.write_text("nodes:\n  mine: {ssh: a}\n")

    monkeypatch.setattr(edit, "_refuse_new_mistakes", meanwhile)
    with pytest.raises(ConfigurationError, match="somebody else changed it meanwhile"):
        add_node(path, "b", {"ssh": "b"})
    assert unchanged(path, "nodes:\n  mine: {ssh: a}\n")


def test_a_relative_import_still_resolves_while_editing(write: Write) -> None:
    path = write("import: [{ansible: i.ini}]\ngroups: {g: [h]}\n")
    (path.parent / "i.ini").write_text("h\n")
    add_node(path, "b", {"ssh": "b"})
    assert set(load(path).nodes) == {"b", "h"}


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    if os.getuid() == 0:
        path = Path("/proc/hosts.yaml")
    else:
        tmp_path.chmod(0o500)
        path = tmp_path / "hosts.yaml"
    with pytest.raises(ConfigurationError, match="cannot be written"):
        add_node(path, "a", {"ssh": "a"})
