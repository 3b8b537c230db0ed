"""The sampler's program as it runs on a node, and the lines that pace it.

It needs a POSIX ``sh`` and, for the cheap figures, ``cat``: dash and busybox ash run it, and nothing is written to any
disk there. The console writes a line for everything that is to happen, so the program never sleeps, never runs ahead,
and ends by itself at end of input, which is when the connection is gone. What it reads:

========================  ============================================================================================
first line                the session's nonce, which marks every record of the answers
``f PATTERN…``            from now on these files are read at each tick: paths or shell globs
``t NUMBER``              a tick: answer with all files, read by one ``cat`` (the one fork of a tick)
``s SLOT SCRIPT``         run a script in the background and answer in the slot, 0 to 3
``p SLOT SCRIPT``         the same for a script that ends in ``exec`` of one program, which writes its records itself:
                          one fork, where a script costs three and those of its own programs
========================  ============================================================================================

What it answers are records, each beginning with ``#``, the session's nonce and a letter (``backends.sampling.frames``
takes them apart). ``cat`` prints no separators, so the list of files is interleaved with one that is always the same
and stands nowhere else: the kernel's boot id. Where there is none (no Linux) or no ``cat``, files are read by the
shell's own ``read``, which costs about the same time, needs no fork, and sends a separator record.

Scripts run beside the ticks, so that a ``df`` that hangs in a dead network mount stalls its slot and nothing else; and
on the same channel, so that a host with ``MaxSessions 1`` can be read and no script costs a login. Their answers are
cut into records of at most 2 KiB written at once: a write of that size to a pipe or socket is never torn, so they may
come in the middle of a tick's answer and are picked out again. In a script ``$T`` stands for ``timeout 20`` where the
host has such a program, and for nothing where it has not.

A script that ends in ``exec`` becomes that program in the one process that was forked for it; ``AWK_RECORDS`` is what
an awk program needs to write records. It finds nonce and slot as ``N`` and ``n`` in its environment, which only its own
user can read. A script that does not come to its ``exec`` answers with nothing. ``$T`` is not for these, as ``timeout``
forks.

The text is one line without ``'``, ``!`` or doubled backslashes, so that it reaches ``sh`` whole inside single quotes
through login shells that are no POSIX shells (csh, fish).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from app.errors import ConfigurationError

SLOTS = 4
"""Scripts that may run side by side; one that hangs keeps its slot."""

_MARK_FILE = "/proc/sys/kernel/random/boot_id"
_NEWLINE = "\x1f"
"""Stands for a newline inside a script, as a pacing line must be one line."""

PIECE = 1792
"""Bytes of a program's answer in one record: with what marks it less than the 2 KiB that are never torn."""

AWK_RECORDS = r"""
function say(x) {
  for (said = said x "\n"; length(said) > PIECE; said = substr(said, PIECE + 1)) tell_piece("");
}
function tell_piece(end) {
  printf "%s", "#" ENVIRON["N"] "~" ENVIRON["n"] "\n" substr(said, 1, PIECE) "#" ENVIRON["N"] "|\n" end; fflush();
}
function said_all() { tell_piece("#" ENVIRON["N"] "." ENVIRON["n"] "\n") }
""".strip().replace("PIECE", str(PIECE))
"""Functions of an awk program that answers in a slot: ``say`` a line, any number of times, and ``said_all`` at its end.

Each record is one string printed at once, as some C libraries write every string for itself; bytes are characters.
"""

