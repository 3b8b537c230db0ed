"""A node's one connection, and the probes its one sampler runs.

The local node has the same face as a remote one, so that verbs are written once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from app.errors import QuarterdeckError

P = TypeVar("P", covariant=True)


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended."""

    exit_code: int
    """As the shell counts: 128 + signal for a killed one."""
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    """Output beyond the limit was read and thrown away."""

    @property
    def text(self) -> str:
        """Standard output as text; undecodable bytes become U+FFFD."""
        return self.stdout.decode("utf-8", "replace")


@dataclass(slots=True)
class LinkCost:
    """What the console itself caused on one node since it started."""

    bytes_in: int = 0
    bytes_out: int = 0
    channels: int = 0
    """Session channels opened, ever."""
    commands: int = 0
    connects: int = 0


class Channel(Protocol):
    """One long-running command and its two ends; closing it ends the command."""

    async def write(self, data: bytes) -> None:
        """Send to its standard input; raises Unreachable when it is gone."""

    async def read(self) -> bytes:
        """The next piece of its standard output; empty when it has ended."""
        ...

    async def close(self) -> None:
        """End it and wait for that, bounded."""


class Forward(Protocol):
    """A listener on this machine whose connections come out on the node's side."""

    host: str
    port: int
    """Where it listens here; chosen by the system when 0 was asked for."""

    async def close(self) -> None:
        """Stop listening and drop what goes through it."""


Chunk = Callable[[bytes], None]
"""Called with each piece of output as it comes."""
Progress = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all or None)."""
Started = Callable[[str], Awaitable[None]]
"""Called once with the handle of a started remote job (its process group), before its output."""


class Link(Protocol):
    """One node's one connection. Every method raises Unreachable (or a subclass) when there is none to be had."""

    node: str
    cost: LinkCost

    @property
    def address(self) -> str | None:
        """``host:port`` in use, ``None`` while not connected; ``local`` for this machine."""
        ...

    async def open(self) -> None:
        """Connect if not connected; concurrent callers share one attempt."""

    async def close(self) -> None:
        """Disconnect; what runs over it ends."""

    async def run(
        self, command: str, *, input: bytes | None = None, timeout: float = 30.0, limit: int = 8 << 20
    ) -> Completed:
        """Run a POSIX shell command line to its end; output beyond ``limit`` bytes a stream is dropped.

        Raises TimedOut after ``timeout`` seconds, when the command has been ended on the node as well.
        """
        ...

    async def stream(
        self,
        command: str,
        *,
        stdout: Chunk,
        stderr: Chunk | None = None,
        input: bytes | None = None,
        started: Started | None = None,
    ) -> int:
        """Run a command and pass its output on as it comes; returns its exit code.

        The command runs in its own process group on the node. Cancelling this coroutine ends the whole group there
        before ``CancelledError`` goes on. ``stderr=None`` joins it to stdout.
        """
        ...

    async def channel(self, command: str) -> Channel:
        """Start a long-running command with both ends open; it must end by itself at end of input."""
        ...

    async def forward(self, listen_host: str, listen_port: int, host: str, port: int) -> Forward:
        """Listen on ``listen_host:listen_port`` here and connect from the node to ``host:port``."""
        ...

    async def forward_socket(self, remote_path: str) -> Path:
        """A local Unix socket that comes out at ``remote_path`` on the node; raises Unsupported where forbidden."""
        ...

    async def put(self, local: Path, remote: str, progress: Progress) -> None:
        """Copy a file or a folder to the node; a torn copy never stands under the final name."""

    async def get(self, remote: str, local: Path, progress: Progress) -> None:
        """Copy a file or a folder from the node; a torn copy never stands under the final name."""

    def shell_argv(self, command: Sequence[str] = ()) -> list[str]:
        """The operator's own program (``ssh`` with the same route and settings, or a login shell) as an argv."""
        ...


class Tier(Enum):
    """How often a probe runs."""

    FAST = "fast"
    """Each tick; shell builtins and files only, so that a tick costs at most one fork."""
    SLOW = "slow"
    """Every so many ticks, one probe a tick."""
    ONCE = "once"
    """At the start and after each reconnect."""


@dataclass(frozen=True, slots=True)
class Probe(Generic[P]):
    """A question to a host: what to run, how often, and how to read the answer.

    FAST probes name ``files`` (read by the tick's one ``cat``); others give ``script``, POSIX ``sh``, whose output is
    the answer. ``parse`` is pure, raises BadAnswer on garbage, and returns ``None`` where the host cannot tell.
    """

    name: str
    tier: Tier
    parse: Callable[[bytes], P]
    files: tuple[str, ...] = ()
    """Paths or shell globs, read whole; those missing are left out of the answer.

    One path: the answer is its contents. Several, or a glob: ``backends.sampling.frames.unpacked`` takes it apart.
    """
    script: str = ""
    every: float = 60.0
    """Seconds between runs of a SLOW probe."""
    becomes: bool = False
    """The script ends in ``exec`` of one program that writes its answer's records itself: it costs the host one fork.

    What such a program has to write stands in ``backends.sampling.script``.
    """
    after: str = ""
    """A probe that begins some moments before this one in each session: rates need two looks with time between."""
    first: bool = False
    """A SLOW probe that others wait for: asked at the start and after each reconnect, before those that are due."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The answers of one tick, by probe name: what ``parse`` returned, or the fault that kept it from doing so."""

    taken_at: float
    """``time.monotonic()`` here."""
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    faults: Mapping[str, str] = field(default_factory=dict[str, str])
    fault: QuarterdeckError | None = None
    """Why there are no answers at all: the connection or the sampler itself failed."""
    latency_ms: float | None = None
    """Round trip of this tick."""


class Links(Protocol):
    """The links of all nodes, shared by every backend that needs one."""

    def of(self, node: str) -> Link:
        """The link of a node; made on first use, not yet connected. Raises Missing for a node nobody configured."""
        ...

    def subscribe(
        self, node: str, probes: Sequence[Probe[Any]], deliver: Callable[[Sample], None]
    ) -> Callable[[], None]:
        """Have the node's one sampler run more probes; returns what ends the subscription."""
        ...

    async def close(self) -> None:
        """Disconnect everything, bounded in time."""
