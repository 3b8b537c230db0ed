"""Listing containers on the command line: what is said, and with which exit code, of nodes that cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import exits
from app.cli.root import call
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import StartSshd
from tests.servers.tcp import closed_port

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd")]

NO_GROUPS = 'setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
"""Sessions as an account of no group."""


@pytest.fixture
def for_a_group(engine: Dockerd) -> Iterator[None]:
    """The engine's socket as a package installs it: for root and one group."""
    os.chown(engine.socket, 0, 50)
    engine.socket.chmod(0o660)
    engine.folder.chmod(0o755)
    yield
    os.chown(engine.socket, 0, 0)
    engine.folder.chmod(0o700)


def told(file: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the object on stdout, what is on stderr."""
    capsys.readouterr()
    code = call(["--hosts", str(file), "--output", "json", *words])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_nodes_that_cannot_be_read_are_named_and_refusals_are_errors(
    engine: Dockerd,
    for_a_group: None,
    sshd_at: StartSshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    server = sshd_at(options={"ForceCommand": NO_GROUPS, "AllowStreamLocalForwarding": "no"})
    server.trust()
    (server.folder / "empty").touch()
    engine.run("web")
    login = f"port: {server.port}, user: {server.user}, identity: {server.client_key}"
    dead = f"port: {closed_port('0.0.0.0')}, user: {server.user}, identity: {server.client_key}"
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"""
defaults: {{ssh: {{known_hosts: {server.known_hosts}, config: {server.folder}/empty, connect_timeout: 5}}}}
nodes:
  here: {{local: true, docker: '{engine.url}'}}
  closed: {{ssh: {{host: 127.0.1.2, {login}}}, docker: '{engine.url}'}}
  empty: {{ssh: {{host: 127.0.1.3, {login}}}, docker: 'unix://{tmp_path}/none.sock'}}
  without: {{ssh: {{host: 127.0.1.4, {login}}}, docker: false}}
  off: {{ssh: {{host: 127.0.1.5, {dead}}}, docker: '{engine.url}'}}
"""
    )
    code, said, err = told(file, capsys, "container", "list")
    assert [one["id"] for one in said["items"]] == ["here/web"]
    assert code == exits.PARTLY
    (refused,) = said["errors"]
    assert refused["source"] == "closed"
    assert "which belongs to the group staff" in refused["fault"]
    assert "usermod -aG staff" in refused["fault"]
    assert "quarterdeck: empty: there is no socket at" in err
    assert "quarterdeck: off: connection refused" in err
    assert "quarterdeck: without" not in err
    assert "quarterdeck: here" not in err

    code, said, err = told(file, capsys, "container", "list", "--on", "off,without")
    assert (code, said) == (exits.DONE, {"items": [], "errors": []})
    assert "off: connection refused" in err

    code, said, err = told(file, capsys, "node", "list", "--on", "off")
    assert (code, err) == (exits.DONE, "")  # its row says so


def test_the_rows_units_are_in_their_names_and_what_is_unknown_is_null(
    engine: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    file = tmp_path / "hosts.yaml"
    file.write_text(f"nodes: {{here: {{local: true, docker: '{engine.url}'}}}}\n")
    engine.run("web", host={"mem_limit": "64m"})
    engine.client.create_container("bb:1", name="new")
    code, said, _ = told(file, capsys, "container", "list")
    assert code == exits.DONE
    new, web = said["items"]
    assert web["mem_limit_bytes"] == 64 << 20
    assert web["mem_used_bytes"] > 0
    assert web["uptime_s"] >= 0
    unknown = ("cpu_percent", "mem_used_bytes", "mem_limit_bytes", "pids", "uptime_s", "net_rx_bytes_per_s", "health")
    assert {new[name] for name in unknown} == {None}
    code, said, _ = told(file, capsys, "container", "show", "here/web")
    assert code == exits.DONE
    (web,) = said["items"]
    assert {"mem_used_bytes", "cpu_percent", "details"} <= web.keys()


def test_an_engine_that_cannot_be_read_is_not_said_to_hold_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    file = tmp_path / "hosts.yaml"
    file.write_text(f"nodes: {{here: {{local: true, docker: 'unix://{tmp_path}/none.sock'}}}}\n")
    assert call(["--hosts", str(file), "--output", "table", "container", "list"]) == exits.DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert "here: there is no socket at" in err
