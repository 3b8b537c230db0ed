"""``get`` and ``put``: files and folders out of a container and into it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import re
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import Path

from app.column import clean
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused, Unsupported
from app.plan import Plan, Report, Result, Risk, Step
from backends.docker.archives import Archive, transfer
from backends.docker.packing import Owner, Packed, Packing, listed
from backends.docker.unpacking import Unpacking, unpacked
from backends.docker.verbs.paths import Place, place
from backends.docker.verbs.running import RunningVerbs
from backends.docker.verbs.target import Inspected, alive, mounts, part
from backends.kinds.container import Container
from backends.node_verbs.transfer import amount

_NO_LINKS = re.compile(r"cross-device link|operation not permitted|not supported|too many links", re.IGNORECASE)
"""A file system, or two of them, on which the way without torn files cannot be gone."""
_TIDY_S = 10.0


@dataclass(frozen=True, slots=True)
class _Into:
    """Where something is put: a folder there, the name in it, and what has that name now."""

    folder: Place
    name: str
    there: Place

    @property
    def path(self) -> str:
        """The final path."""
        return posixpath.join(self.folder.path, self.name)


class CopyingVerbs(RunningVerbs):
    """Copying, whether the container runs or not."""

    async def get(self, target: Container, path: str, *, to: Path = Path()) -> Plan:
        """Copy a file or folder out of it.

        Where ``to`` is a folder, it lands in ``TO/NODE_CONTAINER/NAME``, whether one container is asked or many;
        anything else is the exact new name. What would be overwritten here is asked for.
        """
        source = _absolute(path)
        now = await self.fresh(target)
        _refuse_unseen(target, now, source)
        found = await self.of(target, lambda client: place(client, now.id, source))
        if not found.there:
            raise Missing("no such file or folder in the container", where=f"{target.id}:{clean(source)}")
        if found.kind not in ("file", "folder"):
            raise Unsupported(f"it is {found.words}", where=f"{target.id}:{clean(source)}")
        name = posixpath.basename(source)
        if not name:
            raise ConfigurationError(f"'{clean(path)}' has no name of its own", where="path", todo="name what is in it")
        given = to.expanduser()
        final = given / _folder_name(target) / name if given.is_dir() else given
        here = _here(final)
        if here not in ("none", found.kind):
            raise Refused(f"what stands here is {_words(here)}, and that there {found.words}", where=str(final))
        if not given.is_dir() and not given.parent.is_dir():
            raise Missing("there is no such folder here", where=str(given.parent))
        size = found.size if found.kind == "file" else None

        async def run(report: Report) -> Result:
            copied = await self._fetched(target, now, found, final, size, report, overwrite=here != "none")
            said = f"{amount(copied.done)} copied to {final}"
            _complain(copied.left_out, said)
            return Result(0, said, {"bytes": copied.done, "path": str(final)})

        text = f"GET /containers/{now.short}/archive?path={shlex.quote(found.path)} to {shlex.quote(str(final))}"
        loses = {"none": [], "folder": [f"files of the same names in {final} here"]}.get(
            here, [f"{final} here, overwritten"]
        )
        return Plan(
            Step(target, text, run, lane=f"file:{final}"),
            loses=loses,
            notes=[f"{amount(size)} in all"] if size is not None else (),
            preconditions=[alive(now), ("it is there", True, f"{clean(found.path)} is {found.words}")],
            risk=Risk.DISRUPTS if loses else None,
        )

    async def _fetched(
        self,
        target: Container,
        now: Inspected,
        found: Place,
        final: Path,
        size: int | None,
        report: Report,
        *,
        overwrite: bool,
    ) -> Unpacking:
        socket = await self.engine_at(target.source).socket()
        loop = asyncio.get_running_loop()

        def progress(done: int) -> None:
            loop.call_soon_threadsafe(report.progress, done, size if size is not None and size >= done else None, "B")

        def work(archive: Archive) -> Unpacking:
            stream = archive.get(now.id, found.path)
            return unpacked(stream, final, overwrite=overwrite, progress=progress, stopped=lambda: archive.stopped)

        return await transfer(socket, target.id, work)

    async def put(self, target: Container, path: Path, *, to: str = "/tmp/") -> Plan:  # noqa: S108 - in the container
        """Copy a file or folder into it.

        ``to`` that ends in ``/``, or is a folder there, receives it under its own name; anything else is the new
        name. Paths begin at the root folder. A folder is merged into one of the same name.
        """
        source = path.expanduser()
        kind = _here(source.resolve() if source.exists() else source)
        if kind not in ("file", "folder"):
            what = "no such file or folder here" if kind == "none" else "it is neither a file nor a folder"
            raise Missing(what, where=str(source))
        own = source.name if source.name not in ("", "..") else source.resolve().name
        now = await self.fresh(target)
        into = await self._into(target, now, to, own)
        if into.there.there and into.there.kind != kind:
            where = f"{target.id}:{clean(into.path)}"
            raise Refused(f"what stands there is {into.there.words}, and this is {_words(kind)}", where=where)
        packed = await asyncio.to_thread(listed, source, into.name)

        async def run(report: Report) -> Result:
            left = await self._sent(target, now, into, packed, report)
            said = f"{amount(packed.total)} copied to {into.path}{left}"
            _complain(packed.left_out, said)
            return Result(0, said, {"bytes": packed.total, "path": into.path})

        query = f"path={shlex.quote(into.folder.path)}"
        text = f"PUT /containers/{now.short}/archive?{query} {shlex.quote(str(source))} as {shlex.quote(into.name)}"
        where = f"{target.id}:{clean(into.path)}"
        loses = [] if not into.there.there else [f"{where} ({amount(into.there.size)}), overwritten"]
        if into.there.kind == "folder":
            loses = [f"files of the same names in {where}"]
        return Plan(
            Step(target, text, run, lane=f"file@{target.id}:{into.path}"),
            loses=loses,
            notes=[f"{amount(packed.total)} in all"],
            preconditions=[alive(now), ("the folder exists there", True, f"{clean(into.folder.path)} is a folder")],
        )

    async def _into(self, target: Container, now: Inspected, to: str, own: str) -> _Into:
        wanted = _absolute(to)
        _refuse_unseen(target, now, wanted)
        there = await self.of(target, lambda client: place(client, now.id, wanted))
        if to.endswith("/") or there.kind == "folder":
            folder, name = there, own
        else:
            above, name = posixpath.split(wanted)
            folder = await self.of(target, lambda client: place(client, now.id, above))
        if folder.kind != "folder":
            where = f"{target.id}:{clean(folder.path)}"
            raise Missing(f"that folder is {folder.words}", where=where, todo="make it first, or name another")
        final = posixpath.join(folder.path, name)
        return _Into(folder, name, await self.of(target, lambda client: place(client, now.id, final)))

    async def _sent(self, target: Container, now: Inspected, into: _Into, packed: Packed, report: Report) -> str:
        """Send it; what is left over in the container is removed, or named in what is returned."""
        socket = await self.engine_at(target.source).socket()
        loop = asyncio.get_running_loop()
        owner = Owner()
        if into.there.kind == "file":
            with contextlib.suppress(QuarterdeckError):
                owner = await transfer(socket, target.id, lambda archive: _owner(archive, now.id, into.path))

        def progress(done: int, total: int) -> None:
            loop.call_soon_threadsafe(report.progress, done, total, "B")

        async def once(*, linked: bool) -> str:
            made: list[Packing] = []

            def work(archive: Archive) -> None:
                made.append(Packing(packed, owner, progress, lambda: archive.stopped, linked=linked))
                archive.put(now.id, into.folder.path, made[0])

            try:
                await transfer(socket, target.id, work)
            finally:
                left = ""
                if made and made[0].used:
                    left = await asyncio.shield(self._tidied(target, posixpath.join(into.folder.path, made[0].part)))
            return left

        try:
            return await once(linked=True)
        except QuarterdeckError as error:
            if not _NO_LINKS.search(error.what) or "link" not in error.what:
                raise
            report.log("the file system there has no hard links: written in place, where a break would leave it torn")
            return await once(linked=False)

    async def _tidied(self, target: Container, part: str) -> str:
        """Remove the part's name; says what stays where that cannot be done."""
        try:
            async with asyncio.timeout(_TIDY_S):
                now = await self.fresh(target)
                if now.state == "running" and await self.quietly(target, now.id, ["rm", "-f", "--", part]) == 0:
                    return ""
        except (QuarterdeckError, TimeoutError):
            pass
        return f"; {clean(part)} stays there, empty: only a program in the container could remove it"


