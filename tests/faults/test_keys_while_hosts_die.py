"""A host that dies in the middle of a sample takes nothing from whoever sits at the keys."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from app.console import Console
from app.fleet import Ref
from app.start import Start, open_deck
from tests import pilot as pilots
from tests.console.conftest import Driven
from tests.servers.sshd import StartSshd, sshd_at

__all__ = ["sshd_at"]

pilots.hurry()

DYING = 4


@pytest.mark.real("sshd")
async def test_keys_answer_within_100_ms_while_hosts_die_and_come_back(sshd_at: StartSshd, tmp_path: Path) -> None:
    server = sshd_at()
    names = [f"n{number}" for number in range(DYING)]
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"defaults: {{interval: 0.5, ssh: {{known_hosts: {server.known_hosts}, config: {server.defaults().config}}}}}\n"
        "nodes:\n  here: {local: true}\n"
        + "".join(
            f"  {name}: {{ssh: {{host: {server.host}, port: {server.port}, identity: {server.client_key}}}}}\n"
            for name in names
        )
    )
    console = Console(open_deck(Start(hosts=file)), clock=lambda: "09:41")
    async with console.run_test(size=(100, 30)) as pilot:
        it = Driven(console, pilot)

        def states() -> set[str]:
            rows = [it.deck.feed.fleet.find(Ref("node", name)) for name in names]
            return {row.state if row is not None else "" for row in rows}

        await it.press("1")
        await it.until(lambda: states() == {"up"}, "all of them")
        server.kill()
        took: list[float] = []
        while states() != {"stale"} and len(took) < 400:
            begun = time.perf_counter()
            await it.press("j" if len(took) % 2 else "k")
            took.append(time.perf_counter() - begun)
        here = it.deck.feed.fleet.find(Ref("node", "here"))
        assert states() == {"stale"}
        assert here is not None
        assert here.state == "up"
        assert statistics.median(took) < 0.1, "keys"
        assert max(took) < 1.0, "nothing holds the loop"
        server.start()
        await it.until(lambda: states() == {"up"}, "back by themselves")
