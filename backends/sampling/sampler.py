"""One node's sampler: paces the program on the node's channel and hands the answers to those who asked for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from app.errors import BadAnswer, Denied, QuarterdeckError, TimedOut, Unreachable
from app.link import Channel, Probe, Sample, Tier
from backends.sampling import script
from backends.sampling.answers import Files, part, put
from backends.sampling.frames import Answer, Decoder, Tick
from backends.sampling.slots import PATIENCE_S, Slots

log = logging.getLogger(__name__)

FIRST_GAP_S = 0.3
"""Between the first two samples of a one-shot look: rates need two."""
LONGEST_WAIT_S = 32.0
"""Between two attempts at a node that does not answer."""
DENIED_WAIT_S = 60.0
"""Between two attempts at a node that refused us: a locked account or a changed key is no matter of seconds."""
_CHANNEL_S = 30.0

Deliver = Callable[[Sample], None]


class Paused(QuarterdeckError):
    """The sampler waits for something else that runs on the node; nothing is wrong with it."""


class Reached(Protocol):
    """As much of a link as a sampler needs."""

    async def open(self) -> None:
        """Connect if not connected."""

    async def close(self) -> None:
        """Disconnect."""

    async def channel(self, command: str) -> Channel:
        """Start a long-running command with both ends open."""
        ...


@runtime_checkable
class Yielding(Protocol):
    """A link that may end a channel when the server allows no other beside it; see ``backends.ssh.link.SshLink``."""

    @property
    def squeezed(self) -> bool:
        """There is no place for a channel that yields now."""
        ...

    @property
    def note(self) -> str | None:
        """Why, in words."""
        ...

    async def idle(self) -> None:
        """Wait until nothing but channels that yield wants the connection."""

    async def channel(self, command: str, *, yields: bool = False) -> Channel:
        """Start a long-running command that gives way to others; its ``yielded`` is true when it had to."""
        ...


@dataclass(slots=True, eq=False)
class _Subscription:
    probes: Mapping[str, Probe[Any]]
    deliver: Deliver


class Sampler:
    """Runs the probes of all subscribers over one channel, one tick at a time.

    ``link`` gives the node's link of the moment. A tick is sent only when the last one has been answered, so a slow
    host is asked less often and never has a queue. When the channel ends, times out or says what it cannot say, the
    subscribers get a Sample with ``fault`` and the sampler tries again: after 1, 2, 4 … 32 s with jitter, after 60 s
    where the host refused us. Rates and ages are the subscribers' business.
    """

    def __init__(
        self,
        link: Callable[[], Reached],
        *,
        interval: float = 2.0,
        one_shot: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._interval = interval
        self._one_shot = one_shot
        self._clock = clock
        self._subscriptions: list[_Subscription] = []
        self._probes: dict[str, Probe[Any]] = {}
        self._patterns: tuple[str, ...] = ()
        self._slots = Slots(())
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._awake = asyncio.Event()
        self._greeted = False
        self._files = Files()

    # -- who listens ------------------------------------------------------------------------------------------------

    def subscribe(self, probes: Sequence[Probe[Any]], deliver: Deliver) -> Callable[[], None]:
        """Run these probes as well; ``deliver`` hears of each tick. Returns what ends the subscription.

        Probes of one name are one probe, whoever asks for it. The first subscription starts the sampler, the end of
        the last one stops it.
        """
        one = _Subscription({probe.name: probe for probe in probes}, deliver)
        self._subscriptions.append(one)
        self._collect()
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name="sampler")

        def end() -> None:
            if one in self._subscriptions:
                self._subscriptions.remove(one)
                self._collect()
                if not self._subscriptions and self._task is not None:
                    self._task.cancel()
                    self._ending, self._task = self._task, None

        return end

    @property
    def idle(self) -> bool:
        """Nobody listens any more."""
        return not self._subscriptions

    def nudge(self) -> None:
        """Look now, or try again now."""
        self._awake.set()

    def look(self, probe: str) -> None:
        """Run a probe now, where somebody asked for it."""
        self._slots.hurry(probe)
        self.nudge()

    async def close(self) -> None:
        """Stop, bounded in time."""
        self._subscriptions.clear()
        if self._task is not None:
            self._task.cancel()
        # One that was told to end is closing its channel, which another word would cut short.
        tasks = [task for task in (self._task, self._ending) if task is not None]
        self._task = self._ending = None
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    def _collect(self) -> None:
        self._probes = {name: probe for one in self._subscriptions for name, probe in one.probes.items()}
        patterns = [file for probe in self._probes.values() if probe.tier is Tier.FAST for file in probe.files]
        self._patterns = tuple(dict.fromkeys(patterns))
        self._slots.want(self._probes.values())

    # -- sessions -----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        failures = 0
        while True:
            begun = self._clock()
            try:
                await self._session()
                error: QuarterdeckError = Unreachable("the sampler ended")
            except Paused as paused:
                self._tell(Sample(self._clock(), fault=paused))
                continue
            except QuarterdeckError as caught:
                error = caught
            except Exception as caught:
                log.exception("the sampler failed")
                error = BadAnswer(f"{type(caught).__name__}: {caught}")
            lived = self._clock() - begun
            failures = 1 if self._greeted and lived > 10 else failures + 1
            self._tell(Sample(self._clock(), fault=error))
            wait = DENIED_WAIT_S if isinstance(error, Denied) else min(LONGEST_WAIT_S, 2.0 ** (failures - 1))
            await self._sleep(wait * random.uniform(0.75, 1.25))

    async def _session(self) -> None:
        """One channel from its start to its end; ends only by an error or by being cancelled."""
        self._greeted = False
        link = self._link()
        await link.open()
        if isinstance(link, Yielding):
            await link.idle()
        channel = await self._start(link)
        try:
            await self._ticks(channel)
        except Unreachable as error:
            if getattr(channel, "yielded", False):
                raise Paused(getattr(link, "note", None) or "sampling paused while something else runs") from None
            if isinstance(error, TimedOut) and not self._greeted:
                # Not even a hello came over what the link takes for a connection: it is gone and nobody said so.
                await link.close()
            raise
        finally:
            with contextlib.suppress(QuarterdeckError, TimeoutError):
                async with asyncio.timeout(5):
                    await channel.close()

    async def _start(self, link: Reached) -> Channel:
        command = script.command()
        try:
            async with asyncio.timeout(_CHANNEL_S):
                if isinstance(link, Yielding):
                    return await cast("Yielding", link).channel(command, yields=True)
                return await link.channel(command)
        except TimeoutError:
            if isinstance(link, Yielding) and link.squeezed:
                raise Paused(link.note or "sampling waits while something else runs") from None
            await link.close()
            raise TimedOut(f"no channel within {_CHANNEL_S:g} s") from None

    async def _ticks(self, channel: Channel) -> None:
        nonce = secrets.token_hex(16)
        decoder = Decoder(nonce)
        slots = self._slots
        slots.again()
        lines = script.nonce_line(nonce)
        patterns: tuple[str, ...] | None = None
        number = 0
        next_at = self._clock()
        while True:
            number += 1
            if patterns != self._patterns:
                patterns = self._patterns
                lines += script.files_line(patterns)
            lines += script.tick_line(number)
            begun = [slots.begin(self._clock()) for _ in range(script.SLOTS if self._one_shot else 1)]
            begun.append(slots.begin(self._clock(), waited_for=True))
            for slot, probe in filter(None, begun):
                lines += script.script_line(slot, probe.script, becomes=probe.becomes)
            sent = self._clock()
            await self._write(channel, lines)
            lines = b""
            tick, ended = await self._answer(channel, decoder, number)
            now = self._clock()
            self._tell(self._sample(tick, ended, slots, now, 1000 * (now - sent)))
            del tick, ended  # not kept while it sleeps
            quick = self._one_shot and (number == 1 or (number < 20 and not slots.settled))
            next_at = max(next_at + (FIRST_GAP_S if quick else self._interval), now + FIRST_GAP_S / 3)
            await self._sleep(next_at - now)

    async def _write(self, channel: Channel, lines: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await channel.write(lines)
        except TimeoutError:
            raise TimedOut(f"it took nothing for {self._patience:g} s") from None

    @property
    def _patience(self) -> float:
        """Seconds a tick may take; the row is stale long before."""
        return max(15.0, 5 * self._interval)

    async def _answer(self, channel: Channel, decoder: Decoder, number: int) -> tuple[Tick, list[Answer]]:
        """Read until tick ``number`` is answered; older ones that come late are passed over."""
        ended: list[Answer] = []
        found: Tick | None = None
        try:
            async with asyncio.timeout(self._patience):
                while found is None:
                    data = await channel.read()
                    if not data:
                        raise Unreachable("the connection or the sampler ended")
                    for one in decoder.feed(data):
                        if isinstance(one, Answer):
                            ended.append(one)
                        elif one.number == number:
                            found = one
                        elif one.number > number:
                            raise BadAnswer("the sampler answered what was not asked")
        except TimeoutError:
            raise TimedOut(f"no answer for {self._patience:g} s") from None
        finally:
            self._greeted = decoder.greeted
        return found, ended

    async def _sleep(self, seconds: float) -> None:
        """Wait, or less when nudged."""
        self._awake.clear()
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._awake.set)
        try:
            await self._awake.wait()
        finally:
            timer.cancel()

    # -- answers ------------------------------------------------------------------------------------------------------

    def _sample(self, tick: Tick, ended: list[Answer], slots: Slots, now: float, latency_ms: float) -> Sample:
        answers: dict[str, Any] = {}
        faults: dict[str, str] = {}
        files = tick.files
        for probe in self._probes.values():
            if probe.tier is Tier.FAST:
                put(probe, self._files.raw(probe, files), answers, faults)
        for one in ended:
            probe = slots.end(one.slot, now)
            if probe is not None:
                put(probe, one.data, answers, faults)
        for probe in slots.hanging(now):
            faults[probe.name] = f"no answer for {PATIENCE_S:.0f} s"
        return Sample(now, answers, faults, None, latency_ms)

    def _tell(self, sample: Sample) -> None:
        for one in tuple(self._subscriptions):
            own = part(sample, one.probes)
            try:
                one.deliver(own)
            except Exception:
                log.exception("a subscriber of the sampler failed")
