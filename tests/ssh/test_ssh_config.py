"""ssh_config as OpenSSH itself reads it, between the node entry and the defaults."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.inventory.model import SshDefaults, SshEntry
from app.inventory.ssh_config import CONFIG, DEFAULTS, ENTRY, OPENSSH, resolve, split_address
from tests.conftest import need


@pytest.fixture(autouse=True)
def openssh() -> None:
    need(shutil.which("ssh"), "ssh")


def _config(folder: Path, text: str) -> SshDefaults:
    path = folder / "ssh config"  # with a blank, as people have them
    path.write_text(text)
    return SshDefaults(config=path)


async def test_node_entry_over_ssh_config_over_defaults(tmp_path: Path) -> None:
    text = "Host pi\n HostName 10.0.0.5\n User fromconfig\n Port 2022\nHost bare\n HostName 10.0.0.6\n"
    defaults = _config(tmp_path, text)
    defaults = SshDefaults(config=defaults.config, user="fromdefaults", port=2200, known_hosts=tmp_path / "kh")

    entry = (await resolve(SshEntry(host="pi", user="fromentry", port=22), defaults)).target
    assert (entry.user, entry.port, entry.host) == ("fromentry", 22, "10.0.0.5")
    assert (entry.origin["user"], entry.origin["port"], entry.origin["host"]) == (ENTRY, ENTRY, CONFIG)

    config = (await resolve(SshEntry(host="pi"), defaults)).target
    assert (config.user, config.port) == ("fromconfig", 2022)
    assert (config.origin["user"], config.origin["port"]) == (CONFIG, CONFIG)

    bare = (await resolve(SshEntry(host="bare"), defaults)).target
    assert (bare.user, bare.port, bare.user_known_hosts) == ("fromdefaults", 2200, (tmp_path / "kh",))
    assert (bare.origin["user"], bare.origin["port"], bare.origin["known_hosts"]) == (DEFAULTS, DEFAULTS, DEFAULTS)


async def test_where_ssh_config_names_the_local_user_the_defaults_do_not_win(tmp_path: Path) -> None:
    me = getpass.getuser()
    defaults = _config(tmp_path, f"Host pi\n User {me}\n Port 22\n")
    defaults = SshDefaults(config=defaults.config, user="other", port=2200)
    found = (await resolve(SshEntry(host="pi"), defaults)).target
    assert (found.user, found.port) == (me, 22)


async def test_nothing_said_is_openssh_default(tmp_path: Path) -> None:
    found = (await resolve(SshEntry(host="pi"), _config(tmp_path, ""))).target
    assert (found.user, found.port, found.host) == (getpass.getuser(), 22, "pi")
    assert found.origin["user"] == found.origin["port"] == found.origin["identity"] == OPENSSH
    assert found.identity_files[0].name == "id_rsa"
    assert not found.identities_given


async def test_a_missing_config_file_is_an_empty_one(tmp_path: Path) -> None:
    found = (await resolve(SshEntry(host="pi"), SshDefaults(config=tmp_path / "none"))).target
    assert found.host == "pi"


async def test_include_match_comments_and_units_are_openssh_s(tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("Host deep\n User deepuser\n")
    text = (
        f'Include "{tmp_path}/more.conf"\n'
        "Match host deep user deepuser exec true\n Port 2345\n"
        "Host deep\n ConnectTimeout 1m\n User ops # note\n IdentityFile /nowhere/%h-%r\n"
    )
    found = (await resolve(SshEntry(host="deep"), _config(tmp_path, text))).target
    assert (found.user, found.port, found.connect_timeout) == ("deepuser", 2345, 60.0)
    assert found.identity_files == (Path("/nowhere/deep-deepuser"),)


async def test_identities_of_the_entry_come_first(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host pi\n IdentityFile /c\n IdentitiesOnly yes\n")
    found = (await resolve(SshEntry(host="pi", identity=("/e",)), defaults)).target
    assert found.identity_files == (Path("/e"), Path("/c"))
    assert found.identities_only


async def test_a_chain_of_jump_hosts_is_resolved_hop_by_hop(tmp_path: Path) -> None:
    text = (
        "Host inner\n HostName 10.1.1.1\n ProxyJump ops@mid:2222\n"
        "Host mid\n HostName 10.1.1.2\n ProxyJump outer\n"
        "Host outer\n HostName 10.1.1.3\n User gate\n"
    )
    route = await resolve(SshEntry(host="inner"), _config(tmp_path, text))
    assert [(hop.user, hop.host, hop.port) for hop in route.hops] == [
        ("gate", "10.1.1.3", 22),
        ("ops", "10.1.1.2", 2222),
        (getpass.getuser(), "10.1.1.1", 22),
    ]


async def test_an_explicit_list_of_jump_hosts_replaces_their_own(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host b\n ProxyJump elsewhere\n")
    route = await resolve(SshEntry(host="pi", proxy_jump="a,b"), defaults)
    assert [hop.alias for hop in route.hops] == ["a", "b", "pi"]


async def test_a_jump_host_that_is_a_node_uses_its_entry(tmp_path: Path) -> None:
    bastion = SshEntry(host="10.9.9.9", port=2022, user="gate", identity=("/k",))
    route = await resolve(
        SshEntry(host="pi", proxy_jump="bastion"), _config(tmp_path, ""), entry_of={"bastion": bastion}.get
    )
    jump = route.hops[0]
    assert (jump.host, jump.port, jump.user, jump.identity_files) == ("10.9.9.9", 2022, "gate", (Path("/k"),))


async def test_a_jump_host_that_jumps_over_itself_is_refused_as_openssh_does(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="jumphost loop via bastion"):
        await resolve(SshEntry(host="pi"), _config(tmp_path, "Host *\n ProxyJump bastion\n"))


async def test_a_loop_of_jump_hosts_is_a_clear_error(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(ConfigurationError, match="loop"):
        await resolve(SshEntry(host="a"), defaults)


async def test_a_route_takes_the_place_of_the_address(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host pi\n HostName 10.0.0.5\n User u\n")
    found = (await resolve(SshEntry(host="pi"), defaults, "[fe80::1]:2200")).target
    assert (found.host, found.port, found.user) == ("fe80::1", 2200, "u")
    assert found.address == "[fe80::1]:2200"


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a;id", "$(id)", "a b", "`id`", "a'b", "", "a\nb", "a|b"])
async def test_host_names_that_could_be_more_than_names_are_refused(tmp_path: Path, host: str) -> None:
    defaults = _config(tmp_path, "")
    for entry, route in ((SshEntry(host=host), None), (SshEntry(host="pi"), host)):
        with pytest.raises(ConfigurationError):
            await resolve(entry, defaults, route)
    with pytest.raises(ConfigurationError):
        await resolve(SshEntry(host="pi", proxy_jump=host or "-x"), defaults)


@pytest.mark.parametrize("user", ["-l", "a;id", "a`b"])
async def test_user_names_too(tmp_path: Path, user: str) -> None:
    with pytest.raises(ConfigurationError):
        await resolve(SshEntry(host="pi", user=user), _config(tmp_path, ""))


async def test_a_host_name_from_ssh_config_is_checked_as_well(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        await resolve(SshEntry(host="pi"), _config(tmp_path, 'Host pi\n HostName "a;id"\n'))


async def test_a_mistake_in_ssh_config_is_told_in_ssh_s_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"line 1: Bad configuration option: bogus"):
        await resolve(SshEntry(host="pi"), _config(tmp_path, "Bogus yes\n"))


async def test_a_changed_config_file_is_read_again(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host pi\n User one\n")
    assert (await resolve(SshEntry(host="pi"), defaults)).target.user == "one"
    _config(tmp_path, "Host pi\n User second\n")
    assert (await resolve(SshEntry(host="pi"), defaults)).target.user == "second"


async def test_without_ssh_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(ConfigurationError, match="install the OpenSSH client"):
        await resolve(SshEntry(host="pi"), SshDefaults(config=tmp_path / "x"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("u@h:99", ("u", "h", 99)),
        ("h", (None, "h", None)),
        ("::1", (None, "::1", None)),
        ("u@[::1]:22", ("u", "::1", 22)),
        ("ssh://u@h:2", ("u", "h", 2)),
    ],
)
def test_addresses_are_taken_apart(text: str, parts: tuple[str | None, str, int | None]) -> None:
    assert split_address(text) == parts


async def test_callers_that_ask_for_one_alias_together_get_one_answer(tmp_path: Path) -> None:
    defaults = _config(tmp_path, "Host pi\n HostName 10.0.0.5\nHost p*\n Port 2022\n")
    found = await asyncio.gather(*(resolve(SshEntry(host="pi"), defaults) for _ in range(5)))
    assert {route.target.address for route in found} == {"10.0.0.5:2022"}
    other = await asyncio.gather(*(resolve(SshEntry(host=name), defaults) for name in ("pb", "pc", "pb", "pi")))
    assert [route.target.address for route in other] == ["pb:2022", "pc:2022", "pb:2022", "10.0.0.5:2022"]
