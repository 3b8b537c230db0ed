"""``node add`` and ``node remove``: entries of hosts.yaml, with the lines shown before they are written."""

from __future__ import annotations

import asyncio
import difflib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from app.backend import Context
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.kinds.node import Node, NodeVerbs

_NOBODY = Ref("node", "")
"""Whom a step acts on whose target is not there yet."""

Edit = Callable[[Path], object]
"""Changes the file at a path."""


class EntryVerbs(NodeVerbs):
    """Nodes coming and going in hosts.yaml; nothing on a machine changes."""

    context: Context

    def _hosts_file(self) -> Path:
        """The file in use, or where the operator's own belongs when there is none yet."""
        from app.paths import Paths

        return self.context.inventory().path or Paths.find().hosts

    async def add(
        self,
        name: str,
        *,
        ssh: str | None = None,
        ping: str | None = None,
        tag: tuple[str, ...] = (),
        sudo: Literal["none", "nopasswd", "ask"] | None = None,
    ) -> Plan:
        """Add a node to hosts.yaml."""
        values = node_values(name, ssh, ping, tag, sudo)
        if name in self.context.inventory().nodes:
            raise ConfigurationError(f"there is a node '{name}' already", where="node add", todo="choose another name")

        def edit(path: Path) -> None:
            from app.inventory.edit import add_node

            add_node(path, name, values)

        return await self._plan(_NOBODY, edit, f"{name} is added", undo=f"quarterdeck node remove {name}")

    async def remove(self, target: Node) -> Plan:
        """Take a node out of hosts.yaml; nothing on the machine changes."""
        name = target.name
        if self.context.inventory().path is None:
            raise Missing(
                "there is no hosts.yaml to take it out of: this is the built-in default",
                where=name,
                todo="'quarterdeck node add' makes one",
            )

        def edit(path: Path) -> None:
            from app.inventory.edit import remove_node

            remove_node(path, name)

        return await self._plan(
            target, edit, f"{name} is removed", loses=[f"the entry of {name} in {self._hosts_file()}"]
        )

    async def _plan(
        self, target: Ref | Node, edit: Edit, said: str, *, undo: str = "", loses: list[str] | None = None
    ) -> Plan:
        path = self._hosts_file()
        before, lines = await asyncio.to_thread(preview, path, edit)

        async def run(report: Report) -> Result:
            await asyncio.to_thread(_apply, path, before, edit)
            return Result(0, said, {"file": str(path)})

        text = "\n".join([f"edit {path}", *lines])
        return Plan(Step(target, text, run, lane=f"file:{path}", undo=undo), loses=loses or ())


def node_values(
    name: str, ssh: str | None, ping: str | None, tags: tuple[str, ...], sudo: str | None
) -> dict[str, Any]:
    """The entry as hosts.yaml would hold it; raises ConfigurationError for addresses that are none.

    Names and tags are checked by the edit itself.
    """
    from app.inventory import address

    def checked(check: Callable[[str], Any], text: str, where: str) -> Any:
        try:
            return check(text)
        except ValueError as error:
            raise ConfigurationError(str(error), where=where) from None

    if ssh is not None and ping is not None:
        raise ConfigurationError("--ssh and --ping exclude each other", where="node add")
    values: dict[str, Any] = {}
    if ping is not None:
        if sudo is not None:
            raise ConfigurationError("--sudo needs a login, and --ping has none", where="node add")
        at = checked(address.parse, ping, "--ping")
        if at.user is not None:
            raise ConfigurationError("a device that is only checked has no user", where="--ping")
        parts = {**({"host": at.host} if at.host != name else {}), **({"tcp": at.port} if at.port else {})}
        values["ping"] = parts or True
    else:
        checked(address.parse, ssh or name, "--ssh")
        values["ssh"] = ssh or name
    if tags:
        values["tags"] = list(dict.fromkeys(tags))
    if sudo is not None:
        values["sudo"] = sudo
    return values


def preview(path: Path, edit: Edit) -> tuple[bytes | None, list[str]]:
    """What the file holds now (``None``: no file), and the lines an edit would add (``+``) or take out (``-``).

    The edit is tried on a copy, so that its own complaints come before anything is asked.
    """
    before = path.read_bytes() if path.exists() else None
    with tempfile.TemporaryDirectory(prefix="quarterdeck-") as folder:
        copy = Path(folder) / path.name
        if before is not None:
            copy.write_bytes(before)
        try:
            edit(copy)
        except QuarterdeckError as error:
            raise type(error)(
                error.what.replace(str(copy), str(path)),
                where=error.where.replace(str(copy), str(path)),
                todo=error.todo,
            ) from None
        after = copy.read_text(encoding="utf-8")
    old = (before or b"").decode("utf-8").splitlines()
    changes = difflib.unified_diff(old, after.splitlines(), n=0, lineterm="")
    lines = [line for line in changes if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return before, lines


def _apply(path: Path, before: bytes | None, edit: Edit) -> None:
    if (path.read_bytes() if path.exists() else None) != before:
        raise Refused("the file changed meanwhile", where=str(path), todo="look again")
    edit(path)
