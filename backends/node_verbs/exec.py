"""``node exec`` and ``node shell``: a command, and a terminal."""

from __future__ import annotations

import re
import shlex

from app.errors import ConfigurationError, Denied
from app.plan import Plan, Report, Result, Step
from backends.kinds.node import Node
from backends.node_verbs.privilege import PLAIN, Privilege, Privileged, Way
from backends.node_verbs.running import End, Filter, perform

_SSH_FAILED = 255
_REJECTED = re.compile(r"^sudo: \d+ incorrect password", re.MULTILINE)

END_TREE = """\
list() { ps -A -o pid= -o ppid= 2>/dev/null || ps -o pid,ppid; }
tree() { for c in $(list | awk -v p="$1" '$2 == p { print $1 }'); do echo "$c"; tree "$c"; done; }
all="$(tree @) @"
kill -TERM $all 2>/dev/null
n=0
while [ $n -lt 20 ] && kill -0 $all 2>/dev/null; do n=$((n + 1)); sleep 0.1 2>/dev/null || sleep 1; done
kill -KILL $all 2>/dev/null
:"""
"""Ends a process and all its descendants; ``@`` stands for its id. For root's processes behind a sudo of ours."""


class ExecVerbs(Privileged):
    """Running things."""

    async def exec_(self, target: Node, *command: str, sudo: bool = False, timeout: float | None = None) -> Plan:
        """Run a command and show what it says.

        One word is a shell command line as it stands, as ssh takes it (``-- 'df -h | tail -1'``); several words are
        a program and its arguments, and reach it as they are (``-- grep -r 'a b' /etc``).
        """
        if not command or not any(word.strip() for word in command):
            raise ConfigurationError("no command was given", where="node exec", todo="put it behind --")
        if any("\0" in word for word in command):
            raise ConfigurationError("a command cannot hold a NUL byte", where="node exec")
        if timeout is not None and not timeout > 0:
            raise ConfigurationError(f"{timeout:g} is no time", where="--timeout", todo="give seconds above 0")
        privilege = await self.root_on(target) if sudo else PLAIN
        line = privilege.shell(command[0]) if len(command) == 1 else privilege.argv(command)

        async def run(report: Report) -> Result:
            return await self.perform_as(target, privilege, line, report, timeout=timeout)

        return Plan(Step(target, line, run), notes=privilege.notes, proofs=[self.reached(target)])

    async def perform_as(
        self,
        node: Node,
        privilege: Privilege,
        line: str,
        report: Report,
        *,
        timeout: float | None = None,
        through: Filter | None = None,
    ) -> Result:
        """Run a line that ``privilege`` wrote, with the password where it takes one; see ``perform``.

        Raises Denied when sudo no longer takes a password it once took.
        """
        password = await self.password_for(node, privilege, report)
        end = self._ends_as_root(node, privilege, password)
        link = self.link_of(node)
        result = await perform(link, line, report, input=password, timeout=timeout, end=end, through=through)
        if password is not None and result.exit_code and _REJECTED.search(str(result.data["stderr"])):
            self.forget_password(node)
            raise Denied("sudo no longer accepts the password", where=node.name, todo="try again")
        return result

    def _ends_as_root(self, node: Node, privilege: Privilege, password: bytes | None) -> End | None:
        """What ends a command that runs as root behind sudo; ``None`` where the link's own rights do."""
        if privilege.way is Way.PLAIN:
            return None

        async def end(handle: str) -> None:
            if handle.isdecimal() and int(handle) > 1:
                line = privilege.shell(END_TREE.replace("@", handle))
                await self.link_of(node).run(line, input=password, timeout=30.0)

        return end

    async def shell(self, target: Node) -> Plan:
        """Open a shell with your own ssh, by the same route."""
        link = self.link_of(target)
        await link.open()  # which route works is known then
        argv = link.shell_argv()

        async def run(report: Report) -> Result:
            code = await report.terminal(argv)
            if code == _SSH_FAILED and target.transport == "ssh":
                return Result(code, "ssh could not connect, or lost the connection")
            return Result(0, f"the shell ended with {code}" if code else "")

        return Plan(Step(target, shlex.join(argv), run))
