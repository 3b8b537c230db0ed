"""The clients of all configured clusters: made once, made anew when their configuration changes, closed together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pytest

from app.backend import Context
from app.errors import ConfigurationError, Missing
from app.fleet import Fleet
from app.inventory.model import Inventory
from app.link import Links
from backends.proxmox.clusters import clusters
from backends.proxmox.tls import seen_certificate
from tests.proxmox.raw_peer import Asked, answer, make_identity, raw_peer
from tests.proxmox.talking import TOKEN
from tests.servers.fakepve import Pve
from tests.waiting import eventually


class Configured:
    """A hosts.yaml that a test rewrites."""

    def __init__(self, folder: Path, **entries: dict[str, Any]) -> None:
        self.path = folder / "hosts.yaml"
        self.path.touch(mode=0o600)
        self.context = Context(
            inventory=lambda: self.inventory, links=cast("Links", None), fleet=Fleet, state=folder / "state"
        )
        self.write(**entries)

    def write(self, **entries: dict[str, Any]) -> None:
        """Other clusters from now on."""
        extra = MappingProxyType({"proxmox": entries})
        self.inventory = Inventory(path=self.path, trusted=True, extra=extra)


@pytest.mark.real("fakepve")
async def test_a_cluster_of_hosts_yaml_is_talked_to(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVE_TOKEN", pve.token)
    entry = {"url": pve.url, "token": "${PVE_TOKEN}", "fingerprint": pve.fingerprint}
    held = Configured(tmp_path, lab=entry)
    found = held.context.shared(clusters)
    try:
        assert found is held.context.shared(clusters)
        assert [one.name for one in found.configured()] == ["lab"]
        client = found.of("lab")
        assert client is found.of("lab")
        assert (await client.get("/version"))["release"] == "9.1"
        with pytest.raises(Missing, match="no such cluster"):
            found.of("lob")
    finally:
        await found.close()


async def test_a_reload_touches_only_what_changed(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    async with raw_peer(identity, lambda asked: answer('{"data":1}')) as peer:
        entry = {"url": peer.url, "token": TOKEN, "fingerprint": identity.fingerprint}
        held = Configured(tmp_path, lab=entry, other=entry)
        found = held.context.shared(clusters)
        try:
            lab, other = found.of("lab"), found.of("other")
            await lab.get("/version")
            await other.get("/version")
            held.write(lab={**entry, "parallel": 3, "tags": ["prod"]}, other={**entry, "token": f"{TOKEN}x"})
            assert found.of("lab") is lab
            assert lab.cluster.parallel == 3
            assert found.of("other") is not other
            await eventually(lambda: peer.open == 1, 20, "the old client's connection is closed")
            await found.of("other").get("/version")
            assert peer.asked[-1].headers["authorization"].endswith("x")
        finally:
            await found.close()
    assert peer.open == 0


async def test_a_call_on_its_way_survives_a_reload(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def reply(asked: Asked) -> bytes:
        await go.wait()
        return answer('{"data":1}')

    identity = make_identity(tmp_path)
    async with raw_peer(identity, reply) as peer:
        entry = {"url": peer.url, "token": TOKEN, "fingerprint": identity.fingerprint}
        held = Configured(tmp_path, lab=entry)
        found = held.context.shared(clusters)
        try:
            kept = found.of("lab")
            asked = asyncio.create_task(kept.get("/version"))
            await eventually(lambda: peer.asked, 20)
            held.write(lab={**entry, "token": f"{TOKEN}x"})
            found.of("lab")
            go.set()
            assert await asked == 1
            assert (await kept.get("/version"), peer.asked[-1].headers["authorization"][-1]) == (1, "x")
        finally:
            await found.close()


async def test_a_pin_made_by_trust_counts_for_the_client_that_is_there(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    async with raw_peer(identity, lambda asked: answer('{"data":1}')) as peer:
        held = Configured(tmp_path, lab={"url": peer.url, "token": TOKEN})
        found = held.context.shared(clusters)
        try:
            found.known.pin("lab", peer.url, await seen_certificate(peer.url))
            assert await found.of("lab").get("/version") == 1
        finally:
            await found.close()


async def test_a_reference_that_leads_nowhere_names_its_place(tmp_path: Path) -> None:
    held = Configured(tmp_path, lab={"url": "https://127.0.0.1:1", "token": "${NO_SUCH_VARIABLE}"})
    found = held.context.shared(clusters)
    try:
        with pytest.raises(ConfigurationError, match="NO_SUCH_VARIABLE is not set"):
            await found.of("lab").get("/version")
    finally:
        await found.close()
