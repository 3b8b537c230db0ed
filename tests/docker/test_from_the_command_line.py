"""Containers of several nodes on the command line: rules of their nodes, and results one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli import exits
from app.cli.root import call
from tests.servers.dockerd import Dockerd, StartDockerd
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd")]

Quarterdeck = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def quarterdeck(
    engine: Dockerd,
    engine_at: StartDockerd,
    sshd: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Quarterdeck:
    """Runs command lines over ``here`` and ``hp``, an engine each; returns exit code and items."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    sshd.trust()
    (sshd.folder / "empty").touch()
    other = engine_at()
    engine.run("web")
    other.run("web")
    other.run("db")
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"""
defaults: {{ssh: {{known_hosts: {sshd.known_hosts}, config: {sshd.folder}/empty}}}}
nodes:
  here: {{local: true, docker: '{engine.url}', tags: [edge]}}
  hp:
    ssh: {{host: {sshd.host}, port: {sshd.port}, user: {sshd.user}, identity: {sshd.client_key}}}
    docker: '{other.url}'
"""
    )

    def run(*words: str, rules: str = "") -> tuple[int, list[dict[str, Any]]]:
        said = file.read_text().partition("rules:")[0]
        file.write_text(f"{said}rules: {rules}\n" if rules else said)
        capsys.readouterr()
        code = call(["--hosts", str(file), "--output", "json", "--yes", "--why", "because", *words])
        return code, json.loads(capsys.readouterr().out)["items"]

    return run


def test_results_of_two_engines_are_told_one_by_one_failures_first(quarterdeck: Quarterdeck) -> None:
    code, items = quarterdeck("container", "exec", "here/web,hp/web,hp/db", "--", "hostname >/dev/null; test -e /data")
    assert (code, {one["outcome"] for one in items}) == (exits.DONE, {"done"})
    code, items = quarterdeck("container", "pause", "hp/db")
    assert code == exits.DONE
    code, items = quarterdeck("container", "exec", "here/web,hp/web,hp/db", "--", "echo $((6 * 7)) | rev")
    assert code == exits.PARTLY
    assert [(one["id"], one["outcome"]) for one in items] == [
        ("hp/db", "refused"),
        ("here/web", "done"),
        ("hp/web", "done"),
    ]
    assert [one["stdout"] for one in items[1:]] == ["24\n", "24\n"]


def test_rules_of_a_node_reach_what_its_engine_holds(quarterdeck: Quarterdeck) -> None:
    for words in (
        ("container", "stop", "here/web"),
        ("container", "reveal", "here/web"),
        ("container", "prune", "here"),
        ("image", "pull", "bb:1", "--to", "here"),
        ("image", "remove", "here/bb:1"),
        ("network", "remove", "here/bridge"),
        ("volume", "prune", "here"),
    ):
        for rule in ("here", "@edge"):
            code, (item,) = quarterdeck(*words, rules=f"{{read_only: ['{rule}']}}")
            assert (code, item["outcome"]) == (exits.REFUSED, "refused"), words
            assert "read-only by the rule" in item["message"], words
    code, items = quarterdeck("container", "restart", "here/web,hp/web", "--timeout", "0", rules="{read_only: [here]}")
    assert (code, [one["outcome"] for one in items]) == (exits.REFUSED, ["refused", "refused"])  # all or none
    assert "'here/web' is read-only" in items[0]["message"]
    code, items = quarterdeck("container", "list")
    assert {one["id"]: one["state"] for one in items} == dict.fromkeys(("here/web", "hp/db", "hp/web"), "running")


def test_falsifying_asks_the_engine_and_changes_nothing(quarterdeck: Quarterdeck) -> None:
    code, (item,) = quarterdeck("--mode", "falsify", "container", "stop", "hp/web")
    assert (code, item["outcome"]) == (exits.DONE, "done")
    assert any(check["check"] == "it runs" and check["held"] for check in item["checks"])
    code, (item,) = quarterdeck("--mode", "falsify", "container", "remove", "hp/web")
    assert (code, item["outcome"]) == (exits.REFUSED, "refused")
    assert "it is running" in item["message"]
    code, (item,) = quarterdeck("--mode", "falsify", "container", "remove", "hp/web", "--force")
    assert (code, item["outcome"]) == (exits.DONE, "done")
    _, items = quarterdeck("container", "list")
    assert len(items) == 3
