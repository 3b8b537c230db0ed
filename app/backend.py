"""What a backend is: it names its sources, watches each, and offers the verbs it defines.

A backend knows neither feed nor screen. It may poll or be pushed to; it says what it sees through ``emit``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast

from app.fleet import Fleet, Reading, Ref, Resource
from app.inventory.model import Inventory
from app.link import Links
from app.plan import Plan, Report, Result
from app.verb import Verb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """One thing a backend watches: a host, a cluster, a bus."""

    backend: str
    name: str
    interval: float = 2.0
    """Seconds between readings; after three without a sign of life the source is stale."""
    nouns: tuple[str, ...] = ()
    """The kinds it fills."""
    fingerprint: str = ""
    """Changes when its configuration does; a reload restarts only sources whose fingerprint changed."""


class Emit(Protocol):
    """How a backend tells what it saw. Callable from the event loop only."""

    def __call__(self, reading: Reading) -> None:
        """Replace what this source was last known to hold on the reading's topic."""

    def alive(self) -> None:
        """Say that the source answered and nothing changed."""

    def absent(self) -> None:
        """Say that there is nothing here to tell of: what was told is forgotten, and silence is well until news."""

    def fault(self, words: str, *, ours: bool = False) -> None:
        """Say that the source did not answer, and why; the last items stay and age."""


class Asleep(Exception):
    """Raised by a watch that has nothing to do until something happens: then it is begun anew, as it is by a nudge.

    A source that sleeps has no task and no timer: what a backend looks for by itself is on few of many nodes.
    ``until`` is given what wakes the source, to be called at most once, and returns what ends that.
    """

    def __init__(self, until: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        super().__init__("asleep")
        self.until = until


AskSecret = Callable[[str, str], Awaitable[str | None]]
"""(what for, prompt) -> the secret, or ``None`` when there is nobody to ask or the operator declined."""


async def nobody(what: str, prompt: str) -> str | None:
    """The answer where there is no operator to ask."""
    return None


Visible = Callable[[Collection[Ref]], frozenset[Ref]]
"""Those of some resources that somebody looks at now; worked out only when asked."""


def nothing_visible(refs: Collection[Ref]) -> frozenset[Ref]:
    """The answer where there is neither a screen nor a list that somebody asked for."""
    return frozenset()


@dataclass(kw_only=True)
class Context:
    """What a backend may use; made once, before any backend."""

    inventory: Callable[[], Inventory]
    links: Links
    fleet: Callable[[], Fleet]
    ask_secret: AskSecret = nobody
    state: Path = field(default_factory=Path)
    """The state folder."""
    cache: Path = field(default_factory=Path)
    clock: Callable[[], float] = time.monotonic
    one_shot: bool = False
    """A command line that wants first readings soon: samplers take two samples 0.3 s apart."""
    rows_only: bool = False
    """A command line that acts and needs no figures: who knows its rows from configuration names them and waits."""
    visible: Visible = nothing_visible
    """For what is so dear that it is asked only about rows on the screen, or those a command line lists.

    The rows of the pane or page at hand, and what is described; set by whatever stands in front of the deck.
    """
    demo: int = 0
    """Size of the pretend fleet; 0 when the fleet is real."""
    _shared: dict[Callable[[Context], Any], Any] = field(
        default_factory=dict["Callable[[Context], Any]", Any], init=False, repr=False
    )

    def shared(self, make: Callable[[Context], T]) -> T:
        """What several backends of one outside system have in common, such as its connections: made once for all.

        ``make`` is the key as well. Who made it closes it: the backend that is closed last finds it closed already.
        """
        if make not in self._shared:
            self._shared[make] = make(self)
        return cast("T", self._shared[make])


@dataclass(frozen=True, slots=True)
class Allow:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The operator must agree."""

    reason: str
    type_name: bool = False
    """The name is to be typed."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not done, and why."""

    reason: str
    rule: str = ""
    """Which rule said so."""


Verdict = Allow | Ask | Refuse


@dataclass(frozen=True, slots=True)
class Intention:
    """What is about to be judged: the verb, its targets, the plan and who wants it."""

    verb: Verb
    targets: tuple[str, ...]
    plan: Plan
    why: str = ""
    trace: str = ""


class Reservation(Protocol):
    """Something held for a job: a part of a budget, a lock."""

    async def settle(self, *, ok: bool, seconds: float) -> None:
        """The job ran; what it really used is now known."""

    async def release(self) -> None:
        """The job did not run; nothing was used."""


class Rule(Protocol):
    """A backend's say in the guard: a budget, a policy, a capacity."""

    name: str

    async def gather(self, intention: Intention, fleet: Fleet) -> Any:
        """Fetch the evidence that judging needs; may do I/O, bounded in time."""
        ...

    def judge(self, intention: Intention, fleet: Fleet, evidence: Any) -> Verdict:
        """Decide on the evidence alone: pure."""
        ...

    async def reserve(self, intention: Intention) -> Reservation | None:
        """Hold what the plan will use, atomically; raises Refused when it is gone meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What the outside says now of something that was begun earlier."""

    words: str
    """``qmclone 101 runs, 40 %``, ``qmclone 101 ended: OK``."""
    ended: bool = False


class Backend:
    """Base of all backends. Subclasses also subclass the contract class of each kind whose verbs they offer.

    Construction does no I/O and imports nothing heavy.
    """

    name: ClassVar[str]
    """Unique; the first part of every reading's key."""
    nouns: ClassVar[tuple[str, ...]] = ()
    """The kinds it fills."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """What there is to watch, from configuration alone, without I/O."""
        return ()

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Say what is seen at one source until cancelled; ``nudge`` asks to look now (clear it when doing so).

        May raise: the feed keeps the last items, shows the fault, waits (longer each time) and calls again; after
        Asleep it shows no fault, and calls again when woken.
        """
        raise NotImplementedError

    def rules(self) -> Sequence[Rule]:
        """Its say in the guard."""
        return ()

    def unable(self, verb: Verb, target: Resource) -> str | None:
        """Why whoever we are at the target's source may not do this, where that is known already; ``None`` otherwise.

        Greys keys and refuses before planning, so it is pure and quick: ``needs VM.Snapshot on /vms/101``.
        """
        return None

    async def standing(self, handle: str, ref: Ref) -> Standing | None:
        """How something stands that an earlier console began for a target and never saw the end of.

        ``handle`` is what a step gave its report then; ``None`` for one that this backend does not know. May raise.
        """
        return None

    async def rejoin(self, handle: str, ref: Ref, report: Report) -> Result:
        """Follow to its end what ``standing`` knew; cancelling that stops nothing outside."""
        raise NotImplementedError

    def settings(self) -> Mapping[str, str]:
        """Paths and versions for ``info``."""
        return {}

    async def close(self) -> None:
        """Let go of everything, bounded in time."""
