"""Ways to a host: those that fail and how that is said, routes, jump hosts, ProxyCommand, and many at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from app.errors import ConfigurationError, Denied, TimedOut, Unreachable
from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.dial import Dropped
from backends.ssh.jumps import Connections
from tests.servers.sshd import Sshd, StartSshd
from tests.servers.tcp import blackhole, closed_port, silent, speaking
from tests.ssh.conftest import MakeLink
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")


async def test_a_host_that_accepts_and_never_speaks_is_timed_out(make_link: MakeLink, sshd: Sshd) -> None:
    with silent() as port:
        link = make_link(SshEntry(host="127.0.2.1", port=port), sshd.defaults(connect_timeout=0.6))
        begun = time.monotonic()
        with pytest.raises(TimedOut, match="said nothing"):
            await link.open()
        assert time.monotonic() - begun < 25


async def test_an_address_that_never_answers_is_timed_out(make_link: MakeLink, sshd: Sshd) -> None:
    with blackhole() as port:
        link = make_link(SshEntry(host="127.0.2.3", port=port), sshd.defaults(connect_timeout=0.5))
        with pytest.raises(TimedOut, match="no answer within"):
            await link.open()


async def test_a_paused_sshd_is_timed_out_and_comes_back(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link(sshd.entry(), sshd.defaults(connect_timeout=3.0))
    sshd.pause()
    with pytest.raises(TimedOut):
        await link.open()
    sshd.resume()
    assert (await link.run("echo in")).text == "in\n"


async def test_refused(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link(SshEntry(host="127.0.2.4", port=closed_port()), sshd.defaults())
    with pytest.raises(Unreachable, match="connection refused") as caught:
        await link.open()
    assert "is sshd running" in caught.value.todo


async def test_a_name_nobody_knows(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link(SshEntry(host="no-such-host.invalid"), sshd.defaults())
    with pytest.raises(Unreachable, match="cannot be looked up"):
        await link.open()


async def test_what_is_no_ssh_server_is_said(make_link: MakeLink, sshd: Sshd) -> None:
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        link = make_link(SshEntry(host="127.0.2.2", port=port), sshd.defaults(connect_timeout=2))
        with pytest.raises(Unreachable):
            await link.open()
    with speaking(b"SSH-1.5-old\r\n") as (port, _):
        link = make_link(SshEntry(host="127.0.2.2", port=port), sshd.defaults(connect_timeout=2))
        with pytest.raises(Unreachable, match="no SSH server we understand"):
            await link.open()


async def test_a_server_that_hangs_up_is_tried_again_a_few_times(make_link: MakeLink, sshd: Sshd) -> None:
    with speaking(b"Exceeded MaxStartups\r\n") as (port, callers):
        link = make_link(SshEntry(host="127.0.2.2", port=port), sshd.defaults())
        with pytest.raises(Dropped, match="before a greeting"):
            await link.open()
        assert 2 <= len(callers) <= 6


async def test_metacharacters_in_names_run_nothing(make_link: MakeLink, sshd: Sshd) -> None:
    proof = sshd.folder / "proof"
    for host in (f"$(touch {proof})", f"a;touch {proof}", f"-oProxyCommand=touch {proof}", f"a\ntouch {proof}"):
        for entry in (SshEntry(host=host), SshEntry(host="pi", proxy_jump=host)):
            with pytest.raises(ConfigurationError):
                await make_link(entry, sshd.defaults()).open()
    assert not proof.exists()


# -- routes


async def test_the_next_route_is_taken_when_one_does_not_answer(make_link: MakeLink, sshd: Sshd) -> None:
    with blackhole() as hole:
        routes = [f"127.0.2.4:{closed_port()}", f"127.0.2.3:{hole}", sshd.host]
        link = make_link(sshd.entry("pi"), sshd.defaults(connect_timeout=3.0), routes=routes)
        assert (await link.run("echo in")).text == "in\n"
        assert link.address == f"{sshd.host}:{sshd.port}"


async def test_when_no_route_answers_each_is_told(make_link: MakeLink, sshd: Sshd) -> None:
    port = closed_port()
    link = make_link(sshd.entry("pi"), sshd.defaults(), routes=[f"127.0.2.4:{port}", f"127.0.2.5:{port}"])
    with pytest.raises(Unreachable, match=rf"127\.0\.2\.4:{port}: connection refused; 127\.0\.2\.5:{port}"):
        await link.open()


async def test_a_host_that_answers_and_refuses_ends_the_search(make_link: MakeLink, sshd: Sshd) -> None:
    first, second = sshd.hosts(2)
    sshd.known_hosts.write_text(sshd.known_hosts_line(second) + "\n")
    link = make_link(sshd.entry("pi"), sshd.defaults(), routes=[first, second])
    with pytest.raises(Denied, match="unknown"):
        await link.open()


# -- jump hosts


async def test_a_chain_of_two_jump_hosts_is_shared(make_link: MakeLink, sshd_at: StartSshd) -> None:
    outer, inner, far = sshd_at(), sshd_at(), sshd_at()
    inner.known_hosts.write_text(
        "\n".join(server.known_hosts_line(host) for server in (outer, inner, far) for host in server.hosts(15)) + "\n"
    )
    config = inner.folder / "chain"
    config.write_text(
        f"Host outer\n HostName {outer.host}\n Port {outer.port}\n IdentityFile {outer.client_key}\n"
        f"Host inner\n HostName {inner.host}\n Port {inner.port}\n ProxyJump outer\n IdentityFile {inner.client_key}\n"
        f"Host far*\n Port {far.port}\n ProxyJump inner\n IdentityFile {far.client_key}\n"
        + "".join(f"Host far{n}\n HostName {host}\n" for n, host in enumerate(far.hosts(5)))
        + f"Host *\n User {far.user}\n IdentitiesOnly yes\n UserKnownHostsFile {inner.known_hosts}\n"
    )
    before = [server.connects() for server in (outer, inner, far)]
    shared = Connections()
    defaults = SshDefaults(config=config)
    links = [make_link(SshEntry(host=f"far{n}"), defaults, connections=shared) for n in range(5)]
    done = await asyncio.gather(*(link.run("echo $SSH_CONNECTION") for link in links))
    assert len({one.text.split()[2] for one in done}) == 5
    after = [server.connects() for server in (outer, inner, far)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 5]

    for link in links[1:]:
        await link.close()
    assert (await links[0].run("echo still")).text == "still\n"
    await links[0].close()
    assert shared._held == {}  # pyright: ignore[reportPrivateUsage]

    inner.drop()
    outer.drop()
    assert (await links[2].run("echo back")).text == "back\n"


async def test_a_jump_host_that_is_gone_is_named(make_link: MakeLink, sshd_at: StartSshd) -> None:
    jump, far = sshd_at(), sshd_at()
    far.known_hosts.write_text(f"{jump.known_hosts_line()}\n{far.known_hosts_line()}\n")
    entries = {"jump": jump.entry()}
    entry = replace(far.entry(), proxy_jump="jump")
    link = make_link(entry, far.defaults(), connections=Connections(entry_of=entries.get))
    assert (await link.run("echo in")).text == "in\n"
    jump.kill()
    await eventually(lambda: link.address is None, what="the loss noticed")
    with pytest.raises(Unreachable, match="jump host") as caught:
        await link.open()
    assert str(jump.port) in caught.value.where


async def test_a_jump_host_that_forbids_forwarding_says_so(make_link: MakeLink, sshd_at: StartSshd) -> None:
    jump, far = sshd_at(options={"AllowTcpForwarding": "no"}), sshd_at()
    far.known_hosts.write_text(f"{jump.known_hosts_line()}\n{far.known_hosts_line()}\n")
    link = make_link(
        replace(far.entry(), proxy_jump="jump"),
        far.defaults(),
        connections=Connections(entry_of={"jump": jump.entry()}.get),
    )
    with pytest.raises(Denied, match="jump host forbids forwarding"):
        await link.open()


async def test_what_the_jump_host_cannot_reach_is_said(make_link: MakeLink, sshd: Sshd) -> None:
    entry = SshEntry(host="127.0.2.4", port=closed_port(), proxy_jump="jump")
    link = make_link(entry, sshd.defaults(), connections=Connections(entry_of={"jump": sshd.entry()}.get))
    with pytest.raises(Unreachable, match="the jump host cannot reach it"):
        await link.open()


async def test_a_node_that_is_also_a_jump_host_has_one_connection(make_link: MakeLink, sshd: Sshd) -> None:
    first, second = sshd.hosts(2)
    shared = Connections(entry_of={"bastion": sshd.entry(first)}.get)
    before = sshd.connects()
    bastion = make_link(sshd.entry(first), sshd.defaults(), connections=shared)
    behind = make_link(replace(sshd.entry(second), proxy_jump="bastion"), sshd.defaults(), connections=shared)
    await bastion.open()
    await behind.open()
    assert sshd.connects() - before == 2
    await bastion.close()
    assert (await behind.run("echo still")).text == "still\n"


async def test_proxy_command_is_honoured(make_link: MakeLink, sshd: Sshd) -> None:
    script = sshd.folder / "proxy"
    script.write_text(
        "import socket, sys, threading, os\n"
        "peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def back():\n"
        "    while data := peer.recv(65536): os.write(1, data)\n"
        "threading.Thread(target=back, daemon=True).start()\n"
        "while data := os.read(0, 65536): peer.sendall(data)\n"
    )
    import sys

    config = sshd.write_config({"pi": sshd.host}, extra=f"Host pi\n  ProxyCommand {sys.executable} {script} %h %p\n")
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    assert (await link.run("echo in")).text == "in\n"


async def test_a_proxy_command_that_fails_says_why(make_link: MakeLink, sshd: Sshd) -> None:
    config = sshd.write_config(
        {"pi": sshd.host}, extra="Host pi\n  ProxyCommand sh -c 'echo no such way >&2; exit 1'\n"
    )
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    with pytest.raises(Unreachable, match="no such way"):
        await link.open()


async def test_ssh_config_with_match_and_include_decides(make_link: MakeLink, sshd: Sshd) -> None:
    more = sshd.folder / "more.conf"
    more.write_text(f"Host pi\n  HostName {sshd.hosts(3)[2]}\n  Port {sshd.port}\n")
    config = sshd.write_config(extra=f"Include {more}\nMatch originalhost pi exec true\n  ServerAliveInterval 7\n")
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    assert (await link.run("echo in")).text == "in\n"
    assert link.address == f"{sshd.hosts(3)[2]}:{sshd.port}"


# -- many


async def test_sixty_hosts_of_a_server_that_drops_bursts_all_come_up(make_link: MakeLink, sshd_at: StartSshd) -> None:
    server = sshd_at(wide=True)
    shared = Connections()
    links = [make_link(server.entry(host), server.defaults(), connections=shared) for host in server.hosts(60)]
    await asyncio.gather(*(link.open() for link in links))
    assert all(link.address for link in links)


async def test_silent_hosts_do_not_hold_up_the_others(make_link: MakeLink, sshd: Sshd) -> None:
    shared = Connections()
    with silent() as port:
        stuck = [
            make_link(SshEntry(host="127.0.2.1", port=port, user=f"u{n}"), sshd.defaults(), connections=shared)
            for n in range(20)
        ]
        waiting = [asyncio.create_task(one.open()) for one in stuck]
        await asyncio.sleep(0)
        link = make_link(sshd.entry(), sshd.defaults(), connections=shared)
        begun = time.monotonic()
        await link.open()
        assert time.monotonic() - begun < 60, "a silent host is given up after a minute"
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_a_cancelled_open_leaves_nothing_behind(make_link: MakeLink, sshd: Sshd) -> None:
    shared = Connections()
    sshd.pause()
    link = make_link.to(sshd, connections=shared)
    task = asyncio.create_task(link.open())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sshd.resume()
    assert shared._held == {}  # pyright: ignore[reportPrivateUsage]
    assert shared._opening == {}  # pyright: ignore[reportPrivateUsage]
    assert (await link.run("echo in")).text == "in\n"


# -- peers that are gone


async def test_a_peer_that_falls_silent_is_noticed(make_link: MakeLink, sshd: Sshd) -> None:
    config = sshd.write_config({"pi": sshd.host}, extra="Host pi\n  ServerAliveInterval 1\n  ServerAliveCountMax 1\n")
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    job = asyncio.create_task(link.stream("sleep 300", stdout=lambda data: None))
    await eventually(lambda: link.cost.bytes_in > 0)
    sshd.pause()
    with pytest.raises(Unreachable):
        await job
    assert link.address is None
    sshd.resume()


async def test_closing_is_bounded_when_nobody_answers(make_link: MakeLink, sshd: Sshd) -> None:
    link = make_link.to(sshd)
    await link.channel("cat")
    job = asyncio.create_task(link.run("sleep 300"))
    await eventually(lambda: link.cost.commands == 1)
    sshd.pause()
    begun = time.monotonic()
    await link.close()
    assert time.monotonic() - begun < 25
    with pytest.raises(Unreachable):
        await job
    sshd.resume()
