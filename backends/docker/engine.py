"""One node's engine: work for it in threads, and what it holds, followed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.backend import Context
from app.errors import BadAnswer, Missing, QuarterdeckError, TimedOut, Unreachable, Unsupported
from app.inventory.model import NodeEntry
from backends.docker.contract import Client
from backends.docker.failures import translated
from backends.docker.reach import Reach, place
from backends.docker.summary import Seen
from backends.docker.threads import Flow, in_thread

if TYPE_CHECKING:
    from backends.docker.client import EngineClient
    from backends.docker.hello import Hello

T = TypeVar("T")

MOST_CALLS = 4
"""Calls of one engine at once; further ones wait."""
STREAMS_DIALLED = 2
"""Streams at once, the one of events included, where each is a session channel: one channel is left for calls."""
GREETING_S = 15.0
_END_S = 5.0


class NodeEngine:
    """Speaks with one engine; satisfies ``backends.docker.contract.Engine``.

    A client belongs to one thread at a time and is kept for the next call; each stream has a thread and a client of
    its own. Nothing is connected before something is wanted.
    """

    def __init__(self, context: Context, entry: NodeEntry) -> None:
        self.node = entry.name
        self.entry = entry
        self.reach = Reach(context, entry, place(entry))
        self.known: Seen | None = None
        """What its watch saw last."""
        self._hello: Hello | None = None
        self._path: Path | None = None
        """By which it was greeted."""
        self._greeting = asyncio.Lock()
        self._calls = asyncio.Semaphore(MOST_CALLS)
        self._idle: list[EngineClient] = []
        self._leases: set[_Lease] = set()
        self._flows: set[Flow[Any]] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._streams = 0
        self._closed = False

    @property
    def seen(self) -> Seen | None:
        """What it held when last looked at; ``None`` before that."""
        return self.known

    # -- connection

    async def socket(self) -> Path:
        """A Unix socket of this machine that the engine answers on; see ``contract.Engine.socket``."""
        await self.hello()
        return await self.reach.path()

    async def hello(self) -> Hello:
        """Who the engine is; asked once per connection. Raises Unsupported for one that is too old."""
        return (await self._met())[0]

    async def _met(self) -> tuple[Hello, Path]:
        if self._closed:
            raise Unreachable("the connection was closed here", where=self.node)
        path = await self.reach.path()
        async with self._greeting:
            if path != self._path:  # by another way than what is kept of it
                self.lost()
            if self._hello is None:
                self._hello, client = await self._greet(path)
                self._path = path
                self._keep(client)
            return self._hello, path

    async def _greet(self, path: Path) -> tuple[Hello, EngineClient]:
        lease = self._lease(None)

        def work() -> tuple[Hello, EngineClient]:
            from backends.docker.hello import greet

            return greet(str(path), self.node, GREETING_S, lease.hold)

        greeted = self._begun(in_thread(f"docker {self.node}", work), lease)
        try:
            async with asyncio.timeout(GREETING_S):
                return await asyncio.shield(greeted)
        except TimeoutError:
            lease.end()
            greeted.add_done_callback(lease.close)
            raise TimedOut("the engine did not answer in time", where=self.node) from None
        except asyncio.CancelledError:
            lease.end()
            greeted.add_done_callback(lease.close)
            raise
        except Exception as error:
            found = await self._explained(error)
            if isinstance(found, Missing) and not isinstance(error, QuarterdeckError):  # no such page: no engine
                found = BadAnswer("it answers, and not as a container engine does", where=self.node)
            raise found from None

    def lost(self) -> None:
        """The connection broke: whatever is kept of it is of no use, and another engine may be there next time."""
        self._hello = None
        idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    async def _explained(self, error: Exception) -> Exception:
        found = translated(error, self.node)
        answered = hasattr(error, "explanation") or isinstance(error, QuarterdeckError)  # the connection is well
        if isinstance(found, Unreachable) and not isinstance(found, TimedOut) and not answered:
            self.lost()
            return await self.reach.explain(found)
        return found

    # -- work

    async def call(self, work: Callable[[Client], T], *, timeout: float = 30.0) -> T:
        """Run blocking work with a client in a thread of this engine; see ``contract.Engine.call``."""
        clock = asyncio.timeout(timeout)
        try:
            async with clock, self._calls:
                hello, path = await self._met()
                return await self._worked(hello, path, work, timeout)
        except TimeoutError:
            if not clock.expired():
                raise
            raise TimedOut(f"the engine did not answer within {timeout:g} s", where=self.node) from None

    async def _worked(self, hello: Hello, path: Path, work: Callable[[Client], T], timeout: float) -> T:
        lease = self._lease(self._idle.pop() if self._idle else None)

        def run() -> T:
            used = lease.client
            if used is None:
                from backends.docker.client import EngineClient

                used = EngineClient(str(path), hello.api, timeout)
            if not lease.hold(used):
                used.close()
                raise Unreachable("given up", where=self.node)
            used.api.timeout = timeout + 1  # ours ends first
            well = False
            try:
                result = work(used.api)
                well = True
                return result
            except Exception as error:
                well = hasattr(error, "explanation")  # it answered: the connection is well
                raise
            finally:
                if not well:
                    used.close()
                    lease.client = None

        future = self._begun(in_thread(f"docker {self.node}", run), lease)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            lease.end()
            future.add_done_callback(lease.close)
            raise
        if lease.client is not None:
            self._keep(lease.client)
        try:
            return future.result()
        except Exception as error:
            raise await self._explained(error) from None

    def _keep(self, client: EngineClient) -> None:
        if self._closed or self._hello is None or self.reach.dialled or len(self._idle) >= MOST_CALLS:
            client.close()
        else:
            self._idle.append(client)

    def _begun(self, future: asyncio.Future[T], lease: _Lease) -> asyncio.Future[T]:
        def ended(done: asyncio.Future[T]) -> None:
            self._threads.discard(done)
            self._leases.discard(lease)

        self._threads.add(future)
        future.add_done_callback(ended)
        return future

    def _lease(self, client: EngineClient | None) -> _Lease:
        lease = _Lease(client)
        self._leases.add(lease)
        return lease

    # -- streams

    async def stream(self, begin: Callable[[Client], Iterator[T]]) -> AsyncGenerator[T]:
        """The items of a blocking iterator; see ``contract.Engine.stream``."""
        async with contextlib.aclosing(self.batches(begin)) as batches:
            async for batch in batches:
                for item in batch:
                    yield item

    async def batches(self, begin: Callable[[Client], Iterator[T]]) -> AsyncGenerator[list[T]]:
        """As ``stream``, everything that came at once together."""
        hello, path = await self._met()
        if self.reach.dialled and self._streams >= STREAMS_DIALLED:
            raise Unsupported(
                "no more than one stream at once goes to this engine: its node's server forwards no sockets",
                where=self.node,
                todo="set AllowStreamLocalForwarding yes in its sshd_config",
            )
        flow: Flow[T] = Flow()
        lease = self._lease(None)

        def run() -> None:
            from backends.docker.client import EngineClient

            client = EngineClient(str(path), hello.api, 60.0)
            try:
                if lease.hold(client):
                    flow.pour(lambda: begin(client.api))
            finally:
                client.close()

        self._streams += 1
        self._flows.add(flow)
        future = self._begun(in_thread(f"docker {self.node} stream", run), lease)
        future.add_done_callback(flow.fail)
        try:
            while batch := await flow.take():
                yield batch
            if self._closed:
                raise Unreachable("the connection was closed here", where=self.node)
        except Exception as error:
            raise await self._explained(error) from None
        finally:
            self._streams -= 1
            self._flows.discard(flow)
            flow.close()
            lease.end()
            if not future.done():
                await asyncio.wait([future], timeout=_END_S)

    # -- its end

    async def close(self) -> None:
        """Let go of everything; what still waits for an answer gets none. Within some seconds."""
        self._closed = True
        for lease in list(self._leases):
            lease.end()
        for flow in list(self._flows):
            flow.close()
        self.lost()
        await self.reach.close()
        if self._threads:
            await asyncio.wait(list(self._threads), timeout=_END_S)


class _Lease:
    """A client while a thread has it; it can be ended before it is made."""

    def __init__(self, client: EngineClient | None) -> None:
        self.client = client
        self._ended = False
        self._lock = threading.Lock()

    def hold(self, client: EngineClient) -> bool:
        """The thread made its client; false when nobody wants it any more."""
        with self._lock:
            self.client = client
            return not self._ended

    def end(self) -> None:
        """End what the thread waits for."""
        with self._lock:
            self._ended = True
            if self.client is not None:
                self.client.end()

    def close(self, done: asyncio.Future[Any]) -> None:
        """The thread has ended, so nobody uses the client any more."""
        if not done.cancelled():
            done.exception()  # nobody else asks for it
        if self.client is not None:
            self.client.close()
