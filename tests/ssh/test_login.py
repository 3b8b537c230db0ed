"""Keys, agents, passphrases, passwords and codes: what lets us in, what is asked, and what is said otherwise."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import Denied
from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.jumps import Connections
from tests.servers.logins import Logins, logins
from tests.servers.sshd import Sshd, keygen
from tests.ssh.conftest import MakeLink

pytestmark = pytest.mark.real("sshd")


class Person:
    """Answers prompts from a list, and remembers them."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, what: str, prompt: str) -> str | None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append(prompt)
        await asyncio.sleep(0.02)
        self.at_once -= 1
        return self.answers.pop(0) if self.answers else None


# -- keys


async def test_a_wrong_key_is_denied_with_what_was_tried(make_link: MakeLink, sshd: Sshd) -> None:
    wrong = keygen(sshd.folder / "wrong")
    link = make_link(replace(sshd.entry(), identity=(str(wrong),)), sshd.defaults())
    with pytest.raises(Denied, match=r"was not let in; tried keys \(wrong\)") as caught:
        await link.open()
    assert caught.value.where == f"{sshd.host}:{sshd.port}"
    assert "ssh-copy-id" in caught.value.todo


async def test_a_missing_identity_is_no_error_when_another_key_fits(make_link: MakeLink, sshd: Sshd) -> None:
    missing = str(sshd.folder / "none")
    link = make_link(replace(sshd.entry(), identity=(missing, str(sshd.client_key))), sshd.defaults())
    assert (await link.run("echo in")).text == "in\n"
    alone = make_link(replace(sshd.entry(), identity=(missing,)), sshd.defaults())
    with pytest.raises(Denied, match="none is missing"):
        await alone.open()


async def test_a_file_that_is_no_key_is_said(make_link: MakeLink, sshd: Sshd) -> None:
    (sshd.folder / "text").write_text("hello\n")
    link = make_link(replace(sshd.entry(), identity=(str(sshd.folder / "text"),)), sshd.defaults())
    with pytest.raises(Denied, match="is no private key"):
        await link.open()


def _locked(sshd: Sshd, passphrase: str) -> SshEntry:
    path = keygen(sshd.folder / "locked", "ecdsa", passphrase, pem=True)
    with sshd.authorized_keys.open("a") as out:
        out.write(path.with_suffix(".pub").read_text())
    return replace(sshd.entry(), identity=(str(path),))


async def test_a_passphrase_is_asked_for_only_where_the_entry_says_so(make_link: MakeLink, sshd: Sshd) -> None:
    person = Person("open sesame")
    link = make_link(_locked(sshd, "open sesame"), sshd.defaults(), ask_secret=person)
    with pytest.raises(Denied, match="has a passphrase"):
        await link.open()
    assert person.asked == []


async def test_a_passphrase_is_asked_for_once_for_many_hosts(make_link: MakeLink, sshd: Sshd) -> None:
    entry = replace(_locked(sshd, "open sesame"), passphrase="ask")
    person = Person("wrong", "open sesame")
    shared = Connections(person)
    links = [make_link(replace(entry, host=host), sshd.defaults(), connections=shared) for host in sshd.hosts(5)]
    done = await asyncio.gather(*(link.run("echo in") for link in links))
    assert [one.text for one in done] == ["in\n"] * 5
    assert len(person.asked) == 2
    assert "wrong" in person.asked[1]
    assert "open sesame" not in repr(vars(links[0]))


async def test_a_key_in_openssh_s_own_format_is_opened(make_link: MakeLink, sshd: Sshd) -> None:
    path = keygen(sshd.folder / "new", passphrase="open sesame")
    with sshd.authorized_keys.open("a") as out:
        out.write(path.with_suffix(".pub").read_text())
    person = Person("open sesame")
    entry = replace(sshd.entry(), identity=(str(path),), passphrase="ask")
    link = make_link(entry, sshd.defaults(), ask_secret=person)
    assert (await link.run("echo in")).text == "in\n"
    assert len(person.asked) == 1
    assert "open sesame" not in repr(vars(link))


async def test_a_person_who_types_slowly_does_not_run_out_of_time(make_link: MakeLink, sshd: Sshd) -> None:
    async def slowly(what: str, prompt: str) -> str | None:
        await asyncio.sleep(3.3)
        return "open sesame"

    entry = replace(_locked(sshd, "open sesame"), passphrase="ask")
    link = make_link(entry, sshd.defaults(connect_timeout=3.0), ask_secret=slowly)
    assert (await link.run("echo in")).text == "in\n"


# -- the agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A real ssh-agent's socket."""
    path = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
    yield path
    process.terminate()
    process.wait(5)


def _add(agent: Path, key: Path) -> None:
    argv = ["ssh-add", "-q", str(key)]
    subprocess.run(argv, env={**os.environ, "SSH_AUTH_SOCK": str(agent)}, check=True, capture_output=True)


