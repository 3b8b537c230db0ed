"""``libvirt`` of a node in hosts.yaml."""

from __future__ import annotations

import pytest

from app.inventory import load
from backends.libvirt.declared import declared, uri_of
from tests.inventory.conftest import Write


@pytest.mark.parametrize(
    ("said", "uri", "must"),
    [
        ("", "qemu:///system", False),
        (", libvirt: ", "qemu:///system", False),
        (", libvirt: false", None, False),
        (", libvirt: 'qemu:///system'", "qemu:///system", True),
        (", libvirt: 'qemu:///session'", "qemu:///session", True),
        (", libvirt: 'qemu+unix:///system?socket=/run/x/s.sock'", "qemu+unix:///system?socket=/run/x/s.sock", True),
        (", libvirt: 'test:///default'", "test:///default", True),
    ],
)
def test_which_connection_is_asked(write: Write, said: str, uri: str | None, must: bool) -> None:
    node = load(write(f"nodes: {{hp: {{ssh: hp{said}}}}}\n")).nodes["hp"]
    assert (node.fault, uri_of(node), declared(node)) == (None, uri, must)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("true", "'libvirt': 'true': true says nothing: leave it out, or name the connection: qemu:///system"),
        ("{}", "'libvirt' must be true or false or a text"),
        ("qemu", "'libvirt': 'qemu': not a connection on the node itself: qemu:///system, qemu:///session, or false"),
        ("qemu:///system; reboot", "not a connection on the node itself"),
        ("'qemu:///system?command=/bin/x'", "not a connection on the node itself"),
        ("qemu+ssh://root@hp/system", "it names another host: say qemu:///system at that host's own node"),
    ],
)
def test_mistakes_fault_the_node(write: Write, said: str, words: str) -> None:
    nodes = load(write(f"nodes: {{hp: {{ssh: hp, libvirt: {said}}}, pi: {{ssh: pi}}}}\n")).nodes
    assert words in (nodes["hp"].fault or "")
    assert nodes["pi"].fault is None
    if said not in {"true", "{}"}:
        assert uri_of(nodes["hp"]) is None
