"""Podman speaks the same language, with an accent."""

from __future__ import annotations

import shutil

import pytest
from docker.errors import APIError, NotFound

from app.errors import Missing
from app.inventory.model import NodeEntry
from tests.docker.engines import context, hearing, opened
from tests.servers.podman import IMAGE, Podman, podman
from tests.servers.sshd import Sshd
from tests.waiting import eventually

__all__ = ["podman"]
pytestmark = pytest.mark.real("podman")


async def test_what_it_holds_and_what_happens_is_told(podman: Podman) -> None:
    podman.run("web", labels={"a": "b"})
    entry = NodeEntry(name="here", local=True, extra={"docker": podman.url})
    around = context(entry)
    async with hearing(around, "here") as ear:
        assert ear.seen is not None, ear.error
        assert ear.seen.engine.startswith("Podman ")
        assert [(one.name, one.state, one.labels) for one in ear.seen.containers] == [("web", "running", {"a": "b"})]
        assert [one.tags for one in ear.seen.images] == [(IMAGE,)]
        looping = podman.run("loops", "sleep 0.1", host={"restart_policy": {"Name": "always"}})
        await eventually(lambda: ear.seen and len(ear.seen.restarts.get(looping, ())) >= 3, 20)
        web = ear.container("web")
        podman.client.stop("web", timeout=0)
        await eventually(lambda: ear.state("web") == "exited")
        podman.client.start("web")
        await eventually(lambda: ear.state("web") == "running")
        assert ear.seen
        assert web
        assert web.id not in ear.seen.restarts

        def removed() -> bool:
            """Podman refuses where it catches the container between two runs."""
            try:
                podman.client.remove_container("loops", force=True)
            except NotFound:
                return True
            except APIError as error:
                if "state improper" not in str(error):
                    raise
                return False
            return True

        await eventually(removed)
        await eventually(lambda: ear.state("loops") is None)
    async with opened(context(entry)) as held:
        with pytest.raises(Missing, match="no such container"):
            await held.of("here").call(lambda client: client.start("nobody"))


@pytest.mark.real("sshd")
async def test_it_is_dialled_where_forwarding_is_forbidden(podman: Podman, sshd: Sshd) -> None:
    programs = podman.folder / "programs"
    programs.mkdir()
    for name in ("sh", "stat", "id", "podman"):
        (programs / name).symlink_to(shutil.which(name) or "")
    sshd.restart(AllowStreamLocalForwarding="no", SetEnv=f"HOME={podman.folder} PATH={programs}")
    podman.run("web")
    entry = NodeEntry(name="pi", ssh=sshd.entry(), extra={"docker": podman.url})
    async with hearing(context(entry, ssh=sshd.defaults()), "pi") as ear:
        assert ear.state("web") == "running", ear.error
        podman.client.kill("web")
        await eventually(lambda: ear.state("web") == "exited")
