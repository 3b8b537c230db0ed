"""Backends that have nothing to do are not made before hosts.yaml gives them something."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

from app.inventory import Inventory
from app.registry import PARTS, Part, idle
from app.start import Start, open_deck
from tests.frame import galley
from tests.waiting import eventually

KETTLES = (Part("tests.frame.kettle:KIND", "tests.frame.galley:Galley", needs="proxmox"),)
WITHOUT = Inventory()
WITH = dataclasses.replace(WITHOUT, extra={"proxmox": {}})


async def test_a_backend_is_made_when_the_configuration_needs_it_and_stays() -> None:
    galley.reset()
    deck = open_deck(Start(), parts=KETTLES, inventory=WITHOUT)
    try:
        deck.feed.configure(deck.inventory)
        assert deck.backends == {}
        assert deck.feed.sources() == ()
        deck.configure(WITH)
        assert set(deck.backends) == {"galley"}
        made = deck.backends["galley"]
        await eventually(lambda: list(deck.feed.fleet.noun("kettle")), what="its rows")
        target = next(iter(deck.feed.fleet.noun("kettle")))
        assert deck.offered(target)
        deck.configure(WITHOUT)
        deck.configure(WITH)
        assert deck.backends["galley"] is made
    finally:
        await deck.close()


async def test_a_command_line_makes_it_anyway_for_it_says_what_is_missing() -> None:
    galley.reset()
    deck = open_deck(Start(only=("kettle",)), parts=KETTLES, inventory=WITHOUT)
    assert set(deck.backends) == {"galley"}
    await deck.close()


def test_what_is_idle_is_read_off_the_keys_of_hosts_yaml() -> None:
    assert idle(WITHOUT, PARTS) == {"backends.proxmox.backend:Proxmox"}
    assert idle(WITH, PARTS) == frozenset()


def test_a_console_without_clusters_imports_nothing_of_theirs(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text("nodes: {here: {local: true}}\n")
    code = (
        "import sys; from pathlib import Path; from app.start import Start, open_deck\n"
        f"open_deck(Start(hosts=Path({str(hosts)!r})))\n"
        "print([name for name in sys.modules if name.startswith(('backends.proxmox.verbs', 'httpx'))])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
