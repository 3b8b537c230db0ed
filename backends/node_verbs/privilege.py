"""Becoming root on a node as its configuration allows, visibly: the prefix is part of the command that is shown."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from app.errors import Denied, Unsupported
from app.inventory.model import Sudo
from app.plan import Report
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S, Linked, tail

_CHECK = "LC_ALL=C sudo -k -S -p '' -v"
"""Asks sudo whether a password is right, whatever it remembers, without running anything."""


class Way(Enum):
    """How a command gets its rights."""

    PLAIN = "plain"
    """As the user who is logged in."""
    NOPASSWD = "nopasswd"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Privilege:
    """Writes command lines with the rights they need."""

    way: Way = Way.PLAIN

    @property
    def notes(self) -> tuple[str, ...]:
        """What a plan should say of it."""
        return ("sudo asks for your password there",) if self.way is Way.ASK else ()

    def argv(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """The command line for an argument list, with environment variables."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
        plain = " ".join([*settings, shlex.join(argv)])
        if self.way is Way.NOPASSWD:
            return f"sudo -n -- {' '.join(['env', *settings, '']) if settings else ''}{shlex.join(argv)}"
        return self.shell(plain)

    def shell(self, line: str) -> str:
        """The command line for a piece of shell.

        Where sudo reads the password from standard input, the command itself gets an empty one: sudo leaves the
        password unread when it needs none, and a ``cat`` would print it.
        """
        if self.way is Way.NOPASSWD:
            return f"sudo -n -- sh -c {shlex.quote(line)}"
        if self.way is Way.ASK:
            return f"sudo -S -p '' -- sh -c {shlex.quote('exec </dev/null; ' + line)}"
        return line


PLAIN = Privilege()


class Privileged(Linked):
    """Finds out how a node's operator becomes root, and asks for the password where that is the way."""

    @cached_property
    def _passwords(self) -> dict[str, str]:
        """In memory only, for as long as this backend lives."""
        return {}

    @cached_property
    def _asking(self) -> dict[str, asyncio.Lock]:
        return {}

    async def root_on(self, node: Node) -> Privilege:
        """How to become root there; raises Unsupported where the configuration does not allow it."""
        way = self.entry_of(node).sudo
        if await self.is_root(node):
            return PLAIN
        if way is Sudo.NONE:
            raise Unsupported(
                "this needs root, and the node is configured without sudo",
                where=node.name,
                todo="set 'sudo: nopasswd' or 'sudo: ask' for the node in hosts.yaml",
            )
        return Privilege(Way.NOPASSWD if way is Sudo.NOPASSWD else Way.ASK)

    async def password_for(self, node: Node, privilege: Privilege, report: Report) -> bytes | None:
        """What goes to the command's standard input: the password's line, or ``None`` where none is needed.

        Asked once per node, checked, and remembered. Raises Denied when sudo does not take it.
        """
        if privilege.way is not Way.ASK:
            return None
        async with self._asking.setdefault(node.name, asyncio.Lock()):
            known = self._passwords.get(node.name)
            if known is None:
                known = await report.secret(f"sudo password on {node.name}")
                await self._check(node, known)
                self._passwords[node.name] = known
        return f"{known}\n".encode()

    async def _check(self, node: Node, password: str) -> None:
        if "\n" in password or "\0" in password:
            raise Denied("a password cannot hold a line end", where=node.name)
        done = await self.link_of(node).run(_CHECK, input=f"{password}\n".encode(), timeout=QUICK_S)
        if done.exit_code == 0:
            return
        if done.exit_code == 127:
            raise Unsupported("there is no sudo on the node", where=node.name, todo="log in as root, or install sudo")
        if b"incorrect password" in done.stderr:
            raise Denied("sudo did not accept the password", where=node.name, todo="try again")
        raise Denied(f"sudo refused: {tail(done.stderr)}", where=node.name)

    def forget_password(self, node: Node) -> None:
        """Ask anew next time."""
        self._passwords.pop(node.name, None)
