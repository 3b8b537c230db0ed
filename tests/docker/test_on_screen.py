"""A real engine on the screen: what an operator presses and sees, from the engine's own words to the drawn cells."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from tests.console.conftest import Driven
from tests.doors import doors
from tests.servers.dockerd import Dockerd
from tests.servers.registry import Registry
from tests.servers.sshd import StartSshd
from tests.servers.tcp import closed_port
from widgets.form import Form
from widgets.jobs import JobPlace
from widgets.logview import LogPlace

pytestmark = pytest.mark.real("dockerd")
SECRET = "correct-horse-battery"
EVIL = "[@click=app.quit]x[/]\x1b[2J\x1b]0;title\x07\x9b5m\u202e"
WIDE = (160, 30)


@pytest.fixture
def hosts(engine: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine with the engine."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    file = tmp_path / "hosts.yaml"
    file.write_text(f"nodes: {{here: {{local: true, docker: '{engine.url}'}}}}\n")
    return file


def harmless(it: Driven) -> bool:
    """Nothing on the screen steers a terminal or turns the direction of text."""
    return not any(unicodedata.category(char) in ("Cc", "Cf") for char in it.screen() if char != "\n")


async def test_what_is_revealed_is_shown_at_once_harmless_and_not_witnessed(engine: Dockerd, hosts: Path) -> None:
    engine.run("web", environment={"DB_PASSWORD": SECRET, "EVIL": EVIL})
    async with doors.console(doors.hosts(hosts)(), ["here/web"], "container") as it:
        await it.press("d")
        await it.until(lambda: "DB_PASSWORD" in it.screen(), "its environment")
        assert SECRET not in it.screen()
        assert harmless(it)
        await it.press("escape", "E")
        await it.until(lambda: isinstance(it.console.place, JobPlace) and SECRET in it.screen(), it.screen())
        assert "EVIL=[@click=app.quit]x[/]" in it.screen()
        assert harmless(it)
        await it.until(lambda: len(it.witnessed()) == 2, "the outcome")
        assert "2 variables shown" in str(it.witnessed())
        assert SECRET not in str(it.witnessed())


async def test_labels_and_logs_with_markup_and_escapes_are_drawn_harmless(engine: Dockerd, hosts: Path) -> None:
    labels = {"com.docker.compose.project": EVIL, EVIL: EVIL}
    engine.run("web", f"printf '%s\\n' '{EVIL}'; sleep 1000", labels=labels)
    async with doors.console(doors.hosts(hosts)(), ["here/web"], "container", WIDE) as it:
        assert "[@click=app" in it.screen()
        assert harmless(it)
        await it.press("d")
        await it.until(lambda: "LABELS" in it.screen(), "its labels")
        assert "[@click=app.quit]x[/]" in it.screen()
        assert harmless(it)
        await it.press("escape", "l")
        await it.until(lambda: isinstance(it.console.place, LogPlace) and "app.quit" in it.screen(), it.screen())
        assert harmless(it)


async def test_every_promised_column_is_there_at_160(engine: Dockerd, hosts: Path) -> None:
    engine.run("web", ports=[80], host={"port_bindings": {80: None}, "mem_limit": "64m"})
    async with doors.console(doors.hosts(hosts)(), ["here/web"], "container", WIDE) as it:
        (head,) = [line for line in it.screen().splitlines() if " NAME" in line]
        assert {
            "NAME↑", "STACK", "NODE", "STATE", "CPU", "MEM", "RESTARTS", "PORTS", "UP", "IMAGE", "AGE",
        } <= set(head.split())  # fmt: skip
        await it.until(lambda: "/64M" in it.screen(), "memory with its limit")
        assert "→80" in it.screen()


@pytest.mark.real("sshd")
async def test_what_cannot_be_read_is_told_where_it_has_no_row(
    engine: Dockerd, sshd_at: StartSshd, tmp_path: Path, hosts: Path
) -> None:
    server = sshd_at(
        options={
            "ForceCommand": 'setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"',
            "AllowStreamLocalForwarding": "no",
        }
    )
    server.trust()
    (server.folder / "empty").touch()
    os.chown(engine.socket, 0, 50)
    engine.folder.chmod(0o755)
    login = f"user: {server.user}, identity: {server.client_key}"
    engine.run("web")
    hosts.write_text(
        f"""
defaults: {{ssh: {{known_hosts: {server.known_hosts}, config: {server.folder}/empty, connect_timeout: 5}}}}
nodes:
  here: {{local: true, docker: '{engine.url}'}}
  closed: {{ssh: {{host: 127.0.1.2, port: {server.port}, {login}}}, docker: '{engine.url}'}}
  without: {{ssh: {{host: 127.0.1.4, port: {server.port}, {login}}}, docker: false}}
  off: {{ssh: {{host: 127.0.1.5, port: {closed_port("127.0.1.5")}, {login}}}, docker: '{engine.url}'}}
"""
    )
    try:
        async with doors.console(doors.hosts(hosts)(), ["here/web"], "container", WIDE) as it:
            await it.until(lambda: "2 not read" in it.screen(), it.screen())
            await it.until(lambda: "which belongs to the group staff" in it.screen(), it.screen())
            assert "closed" in it.screen()
            assert "without" not in it.screen()
    finally:
        os.chown(engine.socket, 0, 0)
        engine.folder.chmod(0o700)


@pytest.mark.real("docker-registry")
async def test_a_pull_is_in_the_tray_and_its_layers_in_its_log(
    engine: Dockerd, registry: Registry, hosts: Path
) -> None:
    registry.publish("app:1", os.urandom(300_000), os.urandom(400_000))
    async with doors.console(doors.hosts(hosts)(), ["here/bb:1"], "image", WIDE) as it:
        with registry.held(after=100_000) as door:
            await it.press("p")
            await it.until(lambda: isinstance(it.console.screen, Form), "the form")
            form = it.console.screen
            assert isinstance(form, Form)
            await doors.write(it, form._inputs["reference"], door.name("app:1"))  # pyright: ignore[reportPrivateUsage, reportArgumentType]
            await it.press("enter")
            await it.until(lambda: "pull" in it.screen().splitlines()[-1], it.screen())
            await it.press("ampersand", "enter")
            await it.until(lambda: "downloading" in it.screen().lower(), it.screen())
            door.release()
            await it.until(lambda: it.screen().lower().count("pull complete") == 2, it.screen())
            await it.until(lambda: doors.is_over(it), "the end")
