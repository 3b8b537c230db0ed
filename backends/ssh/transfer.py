"""Files over SFTP: written under a name of their own and renamed when whole; nothing a host says leaves the folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import secrets
import shutil
import stat
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError, Unreachable, Unsupported
from app.link import LinkCost, Progress
from backends.ssh.hop import lost_words
from backends.ssh.jumps import Shared
from backends.ssh.sessions import no_subsystem, refusal

_DEEPEST = 100
"""Levels of folders; a host that claims more is making them up."""
_OPEN_SECONDS = 20.0
_TIDY_SECONDS = 5.0


@dataclass(slots=True)
class _Counter:
    progress: Progress
    spent: Callable[[int], None]
    total: int | None = None
    done: int = 0

    def handler(self) -> Callable[[bytes, bytes, int, int], None]:
        """For one file: asyncssh tells how much of that file is done."""
        last = 0

        def told(source: bytes, target: bytes, done: int, total: int) -> None:
            nonlocal last
            self.spent(done - last)
            self.done += done - last
            last = done
            self.progress(self.done, self.total)

        return told


@dataclass(slots=True)
class _Tree:
    """A folder's contents: paths relative to it, with ``/``; folders before what is in them."""

    folders: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    files: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    """Path, mode, size."""
    links: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Path and target, both within the tree."""
    left_out: list[str] = field(default_factory=list[str])

    def link(self, path: str, target: str) -> None:
        """Keep a symbolic link that stays in the tree; leave out one that does not. Neither is followed."""
        end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or end == ".." or end.startswith("../") or "\0" in target:
            self.left_out.append(f"{path} (a link out of the folder)")
        else:
            self.links.append((path, target))

    def complain(self) -> None:
        """Say what was left out, once everything else has been copied."""
        if self.left_out:
            few = ", ".join(clean(one) for one in self.left_out[:3])
            more = f" and {len(self.left_out) - 3} more" if len(self.left_out) > 3 else ""
            raise Unsupported(f"copied, but {len(self.left_out)} left out: {few}{more}")


@asynccontextmanager
async def _sftp(shared: Shared, where: str) -> AsyncGenerator[asyncssh.SFTPClient]:
    """An SFTP session in one of the connection's places, every error of it in our words."""
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            seat, client = await shared.sessions.open(shared.hop.sftp)
    except asyncssh.ChannelOpenError as error:
        if error.code > 0xF0000000:  # asyncssh's own: the session opened, the request was refused
            raise no_subsystem(where) from None
        raise refusal(error, where) from None
    except asyncssh.SFTPError:
        raise no_subsystem(where) from None
    except TimeoutError:
        raise Unreachable("SFTP did not start", where=where) from None
    except (OSError, asyncssh.Error) as error:
        raise lost_words(error, where) from None
    try:
        yield client
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
        raise Missing(f"no such file: {clean(error.reason)}", where=where) from None
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost) as error:
        raise lost_words(error, where) from None
    except (asyncssh.SFTPError, asyncssh.Error) as error:
        raise QuarterdeckError(f"the host says: {clean(error.reason)}", where=where) from None
    except OSError as error:
        raise QuarterdeckError(error.strerror or str(error), where=str(error.filename or where)) from None
    finally:
        client.exit()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await client.wait_closed()
        shared.sessions.vacate(seat)


def _remote(path: str) -> str:
    """A path as SFTP takes it: literal, relative to the home folder, which ``~/`` stands for too."""
    if not path or "\0" in path:
        raise Unsupported("an empty path, or one with a NUL byte")
    if path in {"~", "~/"}:
        return "."
    return path.removeprefix("~/").rstrip("/") or "/"


