"""``node add`` and ``node remove``: the lines are shown first, and only those change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.backend import Context
from app.errors import ConfigurationError, Missing, Refused
from app.inventory import load
from app.inventory.model import Inventory
from app.verb import offers, verbs_of
from backends.kinds.node import Node, NodeVerbs
from backends.node_verbs import LinkedNodeVerbs, LocalNodeVerbs, PingNodeVerbs
from tests.node_verbs.bench import Bench
from tests.reports import run_plan

HOSTS = """\
# mine
version: 1
nodes:
  # the small one
  pi: {ssh: ops@pi.local, tags: [edge]}   # keep me
  hp:
    ssh: hp
"""

Use = Callable[[Path], Bench]


@pytest.fixture
def hosts(tmp_path: Path, bench: Bench) -> Path:
    """A hosts.yaml in use."""
    path = tmp_path / "config" / "hosts.yaml"
    path.parent.mkdir()
    path.write_text(HOSTS)
    use(bench, path)
    return path


def use(bench: Bench, path: Path | None) -> None:
    context: Context = bench.verbs.context
    context.inventory = lambda: load(path) if path else Inventory()


def node(name: str) -> Node:
    return Node(id=name, name=name, source=name, state="up")


async def test_adding_shows_the_lines_and_keeps_everything_else(bench: Bench, hosts: Path) -> None:
    plan = await bench.verbs.add("nas", ssh="ops@nas.lan:2222", tag=("disk", "disk"), sudo="ask")
    assert hosts.read_text() == HOSTS
    assert plan.steps[0].text == (
        f"edit {hosts}\n+  nas:\n+    ssh: ops@nas.lan:2222\n+    tags: [disk]\n+    sudo: ask"
    )
    await run_plan(plan)
    assert hosts.read_text() == HOSTS + "  nas:\n    ssh: ops@nas.lan:2222\n    tags: [disk]\n    sudo: ask\n"
    assert load(hosts).nodes["nas"].tags == {"disk"}


async def test_removing_shows_the_lines(bench: Bench, hosts: Path) -> None:
    plan = await bench.verbs.remove(node("hp"))
    assert plan.steps[0].text == f"edit {hosts}\n-  hp:\n-    ssh: hp"
    assert plan.loses == (f"the entry of hp in {hosts}",)
    await run_plan(plan)
    assert hosts.read_text() == HOSTS.replace("  hp:\n    ssh: hp\n", "")


async def test_the_first_node_makes_the_file(bench: Bench, home: Path) -> None:
    use(bench, None)
    plan = await bench.verbs.add("router", ping="192.0.2.1:443")
    path = home / "quarterdeck" / "config" / "hosts.yaml"
    assert not path.exists()
    await run_plan(plan)
    entry = load(path).nodes["router"].ping
    assert entry is not None
    assert (entry.method, entry.host, entry.port) == ("tcp", "192.0.2.1", 443)
    assert path.stat().st_mode & 0o077 == 0


async def test_a_file_that_changed_after_the_plan_is_left_alone(bench: Bench, hosts: Path) -> None:
    plan = await bench.verbs.add("nas", ssh="nas")
    hosts.write_text(HOSTS + "# a word\n")
    with pytest.raises(Refused, match="changed meanwhile"):
        await run_plan(plan)
    assert "nas" not in hosts.read_text()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a b", {"ssh": "x"}),
        ("-rf", {"ssh": "x"}),
        ("x\n  y", {"ssh": "x"}),
        ("new", {"ssh": "-oProxyCommand=evil"}),
        ("new", {"ssh": "a b"}),
        ("new", {"ssh": "x", "ping": "y"}),
        ("new", {"ping": "root@y"}),
        ("new", {"ping": "y", "sudo": "ask"}),
        ("new", {"ssh": "x", "tag": ("a,b",)}),
        ("pi", {"ssh": "x"}),
    ],
)
async def test_what_cannot_be_an_entry_is_refused(bench: Bench, hosts: Path, name: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        await bench.verbs.add(name, **values)
    assert hosts.read_text() == HOSTS


async def test_a_broken_file_is_named_as_it_is_called(bench: Bench, hosts: Path) -> None:
    inventory = load(hosts)
    bench.verbs.context.inventory = lambda: inventory
    hosts.write_text(HOSTS + "\t: {")
    with pytest.raises(ConfigurationError) as caught:
        await bench.verbs.add("nas", ssh="nas")
    assert caught.value.where.startswith(str(hosts))


async def test_the_built_in_default_has_nothing_to_take_out(bench: Bench) -> None:
    use(bench, None)
    with pytest.raises(Missing, match="built-in"):
        await bench.verbs.remove(node("here"))


def offered(verbs: type[NodeVerbs]) -> set[str]:
    backend = verbs()
    return {verb.name for verb in verbs_of("node", NodeVerbs) if offers(backend, verb)}


def test_each_way_of_reaching_a_node_offers_its_verbs() -> None:
    every = {verb.name for verb in verbs_of("node", NodeVerbs)}
    assert offered(LinkedNodeVerbs) == every
    assert offered(LocalNodeVerbs) == every - {"trust"}
    assert offered(PingNodeVerbs) == {"ping", "mute", "add", "remove"}
