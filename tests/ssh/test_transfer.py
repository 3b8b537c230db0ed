"""Files and folders over SFTP: whole or not at all, literal names, and nothing outside the folder."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from app.errors import BadAnswer, Missing, QuarterdeckError, Unsupported
from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.link import SshLink
from tests.servers.sshd import StartSshd, keygen
from tests.ssh.conftest import MakeLink
from tests.waiting import eventually

pytestmark = pytest.mark.real("sshd")


class Steps:
    """Remembers progress."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None]] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.seen.append((done, total))


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A folder on the host, which is this machine, with everything in its name that a shell would trip over."""
    folder = tmp_path / "far $(touch oops) ; 'x' *"
    folder.mkdir()
    return folder


@pytest.fixture
def near(tmp_path: Path) -> Path:
    folder = tmp_path / "near"
    folder.mkdir()
    return folder


def _leftovers(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names if ".part" in name]


async def test_a_file_goes_and_comes_with_its_mode(link: SshLink, near: Path, far: Path) -> None:
    source = near / "data"
    source.write_bytes(os.urandom(1_500_000))
    source.chmod(0o750)
    steps = Steps()
    await link.put(source, str(far / "a b"), steps)
    assert (far / "a b").read_bytes() == source.read_bytes()
    assert stat.S_IMODE((far / "a b").stat().st_mode) == 0o750
    assert steps.seen[-1] == (1_500_000, 1_500_000)
    assert [done for done, _ in steps.seen] == sorted(done for done, _ in steps.seen)
    back = near / "back"
    steps = Steps()
    await link.get(str(far / "a b"), back, steps)
    assert back.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(back.stat().st_mode) == 0o750
    assert steps.seen[-1] == (1_500_000, 1_500_000)
    assert _leftovers(far) == _leftovers(near) == []
    assert link.cost.bytes_out >= 1_500_000


async def test_an_empty_file_and_one_that_is_replaced(link: SshLink, near: Path, far: Path) -> None:
    (near / "empty").touch()
    (far / "there").write_text("old")
    await link.put(near / "empty", str(far / "there"), Steps())
    assert (far / "there").read_bytes() == b""


def _tree(root: Path) -> Path:
    (root / "sub dir" / "deep").mkdir(parents=True)
    (root / "one").write_text("1")
    (root / "sub dir" / "deep" / "zwei\u00fc").write_text("2")
    (root / "sub dir" / "run").write_text("#!/bin/sh\n")
    (root / "sub dir" / "run").chmod(0o755)
    (root / "inside").symlink_to("sub dir/run")
    (root / "sub dir").chmod(0o711)
    return root


async def test_a_folder_goes_and_comes_whole(link: SshLink, near: Path, far: Path) -> None:
    tree = near / "tree"
    tree.mkdir()
    _tree(tree)
    await link.put(tree, str(far / "copy"), Steps())
    await link.get(str(far / "copy"), near / "back", Steps())
    for root in (far / "copy", near / "back"):
        assert (root / "sub dir" / "deep" / "zwei\u00fc").read_text() == "2"
        assert (root / "inside").readlink() == Path("sub dir/run")
        assert stat.S_IMODE((root / "sub dir").stat().st_mode) == 0o711
    assert _leftovers(far) == _leftovers(near) == []


async def test_a_folder_is_merged_into_one_that_is_there(link: SshLink, near: Path, far: Path) -> None:
    tree = near / "tree"
    tree.mkdir()
    _tree(tree)
    (far / "copy").mkdir()
    (far / "copy" / "mine").write_text("kept")
    (far / "copy" / "one").write_text("old")
    await link.put(tree, str(far / "copy"), Steps())
    assert (far / "copy" / "mine").read_text() == "kept"
    assert (far / "copy" / "one").read_text() == "1"
    (near / "merge").mkdir()
    (near / "merge" / "own").write_text("kept")
    await link.get(str(far / "copy"), near / "merge", Steps())
    assert {path.name for path in (near / "merge").iterdir()} == {"mine", "one", "sub dir", "inside", "own"}


async def test_links_out_of_the_folder_and_special_files_are_left_out_and_said(
    link: SshLink, near: Path, far: Path
) -> None:
    tree = near / "tree"
    tree.mkdir()
    (tree / "good").write_text("1")
    (tree / "out").symlink_to("../../etc/passwd")
    (tree / "abs").symlink_to("/etc/passwd")
    os.mkfifo(tree / "fifo")
    with pytest.raises(Unsupported, match="3 left out"):
        await link.put(tree, str(far / "copy"), Steps())
    assert [path.name for path in (far / "copy").iterdir()] == ["good"]
    with pytest.raises(Unsupported, match="3 left out"):
        await link.get(str(tree), near / "back", Steps())
    assert [path.name for path in (near / "back").iterdir()] == ["good"]


async def test_what_is_missing_or_not_allowed_is_said(link: SshLink, near: Path, far: Path) -> None:
    with pytest.raises(Missing):
        await link.get(str(far / "none"), near / "x", Steps())
    with pytest.raises(Missing):
        await link.put(near / "none", str(far / "x"), Steps())
    (near / "x").write_text("x")
    with pytest.raises(QuarterdeckError):
        await link.put(near / "x", str(far / "no" / "such" / "folder"), Steps())
    with pytest.raises(Unsupported, match="neither"):
        await link.get("/dev/null", near / "null", Steps())
    (far / "folder").mkdir()
    with pytest.raises(QuarterdeckError):
        await link.put(near / "x", str(far / "folder"), Steps())
    assert _leftovers(far) == _leftovers(near) == []


async def test_a_cancelled_copy_leaves_nothing_under_any_name(link: SshLink, near: Path, far: Path) -> None:
    with (near / "big").open("wb") as out:
        out.truncate(1 << 29)
        out.seek(0)
        out.write(b"x")
    (far / "final").write_text("old")
    for copying in (
        link.get(str(near / "big"), far / "final", Steps()),
        link.put(near / "big", str(far / "final"), Steps()),
    ):
        task = asyncio.create_task(copying)
        await eventually(lambda: _leftovers(far), what="the copy begun")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (far / "final").read_text() == "old"
        await eventually(lambda: not _leftovers(far), what="the unfinished part gone")


async def test_without_sftp_it_is_unsupported(make_link: MakeLink, sshd_at: StartSshd, near: Path) -> None:
    (near / "x").write_text("x")
    for subsystem in ("", "sftp /nonexistent/sftp-server"):
        link = make_link.to(sshd_at(options={"Subsystem": subsystem}))
        with pytest.raises(Unsupported, match="no SFTP"):
            await link.put(near / "x", "x", Steps())


# -- a host that lies


class _Liar(asyncssh.SFTPServer):
    name = b"../escaped"

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield asyncssh.SFTPName(self.name, attrs=asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o644, size=3))


@asynccontextmanager
async def _lying(folder: Path, name: bytes) -> AsyncGenerator[tuple[SshEntry, SshDefaults]]:
    host_key, client_key = keygen(folder / "liar_host"), keygen(folder / "liar_client")

    class Liar(_Liar):
        pass

    Liar.name = name
    server = await asyncssh.listen(
        "127.0.3.2",
        0,
        server_host_keys=[str(host_key)],
        authorized_client_keys=str(client_key.with_suffix(".pub")),
        sftp_factory=Liar,
    )
    known = folder / "liar_known"
    public = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
    known.write_text(f"* {public}\n")
    try:
        yield (
            SshEntry(host="127.0.3.2", port=server.get_port(), user="x", identity=(str(client_key),)),
            SshDefaults(known_hosts=known, config=folder / "none"),
        )
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("name", [b"../escaped", b"/tmp/escaped", b"a/../../b"])
async def test_names_that_would_lie_elsewhere_are_refused(make_link: MakeLink, tmp_path: Path, name: bytes) -> None:
    async with _lying(tmp_path, name) as (entry, defaults):
        link = make_link(entry, defaults)
        with pytest.raises(BadAnswer, match="would lie elsewhere"):
            await link.get(str(tmp_path), tmp_path / "in", Steps())
        assert not (tmp_path / "in").exists()
        assert not (tmp_path / "escaped").exists()
        await link.close()


async def test_control_characters_in_names_are_left_out(make_link: MakeLink, tmp_path: Path) -> None:
    async with _lying(tmp_path, b"a\x1b[2Jb") as (entry, defaults):
        link = make_link(entry, defaults)
        with pytest.raises(Unsupported, match="control characters") as caught:
            await link.get(str(tmp_path), tmp_path / "in", Steps())
        assert "\x1b" not in str(caught.value)
        await link.close()