def _owner(archive: Archive, container: str, path: str) -> Owner:
    """Whose a file in the container is, by the head of its archive. Blocking."""
    with tarfile.open(fileobj=archive.get(container, path), mode="r|") as tar:  # pyright: ignore[reportArgumentType]
        first = tar.next()
    return Owner() if first is None else Owner(first.uid, first.gid)


def _absolute(path: str) -> str:
    """A path in a container from its root folder; raises ConfigurationError for what is none."""
    if not path.strip() or "\0" in path:
        raise ConfigurationError("an empty path, or one with a NUL byte", where="path")
    if path == "~" or path.startswith("~/"):
        raise ConfigurationError("a container has no home folder to begin at", where="path", todo="write it out: /root")
    return posixpath.normpath(posixpath.join("/", path)).replace("//", "/")


def _refuse_unseen(target: Container, now: Inspected, path: str) -> None:
    """What only the container's own processes see, the engine would look for, or write, below it."""
    memory = [str(one.get("Destination")) for one in mounts(now) if one.get("Type") == "tmpfs"]
    for hidden in ("/proc", "/sys", "/dev", *memory, *part(now.host_config, "Tmpfs")):
        if path == hidden or path.startswith(f"{hidden.rstrip('/')}/"):
            raise Unsupported(
                f"the engine does not see {clean(hidden)}: it exists only for processes in the container",
                where=target.id,
                todo="use 'container exec' there",
            )


def _folder_name(target: Container) -> str:
    name = f"{target.source}_{target.name}"
    if "/" in name or "\0" in name or name in (".", ".."):
        raise ConfigurationError(f"'{clean(name)}' cannot be the name of a folder", where="--to")
    return name


def _here(path: Path) -> str:
    """What a path of this machine is, as ``Place.kind`` has it."""
    if path.is_symlink() and not path.exists():
        return "other"
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "file"
    return "other" if os.path.lexists(path) else "none"


def _words(kind: str) -> str:
    return {"folder": "a folder", "file": "a file"}.get(kind, "something else")


def _complain(left_out: list[str], said: str) -> None:
    """Say what was left out, once everything else has been copied."""
    if left_out:
        few = ", ".join(clean(one) for one in left_out[:3])
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        raise Unsupported(f"{said}, but {len(left_out)} left out: {few}{more}")
