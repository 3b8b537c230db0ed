"""One supervised watch per source, and the fleet that comes of them.

The feed owns what no backend should have to think about: staggered starts, restarts with growing waits, staleness,
and how often a new fleet is handed out (the first at once, then at most four a second). It knows no screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from app.backend import Asleep, Backend, Source
from app.errors import ConfigurationError, HostKeyError, QuarterdeckError
from app.fleet import Fleet, Reading, ReadingKey, gone
from app.history import History
from app.inventory.model import Inventory
from app.kind import AnyKind

log = logging.getLogger(__name__)

PUBLISH_EVERY = 0.25
"""Seconds between two fleets at the least."""
STALE_AFTER = 3
"""Intervals without a sign of life after which a source is stale."""
LONGEST_WAIT = 32.0
"""Seconds between two attempts at most."""
STAGGER = 0.005
"""Seconds between the starts at two hosts, so that a thousand of them are not greeted at once."""

Listener = Callable[[Fleet], None]


@dataclass(slots=True)
class Watched:
    """One source under supervision."""

    source: Source
    backend: Backend
    nudge: asyncio.Event | None = None
    """``None`` while it sleeps."""
    task: asyncio.Task[None] | None = None
    rouse: Callable[[], None] | None = None
    """While it sleeps: lets go of what is to wake it."""
    alive_at: float = 0.0
    keys: set[ReadingKey] = field(default_factory=set[ReadingKey])
    said: dict[ReadingKey, Reading] = field(default_factory=dict[ReadingKey, Reading])
    """The last readings as the backend gave them, before a fault or staleness was written over their rows."""
    named: bool = False
    """There are rows, if only placeholders, or a fault instead of them."""
    told: bool = False
    """Something was seen or found to be wrong: a first reading that waits for nothing more."""
    fault: str | None = None
    ours: bool = False
    absent: bool = False
    """It said that there is nothing to tell of: nothing of it ages, and its silence says nothing."""
    restarts: int = 0


class Feed:
    """Watches every source of every backend and holds the newest fleet."""

    def __init__(
        self,
        backends: Iterable[Backend],
        kinds: Mapping[str, AnyKind],
        history: History | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fleet = Fleet()
        self.history = history
        self._backends = {backend.name: backend for backend in backends}
        self._figures = {noun: kind.figures for noun, kind in kinds.items()}
        self._clock = clock
        self._watched: dict[tuple[str, str], Watched] = {}
        self._pending: dict[ReadingKey, Reading | None] = {}
        """What the next fleet has that this one has not; ``None`` for a reading that it is to have no longer."""
        self._first_words = asyncio.Event()
        """Set whenever a source speaks for the first time."""
        self._listeners: list[Listener] = []
        self._published_at = float("-inf")
        self._publishing: asyncio.TimerHandle | None = None
        self._ageing: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    # -- what others ask of it ------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear of every new fleet; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def sources(self) -> tuple[Source, ...]:
        """What is being watched."""
        return tuple(watched.source for watched in self._watched.values())

    def watches(self, watched: Watched) -> bool:
        """Whether it is still under supervision: the last words of a source that was dropped are not heard."""
        return self._watched.get((watched.source.backend, watched.source.name)) is watched

    def nudge(self, backend: str, source: str) -> None:
        """Ask for a look at one source now."""
        watched = self._watched.get((backend, source))
        if watched is not None:
            self._nudge(watched)

    def nudge_all(self) -> None:
        """Ask for a look at everything now."""
        for watched in self._watched.values():
            self._nudge(watched)

    def admit(self, backend: Backend) -> None:
        """One backend more; its sources are watched from the next ``configure`` on."""
        self._backends[backend.name] = backend

    def configure(
        self,
        inventory: Inventory,
        wanted: Callable[[Source], bool] = lambda source: True,
        *,
        stagger: float = STAGGER,
    ) -> None:
        """Watch what the inventory says: sources whose fingerprint stayed the same are left alone.

        ``stagger`` is in seconds from one host to the next; 0 where starting contacts nobody. Sources of one name are
        one host's, who is greeted once: they start together.
        """
        found: dict[tuple[str, str], tuple[Source, Backend]] = {}
        for backend in self._backends.values():
            for source in backend.sources(inventory):
                if wanted(source):
                    found[(source.backend, source.name)] = (source, backend)
        left: dict[tuple[str, str], set[ReadingKey]] = {}
        """What sources that are begun anew had told: the new watch answers for it."""
        for key, watched in list(self._watched.items()):
            if key not in found or found[key][0] != watched.source:
                self._drop(key, watched, forget=key not in found)
                left[key] = watched.keys
        turns: dict[str, int] = {}
        for key, (source, backend) in found.items():
            turn = turns.setdefault(source.name, len(turns))
            if key not in self._watched:
                watched = Watched(source, backend, alive_at=self._clock(), keys=left.get(key, set()))
                self._watched[key] = watched
                self._begin(watched, turn * stagger)
        if self._ageing is None:
            self._ageing = asyncio.create_task(self._age(), name="ageing")

    async def first(self, timeout: float, *, rows_only: bool = False) -> tuple[Watched, ...]:
        """Wait until every source has told something, at most ``timeout`` seconds; returns those that have not.

        With ``rows_only`` placeholder rows, which come from the configuration, are enough.
        """
        awaited = tuple(self._watched.values())

        def silent(watched: Watched) -> bool:
            return not (watched.named if rows_only else watched.told)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for watched in awaited:
                    while silent(watched):
                        self._first_words.clear()
                        await self._first_words.wait()
        self._publish()
        return tuple(watched for watched in awaited if silent(watched))

    def faults(self) -> tuple[Watched, ...]:
        """Sources that cannot be read because of us: configuration, refused key, unreadable answer."""
        return tuple(watched for watched in self._watched.values() if watched.fault and watched.ours)

    def silent(self) -> tuple[Watched, ...]:
        """Sources that do not answer, for reasons of their own."""
        return tuple(watched for watched in self._watched.values() if watched.fault and not watched.ours)

    def unread(self, noun: str) -> tuple[Watched, ...]:
        """Sources of a kind that cannot be read and have no row to say so; those that are because of us first."""
        found = [
            watched
            for watched in self._watched.values()
            if watched.fault
            and noun in watched.source.nouns
            and not any(noun == item.NOUN for reading in watched.said.values() for item in reading.items[:1])
        ]
        return tuple(sorted(found, key=lambda watched: not watched.ours))

    async def close(self) -> None:
        """Stop watching, bounded in time."""
        for watched in self._watched.values():
            self._stop(watched)
        self._end(self._ageing)
        if self._ending:
            await asyncio.wait(self._ending, timeout=5)
        if self._publishing is not None:
            self._publishing.cancel()
        self._watched.clear()
        self._ageing = None

    # -- supervision ----------------------------------------------------------------------------------------------

    def _end(self, task: asyncio.Task[None] | None) -> None:
        """Cancel a task until it has ended: Python 3.11's ``wait_for`` swallows a cancel that comes with its result."""

        async def insist(task: asyncio.Task[None]) -> None:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.1)

        if task is not None:
            ending = asyncio.create_task(insist(task), name=f"end {task.get_name()}")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _drop(self, key: tuple[str, str], watched: Watched, *, forget: bool) -> None:
        self._stop(watched)
        del self._watched[key]
        for pending in [k for k in self._pending if (k.backend, k.source) == key]:
            del self._pending[pending]
        if forget:
            self.fleet = self.fleet.without_source(*key)
            self._hand_out()

    def _begin(self, watched: Watched, delay: float = 0.0) -> None:
        nudge = watched.nudge = asyncio.Event()
        name = f"watch {watched.source.backend}/{watched.source.name}"
        watched.task = asyncio.create_task(self._supervise(watched, nudge, delay), name=name)

    def _stop(self, watched: Watched) -> None:
        self._end(watched.task)
        if watched.rouse is not None:
            watched.rouse()
            watched.rouse = None

    def _sleep(self, watched: Watched, asleep: Asleep) -> None:
        watched.task = watched.nudge = None
        watched.rouse = asleep.until(lambda: self._wake(watched))

    def _wake(self, watched: Watched) -> None:
        if watched.rouse is not None:
            self._stop(watched)
            self._begin(watched)

    def _nudge(self, watched: Watched) -> None:
        self._wake(watched)
        if watched.nudge is not None:
            watched.nudge.set()

    async def _supervise(self, watched: Watched, nudge: asyncio.Event, delay: float) -> None:
        """Watch one source for ever: a watch that fails is begun again after 1, 2, 4 … 32 seconds, with jitter."""
        await asyncio.sleep(delay)
        failures = 0
        emit = _Emitter(self, watched)
        while True:
            begun = self._clock()
            try:
                await watched.backend.watch(watched.source, emit, nudge)
                words, ours = "its watch ended", True
            except asyncio.CancelledError:
                raise
            except Asleep as asleep:
                if self.watches(watched):
                    self._sleep(watched, asleep)
                return
            except QuarterdeckError as error:
                words, ours = str(error), isinstance(error, (ConfigurationError, HostKeyError))
            except Exception as error:
                log.exception("watch %s/%s", watched.source.backend, watched.source.name)
                words, ours = f"{type(error).__name__}: {error} (details are in the log file)", True
            failures = 0 if self._clock() - begun > 60 else failures + 1
            watched.restarts += 1
            self.failed(watched, words, ours=ours)
            wait = min(LONGEST_WAIT, 2.0 ** (failures - 1)) if failures else 1.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(0.75, 1.25)):
                    await nudge.wait()
                nudge.clear()

    async def _age(self) -> None:
        """Mark what stopped answering: its rows stay, and say so."""
        while True:
            await asyncio.sleep(0.5)
            now = self._clock()
            for watched in self._watched.values():
                if not watched.absent and now - watched.alive_at > STALE_AFTER * watched.source.interval:
                    self._mark_stale(watched, now)

    def _mark_stale(self, watched: Watched, now: float) -> None:
        for key in watched.keys:
            reading = self._newest(key)
            if reading is None or reading.stale or reading.waiting:
                continue
            words = watched.fault or f"no answer for {now - watched.alive_at:.0f} s"
            self._put(reading.as_stale(words))

    # -- what backends say ----------------------------------------------------------------------------------------

    def seen(self, watched: Watched, reading: Reading) -> None:
        """Take a reading; a source that speaks is alive."""
        watched.alive_at = self._clock()
        watched.absent = False
        if reading.fault != watched.fault:
            if reading.fault:
                log.warning("%s/%s: %s", reading.backend, reading.source, reading.fault)
            elif watched.fault:
                log.info("%s/%s: answers again", reading.backend, reading.source)
        watched.fault, watched.ours = reading.fault, reading.ours
        for key in watched.keys - watched.said.keys() - {reading.key}:  # stood for rows nobody had told of yet
            blank = self._newest(key)
            if blank is not None and blank.fault:
                self._put(replace(blank, fault=None, ours=False, stale=False))
        watched.keys.add(reading.key)
        before = watched.said.get(reading.key)
        if self.history is not None and before is not None and reading.fault is None:
            for ref in gone(before, reading):
                self.history.forget(ref)
        watched.said[reading.key] = reading
        self._put(reading)
        self._spoke(watched, told=not reading.waiting)
        if not reading.waiting:
            self._record(reading)

    def alive(self, watched: Watched) -> None:
        """Nothing changed: what was last said stands and is young again, a fault or staleness since then is over."""
        now = self._clock()
        watched.alive_at = now
        watched.absent = False
        self._spoke(watched)
        faults = [reading for reading in watched.said.values() if reading.fault]
        watched.fault, watched.ours = (faults[0].fault, faults[0].ours) if faults else (None, False)
        for key, reading in watched.said.items():
            if reading.fault is None:
                reading = replace(reading, taken_at=now)
                watched.said[key] = reading
                self._record(reading)
            self._put(reading)

    def absent(self, watched: Watched) -> None:
        """There is nothing at this source: it has no readings, and is not waited for, until it says something."""
        if watched.absent:
            return
        watched.absent = True
        watched.fault, watched.ours = None, False
        for key in watched.keys:
            reading = self._newest(key)
            if reading is not None and self.history is not None:
                for item in reading.items:
                    self.history.forget(item.ref)
            self._change(key, None)
        watched.keys.clear()
        watched.said.clear()
        self._spoke(watched)

    def failed(self, watched: Watched, words: str, *, ours: bool) -> None:
        """The source did not answer: the last items stay, with the fault; they become stale in time."""
        watched.absent = False
        if words != watched.fault:
            log.warning("%s/%s: %s", watched.source.backend, watched.source.name, words)
        watched.fault, watched.ours = words, ours
        for key in watched.keys:
            reading = self._newest(key)
            if reading is not None and (reading.fault, reading.ours) != (words, ours):
                self._put(replace(reading, fault=words, ours=ours))
        if not watched.keys:
            empty = Reading(
                backend=watched.source.backend,
                source=watched.source.name,
                taken_at=self._clock(),
                interval=watched.source.interval,
                fault=words,
                ours=ours,
            )
            watched.keys.add(empty.key)
            self._put(empty)
        self._spoke(watched)

    def _spoke(self, watched: Watched, *, told: bool = True) -> None:
        if not watched.named or (told and not watched.told):
            watched.named, watched.told = True, watched.told or told
            self._first_words.set()

    def _record(self, reading: Reading) -> None:
        if self.history is None or reading.fault is not None:
            return
        self.history.record(reading.items, self._figures, reading.taken_at)

    # -- handing out ----------------------------------------------------------------------------------------------

    def _newest(self, key: ReadingKey) -> Reading | None:
        """What was put last, handed out or not."""
        return self._pending[key] if key in self._pending else self.fleet.readings.get(key)

    def _put(self, reading: Reading) -> None:
        self._change(reading.key, reading)

    def _change(self, key: ReadingKey, reading: Reading | None) -> None:
        self._pending[key] = reading
        if self._publishing is None:
            wait = self._published_at + PUBLISH_EVERY - self._clock()
            loop = asyncio.get_running_loop()
            self._publishing = loop.call_later(max(0.0, wait), self._publish)

    def _publish(self) -> None:
        if self._publishing is not None:
            self._publishing.cancel()
            self._publishing = None
        self._published_at = self._clock()
        if self._pending:
            changes, self._pending = self._pending, {}
            self.fleet = self.fleet.changed(changes)
            self._hand_out()

    def _hand_out(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(self.fleet)
            except Exception:
                log.exception("a listener of the feed failed")


class _Emitter:
    """What one watch says is told to the feed under the source's name."""

    def __init__(self, feed: Feed, watched: Watched) -> None:
        self._feed = feed
        self._watched = watched

    def __call__(self, reading: Reading) -> None:
        if self._feed.watches(self._watched):
            self._feed.seen(self._watched, reading)

    def alive(self) -> None:
        if self._feed.watches(self._watched):
            self._feed.alive(self._watched)

    def absent(self) -> None:
        if self._feed.watches(self._watched):
            self._feed.absent(self._watched)

    def fault(self, words: str, *, ours: bool = False) -> None:
        if self._feed.watches(self._watched):
            self._feed.failed(self._watched, words, ours=ours)
