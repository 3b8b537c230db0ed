"""Which kinds there are and which backends fill them: one line for each pair, as strings.

Nothing is imported before it is needed: the command line knows every noun from this table alone, its help imports the
kind it is asked about, and only opening a deck imports backends. All functions take the table as a parameter, so that
tests can add a line of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from app.errors import Clash, Missing

if TYPE_CHECKING:
    from app.backend import AskSecret, Backend, Context
    from app.inventory.model import Inventory
    from app.kind import AnyKind
    from app.link import Links


class Part(NamedTuple):
    """One backend that fills one kind, both as ``module:attribute``; the kind's module is called as its noun."""

    kind: str
    backend: str
    rules: bool = False
    """The backend has a say in the guard, so that acting on any kind needs it."""
    needs: str = ""
    """The top-level key of hosts.yaml without which a console does not even import the backend."""

    @property
    def noun(self) -> str:
        """The noun of the kind, read off the name of its module."""
        return self.kind.partition(":")[0].rpartition(".")[2]


PARTS: tuple[Part, ...] = (
    Part("backends.kinds.node:KIND", "backends.local.backend:Local"),
    Part("backends.kinds.node:KIND", "backends.ssh.backend:Ssh"),
    Part("backends.kinds.node:KIND", "backends.ping:Ping"),
    Part("backends.kinds.container:KIND", "backends.docker.backend:Docker"),
    Part("backends.kinds.stack:KIND", "backends.compose.backend:Compose"),
    Part("backends.kinds.project:KIND", "backends.projects.backend:Projects"),
    Part("backends.kinds.vm:KIND", "backends.proxmox.backend:Proxmox", needs="proxmox"),
    Part("backends.kinds.vm:KIND", "backends.libvirt.backend:Libvirt"),
    Part("backends.kinds.hypervisor:KIND", "backends.proxmox.backend:Proxmox", needs="proxmox"),
    Part("backends.kinds.storage:KIND", "backends.proxmox.backend:Proxmox", needs="proxmox"),
    Part("backends.kinds.storage:KIND", "backends.libvirt.backend:Libvirt"),
    Part("backends.kinds.image:KIND", "backends.docker.backend:Docker"),
    Part("backends.kinds.volume:KIND", "backends.docker.backend:Docker"),
    Part("backends.kinds.network:KIND", "backends.docker.backend:Docker"),
)
"""One line per kind and backend; the order of first mention is the order of panes and nouns."""

DEMO: tuple[Part, ...] = (
    Part("backends.kinds.node:KIND", "backends.demo.backend:Demo"),
    Part("backends.kinds.container:KIND", "backends.demo.engines:DemoContainers"),
    Part("backends.kinds.stack:KIND", "backends.demo.engines:DemoStacks"),
    Part("backends.kinds.project:KIND", "backends.demo.engines:DemoProjects"),
    Part("backends.kinds.vm:KIND", "backends.demo.guests:DemoGuests"),
    Part("backends.kinds.hypervisor:KIND", "backends.demo.guests:DemoGuests"),
    Part("backends.kinds.storage:KIND", "backends.demo.guests:DemoGuests"),
    Part("backends.kinds.image:KIND", "backends.demo.engines:DemoContainers"),
    Part("backends.kinds.volume:KIND", "backends.demo.engines:DemoContainers"),
    Part("backends.kinds.network:KIND", "backends.demo.engines:DemoContainers"),
)
"""What stands in for all of them under ``--demo``."""

LINKS = "backends.sampling.links:NodeLinks"
"""The connections every backend shares."""


def nouns(parts: Sequence[Part] = PARTS) -> tuple[str, ...]:
    """Every noun, in order; imports nothing."""
    return tuple(dict.fromkeys(part.noun for part in parts))


def about(noun: str, parts: Sequence[Part] = PARTS) -> str:
    """The first line of the docstring of a kind's module, read from its file without running it."""
    module = _part(noun, parts).kind.partition(":")[0]
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return ""
    try:
        with Path(found.origin).open(encoding="utf-8") as file:
            first = file.readline().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return first.strip('"').strip() if first.startswith('"""') else ""


def kind(noun: str, parts: Sequence[Part] = PARTS) -> AnyKind:
    """The kind with a noun; imports its one module. Raises Missing for a noun nobody declared."""
    found = cast("AnyKind", load(_part(noun, parts).kind))
    if found.noun != noun:
        raise Clash(f"the kind '{found.noun}' must stand in a module of that name", where=_part(noun, parts).kind)
    return found


def kinds(parts: Sequence[Part] = PARTS, only: Collection[str] | None = None) -> dict[str, AnyKind]:
    """The kinds in ``only`` (all of them when ``None``) by noun; imports their modules and no backend."""
    return {noun: kind(noun, parts) for noun in nouns(parts) if only is None or noun in only}


def backends(
    context: Context, parts: Sequence[Part] = PARTS, only: Iterable[str] | None = None, *, rules: bool = False
) -> list[Backend]:
    """One backend of each class that fills one of the kinds in ``only`` (all kinds when ``None``).

    With ``rules``, those that have a say in the guard as well. A class that stands on several lines is made once.
    Raises Clash where two classes have one name, or one has rules without saying so.
    """
    wanted = None if only is None else set(only)
    paths = dict.fromkeys(
        part.backend for part in parts if wanted is None or part.noun in wanted or (rules and part.rules)
    )
    marked = {part.backend for part in parts if part.rules}
    made: dict[str, Backend] = {}
    for path in paths:
        backend = cast("type[Backend]", load(path))(context)
        if path not in marked and _has_rules(backend):
            raise Clash(f"the backend '{backend.name}' has rules, and none of its lines says so", where=path)
        if backend.name in made:
            raise Clash(f"two backends are called '{backend.name}'", where=path)
        made[backend.name] = backend
    return list(made.values())


def idle(inventory: Inventory, parts: Sequence[Part] = PARTS) -> frozenset[str]:
    """The paths of the backends that find nothing in hosts.yaml to do."""
    return frozenset(part.backend for part in parts if part.needs and part.needs not in inventory.extra)


def links(
    inventory: Callable[[], Inventory], ask_secret: AskSecret, *, one_shot: bool, clock: Callable[[], float]
) -> Links:
    """The connections of all nodes; none is open yet."""
    return cast("Links", load(LINKS)(inventory, ask_secret, one_shot=one_shot, clock=clock))


def load(path: str) -> Any:
    """What ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _has_rules(backend: Backend) -> bool:
    from app.backend import Backend as Plain  # by now it is there anyway

    return type(backend).rules is not Plain.rules


def _part(noun: str, parts: Sequence[Part]) -> Part:
    found = next((part for part in parts if part.noun == noun), None)
    if found is None:
        raise Missing(f"there is no kind '{noun}'", todo=f"there are: {', '.join(nouns(parts))}")
    return found
