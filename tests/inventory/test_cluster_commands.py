"""``config validate``, ``show``, ``explain`` and ``trust`` of clusters: all of it told, no secret among it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.errors import ConfigurationError
from app.inventory import explain, load, secrets
from app.inventory.trust import FILE
from app.paths import Paths
from backends.proxmox.known import KnownCertificates
from backends.proxmox.tls import Certificate
from tests.inventory.conftest import Write

SECRET = "5e1ec7ed-0000-4000-8000-00000000beef"
ROOT = Path(__file__).parents[2]


class Said:
    """What one command line wrote, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of its JSON."""
        return json.loads(self.out)["items"]


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run one command line of quarterdeck."""
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123

    def run(*words: str) -> Said:
        code = call([*words])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    yield run
    sys.stdin.close()


def commanded(write: Write, command: str = "printf %s root@pam!ops=") -> Path:
    """A hosts.yaml whose one secret comes from a command."""
    path = write(f"proxmox:\n  lab: {{url: https://10.0.1.10:8006, token: 'cmd:{command}{SECRET}'}}\n")
    path.chmod(0o600)
    return path


def test_validate_names_the_cluster(write: Write, say: Any) -> None:
    path = write(f"proxmox:\n  lab: {{url: https://10.0.1.10, token: 'root@pam!ops={SECRET}'}}\n")
    path.chmod(0o644)
    said = say("config", "validate", "--hosts", str(path))
    assert said.code == 2
    assert [(one["cluster"], one["node"], one["line"]) for one in said.items] == [("lab", None, 2)]
    assert SECRET not in said.out + said.err


def test_show_tells_of_clusters_and_of_no_secret(write: Write, say: Any) -> None:
    path = write(
        "nodes: {hp: {ssh: hp}}\n"
        "proxmox:\n"
        f"  lab: {{url: https://10.0.1.10:8006, token: 'root@pam!ops={SECRET}', tags: [prod], node_map: {{pve: hp}}}}\n"
        "  env: {urls: [https://1.2.3.4], user: root, password: '${PVE_PASSWORD}', ca: ca.pem}\n"
        f"  cmd: {{url: https://1.2.3.5, token: 'cmd:echo {SECRET}', fingerprint: '{'AB' * 32}'}}\n"
        f"  bad: {{url: https://1.2.3.6, tokn: {SECRET}}}\n"
    )
    path.chmod(0o600)
    said = say("config", "show", "--hosts", str(path), "--output", "json")
    node, lab, env, cmd, bad = said.items
    assert (node["id"], lab["id"], lab["backend"]) == ("hp", "lab", "proxmox")
    assert (lab["login"], lab["secret"], lab["tags"]) == ("token", "written in hosts.yaml", ["prod"])
    assert (lab["node_map"], lab["verified_by"]) == ({"pve": "hp"}, "the system's authorities")
    assert (env["login"], env["secret"]) == ("root@pam", "${PVE_PASSWORD}")
    assert env["verified_by"] == str(path.parent / "ca.pem")
    assert cmd["secret"] == "a command, not trusted yet: quarterdeck config trust"
    assert cmd["verified_by"] == "fingerprint"
    assert "unknown key 'tokn'" in bad["fault"]
    table = say("config", "show", "--hosts", str(path), "--output", "table")
    assert "CLUSTER" in table.out
    assert "https://10.0.1.10:8006" in table.out
    assert SECRET not in said.out + said.err + table.out + table.err


def test_show_of_a_file_with_clusters_alone(write: Write, say: Any) -> None:
    path = write("proxmox: {lab: {url: https://1.2.3.4, token: '${T}'}}\n")
    lines = say("config", "show", "--hosts", str(path), "--output", "table").out.splitlines()
    assert lines[1].split()[:2] == ["CLUSTER", "REACHED"]
    assert lines[2].split()[:4] == ["lab", "https://1.2.3.4", "token", "${T}"]


def test_explain_says_where_each_value_of_a_cluster_stands(write: Write) -> None:
    path = write(
        f"proxmox:\n  lab:\n    url: https://1.2.3.4\n    token: root@pam!ops={SECRET}\n    tags: [a, b]\n"
        f"  bad: {{tokn: {SECRET}}}\n"
    )
    path.chmod(0o600)
    assert explain(path, "lab") == [
        ("url", "https://1.2.3.4", f"{path}:3:10"),
        ("token", "written in hosts.yaml", f"{path}:4:12"),
        ("tags.0", "a", f"{path}:5:12"),
        ("tags.1", "b", f"{path}:5:15"),
    ]
    bad = explain(path, "bad")
    assert [key for key, _, _ in bad][:1] == ["fault"]
    assert SECRET not in str(bad)
    with pytest.raises(ConfigurationError, match=r"no node or cluster is called 'labb' \(nearest valid name: lab\)"):
        explain(path, "labb")


