"""The shell text around a remote command, so that it can be found and ended with all its processes.

An exec request goes to the account's login shell, which may be fish or csh. So the request is one ``exec sh -c`` whose
arguments hold nothing that these read differently inside single quotes. The program there sees to it that it leads a
process group (under OpenSSH it does already), says its number on a line that starts with a mark made up for this one
command, and goes on as the command. What comes before the mark is chatter of the login shell's start-up files.
"""

from __future__ import annotations

import re
import secrets

_MARKED = (
    "kill -0 -$$ 2>/dev/null || [ $# -gt 1 ] || "
    'if command -v setsid >/dev/null 2>&1; then exec setsid sh -c "$0" "$0" "$1" x; fi; '
    'echo MARK $$; eval "set --; $1"'
)
"""Runs as ``$0`` as well, so that it can start itself again as the leader of a session."""

_AWKWARD = {"\\": "\\0134", "'": "\\0047", "\n": "\\0012", "!": "\\0041"}
"""What some login shells do not leave alone between single quotes, as printf's %b writes it."""
_DECODED = 'eval "$(printf %b "$0")"'


def portable(script: str) -> str:
    """A command line that runs a POSIX shell script whatever the login shell is."""
    if not any(char in script for char in _AWKWARD):
        return f"exec sh -c '{script}'"
    return f"exec sh -c '{_DECODED}' '{_encoded(script)}'"


def _encoded(text: str) -> str:
    return "".join(_AWKWARD.get(char, char) for char in text)


def marked(command: str, *, join: bool = False) -> tuple[str, bytes]:
    """The request for a command and the mark that its first line of output starts with.

    That line is ``MARK PID``; PID leads a process group. ``join`` sends standard error where standard output goes.
    """
    mark = f"qd-{secrets.token_hex(8)}"
    if join:
        command = f"exec 2>&1; {command}"
    program = _MARKED.replace("MARK", mark)
    if any(char in command for char in _AWKWARD):
        command = _encoded(command)
        program = program.replace('eval "set --; $1"', 'eval "set --; $(printf %b "$1")"')
    return f"exec sh -c 'eval \"$0\"' '{program}' '{command}'", mark.encode()


_END = r"""
g=GROUP
m() {
  r=
  if [ -r /proc/self/stat ]; then
    for p in /proc/[0-9]*; do
      s=
      { read -r s <"$p/stat"; } 2>/dev/null
      set -- ${s##*) }
      [ "$1" = Z ] && continue
      if [ "$3" = "$g" ] || [ "$4" = "$g" ]; then r="$r ${p#/proc/}"; fi
    done
  else
    kill -0 "-$g" 2>/dev/null && r="-$g"
  fi
  [ -n "$r" ]
}
k() { kill "-$1" $r 2>/dev/null || SUDO kill "-$1" $r 2>/dev/null; }
w() { n=0; while m; do n=$((n+1)); [ $n -gt 20 ] && return 1; sleep 0.1 2>/dev/null || sleep 1; done; }
m || exit 0
k TERM; w && exit 0
k KILL; w && exit 0
echo $r; exit 1
"""


def ending(group: int, *, elevate: bool = False) -> str:
    """Ends every process of a group and its session: TERM, after 2 s KILL; exit 0 when they are gone.

    Those that a command put into groups of their own (``timeout`` does) are found by their session. ``elevate`` tries
    ``sudo -n`` for processes that are not ours to signal. Survivors' numbers are printed.
    """
    return portable(_END.replace("GROUP", str(int(group))).replace("SUDO", "sudo -n" if elevate else "false"))


class Marker:
    """Takes the mark's line out of a command's output.

    ``feed`` returns what is the command's own. ``group`` is the number on the line, ``None`` until it came.
    """

    def __init__(self, mark: bytes) -> None:
        self._line = re.compile(re.escape(mark) + rb" (\d{1,10})\r?\n")
        self._held = b""
        self.group: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Pass output through; what comes before the mark is kept back."""
        if self.group is not None:
            return data
        self._held += data
        found = self._line.search(self._held)
        if found is None:
            return b""
        self.group = int(found[1])
        rest, self._held = self._held[found.end() :], b""
        return rest

    def rest(self) -> bytes:
        """What was kept back, when no mark ever came: an account that runs no shell says why."""
        held, self._held = self._held, b""
        return b"" if self.group is not None else held
