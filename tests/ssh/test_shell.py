"""The operator's own ssh takes the way the link takes."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace

import pytest

from app.errors import Unreachable
from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.jobs import ending, marked, portable
from backends.ssh.jumps import Connections
from backends.ssh.link import SshLink
from tests.servers.sshd import Sshd, StartSshd
from tests.servers.tcp import closed_port
from tests.ssh.conftest import MakeLink

pytestmark = pytest.mark.real("sshd")


async def _by_hand(link: SshLink, *command: str) -> subprocess.CompletedProcess[str]:
    argv = [word for word in link.shell_argv(command) if word != "-t"]  # there is no terminal here
    run = subprocess.run
    return await asyncio.to_thread(
        run, argv, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
    )


async def test_before_a_connection_there_is_no_way_to_take(link: SshLink) -> None:
    with pytest.raises(Unreachable):
        link.shell_argv()


async def test_it_uses_the_address_that_answered(make_link: MakeLink, sshd: Sshd) -> None:
    second = sshd.hosts(2)[1]
    link = make_link(sshd.entry("pi"), sshd.defaults(), routes=[f"127.0.2.4:{closed_port()}", second])
    await link.open()
    done = await _by_hand(link, "echo", "$SSH_CONNECTION; it's", "*")
    assert done.stdout == "$SSH_CONNECTION; it's *\n", done.stderr
    assert f"HostName={second}" in link.shell_argv()


async def test_it_is_as_strict(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link.to(sshd)
    await link.open()
    sshd.known_hosts.write_text("")
    done = await _by_hand(link, "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


async def test_it_takes_the_same_jump_hosts_with_their_settings(make_link: MakeLink, sshd_at: StartSshd) -> None:
    outer, inner, far = sshd_at(), sshd_at(), sshd_at()
    far.known_hosts.write_text("".join(f"{one.known_hosts_line()}\n" for one in (outer, inner, far)))
    entries = {"outer": outer.entry(), "inner": replace(inner.entry(), proxy_jump="outer")}
    entry = replace(far.entry(), proxy_jump="inner")
    link = make_link(entry, far.defaults(), connections=Connections(entry_of=entries.get))
    await link.open()
    done = await _by_hand(link, "echo", "through")
    assert done.stdout == "through\n", done.stderr
    assert [one.log().count("Accepted publickey") for one in (outer, inner, far)] == [2, 2, 2]


async def test_it_uses_an_alias_s_own_settings(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"myname {sshd.public_key()}\n")
    config = sshd.write_config({"pi": sshd.host}, extra="Host pi\n  HostKeyAlias myname\n  SetEnv LC_X=1\n")
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    await link.open()
    assert (await _by_hand(link, "echo", "in")).stdout == "in\n"
    assert link.shell_argv(["uptime"])[-3:] == ["--", "pi", "uptime"]
    assert "-t" in link.shell_argv(["uptime"])
    assert "-t" not in link.shell_argv()


# -- the shell text itself, under every shell that is here


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox sh"])
@pytest.mark.parametrize(
    "command", ["echo 'a  b'; exit 3", "printf '%s\\n' \"it's\" '!'; exit 3", "echo a\necho b; exit 3"]
)
def test_a_request_means_the_same_under_every_shell(shell: str, command: str) -> None:
    plain = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    request, mark = marked(command)
    done = subprocess.run([*shell.split(), "-c", request], capture_output=True, check=False, start_new_session=True)
    first, _, rest = done.stdout.partition(b"\n")
    assert first.split()[0] == mark
    assert (done.returncode, rest, done.stderr) == (3, plain.stdout, b"")
    done = subprocess.run([*shell.split(), "-c", portable(command)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, plain.stdout)


def test_without_a_group_of_its_own_it_makes_one() -> None:
    request, _ = marked("ps -o pgid= -p $$")
    done = subprocess.run(["sh", "-c", f"true; {request}"], capture_output=True, text=True, check=True)
    said, group = done.stdout.splitlines()
    assert said.split()[1] == group.strip()


def test_what_is_gone_is_quickly_said_to_be_gone() -> None:
    done = subprocess.run(["sh", "-c", ending(2**22 + 17)], capture_output=True, check=False, timeout=5)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
