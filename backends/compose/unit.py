"""Holding a stack's lock over several commands: a unit that nobody else may step into."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

from app.errors import Busy, QuarterdeckError, TimedOut
from app.link import Channel, Link
from backends.compose.base import Work, new_token
from backends.compose.script import complaint, holding

_TAKE_S = 20.0


@contextlib.asynccontextmanager
async def unit(work: Work) -> AsyncGenerator[Work]:
    """The same work, whose commands all run under one lock; raises Refused where somebody holds it.

    The lock is held by a channel, and ends with the connection: a console that dies leaves none behind. Where the
    server allows one channel only, that one gives way to the commands, which then each take the lock by themselves.
    """
    own = replace(work, token=new_token())
    channel = await _channel(own.link, holding(own.where, own.lock))
    try:
        await _held(channel, own)
        yield own
    finally:
        with contextlib.suppress(QuarterdeckError):
            await asyncio.shield(asyncio.ensure_future(channel.close()))


async def _channel(link: Link, command: str) -> Channel:
    start: Any = link.channel
    if "yields" in signature(link.channel).parameters:  # a link over SSH knows it
        start = partial(start, yields=True)
    channel: Channel = await start(command)
    return channel


async def _held(channel: Channel, work: Work) -> None:
    said = b""
    try:
        async with asyncio.timeout(_TAKE_S):
            while b"\n" not in said:
                piece = await channel.read()
                if not piece:
                    break
                said += piece
    except TimeoutError:
        raise TimedOut("the lock was not taken in time", where=work.row.id) from None
    line = said.decode("utf-8", "replace").partition("\n")[0]
    fault = complaint(line, work.where)
    if fault is not None:
        raise fault
    if line != "held" and not getattr(channel, "yielded", False):
        raise Busy("the lock could not be taken", where=work.row.id)