async def put(shared: Shared, cost: LinkCost, local: Path, remote: str, progress: Progress) -> None:
    """Copy a file or folder to ``remote``, its final name; a folder is merged into one that is there."""

    def spent(size: int) -> None:
        cost.bytes_out += size

    counter = _Counter(progress, spent)
    final = _remote(remote)
    tree = await asyncio.to_thread(_local_tree, local)
    cost.channels += 1
    async with _sftp(shared, shared.resolved.address) as sftp:
        if tree is None:
            counter.total = (await asyncio.to_thread(local.stat)).st_size
            await _put_file(sftp, local, final, stat.S_IMODE((await asyncio.to_thread(local.stat)).st_mode), counter)
            return
        counter.total = sum(size for _, _, size in tree.files)
        progress(0, counter.total)
        whole = not await sftp.isdir(final)
        base = _beside(final) if whole else final
        try:
            if whole:
                await sftp.mkdir(base)
            for path, _ in tree.folders:
                if whole or not await sftp.isdir(posixpath.join(base, path)):
                    await sftp.mkdir(posixpath.join(base, path))
            for path, mode, _ in tree.files:
                await _put_file(sftp, local / path, posixpath.join(base, path), mode, counter)
            for path, target in tree.links:
                await _put_link(sftp, target, posixpath.join(base, path))
            for path, mode in reversed(tree.folders):  # last, so that a read-only folder can be filled
                await sftp.chmod(posixpath.join(base, path), mode)
            if whole:
                await _rename(sftp, base, final)
        except BaseException:
            if whole:
                await _tidy(sftp.rmtree(base, ignore_errors=True))  # pyright: ignore[reportUnknownMemberType]
            raise
    tree.complain()


async def _put_file(sftp: asyncssh.SFTPClient, local: Path, final: str, mode: int, counter: _Counter) -> None:
    part = _beside(final)
    try:
        await sftp.put(str(local), part, sparse=False, progress_handler=counter.handler())
        size = (await asyncio.to_thread(local.stat)).st_size
        if (await sftp.stat(part)).size != size:
            raise BadAnswer("the copy is not as long as the file", where=clean(final))
        await sftp.chmod(part, mode & 0o777)
        await _rename(sftp, part, final)
    except BaseException:
        await _tidy(sftp.remove(part))
        raise


async def _put_link(sftp: asyncssh.SFTPClient, target: str, path: str) -> None:
    part = _beside(path)
    await sftp.symlink(target, part)
    try:
        await _rename(sftp, part, path)
    except BaseException:
        await _tidy(sftp.remove(part))
        raise


async def _rename(sftp: asyncssh.SFTPClient, old: str, new: str) -> None:
    """Rename over what may be there, in one step where the server can."""
    try:
        await sftp.posix_rename(old, new)
    except asyncssh.SFTPOpUnsupported:
        with contextlib.suppress(asyncssh.SFTPError):
            await sftp.remove(new)
        await sftp.rename(old, new)


async def get(shared: Shared, cost: LinkCost, remote: str, local: Path, progress: Progress) -> None:
    """Copy a file or folder to ``local``, its final name; a folder is merged into one that is there."""

    def spent(size: int) -> None:
        cost.bytes_in += size

    counter = _Counter(progress, spent)
    source = _remote(remote)
    cost.channels += 1
    async with _sftp(shared, shared.resolved.address) as sftp:
        attrs = await sftp.stat(source)
        if stat.S_ISREG(attrs.permissions or 0):
            counter.total = attrs.size
            await _get_file(sftp, source, local, attrs.permissions or 0o600, counter)
            return
        if not stat.S_ISDIR(attrs.permissions or 0):
            raise Unsupported("neither a file nor a folder", where=clean(remote))
        tree = _Tree()
        await _remote_tree(sftp, source, "", tree, 0)
        counter.total = sum(size for _, _, size in tree.files)
        progress(0, counter.total)
        whole = not await asyncio.to_thread(local.is_dir)
        base = Path(_beside(str(local))) if whole else local
        try:
            await asyncio.to_thread(_make_folders, base, tree)
            for path, mode, _ in tree.files:
                await _get_file(sftp, posixpath.join(source, path), base / path, mode, counter)
            await asyncio.to_thread(_finish, base, tree)
            if whole:
                await asyncio.to_thread(base.rename, local)
        except BaseException:
            if whole:
                await asyncio.to_thread(shutil.rmtree, base, ignore_errors=True)
            raise
    tree.complain()


