"""What a node's verbs come to where they cannot succeed: what falsifying shows, and what misuse exits with."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.registry import PARTS
from tests.cli.conftest import Quarterdeck
from tests.servers.tcp import closed_port


@pytest.fixture(autouse=True)
def hosts(hosts: Path, home: Path) -> Path:
    """This machine, one that refuses connections, and one with a mistake."""
    hosts.write_text(
        f"version: 1\ndefaults: {{ssh: {{known_hosts: {home}/known, config: {home}/none}}}}\nnodes:\n"
        "  here: {local: true}\n"
        f"  gone: {{ssh: {{host: 127.0.0.1, port: {closed_port()}, user: ops}}}}\n"
        "  bad: {sssh: x}\n"
    )
    return hosts


@pytest.mark.parametrize("words", [("exec", "{}", "--", "true"), ("ping", "{}"), ("tunnel", "{}", "8080:localhost:80")])
def test_falsifying_tries_whether_the_node_can_be_reached(quarterdeck: Quarterdeck, words: tuple[str, ...]) -> None:
    targets = [word.format("here,gone") for word in words]
    said = quarterdeck("node", targets[0], "--mode", "falsify", *targets[1:], parts=PARTS)
    assert said.code == 4, said.err
    gone, here = said.items
    assert (gone["id"], gone["outcome"], gone["exit_code"]) == ("gone", "refused", 4)
    assert "connection refused" in gone["message"]
    assert (here["id"], here["outcome"]) == ("here", "done")
    assert [check["held"] for check in here["checks"]].count(False) == 1
    assert not any(entry["phase"] == "intent" for entry in quarterdeck("witness query", parts=PARTS).items)


@pytest.mark.parametrize(
    "words",
    [
        "mute here --until yesterday",
        "tunnel here 80",
        "ping here --count 0",
        "reboot bad --yes",
        "exec bad --yes -- true",
        "add here --ssh pi --yes",
    ],
)
def test_what_cannot_be_meant_exits_2_though_a_backend_finds_it(quarterdeck: Quarterdeck, words: str) -> None:
    said = quarterdeck("node", *words.split(), parts=PARTS)
    assert (said.code, [(one["outcome"], one["exit_code"]) for one in said.items]) == (2, [("failed", 2)])


def test_a_command_that_exits_2_has_failed(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("node", "exec", "here", "--yes", "--", "exit 2", parts=PARTS)
    assert (said.code, said.items[0]["exit_code"]) == (1, 2)


def test_one_target_that_cannot_be_meant_among_others_is_partly_failed(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("node", "exec", "here,bad", "--yes", "--", "true", parts=PARTS)
    assert (said.code, [one["outcome"] for one in said.items]) == (3, ["failed", "done"])
