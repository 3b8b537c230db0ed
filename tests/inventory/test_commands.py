"""``config`` and ``info`` on the command line, and where ``explain`` says values come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.config_commands import config
from app.cli.info_command import info
from app.errors import ConfigurationError
from app.inventory import InvalidInventory, explain, load, schema
from tests.inventory.conftest import Write

ROOT = Path(__file__).parents[2]


def run(command: Any, *words: str, hosts: Path | None = None, output: str = "json", on: str | None = None) -> Result:
    return CliRunner().invoke(command, words, obj=SimpleNamespace(hosts=hosts, output=output, on=on))


def test_validate_lists_each_mistake_on_a_line_and_exits_2(write: Write) -> None:
    path = write("nodes:\n  a: {shh: a}\n  b: {ssh: b}\n")
    result = run(config, "validate", hosts=path, output="table")
    assert result.stdout.splitlines()[0] == f"{path}:2:7: unknown key 'shh' (nearest valid name: ssh)"
    assert result.stderr == f"{path}: 1 mistake\n"
    assert result.exit_code == 2


def test_validate_as_json(write: Write) -> None:
    path = write("nodes:\n  a: {shh: a}\nrules: {read_only: ['@x']}\n")
    result = run(config, "validate", str(path))
    items = json.loads(result.stdout)["items"]
    assert [(one["line"], one["grade"], one["node"]) for one in items] == [(2, "error", "a"), (3, "warning", None)]
    assert items[0]["nearest"] == "ssh"


@pytest.mark.parametrize("text", ["nodes: {a: {ssh: a}}\n", ""])
def test_validate_exits_0_without_mistakes_and_with_warnings_alone(text: str, write: Write) -> None:
    assert run(config, "validate", hosts=write(text)).exit_code == 0


def test_validate_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert isinstance(run(config, "validate", str(tmp_path / "x")).exception, ConfigurationError)


def test_show_lists_the_nodes_as_resolved(write: Write) -> None:
    path = write("nodes: {a: {ssh: 'u@[::1]:22', tags: [t]}, b: {ping: {tcp: 80}}, c: {ssh: -x}}\n")
    said = json.loads(run(config, "show", hosts=path).stdout)
    assert [one["id"] for one in said["items"]] == ["a", "b", "c"]
    assert said["items"][0]["ssh"]["host"] == "::1"
    assert [one["node"] for one in said["errors"]] == ["c"]
    lines = run(config, "show", hosts=path, output="table").stdout.splitlines()
    assert lines[2].split()[:3] == ["a", "ssh", "u@[::1]:22"]
    assert lines[3].split()[:3] == ["b", "tcp", "b:80"]
    assert len(json.loads(run(config, "show", hosts=path, on="@t").stdout)["items"]) == 1


def test_show_of_an_invalid_file_is_refused_with_all_mistakes(write: Write) -> None:
    result = run(config, "show", hosts=write("them: x\nkeys: {A: b}\n"))
    assert isinstance(result.exception, InvalidInventory)
    assert len(str(result.exception).splitlines()) == 2


def test_show_without_any_file_shows_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [one["id"] for one in json.loads(run(config, "show").stdout)["items"]] == ["here"]


def test_what_a_file_says_cannot_reach_the_terminal(write: Write) -> None:
    path = write('nodes: {a: {ssh: a, tags: [x], docker: "\\e[2J"}}\ngroups: {}\ntheme: "\\e]0;x\\a"\n')
    assert "\x1b" not in run(config, "show", hosts=path, output="table").stdout


def test_schema_is_a_json_schema_that_knows_every_key() -> None:
    said = json.loads(run(config, "schema").stdout)
    assert said == schema()
    assert said["$schema"].startswith("https://json-schema.org/")
    assert {"nodes", "groups", "import", "rules", "keys", "proxmox"} <= said["properties"].keys()
    assert {"ssh", "local", "ping", "sudo", "docker"} <= said["$defs"]["Node"]["properties"].keys()
    assert said["additionalProperties"] is False


def where(rows: list[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    return {key: (value, origin) for key, value, origin in rows}


def test_explain_names_the_origin_of_every_value(write: Write, tmp_path: Path) -> None:
    (tmp_path / "ssh_config").write_text("Host pi\n  HostName 127.0.0.9\n  User configured\n  Port 2222\n")
    path = write(
        "defaults:\n"
        "  ssh: {user: ops, connect_timeout: 3, config: ssh_config, known_hosts: kh}\n"
        "  interval: 5\n"
        "nodes:\n"
        "  pi:\n"
        "    ssh: {host: pi, port: 22}\n"
        "    tags: [arm]\n"
        "    thresholds: {cpu: [1, 2]}\n"
        "  hp: {ssh: 127.0.0.3, sudo: ask}\n"
        "groups: {lab: [pi]}\n"
    )
    pi = where(explain(path, "pi"))
    assert pi["ssh.host"] == ("127.0.0.9", f"{tmp_path / 'ssh_config'} (ssh -G)")
    assert pi["ssh.user"] == ("configured", f"{tmp_path / 'ssh_config'} (ssh -G)")
    assert pi["ssh.port"] == ("22", f"{path}:6:27"), "the entry wins over ssh_config"
    assert pi["ssh.connect_timeout"] == ("3 s", f"defaults.ssh ({path}:2:37)")
    assert pi["interval"] == ("5 s", f"{path}:3:13")
    assert pi["sudo"] == ("none", "built in")
    assert pi["thresholds.cpu"] == ("1, 2", f"{path}:8:23")
    assert pi["thresholds.disk"] == ("80, 92", "built in")
    rows = explain(path, "pi")
    assert ("tag", "arm", f"{path}:7:12") in rows
    assert ("tag", "lab", f"{path}:10:15 (group)") in rows
    hp = where(explain(load(path), "hp"))
    assert hp["ssh.user"] == ("ops", f"defaults.ssh ({path}:2:15)"), "the defaults where nobody else says anything"
    assert hp["ssh.host"] == ("127.0.0.3", f"{path}:9:13")
    assert hp["sudo"] == ("ask", f"{path}:9:30")


def test_explain_of_imported_and_faulty_and_unknown_nodes(write: Write) -> None:
    path = write("import: [{ansible: i.ini}]\nnodes:\n  a: {ssh: {user: me}}\n  bad: {ssh: -x}\n")
    (path.parent / "i.ini").write_text("\n[web]\na ansible_host=127.0.0.7 ansible_port=77\n")
    rows = where(explain(path, "a"))
    assert rows["ssh.host"] == ("127.0.0.7", "i.ini:3:1")
    assert rows["ssh.port"] == ("77", "i.ini:3:1")
    assert rows["ssh.user"] == ("me", f"{path}:3:19")
    assert rows["tag"] == ("web", "i.ini (group)")
    assert "dash" in where(explain(path, "bad"))["fault"][0]
    with pytest.raises(ConfigurationError, match=r"no node is called 'bat' \(nearest valid name: bad\)"):
        explain(path, "bat")


def test_explain_command_without_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = json.loads(run(config, "explain", "here").stdout)["items"]
    assert {"id": "here", "key": "local", "value": "true", "from": "built in"} in items


def test_info_prints_every_path_and_version(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = {one["id"]: one for one in json.loads(run(info).stdout)["items"]}
    assert items["hosts"]["value"] == "none"
    for name in ("config", "state", "cache", "log"):
        assert items[name]["value"].startswith(str(home / "quarterdeck"))
    assert items["python"]["value"] == ".".join(map(str, sys.version_info[:3]))
    for name in ("quarterdeck", "textual", "asyncssh", "pydantic", "openssh"):
        assert items[name]["value"][0].isdigit(), name


def test_info_tells_of_a_file_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.yaml").write_text("nodes: {}\n")
    (tmp_path / "hosts.yaml").chmod(0o666)
    items = {one["id"]: one for one in json.loads(run(info).stdout)["items"]}
    assert items["hosts"]["value"] == "none"
    assert items["hosts not used"]["value"] == str(tmp_path / "hosts.yaml")
    assert "everybody may write it" in items["hosts not used"]["note"]


def test_info_prints_the_path_of_a_missing_file(tmp_path: Path) -> None:
    items = {one["id"]: one for one in json.loads(run(info, hosts=tmp_path / "x.yaml").stdout)["items"]}
    assert items["hosts"]["value"] == str(tmp_path / "x.yaml")
    assert "no such file" in items["hosts"]["note"]


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import app.inventory", "pydantic yaml"),
        ("import os, app.inventory as i; os.chdir('/'); assert i.load().path is None", "pydantic yaml"),
        ("import app.cli.config_commands, app.cli.info_command", "pydantic yaml asyncssh textual"),
        (
            "import app.cli.info_command as i; i.info([], standalone_mode=False)",
            "pydantic asyncssh textual psutil yaml",
        ),
    ],
)
def test_what_the_help_loads_stays_light(code: str, absent: str, home: Path) -> None:
    check = f"{code}\nimport sys\nassert not set({absent.split()!r}) & set(sys.modules), sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
