"""Copies of checkpoints on a node, over a real sshd: they arrive, add up, prove a cut, and stop nothing."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from app.cli.root import call
from app.errors import WitnessError
from app.inventory.model import Inventory, NodeCopy, NodeEntry, WitnessCopies
from app.witness import Witness, copies
from app.witness.checkpoint import FILE, stored
from app.witness.verify import verify
from backends.sampling.links import NodeLinks
from tests.servers.sshd import Sshd, sshd, sshd_at
from tests.witness.logs import HOST, OPERATOR, draft

__all__ = ["sshd", "sshd_at"]


def hosts(server: Sshd, *copied: NodeCopy, every: int = 1000) -> Inventory:
    """One node, the server, with these copies."""
    return Inventory(
        nodes={"hp": NodeEntry(name="hp", ssh=server.entry())},
        ssh=server.defaults(),
        witness=WitnessCopies(every=every, nodes=copied),
    )


async def kept(folder: Path, inventory: Inventory, entries: int) -> Witness:
    """A witness of so many entries that was closed, and its links with it."""
    links = NodeLinks(lambda: inventory)
    log = Witness(
        folder,
        operator=OPERATOR,
        host=HOST,
        every=inventory.witness.every,
        copy=copies.configured(lambda: inventory.witness, links),
    )
    for _ in range(entries):
        await log.record(draft())
    await log.close()
    await links.close()
    return log


@pytest.mark.real("sshd")
async def test_every_checkpoint_is_added_to_one_private_file(sshd: Sshd, tmp_path: Path) -> None:
    there = tmp_path / "on the node"
    inventory = hosts(sshd, NodeCopy(node="hp", folder=str(there)))
    first = await kept(tmp_path / "log", inventory, 2)
    second = await kept(tmp_path / "log", inventory, 1)
    assert (first.fault, second.fault) == (None, None)
    file = there / f"{OPERATOR}@{HOST}.jsonl"
    copied, unreadable = stored(file)
    assert ([one.size for one in copied], unreadable) == ([2, 3], [])
    assert copied == stored(second.folder / FILE)[0]
    assert (there.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.real("sshd")
async def test_a_relative_folder_is_one_of_the_home_there(sshd: Sshd, tmp_path: Path) -> None:
    name = f"quarterdeck-witness-test-{sshd.port}"
    links = NodeLinks(lambda: hosts(sshd))
    home = Path((await links.of("hp").run("pwd")).text.strip())
    await links.close()
    try:
        log = await kept(tmp_path / "log", hosts(sshd, NodeCopy(node="hp", folder=name)), 1)
        assert log.fault is None
        assert (home / name / f"{OPERATOR}@{HOST}.jsonl").is_file()
    finally:
        subprocess.run(["rm", "-rf", "--", str(home / name)], check=True)


@pytest.mark.real("sshd")
async def test_the_copy_proves_that_the_end_was_cut_off(sshd: Sshd, tmp_path: Path) -> None:
    there = tmp_path / "there"
    log = await kept(tmp_path / "log", hosts(sshd, NodeCopy(node="hp", folder=str(there))), 3)
    segments = [
        path for path in log.folder.iterdir() if path.is_file() and path.name != FILE and "key" not in path.name
    ]
    segment = max(segments, key=lambda path: path.stat().st_size)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-1]))
    (log.folder / FILE).unlink()
    copied, _ = stored(there / f"{OPERATOR}@{HOST}.jsonl")
    found = verify(log.folder, copied).first_break
    assert found is not None
    assert "truncated" in str(found.kind)


@pytest.mark.real("sshd")
async def test_a_node_that_does_not_answer_is_said_and_stops_nothing(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.witness.copies.NODE_TIMEOUT", 0.5)
    sshd.pause()
    try:
        log = await kept(tmp_path / "log", hosts(sshd, NodeCopy(node="hp", folder=str(tmp_path / "x")), every=1), 2)
    finally:
        sshd.resume()
    assert "hp: did not take it within 0.5 s" in (log.fault or "")
    assert verify(log.folder).covered == 2


@pytest.mark.real("sshd")
async def test_what_fails_does_not_keep_it_from_the_others(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    inventory = hosts(
        sshd,
        NodeCopy(node="hp", folder=str(tmp_path / "in the way")),
        NodeCopy(node="gone"),
        NodeCopy(node="hp", folder=str(tmp_path / "good")),
    )
    log = await kept(tmp_path / "log", inventory, 1)
    assert "in the way" in (log.fault or "")
    assert "gone" in (log.fault or "")
    assert len(stored(tmp_path / "good" / f"{OPERATOR}@{HOST}.jsonl")[0]) == 1


@pytest.mark.parametrize("name", ["plain", "with 'quotes' and $(touch hurt) `touch hurt`", "-n", "*"])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path, shell: str, name: str) -> None:
    folder = f"deep/{name}"

    def append(text: bytes) -> None:
        line = copies.append_command(folder, f"{name}.jsonl")
        subprocess.run([shell, "-c", line], input=text, cwd=tmp_path, check=True, timeout=10)

    append(b"first\n")
    append(b"cut sho")
    append(b"third\n")
    assert (tmp_path / folder / f"{name}.jsonl").read_bytes() == b"first\ncut sho\nthird\n"
    assert not list(tmp_path.rglob("hurt"))


@pytest.mark.real("sshd")
def test_the_command_copies_where_hosts_yaml_says(
    sshd: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"defaults: {{ssh: {{known_hosts: {sshd.known_hosts}, config: {sshd.defaults().config}}}}}\n"
        f"nodes: {{hp: {{ssh: {{host: {sshd.host}, port: {sshd.port}, identity: {sshd.client_key}}}}}}}\n"
        f"witness: {{copy: [{{node: hp, dir: {there}}}]}}\n"
    )
    said = ["--hosts", str(file), "--output", "json"]
    # Whatever is done is witnessed, and the last checkpoint copied, when the program ends.
    assert call(["node", "exec", "hp", "--yes", *said, "--", "true"]) == 0
    (copied,) = there.glob("*.jsonl")
    assert [one.size for one in stored(copied)[0]] == [3]
    copied.unlink()
    assert call(["witness", "checkpoint", *said]) == 0
    assert [one.size for one in stored(copied)[0]] == [3]
    assert call(["witness", "verify", "--against", str(copied), *said]) == 0
    # A copy that cannot be made fails the command that is for it, and only tells the one that is for something else.
    copied.unlink()
    copied.mkdir()
    capsys.readouterr()
    assert call(["witness", "checkpoint", *said]) == 1
    assert "not copied" in capsys.readouterr().err
    assert call(["node", "exec", "hp", "--yes", *said, "--", shlex.join(["echo", "x"])]) == 0
    assert "not copied" in capsys.readouterr().err


async def test_a_copy_that_fails_has_a_reason(tmp_path: Path) -> None:
    links = NodeLinks(lambda: Inventory())
    log = Witness(tmp_path, operator=OPERATOR, host=HOST, copy=copies.on_node(links, "gone", "x"))
    await log.record(draft())
    with pytest.raises(WitnessError, match=r"gone: no such node is configured"):
        await log.checkpoint()
    await log.close()
