"""Strict about who answers: every way in which a host key can be wrong, on a real sshd."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ChangedHostKey, HostKeyError, RevokedHostKey, UnknownHostKey
from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.hostkeys import Standing, add_known_host
from tests.servers.sshd import Sshd, StartSshd, keygen
from tests.ssh.conftest import MakeLink

pytestmark = pytest.mark.real("sshd")


async def _refused(make_link: MakeLink, server: Sshd, kind: type[HostKeyError]) -> HostKeyError:
    logins = server.log().count("Accepted publickey")
    with pytest.raises(HostKeyError) as caught:
        await make_link.to(server).open()
    assert type(caught.value) is kind
    assert server.log().count("Accepted publickey") == logins, "nobody may log in to a host that is not trusted"
    return caught.value


def _other_key(server: Sshd) -> str:
    path = keygen(server.folder / "other")
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def _shown(path: Path) -> str:
    return subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout.split()[1]


async def test_unknown_is_refused_with_the_command_that_adds_it(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    error = await _refused(make_link, sshd, UnknownHostKey)
    assert error.todo == "quarterdeck node trust pi"
    assert _shown(sshd.host_keys["ed25519"]) in error.what


async def test_a_missing_known_hosts_is_unknown(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    await _refused(make_link, sshd, UnknownHostKey)
    assert not sshd.known_hosts.exists()


async def test_a_broken_known_hosts_is_said(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"[{sshd.host}]:{sshd.port} ssh-ed25519 AAAA\n")
    error = await _refused(make_link, sshd, UnknownHostKey)
    assert f"{sshd.known_hosts}:1 is broken" in error.what


async def test_changed_is_refused_loudly_with_both_fingerprints(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"# mine\n[{sshd.host}]:{sshd.port} {_other_key(sshd)}\n")
    error = await _refused(make_link, sshd, ChangedHostKey)
    assert "HOST KEY CHANGED" in error.what
    assert _shown(sshd.host_keys["ed25519"]) in error.what
    assert _shown(sshd.folder / "other") in error.what
    assert f"{sshd.known_hosts}:2" in error.what


async def test_revoked_is_refused_loudly(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"{sshd.known_hosts_line()}\n@revoked * {sshd.public_key()}\n")
    error = await _refused(make_link, sshd, RevokedHostKey)
    assert "REVOKED" in error.what
    assert f"{sshd.known_hosts}:2" in error.what


async def test_only_another_type_known_is_said(make_link: MakeLink, sshd: Sshd, sshd_at: StartSshd) -> None:
    other = sshd_at(kinds=("ecdsa",))
    sshd.known_hosts.write_text(f"[{sshd.host}]:{sshd.port} {other.public_key('ecdsa')}\n")
    error = await _refused(make_link, sshd, UnknownHostKey)
    assert "keys of other types are known: ecdsa-sha2-nistp256" in error.what


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
async def test_of_several_keys_the_known_one_is_asked_for(make_link: MakeLink, sshd_at: StartSshd, kind: str) -> None:
    server = sshd_at(kinds=("ed25519", "ecdsa", "rsa"))
    server.known_hosts.write_text(f"{server.known_hosts_line(kind=kind)}\n")
    assert (await make_link.to(server).run("echo in")).text == "in\n"


async def test_the_alias_is_what_known_hosts_lists(make_link: MakeLink, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"myname {sshd.public_key()}\n")
    config = sshd.write_config({"pi": sshd.host}, extra="Host pi\n  HostKeyAlias myname\n")
    link = make_link(SshEntry(host="pi"), SshDefaults(config=config))
    assert (await link.run("echo in")).text == "in\n"


def _certified(server: Sshd, principal: str) -> str:
    authority = keygen(server.folder / "authority")
    public = server.host_keys["ed25519"].with_suffix(".pub")
    argv = ["ssh-keygen", "-q", "-s", authority, "-I", "host", "-h", "-n", principal, public]
    subprocess.run(argv, check=True, capture_output=True)
    server.restart(HostCertificate=str(server.folder / "host_ed25519-cert.pub"))
    return " ".join(authority.with_suffix(".pub").read_text().split()[:2])


async def test_a_certificate_of_a_trusted_authority_is_enough(make_link: MakeLink, sshd: Sshd) -> None:
    authority = _certified(sshd, sshd.host)
    sshd.known_hosts.write_text(f"@cert-authority * {authority}\n")
    assert (await make_link.to(sshd).run("echo in")).text == "in\n"


async def test_a_certificate_for_another_host_is_not(make_link: MakeLink, sshd: Sshd) -> None:
    authority = _certified(sshd, "elsewhere")
    sshd.known_hosts.write_text(f"@cert-authority * {authority}\n")
    error = await _refused(make_link, sshd, HostKeyError)
    assert "certificate" in error.what


async def test_a_revoked_authority_is_refused_loudly(make_link: MakeLink, sshd: Sshd) -> None:
    authority = _certified(sshd, sshd.host)
    sshd.known_hosts.write_text(f"@cert-authority * {authority}\n@revoked * {authority}\n")
    await _refused(make_link, sshd, RevokedHostKey)


async def test_an_unknown_authority_leaves_the_plain_key_that_is_known(make_link: MakeLink, sshd: Sshd) -> None:
    _certified(sshd, sshd.host)
    sshd.known_hosts.write_text(f"@cert-authority * {_other_key(sshd)}\n{sshd.known_hosts_line()}\n")
    assert (await make_link.to(sshd).run("echo in")).text == "in\n"


async def test_a_scan_shows_the_keys_without_logging_in_and_trust_lets_in(
    make_link: MakeLink, sshd_at: StartSshd
) -> None:
    server = sshd_at(kinds=("ed25519", "ecdsa"))
    server.known_hosts.unlink()
    link = make_link.to(server)
    (scan,) = await link.scan_host_keys()
    assert {key.type for key in scan.keys} == {"ssh-ed25519", "ecdsa-sha2-nistp256"}
    assert scan.keys[0].fingerprint == _shown(server.host_keys["ed25519"])
    assert all(key.finding.standing is Standing.UNKNOWN for key in scan.keys)
    assert "Accepted" not in server.log()
    for key in scan.keys:
        add_known_host(scan.file, scan.name, key.blob)
    assert (await link.run("echo in")).text == "in\n"


async def test_a_scan_stops_at_the_first_hop_that_is_not_trusted(make_link: MakeLink, sshd_at: StartSshd) -> None:
    jump, server = sshd_at(), sshd_at()
    config = jump.write_config({"jump": jump.host})
    entry = replace(server.entry(), proxy_jump="jump")
    jump.known_hosts.unlink()
    link = make_link(entry, SshDefaults(config=config))
    (scan,) = await link.scan_host_keys()
    assert (scan.jump, scan.name) == (True, f"[{jump.host}]:{jump.port}")
    with pytest.raises(UnknownHostKey, match="jump host"):
        await link.open()
    jump.trust()
    first, second = await link.scan_host_keys()
    assert first.keys[0].finding.standing is Standing.TRUSTED
    assert (second.jump, second.keys[0].finding.standing) == (False, Standing.UNKNOWN)
