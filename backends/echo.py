"""One ICMP echo, and one TCP connection: is anybody there, and how long does the answer take?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import time
from asyncio import subprocess

from app.errors import ConfigurationError, TimedOut, Unreachable


async def knock(host: str, port: int, timeout: float) -> None:
    """Open a TCP connection and close it again; nothing is sent."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise TimedOut(f"no connection within {timeout:g} s", where=f"{host}:{port}") from None
    except OSError as error:
        raise Unreachable(_reason(error), where=f"{host}:{port}") from None
    writer.transport.abort()


async def echo(host: str, timeout: float) -> float:
    """Send one ICMP echo; returns the round trip in milliseconds.

    By an unprivileged datagram socket where the kernel lets us (``net.ipv4.ping_group_range``), by the system's
    ``ping`` otherwise.
    """
    try:
        async with asyncio.timeout(timeout):
            family, address = await _resolved(host)
            opened = datagram_socket(family)
            if opened is None:
                return await _by_program(address, host)
            with opened:
                return await _by_socket(opened, family, address)
    except TimeoutError:
        raise TimedOut(f"no answer within {timeout:g} s", where=host) from None
    except OSError as error:
        raise Unreachable(_reason(error), where=host) from None


async def _resolved(host: str) -> tuple[socket.AddressFamily, str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[0]
    return family, str(address[0])


def datagram_socket(family: socket.AddressFamily) -> socket.socket | None:
    """A datagram socket for echoes, or ``None`` where the kernel refuses one to us."""
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        opened = socket.socket(family, socket.SOCK_DGRAM, protocol)
    except (PermissionError, OSError):
        return None
    opened.setblocking(False)
    return opened


async def _by_socket(opened: socket.socket, family: socket.AddressFamily, address: str) -> float:
    """The kernel fills in the identifier and hands us only our own answers; the token tells late ones apart."""
    loop = asyncio.get_running_loop()
    request, reply = (128, 129) if family == socket.AF_INET6 else (8, 0)
    token = os.urandom(16)
    packet = struct.pack("!BBHHH", request, 0, 0, 0, 1) + token
    packet = packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]
    begun = time.perf_counter()
    await loop.sock_connect(opened, (address, 0))
    await loop.sock_sendall(opened, packet)
    while True:
        answer = await loop.sock_recv(opened, 2048)
        if answer[:1] == bytes([reply]) and answer[8:] == token:
            return 1000 * (time.perf_counter() - begun)


def _checksum(packet: bytes) -> int:
    """RFC 1071; for ICMPv6 the kernel puts in its own."""
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


async def _by_program(address: str, host: str) -> float:
    program = shutil.which("ping")
    if program is None:
        raise ConfigurationError(
            "this machine lets us send no ICMP echo and has no ping program",
            where=host,
            todo="install ping, or check a TCP port instead (ping: HOST:PORT)",
        )
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        program, "-n", "-c", "1", address, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    whole = 1000 * (time.perf_counter() - begun)
    if process.returncode != 0:
        said = (err or out).decode("utf-8", "replace").strip().splitlines()
        raise Unreachable(said[-1][:200] if err and said else "no answer", where=host)
    # "time=0.045 ms" of the one answer; the program's own start is not the network's.
    _, found, rest = out.decode("utf-8", "replace").partition("time=")
    try:
        return float(rest.split(None, 1)[0]) if found else whole
    except (ValueError, IndexError):
        return whole


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host is known"
    return os.strerror(error.errno).lower() if error.errno else str(error)
