"""A deck over clusters of test peers, and orders for it: verbs are tried the way operators give them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.deck import Deck, Order
from app.fleet import Ref
from app.inventory import load
from app.job import Outcome
from app.registry import Part
from app.start import Start, open_deck
from app.witness import Entry
from tests.frame.decks import Asked
from tests.servers.fakepve import Pve

VMS = (Part("backends.kinds.vm:KIND", "backends.proxmox.backend:Proxmox"),)
REASON = "a test"


@dataclass
class Lab:
    """A deck whose cluster ``lab`` is a test peer, and the operator's answers."""

    deck: Deck
    front: Asked
    pve: Pve
    outside: httpx.AsyncClient
    """Another client of the peer, by which tests see what came about."""

    async def do(
        self, verb: str, *ids: str, mode: Any = "normal", wait: bool = True, **arguments: Any
    ) -> tuple[Outcome, ...]:
        """Give an order to some guests, ``lab/101``; the operator says yes. Outcomes come failures first."""
        found = self.deck.catalog.find("vm", verb)
        assert found is not None, verb
        order = Order(
            verb=found,
            targets=tuple(Ref("vm", one) for one in ids),
            arguments=arguments,
            why=REASON,
            mode=mode,
            wait=wait,
        )
        return await self.deck.perform(order)

    async def one(self, verb: str, *ids: str, **said: Any) -> Outcome:
        """The same where there is one outcome."""
        (outcome,) = await self.do(verb, *ids, **said)
        return outcome

    async def get(self, path: str, **params: Any) -> Any:
        """What the peer itself says, asked past the program."""
        answer = await self.outside.get(path, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.reason_phrase}"
        return answer.json()["data"]

    async def state(self, vmid: int, *, node: str = "pve1", type: str = "qemu") -> str:
        """How the peer has a guest: running, paused, stopped."""
        current = await self.get(f"/nodes/{node}/{type}/{vmid}/status/current")
        return str(current.get("qmpstatus") or current["status"])

    async def config(self, vmid: int, *, node: str = "pve1", type: str = "qemu") -> dict[str, Any]:
        """A guest's configuration as the peer has it."""
        return dict(await self.get(f"/nodes/{node}/{type}/{vmid}/config"))

    async def snapshots(self, vmid: int, *, node: str = "pve1", type: str = "qemu") -> list[str]:
        """The names of a guest's snapshots, sorted."""
        rows = await self.get(f"/nodes/{node}/{type}/{vmid}/snapshot")
        return sorted(row["name"] for row in rows if row["name"] != "current")

    async def guests(self) -> dict[int, str]:
        """The names of all guests by their numbers."""
        return {int(row["vmid"]): row.get("name", "") for row in await self.get("/cluster/resources", type="vm")}

    def called(self) -> list[str]:
        """What was begun or changed, as ``POST /path``; logging in is left out."""
        asked = [one for one in self.pve.requests() if one["method"] != "GET"]
        return [f"{one['method']} {one['path']}" for one in asked]

    def witnessed(self) -> list[Entry]:
        """Everything in the witness, oldest first."""
        return list(self.deck.witness.entries())

    def handles(self) -> list[str]:
        """The tasks that the witness knows of."""
        return [entry.handle for entry in self.witnessed() if entry.handle]


def written(folder: Path, *clusters: tuple[str, Pve], more: str = "", pin: str | None = None, rules: str = "") -> Path:
    """A hosts.yaml for these clusters; their tokens stand in the environment. ``pin``: another than their own."""
    lines = ["proxmox:"]
    for name, pve in clusters:
        lines += [
            f"  {name}:",
            f"    url: {pve.url}",
            f"    token: ${{TOKEN_{name.upper()}}}",
            *([f'    fingerprint: "{pve.fingerprint if pin is None else pin}"'] if pin != "" else []),
            *(f"    {line}" for line in more.splitlines()),
        ]
    lines += ["rules:", f"  {rules}"] if rules else []
    path = folder / "hosts.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


@asynccontextmanager
async def opened(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    pve: Pve,
    *,
    token: str | None = None,
    more: str = "",
    pin: str | None = None,
    rules: str = "",
    parts: Sequence[Part] = VMS,
    **start: Any,
) -> AsyncGenerator[Lab]:
    """A deck that watches the peer as cluster ``lab`` and has its rows."""
    monkeypatch.setenv("TOKEN_LAB", token or pve.token)
    monkeypatch.setattr("backends.proxmox.tasks._STEPS_S", (0.05, 0.1))  # the peer is quicker than clusters are
    monkeypatch.setattr("backends.proxmox.tasks._STOP_S", 30.0)  # and the machine may be busy
    front = Asked()
    deck = open_deck(
        Start(**start), parts=parts, inventory=load(written(folder, ("lab", pve), more=more, pin=pin, rules=rules))
    )
    deck.front = front
    deck.feed.configure(deck.inventory)
    tls = ssl.create_default_context(cafile=str(pve.ca))
    kept = httpx.Limits(keepalive_expiry=2)  # well before the peer closes a connection that nobody uses
    outside = httpx.AsyncClient(base_url=pve.api, headers=pve.headers, verify=tls, timeout=60, limits=kept)
    try:
        await deck.feed.first(60)
        async with outside:
            yield Lab(deck, front, pve, outside)
    finally:
        await deck.close()
