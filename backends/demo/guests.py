"""The pretend backend of guests, hypervisors and storages: one cluster, told anew at every tick."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import ClassVar

from app.backend import Backend, Context, Emit, Source
from app.fleet import Reading, Resource
from app.inventory.model import Inventory
from backends.demo import guest_rows
from backends.demo.guest_verbs import DemoGuestChanges, DemoGuestCopies, DemoGuestPower
from backends.demo.guest_views import DemoGuestViews, DemoHypervisorViews, DemoStorageViews
from backends.demo.guest_world import CLUSTER, GuestWorld, guest_world

INTERVAL_S = 5.0


class DemoGuests(
    Backend, DemoGuestPower, DemoGuestCopies, DemoGuestChanges, DemoGuestViews, DemoHypervisorViews, DemoStorageViews
):
    """A pretend cluster of three hypervisors."""

    name: ClassVar[str] = "demo-guests"
    nouns: ClassVar[tuple[str, ...]] = ("vm", "hypervisor", "storage")

    guests: GuestWorld

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.guests = context.shared(guest_world)

    def clock(self) -> float:
        """Seconds since the pretend fleet began, plus ten minutes so that it has a past."""
        return self.context.clock() - self.guests.began + 600

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        """The one cluster."""
        return [Source(self.name, CLUSTER, INTERVAL_S, self.nouns)] if self.guests.guests else []

    def _rows(self, noun: str, at: float) -> Iterable[Resource]:
        if noun == "vm":
            return [guest_rows.guest(one, at) for one in self.guests.guests.values()]
        if noun == "hypervisor":
            return [guest_rows.hypervisor(self.guests, host, at) for host in self.guests.hosts]
        return [guest_rows.storage(one) for one in self.guests.stores]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        """Tell of everything, for ever."""
        while True:
            nudge.clear()
            at, now = self.clock(), self.context.clock()
            for noun in self.nouns:
                items = tuple(self._rows(noun, at))
                emit(
                    Reading(
                        backend=self.name,
                        source=source.name,
                        topic=noun,
                        items=items,
                        taken_at=now,
                        interval=INTERVAL_S,
                    )
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), INTERVAL_S)
