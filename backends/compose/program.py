"""Which compose a node has: found out with one command, and remembered for as long as the connection lives."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from app.column import clean
from app.errors import Missing
from app.link import Link

ASK_S = 20.0
"""1.29 takes a second to say its version on a small board."""

_LOOK = r"""
say() { case $2 in v[0-9]*|[0-9]*) echo "$1 $2"; exit 0 ;; esac; }
say plugin "$(docker compose version --short 2>/dev/null </dev/null)"
say alone "$(docker-compose version --short 2>/dev/null </dev/null)"
ID= ID_LIKE=
[ -r /etc/os-release ] && . /etc/os-release
echo "none $ID $ID_LIKE"
"""

_PACKAGES = {
    "debian": "apt-get install docker-compose (1.29), or docker-compose-plugin of Docker's own repository (v2)",
    "raspbian": "apt-get install docker-compose (1.29), or docker-compose-plugin of Docker's own repository (v2)",
    "ubuntu": "apt-get install docker-compose-v2",
    "alpine": "apk add docker-cli-compose",
    "fedora": "dnf install docker-compose",
    "rhel": "dnf install docker-compose-plugin of Docker's own repository",
    "centos": "dnf install docker-compose-plugin of Docker's own repository",
    "arch": "pacman -S docker-compose",
    "suse": "zypper install docker-compose",
    "opensuse": "zypper install docker-compose",
}
_ELSEWHERE = "install the compose plugin of the docker program"


@dataclass(frozen=True, slots=True)
class Program:
    """The compose of a node."""

    argv: tuple[str, ...]
    """``docker compose`` or ``docker-compose``."""
    version: tuple[int, ...]

    @property
    def v2(self) -> bool:
        """Whether it knows several ``--env-file``, JSON, and projects by their labels alone."""
        return self.version >= (2,)

    @property
    def shown(self) -> str:
        """Such as ``docker compose 2.26.1``."""
        return f"{' '.join(self.argv)} {'.'.join(str(part) for part in self.version)}"


UNKNOWN = Program(("<compose>",), (2,))
"""Stands in the text of a plan for a node that could not be asked."""


class Programs:
    """The composes of all nodes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Link, int, Program]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    def known(self, node: str) -> Program | None:
        """What was last found; perhaps over a connection that is gone."""
        found = self._known.get(node)
        return found[2] if found else None

    async def of(self, link: Link) -> Program:
        """The compose of a node; raises Missing with how to get one, and what the link raises."""
        async with self._asking.setdefault(link.node, asyncio.Lock()):
            known = self._known.get(link.node)
            if known is not None and known[0] is link and known[1] == link.cost.connects:
                return known[2]
            done = await link.run(_LOOK, timeout=ASK_S, limit=1 << 16)
            program = parse(done.text, link.node)
            self._known[link.node] = (link, link.cost.connects, program)
            return program


def parse(said: str, node: str) -> Program:
    """Read the answer; raises Missing where there is no compose."""
    lines = said.strip().splitlines()
    kind, _, rest = (lines[-1] if lines else "none").partition(" ")
    if kind in ("plugin", "alone"):
        numbers = tuple(int(part) for part in re.findall(r"\d+", rest.partition("-")[0].partition("+")[0])[:3])
        if numbers:
            return Program(("docker", "compose") if kind == "plugin" else ("docker-compose",), numbers)
    systems = rest.lower().split() if kind == "none" else []
    how = next((_PACKAGES[one] for one in systems if one in _PACKAGES), None)
    system = clean(systems[0]) if systems else ""
    raise Missing(
        "there is neither 'docker compose' nor 'docker-compose' for this login",
        where=node,
        todo=f"get it there{f' ({system})' if how and system else ''}: {how or _ELSEWHERE}",
    )
