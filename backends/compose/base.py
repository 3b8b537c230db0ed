"""What the verbs of stacks share: where a stack is, which compose its node has, and running that under the lock."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import getpass
import os
import posixpath
import secrets
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.column import clean
from app.errors import ConfigurationError, Missing, QuarterdeckError, TimedOut, Unsupported
from app.plan import Proof, Report, Result
from backends.compose.configured import Configured
from backends.compose.declared import Declared, declared
from backends.compose.look import ComposeFailed, NoProfile, look, spoken
from backends.compose.paths import NodePath
from backends.compose.program import UNKNOWN, Program, Programs
from backends.compose.script import DEFAULT_SOCKET, OURS, Lock, Where, acting, asking, complaint
from backends.kinds.stack import Stack, StackVerbs

if TYPE_CHECKING:
    from app.backend import Context
    from app.link import Link
    from backends.compose.node_stacks import NodeStacks
    from backends.docker.contract import Engine, Engines

RUN_S = 3 * 3600.0
"""How long one compose command may take: building on a small board is slow."""
KEPT_LINES = 200
"""Lines of compose's output that a failed outcome carries."""
MOST_HELD = 1 << 16
"""Characters of a line that has no end yet."""
PLAN_S = 20.0
"""How long a node may take to say which compose it has, for the text of a plan."""


@dataclass(slots=True)
class Work:
    """One stack that a step works on: everything that was found out about it."""

    row: Stack
    where: Where
    program: Program
    link: Link
    engine: Engine
    project: str
    configured: Configured | None = None
    token: str = ""
    """Of the unit it belongs to."""
    verb: str = ""

    @property
    def lock(self) -> Lock:
        """What keeps others away meanwhile."""
        return Lock(self.where, self.project, who(f"stack {self.verb}"), self.token)

    @property
    def resolved(self) -> Configured:
        """The configuration, where it was asked for."""
        assert self.configured is not None
        return self.configured

    async def compose(self, report: Report, *commands: Sequence[str]) -> Result:
        """Run compose under the lock, its lines in the log as they come; the result has its exit code and last words.

        Raises Refused where somebody else holds the lock, and what our own part of the script complains of.
        """
        heard = Heard(self.where, report)
        script = acting(self.where, self.program, self.lock, *commands)
        try:
            async with asyncio.timeout(RUN_S):
                code = await self.link.stream(script, stdout=heard, started=report.handle)
        except TimeoutError:
            raise TimedOut(f"compose did not end within {RUN_S / 3600:g} h; it was ended", where=self.row.id) from None
        heard(b"", final=True)
        if code in OURS and heard.fault is not None:
            raise heard.fault
        if code == 0:
            return Result()
        return Result(code, heard.last or f"compose ended with {code}", {"output": "\n".join(heard.lines)})


class Heard:
    """What a script says, line by line: compose's own lines go to the log, our own complaints are kept apart."""

    def __init__(self, where: Where, report: Report) -> None:
        self._where = where
        self._report = report
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.fault: QuarterdeckError | None = None
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """The last of compose's lines."""

    def __call__(self, data: bytes, final: bool = False) -> None:
        """Take the next piece; ``final`` ends the last line."""
        *lines, self._held = (self._held + self._decoder.decode(data, final)).split("\n")
        if final and self._held:
            lines, self._held = [*lines, self._held], ""
        self._held = self._held[-MOST_HELD:]
        for line in lines:
            fault = complaint(line, self._where)
            if fault is not None:
                self.fault = fault
            elif line.strip():
                self.lines.append(line.rstrip())
                self._report.log(clean(line.strip()))

    @property
    def last(self) -> str:
        """What compose said last that says something, shortened."""
        wrong = [line for line in self.lines if line.lstrip().lower().startswith(("error", "no such", "failed"))]
        return spoken((wrong or self.lines or [""])[-1])


