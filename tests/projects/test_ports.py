"""Ports of a node: read from its kernel, tried by binding, and named after whoever holds them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from backends.local.link import LocalLink
from backends.projects.ports import Listener, NodePorts, bindable, clashes, listeners

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 99 1 0 20 4 30 10 -1
   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 13 1 0 100 0
   1: 0000000000000000FFFF00000100007F:0BB9 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 14 1 0 100 0
   9: nonsense:zz 0:0 0A 0 0 0 0 0 0 0
"""


def test_listening_sockets_are_read_from_the_kernels_table() -> None:
    assert listeners(TABLE) == (
        Listener("127.0.0.1", 8080, "4711"),
        Listener("0.0.0.0", 22, "12"),
        Listener("::1", 3000, "13"),
        Listener("::ffff:7f00:1", 3001, "14"),
    )


@pytest.mark.parametrize(
    ("there", "wanted", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::1", "0.0.0.0", False),
    ],
)
def test_who_is_in_whose_way(there: str, wanted: str, clash: bool) -> None:
    assert clashes(Listener(there, 80, "1"), wanted, 80) is clash
    assert not clashes(Listener(there, 81, "1"), wanted, 80)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


async def test_a_busy_port_is_found_and_its_holder_named(taken: int) -> None:
    link = LocalLink("here")
    for local in (True, False):
        ports = NodePorts(link, local=local)
        await ports.look()
        assert ports.busy("127.0.0.1", taken)
        assert not ports.busy("127.0.0.9", taken)
        held = await ports.holders([taken], {})
        assert f"(pid {os.getpid()})" in held[taken]


async def test_what_cannot_be_named_is_said_to_be_so() -> None:
    ports = NodePorts(LocalLink("here"), local=True)
    assert await ports.holders([1, 2], {2: "web"}) == {
        1: "something that this login may not see",
        2: "the container web",
    }


def test_binding_tells(taken: int) -> None:
    assert not bindable("127.0.0.1", taken)
    assert not bindable("0.0.0.0", taken)
    assert bindable("127.0.0.9", taken)