async def _get_file(sftp: asyncssh.SFTPClient, remote: str, local: Path, mode: int, counter: _Counter) -> None:
    part = Path(_beside(str(local)))
    try:
        # The name is made up here and must be new: nothing the host says can make it a link to elsewhere.
        await asyncio.to_thread(lambda: os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)))
        await sftp.get(remote, str(part), sparse=False, progress_handler=counter.handler())
        size = (await sftp.stat(remote)).size
        if size is not None and (await asyncio.to_thread(part.stat)).st_size != size:
            raise BadAnswer("the copy is not as long as the file", where=clean(remote))
        await asyncio.to_thread(part.chmod, mode & 0o777)
        await asyncio.to_thread(part.replace, local)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


async def _remote_tree(sftp: asyncssh.SFTPClient, folder: str, prefix: str, tree: _Tree, depth: int) -> None:
    if depth > _DEEPEST:
        raise BadAnswer(f"folders more than {_DEEPEST} levels deep", where=clean(folder))
    entries = [entry async for entry in sftp.scandir(folder)]
    for entry in sorted(entries, key=lambda one: str(one.filename)):
        name = os.fsdecode(entry.filename)
        if name in {".", ".."}:
            continue
        if not name or "/" in name or "\0" in name:
            raise BadAnswer(f"the host names a file {clean(name)!r}, which would lie elsewhere", where=clean(folder))
        path = f"{prefix}{name}"
        if name != clean(name):
            tree.left_out.append(f"{path} (control characters in its name)")
            continue
        attrs = entry.attrs
        mode = attrs.permissions or 0
        if stat.S_ISDIR(mode):
            tree.folders.append((path, stat.S_IMODE(mode)))
            await _remote_tree(sftp, posixpath.join(folder, name), f"{path}/", tree, depth + 1)
        elif stat.S_ISREG(mode):
            tree.files.append((path, stat.S_IMODE(mode), attrs.size or 0))
        elif stat.S_ISLNK(mode):
            target = await sftp.readlink(posixpath.join(folder, name))
            tree.link(path, os.fsdecode(target))
        else:
            tree.left_out.append(f"{path} (neither file nor folder)")


def _local_tree(root: Path) -> _Tree | None:
    """A folder's contents, ``None`` for a file; a link that was named itself is followed, those within are not."""
    if not root.exists():
        raise Missing("no such file or folder here", where=str(root))
    if root.is_file():
        return None
    if not root.is_dir():
        raise Unsupported("neither a file nor a folder", where=str(root))
    tree = _Tree()
    for entry in _walk(root):
        path = entry.relative_to(root).as_posix()
        info = entry.lstat()
        if stat.S_ISDIR(info.st_mode):
            tree.folders.append((path, stat.S_IMODE(info.st_mode)))
        elif stat.S_ISREG(info.st_mode):
            tree.files.append((path, stat.S_IMODE(info.st_mode), info.st_size))
        elif stat.S_ISLNK(info.st_mode):
            tree.link(path, os.readlink(entry))  # noqa: PTH115 - the text as it stands
        else:
            tree.left_out.append(f"{path} (neither file nor folder)")
    return tree


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)


def _make_folders(base: Path, tree: _Tree) -> None:
    base.mkdir(exist_ok=True)
    for path, _ in tree.folders:
        folder = base / path
        if folder.is_symlink():
            raise Unsupported("a link stands where a folder must go", where=str(folder))
        folder.mkdir(exist_ok=True)


def _finish(base: Path, tree: _Tree) -> None:
    """Links last, so that nothing was ever written through one; then the modes of folders."""
    for path, target in tree.links:
        part = Path(_beside(str(base / path)))
        part.symlink_to(target)
        try:
            part.replace(base / path)
        except OSError:
            part.unlink()
            raise
    for path, mode in reversed(tree.folders):
        (base / path).chmod(mode & 0o777)


def _beside(final: str) -> str:
    """A name in the same folder that nobody uses."""
    folder, name = posixpath.split(final)
    return posixpath.join(folder, f".{name[:200]}.{secrets.token_hex(4)}.part")


async def _tidy(work: object) -> None:
    """Take away what is unfinished, also when we are being cancelled; bounded, and quiet where it fails."""
    assert asyncio.iscoroutine(work)
    task = asyncio.ensure_future(work)
    with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
        async with asyncio.timeout(_TIDY_SECONDS):
            await task