def test_trust_agrees_to_new_commands_once_and_is_witnessed(write: Write, say: Any) -> None:
    path = commanded(write)
    state = Paths.find().state
    said = say("config", "trust", "--hosts", str(path), "--yes", "--why", "the vault is new")
    assert said.code == 0
    (item,) = said.items
    assert (item["id"], item["state"]) == ("proxmox.lab.token", "trusted")
    assert "proxmox.lab.token: printf" in said.err
    assert (state / FILE).stat().st_mode & 0o777 == 0o600
    inventory = load(path)
    reference = inventory.extra["proxmox"]["lab"]["token"]
    assert asyncio.run(secrets.resolve(reference, inventory, state=state)) == f"root@pam!ops={SECRET}"
    log = say("witness", "query", "--output", "json")
    entries = [one for one in log.items if one["verb"] == "config trust"]
    assert [(one["phase"], one["outcome"]) for one in entries] == [("intent", None), ("outcome", "done")]
    assert entries[0]["why"] == "the vault is new"
    assert "trust the command of proxmox.lab.token" in entries[0]["plan"][0]
    assert SECRET not in log.out, "a command may hold a secret"
    again = say("config", "trust", "--hosts", str(path))
    assert (again.code, "every command is trusted already" in again.err) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 4, "asks first, and there is no terminal to ask at; read them, then add --yes"),
        (("--yes", "--read-only"), 4, "nothing is changed with --read-only"),
        (("--yes", "--mode", "falsify"), 0, "nothing was changed"),
    ],
)
def test_trust_changes_nothing_unless_it_may(
    write: Write, say: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    path = commanded(write)
    done = say("config", "trust", "--hosts", str(path), *words)
    assert done.code == code
    assert said in done.err
    assert not (Paths.find().state / FILE).exists()


def test_trust_of_a_file_that_others_may_write_is_refused(write: Write, say: Any) -> None:
    path = commanded(write)
    path.chmod(0o662)
    done = say("config", "trust", "--hosts", str(path), "--yes")
    assert done.code == 2
    assert f"chmod go-w {path}" in done.err
    path = write("nodes: {a: {ssh: a}}\n")
    path.chmod(0o666)
    done = say("config", "trust", "--hosts", str(path))
    assert (done.code, "no secret of hosts.yaml comes from a command" in done.err) == (0, True)


def test_nothing_is_trusted_that_cannot_be_witnessed(write: Write, say: Any) -> None:
    path = commanded(write)
    state = Paths.find().state
    state.mkdir(parents=True, mode=0o700)
    (state / "witness").write_text("in the way")
    done = say("config", "trust", "--hosts", str(path), "--yes")
    assert done.code == 1
    assert not (state / FILE).exists()


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("\n", 4)])
def test_trust_asks_on_a_terminal(write: Write, typed: str, code: int) -> None:
    path = commanded(write)
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "quarterdeck", "config", "trust", "--hosts", str(path)],
            cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, typed.encode())
        while piece := _piece(ours):
            shown += piece
        assert child.wait(timeout=60) == code
    finally:
        os.close(ours)
    assert b"proxmox.lab.token: printf" in shown
    assert (Paths.find().state / FILE).exists() is (code == 0)


def _piece(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # the other side has gone
        return b""


def test_info_tells_where_clusters_are_asked_and_by_what_they_are_known(write: Write, say: Any) -> None:
    path = write(
        f"proxmox:\n  lab: {{url: https://1.2.3.4, urls: [https://1.2.3.5], token: 'a@pve!bc={SECRET}'}}\n"
        f"  bad: {{url: https://1.2.3.6, tokn: {SECRET}}}\n"
    )
    path.chmod(0o600)
    said = say("info", "--hosts", str(path), "--output", "json")
    told = {one["id"]: one for one in said.items}
    assert told["cluster lab"]["value"] == "https://1.2.3.4, https://1.2.3.5"
    known = "token: written in hosts.yaml; verified by the system's authorities"
    assert told["cluster lab"]["note"] == f"every 10 s; {known}"
    assert "unknown key 'tokn'" in told["cluster bad"]["note"]
    KnownCertificates(Paths.find().state).pin("lab", "https://1.2.3.5", Certificate("AB" * 32))
    told = {one["id"]: one for one in say("info", "--hosts", str(path), "--output", "json").items}
    assert "verified by vm trust (https://1.2.3.5), else the system's authorities" in told["cluster lab"]["note"]
    table = say("info", "--hosts", str(path), "--output", "table")
    assert SECRET not in said.out + said.err + table.out + table.err
    path.write_text("proxmox: [\n")
    broken = say("info", "--hosts", str(path), "--output", "json")
    assert broken.code == 0
    assert not [one for one in broken.items if one["id"].startswith("cluster")]
