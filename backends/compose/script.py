"""The shell script that runs compose for one stack on its node: folder, env files, engine and lock around one command.

What goes wrong in our own part of it is said on a line of standard output that begins with ``FAULT``, with an exit
code of its own. What compose says is passed on as it is, with its exit code.

A console that dies leaves what it had begun to its node: compose's output goes through a reader that goes on
reading when nobody hears it any more, so that compose is not killed by its first line after that. A step that is
cancelled, by contrast, ends its whole process group there.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from app.column import clean
from app.errors import Busy, ConfigurationError, Missing, QuarterdeckError, Refused
from backends.compose.paths import FAULT, PRELUDE, NodePath, wanted
from backends.compose.program import Program

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
OURS = (75, 78)
"""Exit codes with which our own part ends: the lock is taken; something named in hosts.yaml is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What compose has to be told of a stack, whether hosts.yaml or the labels of its containers say it."""

    node: str
    dir: NodePath
    project: str | None = None
    """Where it is not compose's own choice."""
    files: tuple[NodePath, ...] = ()
    profiles: tuple[str, ...] = ()
    env_files: tuple[NodePath, ...] = ()
    socket: str = DEFAULT_SOCKET
    found: bool = False
    """The labels of its containers say all this, not hosts.yaml."""
    bare: bool = False
    """By the project's name alone, without folder and files: v2 finds the rest by labels."""

    def words(self, program: Program, *, env_file: str | None = None) -> list[str]:
        """The command with the options that come before the verb, as shell words.

        ``env_file`` stands for all env files where compose takes one only.
        """
        words = [*program.argv]
        if self.project is not None:
            words += ["-p", shlex.quote(self.project)]
        if self.bare:
            return words
        for file in self.files:
            words += ["-f", file.word]
        if env_file is not None and self.env_files:
            words += ["--env-file", env_file]
        else:
            words += [word for file in self.env_files for word in ("--env-file", file.word)]
        for profile in self.profiles:
            words += ["--profile", shlex.quote(profile)]
        return words

    def shown(self, program: Program, *commands: Sequence[str]) -> str:
        """The command lines for people: what runs, without what surrounds it."""
        one = None
        if not program.v2 and len(self.env_files) > 1:
            one = shlex.quote(f"<{' + '.join(file.written for file in self.env_files)}>")
        start = [] if self.bare else [f"cd {self.dir.shown}"]
        host = "" if self.socket == DEFAULT_SOCKET else f"DOCKER_HOST={shlex.quote(self.socket)} "
        return " && ".join(
            [*start, *(f"{host}{' '.join([*self.words(program, env_file=one), *args])}" for args in commands)]
        )

    @property
    def entrance(self) -> str:
        """Shell lines: into the folder, and see that the files are there."""
        socket = "" if self.socket == DEFAULT_SOCKET else f"export DOCKER_HOST={shlex.quote(self.socket)}\n"
        if self.bare:
            return f"{PRELUDE}{socket}cd /\n"
        lines = [PRELUDE, wanted(self.dir, *self.files, *self.env_files), socket]
        lines.append(f"[ -d {self.dir.word} ] || fault folder {self.dir.word} 78\n")
        lines.append(f"cd -- {self.dir.word} 2>/dev/null || fault entry {self.dir.word} 78\n")
        lines += [f"[ -r {file.word} ] || fault env {file.word} 78\n" for file in self.env_files]
        lines += [f"[ -r {file.word} ] || fault file {file.word} 78\n" for file in self.files]
        return "".join(lines)

    def merge(self, program: Program) -> tuple[str, str | None]:
        """Shell lines that make one env file of several for 1.29, and its name; the later ones win.

        The file is readable by the login only, and has no name any more when compose reads it by its descriptor.
        """
        if program.v2 or len(self.env_files) < 2:
            return "", None
        copies = "; echo; ".join(f"cat -- {file.word}" for file in self.env_files)
        return f'umask 077\nm=$(mktemp) || exit 73\n{{ {copies}; }} >"$m"\nexec 7<"$m"\nrm -f "$m"\n', "/dev/fd/7"


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps two operators from working on one stack at once; ``who`` is said to the second."""

    where: Where
    project: str
    who: str
    token: str = ""
    """Of the unit that several commands belong to; it holds the lock between them."""

    @property
    def path(self) -> str:
        """The same for everybody who works on this project of this engine."""
        named = hashlib.sha256(f"{self.where.socket}\0{self.project}".encode()).hexdigest()[:20]
        return f"/tmp/quarterdeck-stack-{named}"  # noqa: S108 - logins of all users must meet there

    def take(self, *, unit: bool = False) -> str:
        """Shell lines that take the lock or end with 75 and the holder's words.

        Two files: one for a unit of several commands, one for the command that runs now, so that a command whose
        console died is still seen.
        """
        said = shlex.quote(f"{self.token or '-'} {self.who}")
        return f"L={self.path}\nS={said}\nT={shlex.quote(self.token or '-')}\nU={'unit' if unit else 'run'}\n{_LOCKING}"


_LOCKING = r"""
me=$(id -u)
busy() {
  for f in "$L".*.who; do
    p= t= w=
    [ -r "$f" ] && read -r p t w <"$f"
    [ -n "$p" ] && [ "$p" != $$ ] && [ -d "/proc/$p" ] || continue
    fault busy "$w, process $p" 75
  done
  fault busy "" 75
}
mine() {
  [ "$T" != - ] || return 1
  for f in "$L".*.unit.who; do
    p= t=
    [ -r "$f" ] && read -r p t w <"$f"
    [ "$t" = "$T" ] && [ -n "$p" ] && [ -d "/proc/$p" ] && return
  done
  return 1
}
leave() { for d in $held; do rm -rf "$d"; done; rm -f "$L.$me.$U.who"; }
held=
trap leave EXIT
trap 'exit 143' TERM INT HUP
if command -v flock >/dev/null 2>&1; then
  for f in unit run; do [ -e "$L.$f" ] || (umask 0; set -C; : >"$L.$f") 2>/dev/null; done
  [ -r "$L.unit" ] && [ -r "$L.run" ] || fault lock "$L" 75
  exec 8<"$L.unit" 9<"$L.run"
  flock -n 8 || { [ $U = run ] && mine; } || { trap - EXIT; busy; }
  flock -n 9 || { trap - EXIT; busy; }
  [ $U = run ] || flock -u 9
