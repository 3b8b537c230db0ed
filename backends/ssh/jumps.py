"""Connections shared by everything that passes the same way: a jump host is logged in to once for all behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from app.backend import AskSecret, nobody
from app.errors import QuarterdeckError
from app.inventory.ssh_config import EntryOf, Resolved, Route
from backends.ssh.attempt import Attempt
from backends.ssh.herd import Herd
from backends.ssh.prompts import Secrets

if TYPE_CHECKING:
    from backends.ssh.hop import Hop
    from backends.ssh.login import Means
    from backends.ssh.sessions import Sessions

_Hops = tuple[Resolved, ...]
Lost = Callable[[Exception | None], None]


class Shared:
    """One logged-in connection and those who use it; made by ``Connections``."""

    def __init__(self, way: _Hops, resolved: Resolved, hop: Hop, sessions: Sessions, via: Shared | None) -> None:
        self.way = way
        self.resolved = resolved
        self.hop = hop
        self.sessions = sessions
        self.via = via
        self.users = 0
        self.alive = True
        self.listeners: set[Lost] = set()


class Connections:
    """All connections of the program, by the way they take.

    ``ask`` asks the operator for secrets; ``entry_of`` finds the entry of a jump host that is itself a configured
    node. asyncssh is imported with the first connection, in a thread.
    """

    def __init__(self, ask: AskSecret = nobody, entry_of: EntryOf = lambda _: None) -> None:
        self.secrets = Secrets(ask)
        self.entry_of = entry_of
        self._herd = Herd()
        self._means: Means | None = None
        self._held: dict[_Hops, Shared] = {}
        self._opening: dict[_Hops, Attempt[Shared]] = {}
        self._ends: set[asyncio.Task[None]] = set()

    async def acquire(self, route: Route, node: str, lost: Lost) -> Shared:
        """A connection to the end of a route, for ``release``; ``lost`` is called when it ends by itself.

        Raises what connecting raises; an error of a jump host says that it is one.
        """
        shared = await self._acquire(route.hops, node)
        shared.listeners.add(lost)
        return shared

    async def release(self, shared: Shared, lost: Lost | None = None) -> None:
        """Let go of a connection; it is closed with its last user."""
        if lost is not None:
            shared.listeners.discard(lost)
        shared.users -= 1
        if shared.users == 0:
            await self._end(shared)

    async def means(self) -> Means:
        """What connecting needs: secrets, keys and turns."""
        if self._means is None:
            made = await asyncio.to_thread(_load)
            if self._means is None:
                self._means = made(self.secrets, self._herd)
        return self._means

    async def close(self) -> None:
        """Close all, bounded to some seconds."""
        held = list(self._held.values())
        await asyncio.gather(*(self._end(shared) for shared in held), *self._ends)

    async def _acquire(self, hops: _Hops, node: str) -> Shared:
        way = _way(hops)
        while True:
            shared = self._held.get(way)
            if shared is None:
                attempt = self._opening.get(way)
                if attempt is None or attempt.done:
                    attempt = self._opening[way] = Attempt(self._open(way, hops, node))
                try:
                    shared = await attempt.result()
                except QuarterdeckError as error:
                    # Every waiter gets an error of its own: one that is raised twice would grow a traceback.
                    raise type(error)(error.what, where=error.where, todo=error.todo) from None
                except asyncio.CancelledError:
                    made = self._held.get(way)
                    if made is not None and made.users == 0:  # it came too late for anybody
                        await self._end(made)
                    raise
                finally:
                    if attempt.done and self._opening.get(way) is attempt:
                        del self._opening[way]
            if shared.alive:
                shared.users += 1
                return shared

    async def _open(self, way: _Hops, hops: _Hops, node: str) -> Shared:
        means = await self.means()
        via: Shared | None = None
        *before, hop = hops
        if before:
            try:
                via = await self._acquire(tuple(before), node)
            except QuarterdeckError as error:
                where = error.where if error.where.startswith("jump host") else f"jump host {error.where}"
                raise type(error)(error.what, where=where, todo=error.todo) from None
        made: list[Shared] = []
        early: list[Exception | None] = []

        def lost(error: Exception | None) -> None:
            if made:
                self._lost(made[0], error)
            else:
                early.append(error)

        try:
            from backends.ssh.connect import connect
            from backends.ssh.sessions import Sessions

            logged_in = await connect(hop, via.hop if via else None, node, means, lost)
        except BaseException:
            if via is not None:
                await self.release(via)
            raise
        shared = Shared(way, hop, logged_in, Sessions(), via)
        made.append(shared)
        self._held[way] = shared
        if early:
            self._lost(shared, early[0])
        return shared

    def _lost(self, shared: Shared, error: Exception | None) -> None:
        if not shared.alive:
            return
        self._forget(shared)
        for listener in list(shared.listeners):
            listener(error)
        task = asyncio.get_running_loop().create_task(self._tidy(shared))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    def _forget(self, shared: Shared) -> None:
        shared.alive = False
        if self._held.get(shared.way) is shared:
            del self._held[shared.way]

    async def _end(self, shared: Shared) -> None:
        if shared.alive:
            self._forget(shared)
            await asyncio.shield(asyncio.create_task(self._tidy(shared)))

    async def _tidy(self, shared: Shared) -> None:
        with contextlib.suppress(OSError):
            await shared.hop.close()
        via, shared.via = shared.via, None
        if via is not None:
            await self.release(via)


def _way(hops: _Hops) -> _Hops:
    """What makes two connections the same: everything but the name they were asked for by, and what may be asked."""
    return tuple(replace(hop, alias="", proxy_jump=(), password=False, passphrase=False, config=None) for hop in hops)


def _load() -> Callable[[Secrets, Herd], Means]:
    """Import the library where it does not hold up the screen."""
    from backends.ssh.library import import_asyncssh

    import_asyncssh()
    from backends.ssh.keys import Keyring
    from backends.ssh.login import Means

    return lambda secrets, herd: Means(secrets, Keyring(secrets), herd)
