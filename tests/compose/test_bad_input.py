"""What operators get wrong, by both composes: each has clear words, and compose's own exit code where it has one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.inventory.model import NodeEntry
from backends.compose.declared import declared
from tests.compose.berth import OpenBerth
from tests.servers.compose import Version

real = [pytest.mark.real("dockerd"), pytest.mark.real("compose")]
BOTH: list[Version] = ["v2", "v1"]


async def refused(it: Any, **stack: Any) -> Any:
    """The outcome of ``up`` for what cannot come up; nothing was made, and the row shows the fault."""
    row = await it.ready()
    assert row.fault, row
    done = await it.one("up")
    assert done.outcome == "failed", done
    assert it.containers() == {}
    return done


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("version", BOTH)
class TestByBothComposes:
    async def test_a_file_that_does_not_parse(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, shop="services:\n  a: [\n")
        done = await refused(it)
        assert done.exit_code == (15 if version == "v2" else 1)
        assert "yaml" in done.message
        assert "line 2" in done.message or "line 3" in done.message

    async def test_a_file_with_an_unknown_key(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, shop='version: "3.7"\nservices:\n  a: {image: "bb:1", imag: x}\n')
        done = await refused(it)
        assert done.exit_code == (15 if version == "v2" else 1)
        assert "imag" in done.message

    async def test_a_missing_variable(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, shop='version: "3.7"\nservices:\n  a: {image: "bb:${TAG:?say which}"}\n')
        done = await refused(it)
        assert "say which" in done.message
        assert done.exit_code != 0

    async def test_a_missing_env_file(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "~/shop", "env_files": [".env", ".env.pi"]}})
        it.write("shop/.env", "WHO=one\n")
        done = await refused(it)
        assert done.message == (
            "pi: there is no readable env file .env.pi in ~/shop; put it there, or correct 'env_files' in hosts.yaml"
        )

    async def test_a_missing_folder(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "~/nowhere"}})
        done = await refused(it)
        assert done.message == (
            f"pi: there is no folder {it.home}/nowhere; make it there, or correct 'dir' in hosts.yaml"
        )

    async def test_a_folder_without_a_compose_file(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "~/empty"}})
        it.write("empty/readme", "")
        done = await refused(it)
        assert "configuration file" in done.message
        assert done.exit_code == (14 if version == "v2" else 1)

    async def test_a_missing_compose_file(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "~/shop", "files": ["prod.yml"]}})
        done = await refused(it)
        assert "there is no readable compose file prod.yml in ~/shop" in done.message

    async def test_a_wrong_profile(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "~/shop", "profiles": ["hp-wroker"]}})
        done = await refused(it)
        assert "no service has the profile 'hp-wroker'" in done.message
        assert "there are: hp-worker" in done.message

    async def test_a_variable_that_nobody_set(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version, stacks={"shop": {"dir": "$CARBONAC_PI_PATH"}})
        done = await refused(it)
        assert "$CARBONAC_PI_PATH is not set for this login" in done.message

    async def test_a_service_that_is_not_there(self, berth: OpenBerth, version: Version) -> None:
        it = await berth(version)
        await it.ready()
        done = await it.one("up", service=("nosuch",))
        assert (done.outcome, done.exit_code) == ("failed", 1)
        assert "no such service: nosuch" in done.message.lower()


@pytest.mark.real("dockerd")
async def test_no_compose_on_the_host_says_how_to_get_it(berth: OpenBerth) -> None:
    it = await berth("none")
    row = await it.ready()
    assert row.fault is not None
    done = await it.one("up")
    assert done.outcome == "failed"
    assert "there is neither 'docker compose' nor 'docker-compose' for this login" in done.message
    assert "get it there" in done.message
    assert "install" in done.message or "apk add" in done.message


@pytest.mark.real("dockerd")
@pytest.mark.real("compose")
@pytest.mark.parametrize("service", ["-v", "a b", "", "a;b"])
async def test_what_can_be_no_service_is_not_asked_for(berth: OpenBerth, service: str) -> None:
    it = await berth()
    await it.ready()
    done = await it.one("stop", service=(service,))
    assert (done.outcome, done.exit_code) == ("failed", 2)
    assert "cannot be a service" in done.message


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"dri": "~/x"}, "unknown key 'dri'"),
        ({}, "'dir' must be the folder"),
        (None, "it needs at least dir"),
        ({"dir": 3}, "'dir' must be the folder"),
        ({"dir": "~bob/x"}, "only the login's own home is known"),
        ({"dir": "${X:-y}"}, "only $NAME and ${NAME} are filled in"),
        ({"dir": "~/x", "project": "Shop"}, "'project' must be of a-z"),
        ({"dir": "~/x", "order": "first"}, "'order' must be a whole number"),
        ({"dir": "~/x", "order": True}, "'order' must be a whole number"),
        ({"dir": "~/x", "profiles": [3]}, "'profiles' must be a list of texts"),
        ({"dir": "~/x", "profiles": ["--all"]}, "'--all' cannot be a profile"),
        ({"dir": "~/x", "env_files": {}}, "'env_files' must be a list of texts"),
    ],
)
def test_a_declaration_with_a_mistake_is_a_stack_with_a_fault(said: Any, complaint: str) -> None:
    (one,) = declared(NodeEntry(name="pi", extra={"stacks": {"shop": said}}))
    assert one.name == "shop"
    assert one.fault is not None
    assert complaint in one.fault


@pytest.mark.parametrize("name", ["a b", "a/b", "a,b", "*", "", "!x", "@x"])
def test_a_name_that_could_be_no_target_is_a_fault(name: str) -> None:
    (one,) = declared(NodeEntry(name="pi", extra={"stacks": {name: {"dir": "~/x"}}}))
    assert one.fault is not None


def test_a_mistake_in_hosts_yaml_is_told_by_who_lists_and_who_acts(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts = home / "hosts.yaml"
    hosts.write_text(
        "nodes:\n  pi:\n    local: true\n    docker: unix:///none\n    stacks: {shop: {dir: ~/shop, order: first}}\n"
    )

    def run(*words: str) -> tuple[int, str, str]:
        code = call(["--hosts", str(hosts), "--output", "json", "--yes", "stack", *words])
        said = capfd.readouterr()
        return code, said.out, said.err

    mistake = "'order' must be a whole number, not 'first'"
    for words in (["list"], ["list", "pi/shop"], ["list", "*/shop"]):
        code, out, _ = run(*words)
        assert code == 3, "partly read"
        assert [one["source"] for one in json.loads(out)["errors"]] == ["pi"]
        assert mistake in out
    for words in (["up", "pi/shop"], ["up", "pi/*"], ["status", "pi/shop"]):
        code, _, said = run(*words)
        assert code == 2
        assert mistake in said
    code, out, _ = run("list", "hp/*")
    assert code == 2, "nobody meant it"


def test_a_whole_declaration() -> None:
    said: Mapping[str, Any] = {
        "dir": "~/carbonac",
        "project": "carbonac",
        "files": ["a.yml"],
        "profiles": ["pi"],
        "env_files": [".env", ".env.pi"],
        "order": 1,
    }
    (one,) = declared(NodeEntry(name="pi", extra={"stacks": {"carbonac": said}}))
    assert one.fault is None
    assert (one.dir.written, one.project, one.profiles, one.order) == ("~/carbonac", "carbonac", ("pi",), 1)
    assert [file.written for file in one.env_files] == [".env", ".env.pi"]
