"""What a node has for other backends to find, such as a container engine: learned from the node's own sampler.

A backend that looks for something by itself on every node logged in to (an engine, a hypervisor) must cost a node
without it next to nothing, here and there. So nobody looks on his own: one probe on the sampler's channel tells about
once a minute which of ``LOOKED_FOR`` are there, for all backends together, and only while somebody waits for one::

    async def watch(self, source, emit, nudge):
        await self.context.shared(found).wait_for(source.name, (LIBVIRT,), emit, nudge)
        ...  # it is there now (or nobody can say): follow it; what fails from here on is told as ever

Until then the feed is told that there is nothing (``emit.absent()``: the source neither ages nor beats, and has no
reading in the fleet) or why nobody knows (the node does not answer), and ``wait_for`` raises ``Asleep``, which is the
feed's to catch: the source has no task, no timer and no connection of its own, and its watch is begun anew when
something else is found. A nudge looks at once. What is to be looked for as well gets a line in ``LOOKED_FOR``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from app.backend import Asleep, Context, Emit
from app.errors import BadAnswer, Denied, QuarterdeckError
from app.link import Probe, Sample, Tier
from backends.node_rows import words
from backends.sampling.sampler import Paused
from backends.standing import ours

DOCKER = "docker"
"""An engine's socket at Docker's place, whoever made it."""
PODMAN = "podman"
"""Podman's own socket of the system."""
VIRSH = "virsh"
"""The program."""
LIBVIRT = "libvirt"
"""A socket of libvirt's daemon of the system, in one piece or in many."""

LOOKED_FOR: Mapping[str, str] = {
    DOCKER: "[ -S /var/run/docker.sock ]",
    PODMAN: "[ -S /run/podman/podman.sock ]",
    VIRSH: "command -v virsh >/dev/null",
    LIBVIRT: "[ -S /var/run/libvirt/libvirt-sock ] || [ -S /var/run/libvirt/virtqemud-sock ]",
}
"""Thing -> POSIX ``sh`` that is true where it is; no forks."""
EVERY_S = 45.0
"""Seconds between two looks at a node."""

LINGER_S = 5.0
"""So long a node for whose things nobody waits any more is still looked at."""

_END = "."
_SURE = 2
"""So often in a row a sampler has to fail over a standing connection before it is said that it cannot tell."""


def parse_found(answer: bytes) -> frozenset[str]:
    """The things that are there. Raises BadAnswer where the answer did not come to its end."""
    told = answer.decode("ascii", "replace").split()
    if told[-1:] != [_END]:
        raise BadAnswer("what is there was not told to its end")
    return _same(frozenset(one for one in told if one in LOOKED_FOR))


_KNOWN: dict[frozenset[str], frozenset[str]] = {}


def _same(things: frozenset[str]) -> frozenset[str]:
    """One object for all nodes that have the same: there are few combinations and many nodes."""
    return _KNOWN.setdefault(things, things)


def looking(tests: Mapping[str, str], every_s: float = EVERY_S) -> Probe[frozenset[str]]:
    """The probe that tells which of some things of ``LOOKED_FOR`` are there, by these tests."""
    lines = [f"if {test}; then echo {thing}; fi" for thing, test in tests.items()]
    script = "\n".join([*lines, f"echo {_END}"])
    return Probe("found", Tier.SLOW, parse_found, script=script, every=every_s, first=True)


PROBE = looking(LOOKED_FOR)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the last look at a node found."""

    things: frozenset[str] = frozenset()
    fault: QuarterdeckError | None = None
    """Why nobody knows."""
    unsure: bool = False
    """The node answers, and its sampler does not (no shell, no POSIX): whoever asks has to look for himself."""


@runtime_checkable
class Looks(Protocol):
    """Links whose samplers can be asked to run a probe before its time."""

    def look(self, node: str, probe: str) -> None:
        """Run a probe of a node now, where somebody subscribed to it."""


def found(context: Context) -> Found:
    """What is found on a context's nodes; ask for it by ``context.shared(found)``."""
    return Found(context)