async def test_a_key_of_the_agent_lets_in(
    make_link: MakeLink, sshd: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(agent, sshd.client_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    entry = replace(sshd.entry(), identity=(str(sshd.folder / "none"),))
    assert (await make_link(entry, sshd.defaults()).run("echo in")).text == "in\n"


async def test_identity_agent_and_identities_only(make_link: MakeLink, sshd: Sshd, agent: Path) -> None:
    for number in range(7):  # more than sshd's MaxAuthTries lets one try
        _add(agent, keygen(sshd.folder / f"other{number}"))
    _add(agent, sshd.client_key)
    private = sshd.folder / "only"
    private.with_suffix(".pub").write_text(sshd.client_key.with_suffix(".pub").read_text())
    config = sshd.folder / "agent_config"
    base = f"Host pi\n HostName {sshd.host}\n Port {sshd.port}\n User {sshd.user}\n IdentityAgent {agent}\n"
    config.write_text(f"{base} IdentitiesOnly yes\n IdentityFile {private}\n")
    defaults = SshDefaults(config=config, known_hosts=sshd.known_hosts)
    assert (await make_link(SshEntry(host="pi"), defaults).run("echo in")).text == "in\n"
    config.write_text(f"{base} IdentityFile {sshd.folder}/none\n")
    with pytest.raises(Denied, match="too many keys"):
        await make_link(SshEntry(host="pi"), defaults).open()


async def test_an_agent_that_is_gone_is_no_hindrance(
    make_link: MakeLink, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(sshd.folder / "nobody"))
    assert (await make_link.to(sshd).run("echo in")).text == "in\n"


# -- passwords and codes


def _entry(server: Logins, **more: str) -> SshEntry:
    return SshEntry(host=server.host, port=server.port, user=server.user, **more)  # pyright: ignore[reportArgumentType]


def _defaults(server: Logins, folder: Path, connect_timeout: float = 5.0) -> SshDefaults:
    known = folder / "logins_known"
    known.write_text(server.known_hosts_line())
    return SshDefaults(known_hosts=known, config=folder / "none", connect_timeout=connect_timeout)


@pytest.mark.parametrize("methods", [{"password"}, {"keyboard-interactive"}, {"password", "keyboard-interactive"}])
async def test_a_password_is_asked_for_and_remembered(make_link: MakeLink, tmp_path: Path, methods: set[str]) -> None:
    async with logins(tmp_path, methods) as server:
        person = Person("right horse")
        link = make_link(_entry(server, password="ask"), _defaults(server, tmp_path), ask_secret=person)
        assert (await link.run("x")).text == "someone\n"
        await link.close()
        assert (await link.run("x")).text == "someone\n"
        assert person.asked == [f"Password of someone@{server.host}:{server.port}"]


async def test_a_wrong_password_is_asked_for_again_and_forgotten(make_link: MakeLink, tmp_path: Path) -> None:
    async with logins(tmp_path, {"password"}) as server:
        person = Person("wrong", "right horse")
        link = make_link(_entry(server, password="ask"), _defaults(server, tmp_path), ask_secret=person)
        assert (await link.run("x")).text == "someone\n"
        assert server.tries == ["wrong", "right horse"]
        assert person.asked[1].startswith("That was wrong.")


async def test_after_three_wrong_passwords_it_is_denied(make_link: MakeLink, tmp_path: Path) -> None:
    async with logins(tmp_path, {"password"}) as server:
        person = Person("a", "b", "c", "d", "e")
        link = make_link(_entry(server, password="ask"), _defaults(server, tmp_path), ask_secret=person)
        with pytest.raises(Denied, match="tried password"):
            await link.open()
        assert server.tries == ["a", "b", "c"]
        assert "right horse" not in str(vars(link))


async def test_without_permission_to_ask_nobody_is_asked(make_link: MakeLink, tmp_path: Path) -> None:
    async with logins(tmp_path, {"password"}) as server:
        person = Person("right horse")
        link = make_link(_entry(server), _defaults(server, tmp_path), ask_secret=person)
        with pytest.raises(Denied):
            await link.open()
        assert person.asked == []
        assert server.tries == []


async def test_who_declines_is_not_asked_again_at_once(make_link: MakeLink, tmp_path: Path) -> None:
    async with logins(tmp_path, {"password"}) as server:
        person = Person(None)
        link = make_link(_entry(server, password="ask"), _defaults(server, tmp_path), ask_secret=person)
        for _ in range(2):
            with pytest.raises(Denied):
                await link.open()
        assert len(person.asked) == 1


async def test_a_code_is_asked_for_each_time(make_link: MakeLink, tmp_path: Path) -> None:
    async with logins(tmp_path, {"keyboard-interactive"}, code="123456") as server:
        person = Person("right horse", "123456", "123456")
        link = make_link(_entry(server, password="ask"), _defaults(server, tmp_path), ask_secret=person)
        assert (await link.run("x")).text == "someone\n"
        await link.close()
        assert (await link.run("x")).text == "someone\n"
        assert [prompt for prompt in person.asked if "Code" in prompt] == [person.asked[1]] * 2
        assert "second factor" in person.asked[1]


async def test_prompts_come_one_after_the_other(make_link: MakeLink, tmp_path: Path) -> None:
    person = Person(*["right horse"] * 4)
    shared = Connections(person)
    async with logins(tmp_path, {"password"}) as server:
        defaults = _defaults(server, tmp_path)
        defaults = replace(defaults, known_hosts=tmp_path / "all")
        key = server.known_hosts_line().split(" ", 1)[1]
        (tmp_path / "all").write_text(f"* {key}")
        entries = [replace(_entry(server, password="ask"), user="someone", host=server.host)] * 4
        links = [make_link(entry, defaults, connections=shared) for entry in entries]
        await asyncio.gather(*(link.open() for link in links))
        assert len(person.asked) == 1  # one host, one user: one connection, one question
    assert person.most_at_once == 1
