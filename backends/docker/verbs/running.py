"""``exec``, ``shell`` and ``attach``: running things in a container, and sitting at a terminal of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from typing import Any

from app.errors import ConfigurationError, Missing, QuarterdeckError, Unreachable, Unsupported
from app.plan import Plan, Proof, Report, Result, Step
from backends.docker.hijack import STDERR, exec_frames
from backends.docker.verbs.paths import first_there
from backends.docker.verbs.target import Inspected, OnEngine, alive, gone
from backends.docker.verbs.terminals import terminal_argv
from backends.kinds.container import Container
from backends.node_verbs.base import tail
from backends.node_verbs.running import TIMED_OUT, Output
from backends.ssh.jobs import Marker, ending

_END_S = 12.0
"""How long ending a command may take: it gets 2 s to end by itself, and 2 s to be seen gone."""
_NOT_STARTED = (126, 127)
_SETTLED_S = 5.0
_WRAPPED = 'echo "$0" $$; exec "$@"'
"""Says the mark and its process id, then goes on as the command."""
_NO_SH = re.compile(r"[\"'`]sh[\"'`]")
"""In the runtime's words when the program it could not find or run is ``sh``."""
SHELLS = ("/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh", "/usr/bin/sh", "/busybox/sh", "/bin/ash")
"""Where shells are, the better ones first."""
LOST = 125
"""The exit code of the terminal's program when the engine is gone or refuses."""


class RunningVerbs(OnEngine):
    """Commands and terminals."""

    async def exec_(
        self,
        target: Container,
        *command: str,
        user: str | None = None,
        workdir: str | None = None,
        timeout: float | None = None,
    ) -> Plan:
        """Run a command in it and show what it says; see the contract for what one word and several mean."""
        if not command or not any(one.strip() for one in command):
            raise ConfigurationError("no command was given", where="container exec", todo="put it behind --")
        if any("\0" in one for one in (*command, user or "", workdir or "")):
            raise ConfigurationError("a command cannot hold a NUL byte", where="container exec")
        if timeout is not None and not 0 < timeout < float("inf"):
            raise ConfigurationError(f"{timeout:g} is no time", where="--timeout", todo="give seconds above 0")
        now = await self.running(target, "a command")
        asked = _Command(self, target, now, command, user, workdir)

        async def run(report: Report) -> Result:
            return await asked.perform(report, timeout)

        step = Step(target, f"POST /containers/{now.short}/exec {json.dumps(asked.shown, ensure_ascii=False)}", run)
        proofs = [Proof(target, f"{target.name} has an sh", lambda: self._shell(target, now, SHELLS[3:]))]
        return Plan(step, preconditions=[alive(now, "it runs")], proofs=proofs if len(command) == 1 else ())

    async def shell(self, target: Container, *, user: str | None = None) -> Plan:
        """Open a shell in it: bash where there is one, else sh."""
        now = await self.running(target, "a shell")
        path = await self._shell(target, now, SHELLS)
        asked: dict[str, Any] = {"Cmd": [path], "Tty": True, **({"User": user} if user else {})}

        async def run(report: Report) -> Result:
            socket = await self.engine_at(target.source).socket()
            code = await report.terminal(terminal_argv("exec", socket, now.id, target.id, [path], user))
            if code == LOST:
                return Result(code, "the engine refused the shell, or the connection to it was lost")
            return Result(0, f"the shell ended with {code}" if code else "")

        text = f"POST /containers/{now.short}/exec {json.dumps(asked, ensure_ascii=False)}"
        return Plan(Step(target, text, run), preconditions=[alive(now, "it runs")])

    async def attach(self, target: Container) -> Plan:
        """Attach the terminal to its first process; ctrl-p ctrl-q leaves it running."""
        now = await self.running(target, "attaching")
        tty, stdin = bool(now.config.get("Tty")), bool(now.config.get("OpenStdin"))

        async def run(report: Report) -> Result:
            socket = await self.engine_at(target.source).socket()
            code = await report.terminal(terminal_argv("attach", socket, now.id, target.id, tty=tty, stdin=stdin))
            if code == LOST:
                return Result(code, "the engine refused to attach, or the connection to it was lost")
            after = await self._state_after(target)
            return Result(0, f"left it running; it is {after}" if after == "running" else f"it is {after}")

        if not tty:
            note = "it has no terminal of its own: ctrl-c leaves it running as well"
        else:
            note = "ctrl-c goes to its first process and may end it; ctrl-p ctrl-q leaves it running"
        if not stdin:
            note += "; it reads no input"
        elif now.config.get("StdinOnce") and not tty:
            note += "; but its input ends when you leave: it was made to read one terminal only"
        query = f"stream=1&stdin={int(stdin)}&stdout=1&stderr=1"
        text = f"POST /containers/{now.short}/attach?{query}"
        return Plan(Step(target, text, run), notes=[note], preconditions=[alive(now, "it runs")])

    async def quietly(self, target: Container, container: str, argv: list[str]) -> int:
        """Run a program in it as its root, unseen, and return its exit code."""
        made = await self.of(target, lambda client: client.exec_create(container, argv, user="0", stdin=False))
        socket = await self.engine_at(target.source).socket()
        async with contextlib.aclosing(exec_frames(socket, made["Id"], target.id)) as frames:
            async for _ in frames:
                pass
        ended = await self.of(target, lambda client: client.exec_inspect(made["Id"]))
        return int(ended.get("ExitCode") or 0)

    async def _state_after(self, target: Container) -> str:
        try:
            return (await self.fresh(target)).words
        except Missing:
            return "gone"

    async def _shell(self, target: Container, now: Inspected, paths: tuple[str, ...]) -> str:
        """The first of some shells that it has; raises Unsupported for an image without one."""
        found = await self.of(target, lambda client: first_there(client, now.id, paths))
        if found is None:
            raise Unsupported(
                "its image has no shell",
                where=target.id,
                todo="run one of its programs: container exec -- PROGRAM ARGUMENT",
            )
        return found


