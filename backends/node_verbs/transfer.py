"""``node put`` and ``node get``: files and folders over the connection."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
from dataclasses import dataclass
from pathlib import Path

from app import column
from app.errors import BadAnswer, ConfigurationError, Missing, QuarterdeckError, Refused
from app.plan import Plan, Report, Result, Risk, Step
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S, Linked, path_word

_KIND = """\
kind() {
  if [ -d "$1" ]; then echo folder
  elif [ -f "$1" ]; then echo "file $(wc -c < "$1" 2>/dev/null)"
  elif [ -e "$1" ] || [ -h "$1" ]; then echo other
  else echo none; fi
}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under a path: ``folder``, ``file``, ``other`` or ``none``."""

    kind: str
    size: int | None = None

    @property
    def there(self) -> bool:
        """Whether anything stands there."""
        return self.kind != "none"


class TransferVerbs(Linked):
    """Copying to and from a node."""

    async def put(self, target: Node, path: Path, *, to: str = "./") -> Plan:
        """Copy a file or folder to the node.

        ``to`` that ends in ``/``, or is a folder there, receives it under its own name; anything else is the new
        name. Paths are relative to the home folder there. A folder is merged into one of the same name.
        """
        source = path.expanduser()
        local = await asyncio.to_thread(_measure, source)
        if not local.there:
            raise Missing("no such file or folder here", where=str(source))
        name = source.name if source.name not in ("", "..") else source.resolve().name
        wanted = remote_path(to)
        bare = wanted.rstrip("/") or wanted[:1]
        asked = (bare, posixpath.join(bare, name), posixpath.dirname(bare) or ".")
        there, inside, parent = await self._look(target, asked)
        into = wanted.endswith("/") or there.kind == "folder"
        final, at, folder = (asked[1], inside, there) if into else (bare, there, parent)
        checks = [
            (
                "the folder exists on the node",
                folder.kind == "folder",
                f"{bare if into else asked[2]} is {_words(folder)}",
            ),
            (
                "what stands there is of the same sort",
                not at.there or at.kind == local.kind,
                f"{final} is {_words(at)}",
            ),
        ]

        async def run(report: Report) -> Result:
            size = _Bytes(report)
            await self.link_of(target).put(source, final, size)
            return Result(0, f"{amount(size.done)} copied to {final}", {"bytes": size.done, "path": final})

        text = f"put {path_word(str(source))} {shlex.quote(f'{target.name}:{final}')}"
        return Plan(
            Step(target, text, run, lane=f"file@{target.name}:{final}"),
            loses=_overwritten(f"{target.name}:{final}", at, local.kind),
            notes=[f"{amount(local.size or 0)} in all"],
            preconditions=checks,
        )

    async def get(self, target: Node, path: str, *, to: Path = Path()) -> Plan:
        """Copy a file or folder from the node.

        Where ``to`` is a folder, it lands in ``TO/NODE/NAME``, whether one node is asked or many, so that no two
        write over each other; anything else is the exact new name. What would be overwritten here is asked for.
        """
        source = remote_path(path)
        name = posixpath.basename(source.rstrip("/"))
        if name in ("", ".", ".."):
            raise ConfigurationError(f"'{path}' has no name of its own", where="path", todo="name the file or folder")
        (there,) = await self._look(target, (source.rstrip("/"),))
        if there.kind == "none":
            raise Missing("no such file or folder on the node", where=f"{target.name}:{source}")
        given = to.expanduser()
        final = given / _folder_name(target) / name if given.is_dir() else given
        here = await asyncio.to_thread(_measure, final)
        parent = given.parent
        checks = [
            ("it is a file or a folder", there.kind in ("file", "folder"), f"it is {_words(there)}"),
            (
                "what stands here is of the same sort",
                not here.there or here.kind == there.kind,
                f"{final} is {_words(here)}",
            ),
            ("the folder exists here", parent.is_dir() or given.is_dir(), str(parent)),
        ]

        async def run(report: Report) -> Result:
            if not here.there and os.path.lexists(final):
                raise Refused("something stands there by now, and was not to be overwritten", where=str(final))
            await asyncio.to_thread(_make_folder, final.parent)
            size = _Bytes(report)
            await self.link_of(target).get(source.rstrip("/"), final, size)
            return Result(0, f"{amount(size.done)} copied to {final}", {"bytes": size.done, "path": str(final)})

        text = f"get {shlex.quote(f'{target.name}:{source}')} {path_word(str(final))}"
        return Plan(
            Step(target, text, run, lane=f"file:{final}"),
            loses=_overwritten(f"{final} here", here, there.kind),
            notes=[f"{amount(there.size)} in all"] if there.size is not None else (),
            preconditions=checks,
            risk=Risk.DISRUPTS if here.there else None,
        )

    async def _look(self, node: Node, paths: tuple[str, ...]) -> tuple[Found, ...]:
        line = _KIND + "\n".join(f"kind {path_word(path)}" for path in paths)
        done = await self.link_of(node).run(line, timeout=QUICK_S)
        lines = done.text.splitlines()
        if len(lines) != len(paths):
            raise BadAnswer("the node's file system could not be looked at", where=node.name)
        return tuple(_found(one) for one in lines)


class _Bytes:
    """Passes bytes on to a report and remembers how many there were."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.done = 0

    def __call__(self, done: int, total: int | None) -> None:
        """Called by the link."""
        self.done = done
        self._report.progress(done, total, "B")


def amount(size: int) -> str:
    """A number of bytes for a sentence: ``812B``, ``3.4KB``."""
    return f"{column.size_text(size)}B"


def remote_path(text: str) -> str:
    """A path for shell and SFTP alike: relative ones are relative to the home folder, as ``~/`` is."""
    if not text or "\0" in text:
        raise ConfigurationError("an empty path, or one with a NUL byte", where="path")
    if text == "~":
        return "."
    return (text[2:].lstrip("/") or "./") if text.startswith("~/") else text


def _folder_name(node: Node) -> str:
    if node.name in ("", ".", "..") or "/" in node.name:
        raise ConfigurationError(f"'{node.name}' cannot be the name of a folder", where="--to")
    return node.name


def _found(line: str) -> Found:
    kind, _, size = line.partition(" ")
    return Found(kind, int(size) if size.strip().isdecimal() else None)


def _words(found: Found) -> str:
    return {"folder": "a folder", "file": "a file", "none": "not there"}.get(found.kind, "something else")


def _overwritten(where: str, at: Found, kind: str) -> list[str]:
    if not at.there:
        return []
    if kind == "folder":
        return [f"files of the same names in {where}"]
    return [f"{where} ({amount(at.size)}), overwritten" if at.size is not None else f"{where}, overwritten"]


def _measure(path: Path) -> Found:
    """What a path here is, and how many bytes are below it."""
    try:
        if path.is_dir():
            total = sum(
                one.lstat().st_size
                for folder, _, names in os.walk(path)
                for one in (Path(folder) / name for name in names)
            )
            return Found("folder", total)
        if path.is_file():
            return Found("file", path.stat().st_size)
    except OSError as error:
        raise QuarterdeckError(error.strerror or "cannot be read", where=str(error.filename or path)) from None
    return Found("other" if os.path.lexists(path) else "none")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QuarterdeckError(error.strerror or "cannot be made", where=str(path)) from None
