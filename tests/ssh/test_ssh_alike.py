"""One ``ssh -G`` for hosts that ssh_config cannot tell apart: the answers of one for each, from fewer processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.inventory import ssh_config
from app.inventory.model import SshDefaults, SshEntry
from app.inventory.ssh_config import Resolved, resolve

HOSTS = ["n1", "n2", "n3", "web1.example.com", "web2.example.com", "10.0.0.1", "10.0.0.2", "::1", "N4"]

CONFIGS: dict[str, tuple[str, int]] = {
    "empty": ("", 2),  # one for all names in lower case, one for N4
    "for all": ("# a comment with % and match\nHost *\n  User all\n  Port 2200\n  IdentityFile ~/.ssh/id_x\n", 2),
    "for a domain": ("Host *.example.com\n  User web\nHost *\n  User all\n", 3),
    "for a network": ("Host 10.0.0.? n?\n  User ops\n  ControlPath ~/.ssh/%C\n", 4),
    "one by itself": ("Host n2\n  User two\n  HostName 192.0.2.2\n", 3),
    "all but one": ("Host * !n3\n  User most\n", 3),
    "an address for a group": ("Host n*\n  HostName n1\n", 5),
    "upper case": ("Host N*\n  User upper\n", 5),
    "one way for all": ("Host hop\n  ProxyJump none\nHost *\n  ProxyJump hop\n", 10),
    "a command for all": ("ProxyCommand nc %h %p\n", 9),
    "names made of names": ("Host n*\n  HostName %h.example.org\n", 9),
    "a key for each": ("IdentityFile ~/.ssh/%n\n", 9),
    "match": ("Match host n2\n  User two\n", 9),
    "match all": ("Match all\n  User everybody\n", 2),
    "canonical names": ("CanonicalizeHostname no\n", 9),
    "quoted and with a sign": ('"Host"="n1"\n  User = one\n', 3),
}

ENTRIES: dict[str, SshEntry] = {
    "nothing": SshEntry(host=""),
    "user and port": SshEntry(host="", user="me", port=2222),
}


async def one_by_one(entries: list[SshEntry], defaults: SshDefaults, route: str | None) -> list[Resolved]:
    """The answers of one process per host."""
    found: list[Resolved] = []
    for entry in entries:
        ssh_config.forget()
        found.append((await resolve(entry, defaults, route)).target)
    ssh_config.forget()
    return found


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that ssh itself was asked about."""
    asked: list[str] = []
    run = ssh_config._run  # pyright: ignore[reportPrivateUsage]

    def counted(*key: object) -> object:
        asked.append(str(key[1]))
        return run(*key)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(ssh_config, "_run", counted)
    return asked


@pytest.mark.parametrize("route", [None, "192.0.2.9:2022"])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", CONFIGS)
async def test_it_says_what_ssh_would_say_of_each(
    name: str, entry: str, route: str | None, tmp_path: Path, runs: list[str]
) -> None:
    text, most = CONFIGS[name]
    config = tmp_path / "config"
    config.write_text(text)
    defaults = SshDefaults(config=config, user="deflt")
    entries = [replace(ENTRIES[entry], host=host) for host in HOSTS]
    expected = await one_by_one(entries, defaults, route)
    runs.clear()
    found = [route.target for route in await asyncio.gather(*(resolve(one, defaults, route) for one in entries))]
    assert found == expected
    assert [one.origin for one in found] == [one.origin for one in expected]
    assert len(runs) <= most, runs


async def test_sixty_hosts_cost_one_process(tmp_path: Path, runs: list[str]) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  SendEnv LANG LC_*\n  HashKnownHosts yes\n")
    defaults = SshDefaults(config=config)
    ssh_config.forget()
    entries = [SshEntry(host=f"127.0.1.{number}", port=22, user="me") for number in range(60)]
    found = await asyncio.gather(*(resolve(entry, defaults) for entry in entries))
    assert [route.target.host for route in found] == [entry.host for entry in entries]
    assert len(runs) == 1


async def test_a_changed_file_is_read_again(tmp_path: Path, runs: list[str]) -> None:
    inner = tmp_path / "inner"
    inner.write_text("User before\n")
    config = tmp_path / "config"
    config.write_text(f"Include {inner}\n")
    defaults = SshDefaults(config=config)
    ssh_config.forget()
    assert (await resolve(SshEntry(host="n1"), defaults)).target.user == "before"
    inner.write_text("Host n2\n  User after\n")
    assert (await resolve(SshEntry(host="n2"), defaults)).target.user == "after"
    assert (await resolve(SshEntry(host="n3"), defaults)).target.user != "after"
    assert runs == ["n1", "n2", "n3"]


async def test_a_broken_file_is_told_to_everybody(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Nonsense yes\n")
    ssh_config.forget()
    found = await asyncio.gather(
        *(resolve(SshEntry(host=host), SshDefaults(config=config)) for host in ("n1", "n2", "n3")),
        return_exceptions=True,
    )
    assert all(isinstance(one, ConfigurationError) and "nonsense" in str(one).lower() for one in found)


async def test_one_that_is_cancelled_leaves_the_others_their_answer(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("User somebody\n")
    ssh_config.forget()
    first = asyncio.ensure_future(resolve(SshEntry(host="n1"), SshDefaults(config=config)))
    second = asyncio.ensure_future(resolve(SshEntry(host="n2"), SshDefaults(config=config)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).target.user == "somebody"
    with pytest.raises(asyncio.CancelledError):
        await first