class Found:
    """One look for all who wait, per node; a node nobody waits for is not looked at, and costs nothing here."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._nodes: dict[str, _Node] = {}

    def of(self, node: str) -> Finding | None:
        """What is known of a node now; ``None`` where nobody waits for it, or nothing was heard yet."""
        found = self._nodes.get(node)
        return found.finding if found is not None else None

    def wake(self, node: str, known: Finding | None, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` once, when something else than ``known`` is found; returns what ends that.

        The node is looked at while somebody waits, and for ``LINGER_S`` more: who is woken may wait again.
        """
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = _Node(self._context, node)
            found.begin()
        found.waiting.append(wake)
        if found.finding is not known:
            asyncio.get_running_loop().call_soon(found.call)

        def end() -> None:
            if wake in found.waiting:
                found.waiting.remove(wake)
            if not found.waiting and found.leaving is None:
                found.leaving = asyncio.get_running_loop().call_later(LINGER_S, self._leave, found)

        return end

    def _leave(self, found: _Node) -> None:
        found.leaving = None
        if not found.waiting and self._nodes.get(found.name) is found:
            del self._nodes[found.name]
            found.end()

    def look(self, node: str) -> None:
        """Look at a node now, where somebody waits for something on it."""
        links = self._context.links
        if node in self._nodes and isinstance(links, Looks):
            links.look(node, PROBE.name)

    async def wait_for(
        self,
        node: str,
        things: Collection[str],
        emit: Emit,
        nudge: asyncio.Event,
        *,
        also: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ) -> Finding | None:
        """Return where one of ``things`` is there, or the node answers and cannot say; see the module's words.

        Raises Asleep elsewhere, for the feed, which begins the watch anew at the next news; ``also`` is what else is
        to wake it. Returns at once (``None``) where finding out would not pay: on this machine, and for a command
        line, which looks only once.
        """
        entry = self._context.inventory().nodes.get(node)
        if entry is None or entry.local or self._context.one_shot or self._context.rows_only:
            return None
        if nudge.is_set():
            nudge.clear()
            self.look(node)
        finding = self.of(node)
        if finding is not None:
            if finding.unsure or not finding.things.isdisjoint(things):
                return finding
            if finding.fault is None:
                emit.absent()
            else:
                emit.fault(words(finding.fault), ours=ours(finding.fault))

        def until(wake: Callable[[], None]) -> Callable[[], None]:
            end = self.wake(node, finding, wake)
            if also is None:
                return end
            end_also = also(wake)

            def end_both() -> None:
                end()
                end_also()

            return end_both

        raise Asleep(until)


@dataclass(slots=True, eq=False)
class _Node:
    """One node while somebody waits for something on it."""

    context: Context
    name: str
    waiting: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    finding: Finding | None = None
    leaving: asyncio.TimerHandle | None = None
    """Nobody waits any more: soon it is no longer looked at."""
    _failed: int = 0
    """Faults in a row that came over a standing connection."""
    _unsubscribe: Callable[[], None] | None = None

    def begin(self) -> None:
        """Look, from now on."""
        self._unsubscribe = self.context.links.subscribe(self.name, (PROBE,), self._take)

    def call(self) -> None:
        """Wake all who wait: each says anew what it waits for."""
        waiting, self.waiting = self.waiting, []
        for wake in waiting:
            wake()

    def end(self) -> None:
        """Look no longer."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _take(self, sample: Sample) -> None:
        if sample.fault is not None:
            self._failing(sample.fault)
        elif PROBE.name in sample.faults:
            self._tell(Finding(unsure=True))
        elif PROBE.name in sample.answers:
            self._failed = 0
            things: frozenset[str] | None = sample.answers[PROBE.name]
            self._tell(Finding(unsure=True) if things is None else Finding(things))

    def _failing(self, fault: QuarterdeckError) -> None:
        if isinstance(fault, Paused):
            return
        self._failed = 0 if isinstance(fault, Denied) or not self._connected() else self._failed + 1
        if self._failed >= _SURE:
            self._tell(Finding(unsure=True))
        elif not self._failed:
            self._tell(Finding(fault=fault))

    def _connected(self) -> bool:
        try:
            return self.context.links.of(self.name).address is not None
        except QuarterdeckError:
            return False

    def _tell(self, finding: Finding) -> None:
        known = self.finding
        if known is not None and (known.things, known.unsure) == (finding.things, finding.unsure):
            same = known.fault is finding.fault or (
                known.fault is not None and finding.fault is not None and words(known.fault) == words(finding.fault)
            )
            if same:
                return
        self.finding = finding
        self.call()
