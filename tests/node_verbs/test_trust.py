"""``node trust`` against a real sshd: unknown, known, changed and revoked keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import RevokedHostKey, Unsupported
from app.plan import Risk
from backends.ssh.hostkeys import fingerprint, read
from backends.ssh.link import SshLink
from tests.node_verbs.bench import Bench, make_bench
from tests.reports import run_plan
from tests.servers.sshd import Sshd, keygen, sshd, sshd_at

__all__ = ["sshd", "sshd_at"]

pytestmark = pytest.mark.real("sshd")


@pytest.fixture
async def remote(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A node behind a server that nobody trusts yet."""
    sshd.known_hosts.write_text("# mine\n")
    bench = make_bench(tmp_path, monkeypatch, {"pi": SshLink("pi", sshd.entry(), sshd.defaults())})
    yield bench
    await bench.verbs.context.links.close()


def shown(path: Path) -> str:
    """The fingerprint of a public key file."""
    line = path.with_suffix(".pub").read_text()
    scratch = path.with_suffix(".known")
    scratch.write_text(f"x {line}")
    return fingerprint(read([scratch]).lines[0].blob)


async def test_an_unknown_key_is_shown_and_appended(remote: Bench, sshd: Sshd) -> None:
    plan = await remote.verbs.trust(remote.here)
    mine = shown(sshd.host_keys["ed25519"])
    name = f"[{sshd.host}]:{sshd.port}"
    assert [step.text for step in plan.steps] == [f"append to {sshd.known_hosts}: {name} ssh-ed25519 {mine}"]
    assert plan.notes[0] == f"{sshd.host}:{sshd.port} shows ssh-ed25519 {mine}"
    assert plan.risk is None
    assert sshd.known_hosts.read_text() == "# mine\n"
    await run_plan(plan)
    assert sshd.known_hosts.read_text() == f"# mine\n{sshd.known_hosts_line()}\n"
    done = await remote.verbs.link_of(remote.here).run("echo in")
    assert done.stdout == b"in\n"


async def test_a_known_key_leaves_nothing_to_do(remote: Bench, sshd: Sshd) -> None:
    sshd.trust()
    plan = await remote.verbs.trust(remote.here)
    assert plan.steps == ()
    assert plan.notes[-1].startswith("already trusted: ssh-ed25519 SHA256:")


async def test_a_changed_key_shows_both_and_takes_the_name_typed(remote: Bench, sshd: Sshd) -> None:
    old = keygen(sshd.folder / "old")
    name = f"[{sshd.host}]:{sshd.port}"
    line = " ".join(old.with_suffix(".pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"# mine\n{name},other {line}\nlast {line}\n")
    plan = await remote.verbs.trust(remote.here)
    mine = shown(sshd.host_keys["ed25519"])
    assert plan.risk is Risk.DESTROYS
    assert [step.text for step in plan.steps] == [
        f"replace in {sshd.known_hosts}: {name} ssh-ed25519 {shown(old)} → {mine}"
    ]
    assert any(shown(old) in one for one in plan.loses)
    assert any(mine in one and "KEY CHANGED" in one for one in plan.notes)
    await run_plan(plan)
    assert sshd.known_hosts.read_text() == f"# mine\nother {line}\nlast {line}\n{sshd.known_hosts_line()}\n"


async def test_a_revoked_key_is_never_trusted(remote: Bench, sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"@revoked * {sshd.public_key()}\n")
    with pytest.raises(RevokedHostKey, match="REVOKED"):
        await remote.verbs.trust(remote.here)


async def test_another_type_than_the_known_one_takes_the_name_typed(remote: Bench, sshd: Sshd) -> None:
    rsa = keygen(sshd.folder / "rsa", "rsa")
    line = " ".join(rsa.with_suffix(".pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"[{sshd.host}]:{sshd.port} {line}\n")
    plan = await remote.verbs.trust(remote.here)
    assert plan.risk is Risk.DESTROYS
    assert any("ssh-rsa" in note for note in plan.notes)


async def test_this_machine_has_no_host_key(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="not reached over SSH"):
        await bench.verbs.trust(bench.here)
