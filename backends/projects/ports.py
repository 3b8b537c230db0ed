"""Which ports of a node are in use, and by whom: asked of its kernel, through its link."""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.column import clean
from app.link import Link

_LISTENING = "0A"
_READ = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; :"
_HOLDERS = """\
for p in /proc/[0-9]*; do
  for s in $(ls -l "$p/fd" 2>/dev/null | sed -n 's/.*socket:\\[\\([0-9]*\\)\\]$/\\1/p'); do
    case " @ " in *" $s "*) read -r name < "$p/comm" && echo "$s ${p#/proc/} $name";; esac
  done
done 2>/dev/null
:"""
"""Prints ``inode pid name`` for each process with one of the sockets ``@``; those of other logins cannot be seen."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that waits for connections."""

    address: str
    port: int
    inode: str


def listeners(answer: str) -> tuple[Listener, ...]:
    """The listening sockets in the text of ``/proc/net/tcp`` and ``tcp6``; other lines are passed over.

    Addresses are hexadecimal 32-bit words in the machine's byte order (proc(5)); little-endian ones are assumed.
    """
    found: list[Listener] = []
    for line in answer.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENING:
            continue
        packed, _, port = fields[1].partition(":")
        try:
            raw = bytes.fromhex(packed)
            words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
            found.append(Listener(str(ipaddress.ip_address(words)), int(port, 16), fields[9]))
        except ValueError:
            continue
    return tuple(found)


def clashes(listener: Listener, address: str, port: int) -> bool:
    """Whether a socket that listens keeps another from listening at an address and port."""
    if listener.port != port:
        return False
    there, wanted = ipaddress.ip_address(listener.address), ipaddress.ip_address(address)
    mapped = getattr(there, "ipv4_mapped", None)
    there = mapped or there
    return there == wanted or there.is_unspecified or (wanted.is_unspecified and there.version == wanted.version)


def bindable(address: str, port: int) -> bool:
    """Whether this machine lets somebody listen at an address and port now; tried, not guessed.

    An address that is not this machine's counts as free: the engine's own error tells then.
    """
    import errno

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        if sys.platform != "win32":  # connections that ended lately keep nobody from listening
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


class NodePorts:
    """The ports of one node as they are now."""

    def __init__(self, link: Link, *, local: bool) -> None:
        self._link = link
        self._local = local
        self._listeners: tuple[Listener, ...] = ()

    async def look(self) -> None:
        """Ask the node what listens; needs no rights."""
        self._listeners = listeners((await self._link.run(_READ)).text)

    def busy(self, address: str, port: int) -> bool:
        """Whether nobody else can listen there. Blocks for a bind on this machine itself."""
        if any(clashes(one, address, port) for one in self._listeners):
            return True
        return self._local and not bindable(address, port)

    async def holders(self, ports: Iterable[int], containers: Mapping[int, str]) -> dict[int, str]:
        """Who holds ports, in words; ``containers`` are those that publish one, by port."""
        wanted = set(ports)
        held = {port: f"the container {clean(containers[port])}" for port in wanted if port in containers}
        rest = {one.inode: one.port for one in self._listeners if one.port in wanted - set(held)}
        if rest:
            answer = await self._link.run(_HOLDERS.replace("@", " ".join(sorted(rest))), timeout=20.0)
            for line in answer.text.splitlines():
                match = re.fullmatch(r"(\d+) (\d+) (.*)", line)
                if match and match[1] in rest:
                    held.setdefault(rest[match[1]], f"{clean(match[3])} (pid {match[2]})")
        for port in wanted - set(held):
            held[port] = "something that this login may not see"
        return held