class ComposeBase(StackVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    context: Context
    nodes: dict[str, NodeStacks]

    @property
    def engines(self) -> Engines:
        """The engines of all nodes, shared with whoever else speaks to them."""
        from backends.docker.engines import engines

        return self.context.shared(engines)

    @cached_property
    def programs(self) -> Programs:
        """Which compose each node has."""
        return Programs()

    # -- where a stack is

    def declared_on(self, node: str) -> tuple[Declared, ...]:
        """The stacks of a node in hosts.yaml; what is wrong with all of them at once is the inventory's to tell."""
        entry = self.context.inventory().nodes.get(node)
        if entry is None:
            return ()
        with contextlib.suppress(ConfigurationError):
            return declared(entry)
        return ()

    def socket_of(self, node: str) -> str:
        """The engine of a node as ``DOCKER_HOST`` has it."""
        entry = self.context.inventory().nodes.get(node)
        said: Any = entry.extra.get("docker") if entry is not None else None
        if said is False:
            raise Unsupported("the node has no engine", where=node, todo="it says 'docker: false' in hosts.yaml")
        return said if isinstance(said, str) else DEFAULT_SOCKET

    def where_declared(self, node: str, one: Declared) -> Where:
        """A declared stack for compose."""
        entry = self.context.inventory().nodes.get(node)
        said: Any = entry.extra.get("docker") if entry is not None else None
        return Where(
            node=node,
            dir=one.dir,
            project=one.project,
            files=one.files,
            profiles=one.profiles,
            env_files=one.env_files,
            socket=said if isinstance(said, str) else DEFAULT_SOCKET,
        )

    def where_of(self, row: Stack) -> Where:
        """A row for compose: as declared, or as the labels of its containers say.

        Raises ConfigurationError for a declaration with mistakes, Missing for one that is gone.
        """
        if row.declared:
            one = next((one for one in self.declared_on(row.source) if one.name == row.name), None)
            if one is None:
                raise Missing("it is no longer declared", where=row.id)
            if one.fault is not None:
                raise ConfigurationError(one.fault, where=row.id)
            self.socket_of(row.source)
            return self.where_declared(row.source, one)
        first = posixpath.dirname(row.files[0]) if row.files else ""
        files = [one if one.startswith("/") else posixpath.relpath(one, first or ".") for one in row.files]
        return Where(
            node=row.source,
            dir=NodePath.literal(row.dir or "/"),
            project=row.project,
            files=tuple(NodePath.literal(one) for one in files),
            env_files=tuple(NodePath.literal(one) for one in row.env_files),
            socket=self.socket_of(row.source),
            found=True,
        )

    # -- for plans

    async def program_for(self, row: Stack, *, alone: bool) -> Program:
        """The compose of a node, for the text of a plan; one that cannot be asked gets a text without.

        ``alone``: there is no other target, so that what is wrong is raised now; in a group it is the step's to tell.
        """
        try:
            async with asyncio.timeout(PLAN_S):
                return await self.programs.of(self.context.links.of(row.source))
        except (QuarterdeckError, TimeoutError) as error:
            if alone and isinstance(error, QuarterdeckError):
                raise
            return self.programs.known(row.source) or UNKNOWN

    def chosen(self, row: Stack, services: Sequence[str]) -> tuple[str, ...]:
        """The services that were named, checked; of a stack that was found, all of them when none was.

        Compose enables the profile of a service that is named: which profiles a found stack was started with, no
        label says. Raises ConfigurationError for what can be no service.
        """
        for one in services:
            if not one or one.startswith("-") or not all(c.isalnum() or c in "._-" for c in one):
                raise ConfigurationError(f"'{clean(one)}' cannot be a service", where="--service")
        if services or row.declared:
            return tuple(services)
        return tuple(one.name for one in row.services)

    def proofs(self, row: Stack, where: Where) -> list[Proof]:
        """What only the node can say of a plan: that it is there, has compose, and that the configuration holds."""

        async def there() -> str:
            return (await self.programs.of(self.context.links.of(row.source))).shown

        async def holds() -> str:
            link = self.context.links.of(row.source)
            program = await self.programs.of(link)
            (answer,) = await look(link, program, [where])
            found = answer.configured(program)
            return f"project {found.project} with {len(found.services)} services in {answer.folder}"

        proofs = [Proof(row, f"compose on {row.source}", there)]
        if not where.bare:
            proofs.append(Proof(row, f"{row.id}: folder, files and configuration", holds))
        return proofs

    # -- for steps

    async def begin(self, row: Stack, where: Where, verb: str, *, look_first: bool = True) -> Work:
        """Find out what a step needs; raises what is wrong, compose's own words as ComposeFailed.

        ``look_first`` reads the configuration anew; without it that is done only where the project's name is not
        known yet.
        """
        link = self.context.links.of(row.source)
        program = await self.programs.of(link)
        engine = self.engines.of(row.source)
        work = Work(row, where, program, link, engine, row.project or "", verb=verb)
        if where.bare:
            return work
        known = self._known(row)
        if not look_first and (not row.declared or known is not None):
            work.project, work.configured = known.project if known is not None else row.project or "", known
            return work
        # Which profiles a found stack was started with, nobody knows: its services are named, whatever they are behind.
        asked = replace(where, profiles=("*",)) if where.found else where
        (answer,) = await look(link, program, [asked])
        try:
            configured = answer.configured(program)
        except NoProfile as error:
            raise await self._which_profile(error, link, program, where) from None
        work.project, work.configured = configured.project, configured
        if row.declared and row.source in self.nodes:
            self.nodes[row.source].learned(row.name, answer.folder, configured)
        return work

    def _known(self, row: Stack) -> Configured | None:
        node = self.nodes.get(row.source)
        resolved = node.known.resolved.get(row.name) if node is not None else None
        return resolved.configured if resolved is not None else None

    async def _which_profile(self, error: NoProfile, link: Link, program: Program, where: Where) -> QuarterdeckError:
        """The same, with the profiles there are."""
        plain = replace(where, profiles=())
        done = await link.run(plain.entrance + asking(plain, program, "config", "--profiles"))
        there = ", ".join(clean(line) for line in done.text.split() if line)
        todo = f"there are: {there}" if done.exit_code == 0 and there else error.todo
        return Missing(error.what, where=error.where, todo=todo)


def failed(error: ComposeFailed) -> Result:
    """Compose's own refusal as the result of a step: its words, its exit code."""
    return Result(error.code or 1, str(error))


def who(what: str) -> str:
    """Who does something, from where and since when, for the next who wants to."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return clean(f"{user}@{socket.gethostname()} since {now} ({what})")


def new_token() -> str:
    """Names one unit of several commands."""
    return secrets.token_hex(8)


__all__ = ["ComposeBase", "Work", "failed", "new_token", "who"]
