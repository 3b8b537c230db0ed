"""Paths as hosts.yaml has them: ``~`` and variables are filled in on the node, and nothing else is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from app.errors import ConfigurationError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PIECE = re.compile(rf"\$(?P<plain>{_NAME})|\$\{{(?P<braced>{_NAME})\}}|(?P<odd>\$\{{[^}}]*\}}?|\$\()")


@dataclass(frozen=True, slots=True)
class NodePath:
    """One path on a node, as written.

    A leading ``~`` is the login's home folder, ``$NAME`` and ``${NAME}`` are variables of the login's environment;
    everything else stands for itself, whatever a shell would make of it.
    """

    written: str
    pieces: tuple[tuple[str, str], ...] = ()
    """(``text`` or ``variable``, what), in order."""

    @classmethod
    def parse(cls, written: str) -> NodePath:
        """Read a path; raises ConfigurationError where it wants of a shell what is not done."""
        if not written or "\0" in written or "\n" in written:
            raise ConfigurationError("a path cannot be empty, nor hold line ends")
        pieces: list[tuple[str, str]] = []
        rest = written
        if rest == "~" or rest.startswith("~/"):
            pieces.append(("variable", "HOME"))
            rest = rest[1:]
        elif rest.startswith("~"):
            raise ConfigurationError(
                f"'{written}': only the login's own home is known", todo="write ~/… or the whole path"
            )
        at = 0
        for found in _PIECE.finditer(rest):
            if found["odd"] is not None:
                raise ConfigurationError(f"'{written}': only $NAME and ${{NAME}} are filled in", todo="write the path")
            if found.start() > at:
                pieces.append(("text", rest[at : found.start()]))
            pieces.append(("variable", found["plain"] or found["braced"]))
            at = found.end()
        if at < len(rest):
            pieces.append(("text", rest[at:]))
        return cls(written, tuple(pieces))

    @classmethod
    def literal(cls, path: str) -> NodePath:
        """A path that stands for itself, as one that came from the node does."""
        return cls(path, (("text", path),))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables in it, each once."""
        return tuple(dict.fromkeys(what for kind, what in self.pieces if kind == "variable"))

    @property
    def word(self) -> str:
        """One shell word: variables in double quotes, the rest quoted; no program takes it for an option."""
        parts = [f'"${{{what}}}"' if kind == "variable" else shlex.quote(what) for kind, what in self.pieces]
        word = "".join(parts)
        return f"./{word}" if self.pieces[0][0] == "text" and self.pieces[0][1].startswith("-") else word

    @property
    def shown(self) -> str:
        """The same for people: ``~`` stays, as it would be typed."""
        if self.pieces and self.pieces[0] == ("variable", "HOME") and self.written.startswith("~"):
            rest = NodePath(self.written, self.pieces[1:])
            return "~" + (rest.word if rest.pieces else "")
        return self.word


FAULT = "\x01"
"""Begins a line in which our own part of a script says what is wrong."""

PRELUDE = r"""
fault() { printf '\001%s %s\n' "$1" "$2" >&${F:-1}; exit "$3"; }
want() {
  eval "[ -n \"\${$1}\" ]" && return
  v=$("${SHELL:-/bin/sh}" -lc "printf '\n@%s' \"\$$1\"" </dev/null 2>/dev/null | sed -n '$s/^@//p')
  [ -n "$v" ] || fault variable "$1" 78
  eval "$1=\$v"
}
"""
"""``fault KIND WORDS CODE`` ends a script and says why on the descriptor ``F`` (1 by default); ``want NAME`` sees to
a variable, from the login's start-up files if need be.

Names are checked before they get here: both arguments of ``eval`` are made of one name.
"""


def wanted(*paths: NodePath) -> str:
    """Shell lines that see to the variables of paths; ``PRELUDE`` stands before them."""
    names = dict.fromkeys(name for path in paths for name in path.variables)
    return "".join(f"want {name}\n" for name in names)
