"""Logging in to a real registry: what is written on the node, what never is, and pulls that lean on it."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from app.job import Ended
from backends.kinds.image import Image
from tests.docker.yard import Yard, yard
from tests.servers.dockerd import Dockerd
from tests.servers.registry import ACCOUNT, Registry, StartRegistry
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.real("dockerd"), pytest.mark.real("docker-registry")]

USER, PASSWORD = ACCOUNT
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def locked(registry_at: StartRegistry) -> Registry:
    """A registry that wants its account."""
    return registry_at(account=True)


def config(home: Path) -> Path:
    return home / ".docker/config.json"


def written(home: Path) -> dict[str, Any]:
    return json.loads(config(home).read_text())


async def log_in(one: Yard, registry: Registry, *secrets: str) -> Any:
    one.front.secrets = list(secrets)
    return await one.do("image login", registry=registry.host, user=USER)


async def test_login_is_kept_as_docker_keeps_it_and_pulls_use_it(engine: Dockerd, locked: Registry, home: Path) -> None:
    locked.push(engine, "app:1")
    config(home).parent.mkdir()
    config(home).write_text('{"psFormat": "table {{.ID}}", "auths": {"r.example": {"auth": "YTpi"}}, "ключ": 1}')
    config(home).chmod(0o644)
    async with yard(engine) as one:
        refused = await one.do("image pull", reference=locked.name("app:1"))
        assert (refused.outcome, refused.exit_code) == (Ended.FAILED, 1)
        assert "no basic auth credentials" in refused.message
        assert f"quarterdeck image login {locked.host} USER --to pi" in refused.message

        done = await log_in(one, locked, PASSWORD)
        assert done.outcome is Ended.DONE, done.message
        assert done.message == f"{USER} is logged in to {locked.host} on pi (kept by ~/.docker/config.json)"
        assert one.front.prompts == [f"password of {USER} at {locked.host} (kept on pi)"]
        assert written(home) == {
            "psFormat": "table {{.ID}}",
            "auths": {"r.example": {"auth": "YTpi"}, locked.host: {"auth": ENCODED}},
            "ключ": 1,
        }
        assert stat.S_IMODE(config(home).stat().st_mode) == 0o600
        assert [entry.name for entry in config(home).parent.iterdir()] == ["config.json"]

        pulled = await one.do("image pull", reference=locked.name("app:1"))
        assert pulled.outcome is Ended.DONE, pulled.message
        await one.shown(Image, locked.name("app:1"))
        assert (await one.do("image check", locked.name("app:1"))).data["newer"] is False
        for told in (one.witnessed(), one.log(), repr(one.jobs[0].plan), repr(one.jobs)):
            assert PASSWORD not in told
            assert ENCODED not in told
        assert f"POST /auth as {USER} at {locked.host}" in one.witnessed()


async def test_a_wrong_password_writes_nothing(engine: Dockerd, locked: Registry, home: Path) -> None:
    async with yard(engine) as one:
        wrong = await log_in(one, locked, "not it")
        assert (wrong.outcome, wrong.exit_code) == (Ended.FAILED, 1)
        assert "401 Unauthorized" in wrong.message
        assert "not it" not in wrong.message + one.witnessed()
        nobody = await log_in(one, locked)
        assert nobody.outcome is Ended.FAILED
        locked.stop()
        away = await log_in(one, locked, PASSWORD)
        assert away.outcome is Ended.FAILED
        assert "connection refused" in away.message
        assert PASSWORD not in away.message + one.witnessed()
    assert not config(home).exists()


@pytest.mark.parametrize("text", ["{not json", "[]"])
async def test_a_config_that_cannot_be_read_is_left_alone(
    engine: Dockerd, locked: Registry, home: Path, text: str
) -> None:
    locked.push(engine, "app:1")
    config(home).parent.mkdir()
    config(home).write_text(text)
    async with yard(engine) as one:
        done = await log_in(one, locked, PASSWORD)
        assert done.outcome is Ended.FAILED
        assert "~/.docker/config.json is no JSON" in done.message
        assert one.front.prompts == [], "the password is not asked for in vain"
        pulled = await one.do("image pull", reference=locked.name("app:1"))
        assert pulled.outcome is Ended.FAILED
        assert "going on without an account" in one.log()
    assert config(home).read_text() == text


async def test_a_link_to_a_config_stays_one(engine: Dockerd, locked: Registry, home: Path) -> None:
    real = home / "dotfiles.json"
    real.write_text("{}")
    config(home).parent.mkdir()
    config(home).symlink_to("../dotfiles.json")
    async with yard(engine) as one:
        assert (await log_in(one, locked, PASSWORD)).outcome is Ended.DONE
    assert config(home).is_symlink()
    assert json.loads(real.read_text()) == {"auths": {locked.host: {"auth": ENCODED}}}


HELPER = """#!/bin/sh
# A store as the protocol has it: store, get, erase, list; one file, whatever the registry.
case $1 in
store) cat >"$HOME/kept" ;;
get) read -r server || :
    [ -e "$HOME/kept" ] || { echo 'credentials not found in native keychain'; exit 1; }
    cat "$HOME/kept" ;;
