"""A project on another host: everything that concerns it happens there, over one SSH connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.inventory.model import Inventory
from tests.frame.decks import witnessed
from tests.projects.yard import far, folder_of, said_inside, write, yard
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("sshd")]


async def test_it_is_added_launched_and_removed_there(engine: Dockerd, sshd: Sshd, tmp_path: Path, home: Path) -> None:
    there = sshd.folder / "home"
    (there / "src").mkdir()
    folder_of(there / "src")
    before = sshd.connects()
    inventory = Inventory(nodes={"far": far(sshd, engine)}, ssh=sshd.defaults())
    async with yard(inventory) as it:
        alone = await it.add("src/my shop", write(tmp_path))
        assert "this machine is no node of hosts.yaml" in alone.message
        added = await it.add("src/my shop", write(tmp_path), to="far")
        assert added.outcome == "done", added
        row = await it.until("stopped", node="far")
        assert row.path == str(there / "src" / "my shop"), "relative to the home folder there"
        started = await it.do("start", "shop", "far")
        assert started.outcome == "done", started
        await it.until("running", node="far")
        secret = there / ".local/state/quarterdeck/projects/shop/secrets/db_password"
        assert secret.stat().st_mode & 0o777 == 0o600
        assert not (home / ".local/state/quarterdeck").exists()
        assert secret.read_text() not in "".join(str(entry) for entry in witnessed(it.deck))
        environment = said_inside(engine, "qd-shop-web", "tr '\\0' '\\n' < /proc/1/environ")
        assert f"PUBLIC=http://{sshd.host}:{(row.first_port or 0) + 1}\n" in environment
        assert sshd.connects() == before + 1
        removed = await it.do("remove", "shop", "far", volumes=True)
        assert removed.outcome == "done", removed
        assert not secret.exists()
        assert engine.client.containers(all=True) == []
