"""What a project has on its node besides containers: its folder, its secrets, and who is working on it now.

All of it goes through the node's link, in POSIX shell, and so is the same on this machine and on a remote one.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import socket

from app.column import clean
from app.errors import BadAnswer, Busy, ConfigurationError, Missing, Unreachable
from app.link import Channel, Link

_HOLD_S = 15.0

_RESOLVE = """\
p=@
case $p in '~') p=$HOME;; '~/'*) p=$HOME/${p#??};; /*) ;; *) p=$HOME/$p;; esac
[ -e "$p" ] || { echo missing; exit; }
[ -d "$p" ] || { echo file; exit; }
cd -- "$p" 2>/dev/null || { echo denied; exit; }
printf 'folder\\n%s' "$(pwd -P)"
"""

_HOME = 'd="$HOME/.local/state/quarterdeck/projects"/@\numask 077\n'

_SECRETS = (
    _HOME
    + """\
mkdir -p "$d/secrets" && chmod 700 "$d" "$d/secrets" || exit 1
cd "$d/secrets" || exit 1
for name in #; do
  [ -s "$name" ] && continue
  head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \\n' > ".$name.$$" || exit 1
  [ "$(wc -c < ".$name.$$")" -eq 48 ] || { rm -f ".$name.$$"; exit 1; }
  ln ".$name.$$" "$name" 2>/dev/null || [ -s "$name" ] || mv ".$name.$$" "$name"
  rm -f ".$name.$$"
  chmod 600 "$name"
done
pwd -P
"""
)
"""Made where they stay and never sent anywhere; ``ln`` lets exactly one of two that race win."""

_FORGET = (
    _HOME
    + """\
rm -rf -- "$d/secrets" && rm -f -- "$d/lock" "$d/holder" && { rmdir -- "$d" 2>/dev/null || [ ! -d "$d/secrets" ]; }
"""
)

_LOCK = (
    _HOME
    + """\
mkdir -p "$d" || { echo "failed"; exit; }
command -v flock >/dev/null 2>&1 || { echo none; exec cat >/dev/null; }
exec 9<>"$d/lock" || { echo "failed"; exit; }
if flock -n 9; then
  printf '%s\\n' # > "$d/holder"
  echo held
  cat > /dev/null
else
  echo "busy $(cat "$d/holder" 2>/dev/null)"
fi
"""
)
"""Held while its input stays open: a console that dies or loses the node holds nothing."""


async def resolved(link: Link, path: str, *, local: bool) -> str:
    """The absolute path of a folder on the node, links followed; ``~`` is the login's home there.

    A relative one begins at the home folder, on this machine at the working folder. Raises Missing where there is
    no such folder, ConfigurationError where it cannot be one.
    """
    if not path.strip() or any(ord(char) < 32 or ord(char) == 127 for char in path):
        raise ConfigurationError("no folder has such a name", where=clean(path) or "PATH")
    if local and not path.startswith(("/", "~")):
        path = os.path.join(os.getcwd(), path)  # noqa: PTH118, PTH109 - '.' must stay as it is typed
    said = await link.run(_RESOLVE.replace("@", shlex.quote(path)))
    word, _, found = said.text.partition("\n")
    where = f"{link.node}:{clean(path)}"
    if word == "folder" and found.startswith("/"):
        return found
    if word == "missing":
        raise Missing("there is no such folder on the node", where=where, todo="make it, or name another")
    if word == "file":
        raise ConfigurationError("this is no folder", where=where, todo="name the project's folder")
    if word == "denied":
        raise Missing("this login may not enter the folder", where=where, todo="look at its permissions")
    raise BadAnswer("the node does not tell where the folder is", where=where)


async def secrets(link: Link, project: str, names: tuple[str, ...]) -> str:
    """See that every secret is there; returns their folder, absolute. No secret leaves the node."""
    line = _SECRETS.replace("@", shlex.quote(project)).replace("#", " ".join(map(shlex.quote, names)))
    said = await link.run(line)
    folder = said.text.strip()
    if said.exit_code or not folder.startswith("/"):
        why = clean(said.stderr.decode("utf-8", "replace").strip())[:200]
        raise BadAnswer(f"its secrets cannot be made: {why or 'the node does not say why'}", where=link.node)
    return folder


async def forget(link: Link, project: str) -> None:
    """Delete the secrets of a project."""
    said = await link.run(_FORGET.replace("@", shlex.quote(project)))
    if said.exit_code:
        why = clean(said.stderr.decode("utf-8", "replace").strip())[:200]
        raise BadAnswer(f"its secrets cannot be deleted: {why}", where=link.node)


class Hold:
    """The right to change one project on one node, as long as it is held; nobody has it twice."""

    def __init__(self, link: Link, project: str) -> None:
        self._link = link
        self._project = project
        self._channel: Channel | None = None

    @property
    def held(self) -> bool:
        """Whether it has been taken and not been given back."""
        return self._channel is not None

    async def take(self) -> bool:
        """Take it, or raise Busy with who has it; false where the node has no ``flock`` and nobody can hold it."""
        who = f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"
        line = _LOCK.replace("@", shlex.quote(self._project)).replace("#", shlex.quote(who))
        channel = await self._link.channel(line)
        try:
            async with asyncio.timeout(_HOLD_S):
                word = (await channel.read()).decode("utf-8", "replace").strip()
        except BaseException:
            await asyncio.shield(channel.close())
            raise
        if word == "held" or word == "none":
            self._channel = channel
            return word == "held"
        await channel.close()
        if word.startswith("busy"):
            other = clean(word.removeprefix("busy").strip()) or "somebody else"
            raise Busy(
                f"'{self._project}' is being started or stopped by {other}",
                where=self._link.node,
                todo="wait until that is over",
            )
        raise Unreachable("the node does not let us work on the project", where=self._link.node)

    async def give_back(self) -> None:
        """Let others at it; again changes nothing."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