esac
"""


@pytest.fixture
def helper(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper, ``docker-credential-shelf``; returns where it keeps what it is given."""
    programs = home / "programs"
    programs.mkdir()
    (programs / "docker-credential-shelf").write_text(HELPER)
    (programs / "docker-credential-shelf").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin")
    return home / "kept"


@pytest.mark.parametrize("by", ["credsStore", "credHelpers"])
async def test_a_credential_helper_keeps_the_password(
    engine: Dockerd, locked: Registry, home: Path, helper: Path, by: str
) -> None:
    locked.push(engine, "app:1")
    config(home).parent.mkdir()
    named = "shelf" if by == "credsStore" else {locked.host: "shelf"}
    config(home).write_text(json.dumps({by: named}))
    async with yard(engine) as one:
        assert (await one.do("image pull", reference=locked.name("app:1"))).outcome is Ended.FAILED
        done = await log_in(one, locked, PASSWORD)
        assert done.outcome is Ended.DONE, done.message
        assert "docker-credential-shelf store" in one.jobs[-1].plan.steps[1].text
        assert json.loads(helper.read_text()) == {"ServerURL": locked.host, "Username": USER, "Secret": PASSWORD}
        assert written(home) == {by: named, "auths": {locked.host: {}}}
        pulled = await one.do("image pull", reference=locked.name("app:1"))
        assert pulled.outcome is Ended.DONE, pulled.message
        assert PASSWORD not in one.witnessed()


async def test_a_missing_helper_is_said(engine: Dockerd, locked: Registry, home: Path) -> None:
    config(home).parent.mkdir()
    config(home).write_text('{"credsStore": "nowhere"}')
    async with yard(engine) as one:
        done = await log_in(one, locked, PASSWORD)
        assert done.outcome is Ended.FAILED
        assert "there is no docker-credential-nowhere" in done.message
        config(home).write_text('{"credsStore": "x; touch /tmp/never"}')
        done = await log_in(one, locked, PASSWORD)
        assert "names a credential helper that is none" in done.message


@pytest.mark.parametrize(
    ("registry", "user"), [("a b", "me"), ("host/path", "me"), ("ok.example", "a:b"), ("ok.example", "")]
)
async def test_what_cannot_be_meant_is_refused(engine: Dockerd, registry: str, user: str) -> None:
    async with yard(engine) as one:
        done = await one.do("image login", registry=registry, user=user)
        assert (done.outcome, done.exit_code) == (Ended.FAILED, 2)


@pytest.mark.real("sshd")
async def test_over_ssh_it_is_kept_there(engine: Dockerd, locked: Registry, sshd: Sshd, home: Path) -> None:
    locked.push(engine, "app:1")
    async with yard(engine, sshd) as one:
        assert (await log_in(one, locked, PASSWORD)).outcome is Ended.DONE
        there = sshd.folder / "home"
        assert written(there)["auths"][locked.host] == {"auth": ENCODED}
        assert not config(home).exists()
        pulled = await one.do("image pull", reference=locked.name("app:1"), to="pi")
        assert pulled.outcome is Ended.DONE, pulled.message
