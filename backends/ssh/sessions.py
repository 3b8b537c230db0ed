"""The session channels of one connection: how many at once, and who gives way when the server allows only one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncssh

from app.column import clean
from app.errors import Denied, Unreachable, Unsupported

T = TypeVar("T")

MOST = 4
"""Session channels one host is asked for at once, whatever its MaxSessions (10 by default) would allow."""
_NO_PLACE = {2, 4}
"""Connect failed (what sshd says) and resource shortage; RFC 4254, 5.1."""
_SETTLE_SECONDS = 2.0
"""How long after a channel that perhaps never opened the server may still count it."""
_ENDING_SECONDS = 12.0
"""How long a server that has opened sessions may go on refusing: it counts one until the last process of it ends."""
_AGAIN_SECONDS = 0.05
_LARGE = 1 << 20
"""Bytes kept for a reader that is late; beyond that the command waits."""

SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
    "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
}  # fmt: skip
"""Those RFC 4254, 6.10 names, with their numbers on Linux."""


class Seat:
    """One session channel's place; ``yields`` means that its owner can do without it for a while."""

    def __init__(self, yields: bool) -> None:
        self.yields = yields
        self.leave: Callable[[], None] | None = None
        """Ends the channel that sits here; called when others need the only place."""
        self.told = False


class Sessions:
    """The places for session channels on one connection.

    The server's own limit is found by running into it. When it leaves no place beside a channel that yields (the
    sampler's), that channel is ended, and gets its place back when nobody else wants one.
    """

    def __init__(self) -> None:
        self.limit = MOST
        self.seats: set[Seat] = set()
        self._waiting = 0
        self._vacated = 0.0
        self._opened = False
        """The server has opened a session on this connection, so its limit is not 0."""
        self._changed = asyncio.Event()

    @property
    def squeezed(self) -> bool:
        """Channels that yield have no place now, because of the server's limit."""
        return self.limit < MOST and self._busy and len(self.seats) + self._waiting >= self.limit

    @property
    def _busy(self) -> bool:
        return self._waiting > 0 or any(not seat.yields for seat in self.seats)

    async def open(self, start: Callable[[], Awaitable[T]], *, yields: bool = False) -> tuple[Seat, T]:
        """Wait for a place and start a channel there; ``vacate`` gives the place back."""
        given_up = float("inf")
        while True:
            seat = await self._sit(yields)
            others = len(self.seats) - 1
            now = time.monotonic()
            ending = now < given_up if self._opened else now - self._vacated < _SETTLE_SECONDS
            try:
                opened = await start()
            except asyncssh.ChannelOpenError as error:
                self._leave(seat)
                if error.code not in _NO_PLACE or "closed" in error.reason or not (others or ending):
                    raise
            except BaseException:
                self.vacate(seat)  # the server may have opened it all the same, and counts it a little longer
                raise
            else:
                self._opened = True
                return seat, opened
            if others and time.monotonic() - self._vacated >= _SETTLE_SECONDS:
                self.limit = min(self.limit, others)  # the server has fewer places than we took
            elif others:  # it may still count one that has just ended, which says nothing of its limit
                await asyncio.sleep(_AGAIN_SECONDS)
            else:  # what sat there before has yet to end on the host
                given_up = min(given_up, time.monotonic() + _ENDING_SECONDS)
                await asyncio.sleep(_AGAIN_SECONDS)

    def vacate(self, seat: Seat) -> None:
        """The channel has ended."""
        self._vacated = time.monotonic()
        self._leave(seat)

    def _leave(self, seat: Seat) -> None:
        self.seats.discard(seat)
        self._tell()

    async def idle(self) -> None:
        """Wait until there is a place for channels that yield beside all others; a stream may sit in one for days."""
        while self.squeezed:
            await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _sit(self, yields: bool) -> Seat:
        seat = Seat(yields)
        if not yields:
            self._waiting += 1
        try:
            while len(self.seats) >= self.limit or (yields and self._waiting and self.limit < MOST):
                if not yields and (self.limit < MOST or all(seat.yields for seat in self.seats)):
                    self._squeeze()  # several nodes by one address may have taken every place for their samplers
                await self._changed.wait()
            self.seats.add(seat)
        finally:
            if not yields:
                self._waiting -= 1
                self._tell()
        return seat

    def _squeeze(self) -> None:
        for seat in self.seats:
            if seat.yields and seat.leave is not None and not seat.told:
                seat.told = True
                seat.leave()
                return


class Pipe(asyncssh.SSHClientSession[bytes]):
    """One command's ends: ``sink`` is called with (1 or 2, bytes) as output comes."""

    def __init__(self, sink: Callable[[int, bytes], None]) -> None:
        self.sink = sink
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.error: Exception | None = None
        self.chan: asyncssh.SSHClientChannel[bytes] | None = None
        self.at_end: Callable[[], None] | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.chan = chan

    def send(self, data: bytes) -> None:
        """Write to its standard input; raises OSError when that is closed."""
        assert self.chan is not None
        self.chan.write(data)  # pyright: ignore[reportUnknownMemberType]

    def send_eof(self) -> None:
        """End its standard input; raises OSError when that is closed."""
        assert self.chan is not None
        self.chan.write_eof()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self.sink(1 if datatype is None else 2, data)

    def eof_received(self) -> bool:
        return True  # the exit code is yet to come

    def exit_status_received(self, status: int) -> None:
        self.exit_code = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.exit_code = 128 + SIGNALS.get(signal.removeprefix("SIG"), 0)

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.room.set()
        self.ended.set()
        if self.at_end is not None:
            self.at_end()


class Buffer:
    """Output kept until somebody reads it; the command waits while there is too much."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._came = asyncio.Event()
        self.pipe: Pipe | None = None

    def __call__(self, fd: int, data: bytes) -> None:
        if fd != 1:
            return
        self._held.append(data)
        self._size += len(data)
        self._came.set()
        if self._size > _LARGE and self.pipe is not None and self.pipe.chan is not None:
            self.pipe.chan.pause_reading()

    def end(self) -> None:
        """There will be no more."""
        self._came.set()

    async def read(self) -> bytes:
        """All that has come since the last call; empty at the end."""
        assert self.pipe is not None
        while not self._held and not self.pipe.ended.is_set():
            await self._came.wait()
            if not self._held and not self.pipe.ended.is_set():
                self._came.clear()
        data = b"".join(self._held)
        self._held.clear()
        if not self.pipe.ended.is_set():
            self._came.clear()
        if self._size > _LARGE and self.pipe.chan is not None:
            self.pipe.chan.resume_reading()
        self._size = 0
        return data


def refusal(error: asyncssh.ChannelOpenError, where: str) -> Exception:
    """What to say when the server opens no session at all."""
    if "closed" in error.reason:
        return Unreachable("the connection was lost", where=where)
    return Denied(
        f"the server opens no session: {clean(error.reason)}",
        where=where,
        todo="is MaxSessions 0 there, or the login limited to forwarding?",
    )


def no_subsystem(where: str) -> Unsupported:
    """What to say where sshd has no SFTP."""
    return Unsupported("the server offers no SFTP", where=where, todo="its sshd_config needs: Subsystem sftp …")
