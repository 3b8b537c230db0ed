"""A node backend on this machine, with programs of the test's own in front of the real ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from app.backend import Backend, Context
from app.errors import Missing
from app.fleet import Fleet
from app.inventory.model import Inventory, NodeEntry, SshEntry, Sudo
from app.link import Link, Probe, Sample
from backends.kinds.node import Node
from backends.local.link import LocalLink
from backends.node_verbs import LinkedNodeVerbs


class OneLink:
    """Satisfies ``app.link.Links``: every configured node is reached by its own link."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        self._links = dict(links)

    def of(self, node: str) -> Link:
        """The link of a node."""
        if node not in self._links:
            raise Missing("not configured", where=node)
        return self._links[node]

    def subscribe(
        self, node: str, probes: Sequence[Probe[Any]], deliver: Callable[[Sample], None]
    ) -> Callable[[], None]:
        """No sampler here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect everything."""
        for link in self._links.values():
            await link.close()


class Nodes(LinkedNodeVerbs, Backend):
    """The verbs under test, and nothing else."""

    name = "test"
    nouns = ("node",)


@dataclass
class Bench:
    """Everything a verb needs; ``here`` is a node that is reached by a shell on this machine."""

    verbs: Nodes
    here: Node
    programs: Path
    """The folder in front of PATH."""
    entries: dict[str, NodeEntry] = field(default_factory=dict[str, NodeEntry])

    def program(self, name: str, script: str) -> Path:
        """Put a shell script in front of the real program of that name."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def configure(self, name: str = "pi", **values: Any) -> None:
        """Change an entry of the configuration: ``sudo=Sudo.ASK``."""
        self.entries[name] = replace(self.entries.get(name) or NodeEntry(name=name), **values)

    def ordinary_user(self, sudo: Sudo, password: str | None = None) -> None:
        """Be nobody special there, with a sudo that behaves as the real one and wants ``password``, if any."""
        self.configure(sudo=sudo)
        self.program("id", 'if [ "$1" = -u ]; then echo 1000; else exec /usr/bin/id "$@"; fi')
        (self.programs / "password").write_text("" if password is None else password)
        self.program("sudo", _SUDO.replace("@/", f"{self.programs}/"))


_SUDO = """\
never= ask= check=
while [ $# -gt 0 ]; do
  case "$1" in -n) never=1 ;; -S) ask=1 ;; -k) ;; -p) shift ;; -v) check=1 ;; --) shift; break ;; *) break ;; esac
  shift
done
echo "$@" >> @/sudo.log
wanted=$(cat @/password)
if [ -n "$wanted" ]; then
  [ -n "$never" ] && { echo 'sudo: a password is required' >&2; exit 1; }
  IFS= read -r given
  if [ "$given" != "$wanted" ]; then
    printf 'Sorry, try again.\\nsudo: no password was provided\\nsudo: 1 incorrect password attempt\\n' >&2
    exit 1
  fi
fi
[ -n "$check" ] && exit 0
BECAME=root exec "$@"
"""


def make_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: Mapping[str, Link] | None = None) -> Bench:
    """A bench with one remote-looking node ``pi`` that is this machine."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("backends.local.child.GRACE_S", 0.3)
    entries = {"pi": NodeEntry(name="pi", ssh=SshEntry(host="pi.example"))}
    found = dict(links or {"pi": LocalLink("pi")})
    state = tmp_path / "state"
    context = Context(
        inventory=lambda: Inventory(nodes=entries), links=OneLink(found), fleet=Fleet, state=state, cache=tmp_path
    )
    here = Node(id="pi", name="pi", source="pi", state="up", transport="ssh")
    return Bench(Nodes(context), here, programs, entries)