else
  take() {
    n=0
    while ! mkdir "$1" 2>/dev/null; do
      n=$((n + 1))
      [ $n -gt 3 ] && return 1
      p=
      [ -r "$1/pid" ] && read -r p <"$1/pid"
      [ -n "$p" ] || { sleep 1; [ -r "$1/pid" ] && read -r p <"$1/pid"; }
      [ -n "$p" ] && [ -d "/proc/$p" ] && return 1
      mv "$1" "$1.$$" 2>/dev/null && rm -rf "$1.$$"
    done
    echo $$ >"$1/pid"
    held="$held $1"
  }
  take "$L.unit.d" || { [ $U = run ] && mine; } || busy
  take "$L.run.d" || busy
  [ $U = run ] || { rm -rf "$L.run.d"; held="$L.unit.d"; }
fi
rm -f "$L.$me.$U.who"
(set -C; echo "$$ $S" >"$L.$me.$U.who") 2>/dev/null
"""
# set -C: files in /tmp are made anew or not at all, so that nobody's link is written through.

HOLD = r"""
echo held
while read -r _; do :; done
"""
"""Behind the lock of a unit: it is held until the channel ends."""

_PASSING = r"""
exec 3>&1
r=$({ { COMMAND; echo $? >&4; } 2>&1 </dev/null | {
  trap '' PIPE
  while IFS= read -r l || [ -n "$l" ]; do printf '%s\n' "$l" >&3; done 2>/dev/null
}; } 4>&1)
exit "${r:-1}"
"""


def acting(where: Where, program: Program, lock: Lock, *commands: Sequence[str]) -> str:
    """The script that changes something: under the lock, output passed on in lines, compose's exit code."""
    merge, env_file = where.merge(program)
    line = " && ".join(" ".join([*where.words(program, env_file=env_file), *args]) for args in commands)
    return f"{where.entrance}{lock.take()}{merge}{_PASSING.replace('COMMAND', line)}"


def asking(where: Where, program: Program, *args: str) -> str:
    """Shell lines that ask compose something, behind ``entrance``."""
    merge, env_file = where.merge(program)
    return f"{merge}exec {' '.join([*where.words(program, env_file=env_file), *args])} </dev/null\n"


def holding(where: Where, lock: Lock) -> str:
    """The script that holds the lock of a unit for as long as its standard input is open."""
    return f"{PRELUDE}{lock.take(unit=True)}{HOLD}"


def complaint(line: str, where: Where) -> QuarterdeckError | None:
    """The error in a line that our own part of a script wrote; ``None`` for any other line."""
    if not line.startswith(FAULT):
        return None
    kind, _, words = line[1:].rstrip("\r\n").partition(" ")
    said = clean(words)
    node = where.node
    if where.found and kind in ("folder", "entry", "env", "file"):
        return Missing(
            f"{said} is gone, from which it was started, or this login cannot read it",
            where=node,
            todo="put it back; what runs can still be stopped, restarted and taken down",
        )
    if kind == "folder":
        return Missing(f"there is no folder {said}", where=node, todo="make it there, or correct 'dir' in hosts.yaml")
    if kind == "entry":
        return Missing(f"the folder {said} cannot be entered by this login", where=node, todo="look at its permissions")
    if kind == "env":
        return Missing(
            f"there is no readable env file {said} in {where.dir.written}",
            where=node,
            todo="put it there, or correct 'env_files' in hosts.yaml",
        )
    if kind == "file":
        return Missing(
            f"there is no readable compose file {said} in {where.dir.written}",
            where=node,
            todo="put it there, or correct 'files' in hosts.yaml",
        )
    if kind == "variable":
        return ConfigurationError(
            f"${said} is not set for this login", where=node, todo="set it in ~/.profile there, or write the path out"
        )
    if kind == "busy":
        words = f"somebody works on it: {said}" if said else "somebody works on it"
        return Busy(words, where=node, todo="wait until that is over")
    if kind == "lock":
        return Refused(f"the lock {said} cannot be read", where=node, todo="remove it there if nobody works on it")
    return None