class _Command:
    """One command in one container, from its start to its end."""

    def __init__(
        self,
        verbs: RunningVerbs,
        target: Container,
        now: Inspected,
        command: tuple[str, ...],
        user: str | None,
        workdir: str | None,
    ) -> None:
        self._verbs = verbs
        self._target = target
        self._now = now
        self._one_line = len(command) == 1
        self._argv = ["sh", "-c", command[0]] if self._one_line else list(command)
        self._user = user
        self._workdir = workdir
        self._pid: int | None = None
        """Of its process group, as the container counts; ``None`` where no sh told it."""
        self._id = ""

    @property
    def shown(self) -> dict[str, Any]:
        """What is asked of the engine."""
        more = {"User": self._user, "WorkingDir": self._workdir}
        return {"Cmd": self._argv, **{name: value for name, value in more.items() if value}}

    async def perform(self, report: Report, timeout: float | None) -> Result:
        """Run it: through the container's sh, which tells the process id to end it by, else as it is."""
        out, err = Output("stdout", report), Output("stderr", report)
        ended: str | None = None
        try:
            async with asyncio.timeout(timeout):
                said = await self._attempt(report, out, err, wrapped=True)
                if said and _NO_SH.search(said):
                    if self._one_line:
                        raise Unsupported(
                            "its image has no sh to read a command line",
                            where=self._target.id,
                            todo="give a program and its arguments as several words",
                        )
                    said = await self._attempt(report, out, err, wrapped=False)
        except TimeoutError:
            ended, said = await self._end(), None
        except asyncio.CancelledError:
            report.log(await asyncio.shield(self._end()))
            raise
        except Unreachable as error:
            todo = "the command may still run in the container" if self._id else error.todo
            raise type(error)(error.what, where=self._target.id, todo=todo) from None
        out(b"", final=True)
        err(b"", final=True)
        data = {"stdout": out.text, "stderr": err.text, "truncated": out.truncated or err.truncated}
        if ended is not None:
            return Result(TIMED_OUT, f"not finished within {timeout:g} s; {ended}", data)
        code = await self._code()
        if said:
            return Result(code or 126, said, data)
        return Result(code, tail(err.text) if code else "", data)

    async def _attempt(self, report: Report, out: Output, err: Output, *, wrapped: bool) -> str:
        """Start it and pass on what it says; returns why it could not be started, empty when it could."""
        mark, argv = f"qd-{secrets.token_hex(8)}", self._argv
        if wrapped:
            argv = ["sh", "-c", _WRAPPED, mark, *self._argv]
        self._pid, self._id = None, await self._create(argv)
        marker = Marker(mark.encode()) if wrapped else None
        await report.handle(f"exec {self._id} in {self._now.id}")
        socket = await self._verbs.engine_at(self._target.source).socket()
        first = b""
        async with contextlib.aclosing(exec_frames(socket, self._id, self._target.id)) as frames:
            async for stream, data in frames:
                if stream == STDERR:
                    err(data)
                    continue
                shown = marker.feed(data) if marker is not None else data
                if marker is not None and marker.group is not None and self._pid is None:
                    self._pid = marker.group
                if shown or marker is None:
                    first += shown[: 4096 - len(first)] if marker is None else b""
                    if marker is not None or self._begun(first):
                        out(shown)
        held = marker.rest() if marker is not None else first
        return await self._not_started(held)

    @staticmethod
    def _begun(first: bytes) -> bool:
        """Whether this is a command's output: the engine says why it could not start one in the same place."""
        return not first.startswith(b"OCI runtime exec failed")

    async def _not_started(self, held: bytes) -> str:
        words = held.decode("utf-8", "replace").strip()
        if not words:
            return ""
        state = await self._inspect()
        if state.get("ExitCode") in _NOT_STARTED and not state.get("Pid"):
            return words.removeprefix("OCI runtime exec failed: exec failed: ").removesuffix(": unknown")
        return ""

    async def _create(self, argv: list[str]) -> str:
        asked: dict[str, Any] = {"cmd": argv, "stdin": False}
        if self._user:
            asked["user"] = self._user
        if self._workdir:
            asked["workdir"] = self._workdir
        made = await self._verbs.of(self._target, lambda client: client.exec_create(self._now.id, **asked))
        return str(made["Id"])

    async def _inspect(self) -> dict[str, Any]:
        try:
            return await self._verbs.of(self._target, lambda client: client.exec_inspect(self._id))
        except Missing:  # the engine forgets commands with their container
            raise gone(self._target) from None

    async def _code(self) -> int:
        """Its exit code; the engine may need a moment after the last output to know it."""
        try:
            async with asyncio.timeout(_SETTLED_S):
                while True:
                    state = await self._inspect()
                    if not state.get("Running") and state.get("ExitCode") is not None:
                        return int(state["ExitCode"])
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Unreachable(
                "the output ended, and the command did not", where=self._target.id, todo="it still runs there"
            ) from None

    # -- its end

    async def _end(self) -> str:
        """End it with all its processes, bounded in time; says in words what became of it."""
        if not self._id:
            return "it had not begun"
        try:
            async with asyncio.timeout(_END_S):
                return await (self._end_inside(self._pid) if self._pid else self._end_on_host())
        except (QuarterdeckError, TimeoutError) as error:
            return f"it may go on in the container: ending it failed ({error})"

    async def _end_inside(self, group: int) -> str:
        if await self._verbs.quietly(self._target, self._now.id, ["sh", "-c", ending(group)]):
            return "it goes on in the container: its processes could not be ended"
        return "it was ended in the container"

    async def _end_on_host(self) -> str:
        """Where the container has no sh: by the id its first process has on the node, if we may."""
        pid = (await self._inspect()).get("Pid")
        if not isinstance(pid, int) or pid < 2:
            return "it may go on in the container: the engine tells no process of it"
        mine = f"grep -qF {self._now.id} /proc/{pid}/cgroup"
        done = await self._verbs.context.links.of(self._target.source).run(
            f"{mine} && {{ {ending(pid)}; }}", timeout=_END_S
        )
        if done.exit_code == 0:
            return "it was ended from the node"
        return "it goes on in the container: it has no sh to end it by, and we may not from the node"