_PROGRAM = r"""
# Errors have no place among the answers; every tool speaks one language.
exec 2>/dev/null;
export LC_ALL=C;
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin;
IFS= read -r N;
M=;
[ -r BOOT_ID ] && command -v cat >/dev/null && IFS= read -r M <BOOT_ID;
T=;
command -v timeout >/dev/null && timeout 9 true && T="timeout 20";
# A newline, the byte that stands for one, an exclamation mark, and 2048 question marks to cut answers with.
l=$(printf "\nx"); l=${l%x}; u=$(printf "\037"); j=$(printf "\041");
q=????????; q=$q$q$q$q$q$q$q$q$q$q$q$q$q$q$q$q; q=$q$q$q$q$q$q$q$q$q$q$q$q$q$q$q$q;
IFS=$l; set -f; F=; L=; C=;
printf "\n#%sh%s\n" $N "$M";
# The list of files is told only when it has changed; a name with a newline in it could not be told.
list() { L="$*"; C=; printf "#%sc\n" $N; for f; do
  case $f in *"$l"*) continue;; esac;
  printf "#%sn%s\n" $N "$f"; C="$C$f$l"; [ -z "$M" ] || C="${C}BOOT_ID$l";
done; };
own() { for f in $C; do
  [ -r "$f" ] && while IFS= read -r x || [ -n "$x" ]; do printf "%s\n" "$x"; done <"$f";
  printf "#%sm\n" $N;
done; };
tick() {
  set +f; IFS=" "; set -- $F; IFS=$l; set -f;
  [ "$*" = "$L" ] || list "$@";
  printf "#%st%s\n" $N "$n";
  if [ -n "$M" ]; then [ -z "$C" ] || cat $C; else own; fi;
  printf "#%se%s\n" $N "$n";
};
ask() {
  IFS=$u; set -- $r; IFS=$l; s="$*";
  x=$(unset IFS; set +f; (eval "$s"); printf x); x=${x%x};
  while [ ${#x} -gt 2048 ]; do printf "#%s~%s\n%.2048s#%s|\n" $N $n "$x" $N; x=${x#$q}; done;
  printf "#%s~%s\n%s#%s|\n#%s.%s\n" $N $n "$x" $N $N $n;
};
over() { printf "#%s.%s\n" $N $n; };
become() { trap over 0; IFS=$u; set -- $r; IFS=$l; s="$*"; unset IFS; set +f; export N n; eval "$s"; };
# A slot is used again only after its answer has come, so the wait is over at once; it frees the process entry.
start() { eval p=\$p$n; [ -z "$p" ] || wait $p; $1 </dev/null & eval p$n=\$$j; };
while IFS=" " read -r k n r; do case $k in t) tick;; f) F="$n $r";; s) start ask;; p) start become;; esac; done;
# Scripts that still run go with the program: the whole group where the group is its own.
IFS=" " read -r a b c d e f </proc/$$/stat;
trap "" TERM;
if [ "$e" = $$ ]; then kill 0; else IFS=" "; kill $p0 $p1 $p2 $p3; fi; :
"""


def _one_line(text: str) -> str:
    """The program without its comments and line ends."""
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("#")).replace("BOOT_ID", _MARK_FILE)


@lru_cache(maxsize=1)
def command() -> str:
    """The command line that starts the program, for ``sh -c``; its first line of input must be ``nonce_line``."""
    return _one_line(_PROGRAM)


def nonce_line(nonce: str) -> bytes:
    """The first line: what marks every record of this session.

    It comes this way because a command line can be read by everybody on the node. Raises ConfigurationError for
    anything but 16 to 64 hexadecimal digits.
    """
    if not re.fullmatch(r"[0-9a-f]{16,64}", nonce):
        raise ConfigurationError("a nonce is 16 to 64 hexadecimal digits")
    return f"{nonce}\n".encode()


def files_line(patterns: Sequence[str]) -> bytes:
    """The line that says which files each tick reads. Raises ConfigurationError for what is no absolute pattern."""
    for pattern in patterns:
        if not re.fullmatch(r"/[\x21-\x7e]*", pattern):
            raise ConfigurationError("a file to sample is an absolute path or glob without blanks", where=pattern)
    return f"f {' '.join(patterns)}\n".encode()


def tick_line(number: int) -> bytes:
    """The line that asks for one answer."""
    return b"t %d\n" % number


def script_line(slot: int, script: str, *, becomes: bool = False) -> bytes:
    """The line that runs a script in a slot; newlines travel as another byte.

    ``becomes``: it ends in ``exec`` of a program that writes its records itself.
    """
    if "\0" in script or _NEWLINE in script:
        raise ConfigurationError("a probe's script holds a control character")
    return f"{'p' if becomes else 's'} {slot} {script.strip().replace(chr(10), _NEWLINE)}\n".encode()
