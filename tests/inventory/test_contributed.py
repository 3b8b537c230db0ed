"""Keys that belong to single backends are checked with the rest of hosts.yaml, at their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.inventory import load
from app.inventory.loading import read
from app.inventory.shapes import json_schema

GOOD = """\
nodes:
  pi:
    ssh: pi@127.0.1.1
    docker: unix:///run/user/1000/podman/podman.sock
    stacks:
      carbonac: {dir: ~/carbonac, profiles: [pi], env_files: [.env, .env.pi], order: 1}
      bare: {dir: $CARBONAC_PATH}
  old: {ssh: old, docker: false}
"""


def mistakes(path: Path, text: str) -> list[str]:
    path.write_text(text)
    return [str(one) for one in read(path).mistakes]


def test_what_is_written_reaches_the_backends_as_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(GOOD)
    nodes = load(path).nodes
    assert nodes["pi"].extra["docker"] == "unix:///run/user/1000/podman/podman.sock"
    assert nodes["pi"].extra["stacks"]["carbonac"]["env_files"] == [".env", ".env.pi"]
    assert nodes["old"].extra["docker"] is False
    assert load(path).nodes["pi"].extra == nodes["pi"].extra, "a kept inventory holds the same"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("docker: true", "2:25: 'docker': 'true': true says nothing"),
        ("docker: tcp://10.0.0.1:2375", "'docker': 'tcp://10.0.0.1:2375': a socket on the node is written unix:///"),
        ("docker: {socket: /x}", "'docker' must be true or false or a text"),
        ("stacks: {shop: {}}", "'dir' is missing"),
        ("stacks: {shop: {dir: ~/shop, profile: [pi]}}", "unknown key 'profile' (nearest valid name: profiles)"),
        ("stacks: {shop: {dir: ~/shop, order: first}}", "'order' must be a whole number"),
        ("stacks: {shop: {dir: ~/shop, project: Shop}}", "lower-case"),
        ("stacks: {shop: {dir: ~/shop, env_files: .env}}", "'env_files' must be a list"),
        ("stacks: [shop]", "'stacks' must be a mapping"),
        ("dockr: false", "unknown key 'dockr' (nearest valid name: docker)"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_faults_its_node_only(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "hosts.yaml"
    found = mistakes(path, f"nodes:\n  pi: {{ssh: pi, {line}}}\n  hp: {{ssh: hp}}\n")
    assert len(found) == 1, found
    assert said in found[0]
    inventory = load(path)
    assert inventory.nodes["pi"].fault is not None
    assert inventory.nodes["hp"].fault is None


def test_a_node_with_a_stack_still_has_to_be_reached(tmp_path: Path) -> None:
    found = mistakes(tmp_path / "hosts.yaml", "nodes:\n  pi: {stacks: {shop: {dir: /srv/shop}}}\n")
    assert len(found) == 1
    assert "nothing says how 'pi' is reached" in found[0]


def test_the_schema_for_editors_knows_them() -> None:
    schema = json_schema()
    node = schema["$defs"]["Node"]["properties"]
    assert "dir" in schema["$defs"]["Stack"]["properties"]
    assert "stacks" in node
    assert "Stack" in str(node["stacks"])
