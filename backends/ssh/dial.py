"""A byte stream to the first hop: TCP, or a ProxyCommand at the other end of a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.column import clean
from app.errors import Denied, TimedOut, Unreachable
from app.inventory.ssh_config import Resolved

_FIRST_WORD_SECONDS = 2.0
"""sshd greets at once; where nothing comes by then, the handshake itself finds out."""

_lookups = ThreadPoolExecutor(max_workers=16, thread_name_prefix="lookup")
"""Of their own: lookups that hang for seconds must not hold up other threads' work."""


class Dropped(Unreachable):
    """The server hung up before its greeting, as sshd does when too many knock at once."""


@dataclass(slots=True)
class Dialled:
    """An open stream and, where it has one, its command."""

    socket: socket.socket
    process: subprocess.Popen[bytes] | None = None
    complaints: int = -1
    """Descriptor of what the command wrote to its standard error."""

    def said(self) -> str:
        """The last words of the command."""
        if self.complaints < 0:
            return ""
        with contextlib.suppress(OSError):
            text = os.pread(self.complaints, 4000, 0).decode("utf-8", "replace").strip()
            return clean(text.splitlines()[-1]) if text else ""
        return ""

    async def end(self) -> None:
        """End the command, bounded; the socket belongs to whoever took it."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await asyncio.to_thread(_reap, process)
        if self.complaints >= 0:
            os.close(self.complaints)
            self.complaints = -1


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


async def dial(hop: Resolved, seconds: float) -> Dialled:
    """Open a stream to a hop within ``seconds``; raises Unreachable, TimedOut, or Dropped before a greeting."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    try:
        async with asyncio.timeout(seconds):
            dialled = await (_command(hop.proxy_command) if hop.proxy_command else _tcp(hop))
    except TimeoutError:
        raise TimedOut(
            f"no answer within {seconds:g} s", where=hop.address, todo="is it switched on and on the network?"
        ) from None
    try:
        await _first_word(dialled, hop, deadline)
    except BaseException:
        dialled.socket.close()
        await dialled.end()
        raise
    return dialled


async def _tcp(hop: Resolved) -> Dialled:
    loop = asyncio.get_running_loop()
    try:
        ask = functools.partial(socket.getaddrinfo, hop.host, hop.port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(_lookups, ask)
    except (socket.gaierror, UnicodeError) as error:
        words = error.strerror if isinstance(error, socket.gaierror) else "no valid name"
        raise Unreachable(
            f"the name {clean(hop.host)} cannot be looked up: {words}",
            where=hop.address,
            todo="check the address, or add another under routes",
        ) from None
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for family, kind, protocol, _, address in found:
        peer = socket.socket(family, kind, protocol)
        try:
            peer.setblocking(False)
            await loop.sock_connect(peer, address)
        except OSError as error:
            peer.close()
            failure = error
        except BaseException:
            peer.close()
            raise
        else:
            return Dialled(peer)
    raise _refusal(failure, hop)


def _refusal(error: OSError, hop: Resolved) -> Unreachable:
    if isinstance(error, ConnectionRefusedError):
        return Unreachable("connection refused", where=hop.address, todo=f"is sshd running there on port {hop.port}?")
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return Unreachable("no route to the host", where=hop.address, todo="check the network, a VPN, the address")
    if error.errno == errno.ETIMEDOUT:
        return TimedOut("no answer", where=hop.address)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Denied(f"this machine does not let us connect: {error.strerror}", where=hop.address)
    return Unreachable(f"cannot connect: {error.strerror or error}", where=hop.address)


async def _command(command: str) -> Dialled:
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        with tempfile.TemporaryFile(prefix="quarterdeck-") as words:
            # As OpenSSH does it: the line goes to the user's shell, with exec so that no shell stays in between.
            process = await asyncio.to_thread(
                subprocess.Popen[bytes],
                [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=words,
                start_new_session=True,
            )
            return Dialled(ours, process, os.dup(words.fileno()))
    except OSError as error:
        ours.close()
        raise Unreachable(f"ProxyCommand cannot be run: {error.strerror}", where=clean(command)) from None
    finally:
        theirs.close()


def silence(hop: Resolved, words: str) -> TimedOut:
    """The error for a peer that took the connection and not the next step."""
    return TimedOut(
        f"{words} within {hop.connect_timeout:g} s", where=hop.address, todo="is it an SSH server, and well?"
    )


async def _first_word(dialled: Dialled, hop: Resolved, deadline: float) -> None:
    """Wait until the peer has spoken or hung up, so that those who never speak take nobody's turn."""
    loop = asyncio.get_running_loop()
    spoken: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not spoken.done():
            spoken.set_result(None)

    loop.add_reader(dialled.socket, ready)
    try:
        async with asyncio.timeout_at(min(deadline, loop.time() + _FIRST_WORD_SECONDS)):
            await spoken
    except TimeoutError:
        if loop.time() >= deadline:
            raise silence(hop, "it accepted the connection and then said nothing") from None
        return
    finally:
        loop.remove_reader(dialled.socket)
    try:
        word = dialled.socket.recv(64, socket.MSG_PEEK)
    except BlockingIOError:
        return
    except OSError:
        word = b""
    if word.startswith(b"HTTP/"):
        raise Unreachable("what answers there is a web server", where=hop.address, todo="check the port")
    if not word or word.startswith((b"Exceeded MaxStartups", b"Not allowed at this time")):
        said = dialled.said()
        if hop.proxy_command:
            words = f"ProxyCommand ended{': ' + said if said else ''}"
            raise Unreachable(words, where=hop.address, todo="try the command by hand")
        raise Dropped(
            "the connection was closed before a greeting",
            where=hop.address,
            todo="sshd may have too many logins at once (MaxStartups)",
        )
