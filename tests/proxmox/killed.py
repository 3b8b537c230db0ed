"""A console that is killed: does an order at a cluster, as a process of its own. ``python -m tests.proxmox.killed``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from app.deck import Order
from app.fleet import Ref
from app.inventory import load
from app.start import Start, open_deck
from tests.frame.decks import Asked
from tests.proxmox.acting import REASON, VMS


async def _do(hosts: Path, verb: str, ids: list[str], arguments: dict[str, object]) -> None:
    deck = open_deck(Start(), parts=VMS, inventory=load(hosts))
    deck.front = Asked()
    deck.feed.configure(deck.inventory)
    await deck.feed.first(60)
    found = deck.catalog.find("vm", verb)
    assert found is not None
    targets = tuple(Ref("vm", one) for one in ids)
    await deck.perform(Order(verb=found, targets=targets, arguments=arguments, why=REASON))
    await deck.close()


if __name__ == "__main__":
    asyncio.run(_do(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])))
