"""Asking compose on a node what its stacks' configurations say: one command for as many stacks as are wanted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from app.column import clean
from app.errors import BadAnswer, Missing, QuarterdeckError
from app.link import Link
from backends.compose.configured import Configured, old_project, parse
from backends.compose.program import Program
from backends.compose.script import OURS, Where, asking, complaint

LOOK_S = 60.0
"""1.29 takes a second or two for each stack on a small board."""
_LIMIT = 8 << 20
_NOISE = re.compile(r'^time="[^"]*" level=(warning|info|debug) ')


class ComposeFailed(QuarterdeckError):
    """Compose itself refused: its own words and its exit code."""

    def __init__(self, what: str, code: int, *, where: str = "") -> None:
        super().__init__(what, where=where)
        self.code = code


class NoProfile(Missing):
    """A stack is to run with a profile that no service has; compose would silently leave out what was meant."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one stack's folder and compose there said."""

    where: Where
    folder: str = ""
    name: str = ""
    """``COMPOSE_PROJECT_NAME`` as 1.29 finds it."""
    out: bytes = b""
    err: str = ""
    code: int = 1

    def configured(self, program: Program) -> Configured:
        """The configuration.

        Raises ComposeFailed with compose's own words, NoProfile, BadAnswer, or what our own part complains of.
        """
        said = self.checked()
        project = self.where.project or old_project(self.folder, self.name)
        found = parse(said, program, project=project, profiles=self.where.profiles, where=self.where.node)
        there = {profile for service in found.services for profile in service.profiles}
        for profile in self.where.profiles:
            if profile != "*" and profile not in there:
                raise NoProfile(
                    f"no service has the profile '{profile}'",
                    where=self.place,
                    todo="correct 'profiles' in hosts.yaml, or the compose file",
                )
        return found

    def checked(self) -> bytes:
        """What compose printed; raises as ``configured`` does."""
        if self.code in OURS:
            for line in self.err.split("\n"):
                error = complaint(line, self.where)
                if error is not None:
                    raise error
        if self.code != 0:
            raise ComposeFailed(spoken(self.err) or f"compose ended with {self.code}", self.code, where=self.place)
        return self.out

    @property
    def place(self) -> str:
        """Where this is, for errors."""
        return f"{self.where.node}: {clean(self.folder or self.where.dir.written)}"


def spoken(text: str) -> str:
    """Compose's own message in its error output: without its warnings and the trace of a Python program, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    return clean(" ".join(lines))[:500]


def _asking(where: Where, program: Program, mark: str, number: int) -> str:
    """One stack's part of the script: its frame, where it is, what compose says, and how that ended."""
    name = "n=\n"
    if not program.v2:
        files = " ".join(file.word for file in where.env_files) or ".env"
        found = f"cat -- {files} 2>/dev/null | sed -n 's/^ *COMPOSE_PROJECT_NAME *= *//p' | tail -n 1"
        name = f"n=${{COMPOSE_PROJECT_NAME:-$({found})}}\n"
    here = f'printf \'{mark} in %s\\n{mark} name %s\\n\' "$(pwd)" "$n" >&5\n'
    json = ("--format", "json") if program.v2 else ()
    return (
        f"printf '{mark} begin {number}\\n' >&5\n"
        f"e=$( (\n{where.entrance}{name}{here}{asking(where, program, 'config', *json)}) 2>&1 >&5 )\nr=$?\n"
        f'printf \'\\n{mark} end %s\\n%s\\n{mark} over\\n\' "$r" "$e" >&5\n'
    )


async def look(link: Link, program: Program, wheres: Sequence[Where], *, timeout: float = LOOK_S) -> list[Look]:
    """What compose says of stacks of one node, in their order; raises what the link raises."""
    mark = f"qd-{secrets.token_hex(8)}"
    script = "exec 5>&1\nF=2\n" + "".join(_asking(where, program, mark, n) for n, where in enumerate(wheres))
    done = await link.run(script, timeout=timeout, limit=_LIMIT)
    return answers(done.stdout, mark, wheres)


def answers(said: bytes, mark: str, wheres: Sequence[Where]) -> list[Look]:
    """Take the answers apart; raises BadAnswer where one is cut off."""
    found: list[Look] = []
    line = re.escape(mark.encode())
    for number, where in enumerate(wheres):
        frame = re.search(
            rb"^%s begin %d\n(.*?)\n%s end (\d+)\n(.*?)\n%s over$" % (line, number, line, line),
            said,
            re.DOTALL | re.MULTILINE,
        )
        if frame is None:
            raise BadAnswer("the answer about its stacks is cut off", where=where.node)
        body, code, err = frame[1], int(frame[2]), frame[3].decode("utf-8", "replace")
        folder = name = ""
        placed = re.match(rb"%s in ([^\n]*)\n%s name ([^\n]*)(?:\n|\Z)" % (line, line), body)
        if placed is not None:
            folder, name = placed[1].decode("utf-8", "replace"), placed[2].decode("utf-8", "replace").strip()
            body = body[placed.end() :]
        found.append(Look(where, folder, name.strip("'\""), body, err, code))
    return found
