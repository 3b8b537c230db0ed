"""The links of all nodes and one sampler for each, shared by every backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from app.backend import AskSecret, nobody
from app.errors import ConfigurationError, Missing
from app.inventory.model import Inventory, NodeEntry, SshDefaults, SshEntry, Sudo
from app.link import Link, Probe, Sample
from backends.sampling.sampler import Sampler

if TYPE_CHECKING:
    from backends.ssh.jumps import Connections


@runtime_checkable
class Nudges(Protocol):
    """Links whose samplers can be asked to look now."""

    def nudge(self, node: str) -> None:
        """Look at a node now, or try to reach it now."""


class NodeLinks:
    """Makes each node's link on first use, the right one for its entry; satisfies ``app.link.Links``.

    When a node's configuration changes its old link is closed, and its sampler goes on over the new one.
    """

    def __init__(
        self,
        inventory: Callable[[], Inventory],
        ask_secret: AskSecret = nobody,
        *,
        one_shot: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inventory = inventory
        self._ask_secret = ask_secret
        self._one_shot = one_shot
        self._clock = clock
        self._connections: Connections | None = None
        self._links: dict[str, tuple[NodeEntry, SshDefaults, Link]] = {}
        self._samplers: dict[str, Sampler] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, node: str) -> Link:
        """The link of a node, not yet connected.

        Raises Missing for a node nobody configured, ConfigurationError for one configured wrongly or never logged
        in to.
        """
        inventory = self._inventory()
        entry = inventory.nodes.get(node)
        if entry is None:
            raise Missing("no such node is configured", where=node)
        known = self._links.get(node)
        if known is not None:
            if (known[0] is entry or known[0] == entry) and (known[1] is inventory.ssh or known[1] == inventory.ssh):
                return known[2]
            self._later(known[2].close())
        link = self._made(entry, inventory.ssh)
        self._links[node] = (entry, inventory.ssh, link)
        return link

    def _made(self, entry: NodeEntry, defaults: SshDefaults) -> Link:
        if entry.fault is not None:
            raise ConfigurationError(entry.fault, where=entry.name)
        if entry.local:
            from backends.local.link import LocalLink

            return LocalLink(entry.name)
        if entry.ssh is None:
            raise ConfigurationError("this node is only checked, never logged in to", where=entry.name)
        from backends.ssh.link import SshLink

        return SshLink(
            entry.name,
            entry.ssh,
            defaults,
            routes=entry.routes,
            connections=self._shared(),
            elevate=entry.sudo is Sudo.NOPASSWD,
        )

    def _shared(self) -> Connections:
        """The connections of all links, so that a jump host is logged in to once."""
        if self._connections is None:
            from backends.ssh.jumps import Connections

            self._connections = Connections(self._ask_secret, self._entry_of)
        return self._connections

    def _entry_of(self, name: str) -> SshEntry | None:
        entry = self._inventory().nodes.get(name)
        return entry.ssh if entry is not None and entry.fault is None else None

    def _later(self, end: Coroutine[Any, Any, None]) -> None:
        """Let something end beside us; ``close`` waits for it."""
        task = asyncio.get_running_loop().create_task(end)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def subscribe(
        self, node: str, probes: Sequence[Probe[Any]], deliver: Callable[[Sample], None]
    ) -> Callable[[], None]:
        """Have the node's one sampler run more probes; returns what ends the subscription."""
        sampler = self._samplers.get(node)
        if sampler is None:
            entry = self._inventory().nodes.get(node)
            interval = entry.interval if entry is not None else self._inventory().interval
            sampler = Sampler(lambda: self.of(node), interval=interval, one_shot=self._one_shot, clock=self._clock)
            self._samplers[node] = sampler
        ended = sampler.subscribe(probes, deliver)

        def end() -> None:
            ended()
            if sampler.idle and self._samplers.get(node) is sampler:
                del self._samplers[node]
                self._later(sampler.close())

        return end

    def nudge(self, node: str) -> None:
        """Look at a node now, or try to reach it now."""
        sampler = self._samplers.get(node)
        if sampler is not None:
            sampler.nudge()

    def look(self, node: str, probe: str) -> None:
        """Run a probe of a node now, where somebody subscribed to it."""
        sampler = self._samplers.get(node)
        if sampler is not None:
            sampler.look(probe)

    async def close(self) -> None:
        """Stop the samplers and disconnect everything, within ten seconds."""
        samplers, self._samplers = list(self._samplers.values()), {}
        links, self._links = [link for _, _, link in self._links.values()], {}
        ends = [asyncio.create_task(one.close()) for one in samplers] + list(self._closing)
        if ends:
            await asyncio.wait(ends, timeout=5)
        ends = [asyncio.create_task(link.close()) for link in links] + list(self._closing)
        if ends:
            _, late = await asyncio.wait(ends, timeout=5)
            for task in late:
                task.cancel()
        if self._connections is not None:
            await self._connections.close()
