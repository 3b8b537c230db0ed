"""The server that the other tests stand on does what it says."""

from __future__ import annotations

import subprocess

import pytest

from tests.servers.sshd import Sshd, StartSshd


def _ssh(server: Sshd, host: str, command: str) -> subprocess.CompletedProcess[str]:
    config = server.write_config({"pi": host})
    argv = ["ssh", "-F", str(config), "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "pi", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.real("sshd")
def test_openssh_itself_gets_in_by_key_at_every_address(sshd: Sshd) -> None:
    assert _ssh(sshd, sshd.host, "echo hello").stdout == "hello\n"
    assert _ssh(sshd, sshd.hosts(15)[-1], "exit 7").returncode == 7
    assert sshd.connects() == 3  # the one that waited for the start, and two logins


@pytest.mark.real("sshd")
def test_it_comes_back_on_its_port_with_other_options(sshd_at: StartSshd) -> None:
    server = sshd_at(wide=True)
    port = server.port
    server.restart(MaxSessions="0")
    assert server.port == port
    assert _ssh(server, server.hosts(60)[-1], "echo hello").returncode == 255
