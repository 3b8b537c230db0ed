"""hosts.yaml as everything else sees it: resolved, typed, immutable values.

A node with a mistake is still a node: it carries the ``fault`` that its row will show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from app.errors import ConfigurationError

RESERVED: tuple[str, ...] = ("docker", "proxmox", "libvirt", "stacks")
"""Keys, at the top of hosts.yaml and in a node, that belong to other backends: kept as they stand."""

SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "docker": "backends.docker.hosts:Docker",
        "stacks": "backends.compose.hosts:Stacks",
        "proxmox": "backends.proxmox.hosts:Proxmox",
        "libvirt": "backends.libvirt.hosts:Libvirt",
    }
)
"""Those of them whose shape is checked with the rest: key -> ``module:attribute`` of its type."""

CHECKS: Mapping[str, str] = MappingProxyType({"proxmox": "backends.proxmox.hosts:mistakes"})
"""What only makes sense together is checked by these: key -> ``module:attribute`` of a function.

It is called with the document, what passed the shape, and the names of all nodes (``None`` where not all are known).
"""

SECRETS: tuple[tuple[str, ...], ...] = (("proxmox", "*", "token"), ("proxmox", "*", "password"))
"""Where secrets stand, or references to them: keys from the top, ``*`` for any."""

REFERENCES: tuple[tuple[str, ...], ...] = (*SECRETS, ("proxmox", "*", "templates", "*", "ssh_keys", "*"))
"""These, and where references may stand to what is no secret."""

Thresholds = tuple[float, float]
"""(warning, critical), in percent."""


class Sudo(StrEnum):
    """How a node's operator becomes root."""

    NONE = "none"
    NOPASSWD = "nopasswd"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing wrong in a file the operator wrote; drawn as ``FILE:LINE:COL: what (nearest valid name)``."""

    file: str
    line: int
    column: int
    what: str
    nearest: str = ""
    node: str | None = None
    """The node whose row shows it, where it belongs to one."""
    cluster: str | None = None
    """The cluster of ``proxmox`` that it faults, where it belongs to one."""
    warning: bool = False
    """It stops nothing: most likely an oversight, and not certainly wrong."""

    def __str__(self) -> str:
        hint = f" (nearest valid name: {self.nearest})" if self.nearest else ""
        grade = "warning: " if self.warning else ""
        return f"{self.file}:{self.line}:{self.column}: {grade}{self.what}{hint}"


class InvalidInventory(ConfigurationError):
    """hosts.yaml has mistakes that concern more than single nodes; its text is one line for each of them."""

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        count = sum(not mistake.warning for mistake in mistakes)
        what = f"{count} {'mistake' if count == 1 else 'mistakes'}"
        super().__init__(what, where=file, todo="quarterdeck config validate lists them")
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshEntry:
    """What a node entry itself says of SSH; ``None`` leaves it to ssh_config, then to ``defaults.ssh``."""

    host: str
    """Address or ssh_config alias."""
    port: int | None = None
    user: str | None = None
    identity: tuple[str, ...] = ()
    proxy_jump: str | None = None
    password: Literal["ask"] | None = None
    """``ask``: password and keyboard-interactive are prompted for, masked, and kept in memory only."""
    passphrase: Literal["ask"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SshDefaults:
    """``defaults.ssh``: what holds where neither the node entry nor ssh_config says anything."""

    user: str | None = None
    port: int | None = None
    identity: tuple[str, ...] = ()
    connect_timeout: float = 10.0
    known_hosts: Path | None = None
    """``None``: what ``ssh -G`` says."""
    config: Path | None = None
    """``None``: OpenSSH's own files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PingEntry:
    """How a device without a shell is checked."""

    method: Literal["icmp", "tcp"] = "icmp"
    host: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntry:
    """One node as configured."""

    name: str
    local: bool = False
    ssh: SshEntry | None = None
    ping: PingEntry | None = None
    routes: tuple[str, ...] = ()
    """Addresses tried in order; empty means the one of ``ssh``."""
    tags: frozenset[str] = frozenset()
    """Own tags and the names of the groups it is in."""
    sudo: Sudo = Sudo.NONE
    rate: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    interval: float = 2.0
    thresholds: Mapping[str, Thresholds] = field(default_factory=lambda: MappingProxyType({}))
    fault: str | None = None
    """The mistakes of this entry, in words; such a node is shown and not contacted."""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Keys that belong to other backends (docker, stacks, libvirt), as they stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the guard is told by the configuration; patterns as on the command line (``@prod``, ``pi``, ``n*``)."""

    read_only: tuple[str, ...] = ()
    type_name: tuple[str, ...] = ()
    require_why: Literal["never", "destroys", "disrupts", "always"] = "destroys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallboard:
    """What the wallboard shows."""

    rotate: float = 15.0
    panes: tuple[str, ...] = ()
    """``overview`` and plural nouns; empty means the overview and every kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCopy:
    """A node on which copies of the witness's checkpoints are kept."""

    node: str
    folder: str = "quarterdeck-witness"
    """Relative to the home folder of the login there unless it begins with ``/``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCopies:
    """How often the witness's checkpoints are signed, and where copies of them go."""

    every: int = 1000
    """Entries."""
    journald: bool = False
    nodes: tuple[NodeCopy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything hosts.yaml says, resolved."""

    path: Path | None = None
    """``None`` for the zero-configuration default."""
    watched: tuple[Path, ...] = ()
    """Every file it was read from; a change of one of them is a reason to read again."""
    digests: tuple[str, ...] = field(default=(), compare=False)
    """SHA-256 of each watched file as it was read; empty where there was none."""
    trusted: bool = field(default=False, compare=False)
    """hosts.yaml belongs to the operator, and not everybody may write it."""
    nodes: Mapping[str, NodeEntry] = field(default_factory=lambda: MappingProxyType({}))
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    ssh: SshDefaults = field(default_factory=SshDefaults)
    interval: float = 2.0
    rules: Rules = field(default_factory=Rules)
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Binding id -> key: ``node.reboot: f9``."""
    theme: str | None = None
    wallboard: Wallboard = field(default_factory=Wallboard)
    witness: WitnessCopies = field(default_factory=WitnessCopies)
    mistakes: tuple[Mistake, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Top-level keys that belong to other backends, as they stood; secrets are the references that were written."""
    private: bool = field(default=False, compare=False)
    """A secret stands in hosts.yaml itself, or may: nothing of this is written anywhere else."""

    @property
    def clusters(self) -> Mapping[str, frozenset[str]]:
        """The names of all clusters with their tags, those with mistakes included: rules reach them by these."""
        said: Any = self.extra.get("proxmox")
        entries: Mapping[str, Any] = cast("Mapping[str, Any]", said) if isinstance(said, Mapping) else {}
        return MappingProxyType({name: _tags(entry) for name, entry in entries.items()})

    def __iter__(self) -> Iterator[NodeEntry]:
        return iter(self.nodes.values())


def _tags(entry: Any) -> frozenset[str]:
    """The tags of an entry, however much else of it is wrong."""
    said: Any = cast("Mapping[str, Any]", entry).get("tags") if isinstance(entry, Mapping) else None
    return frozenset(str(tag) for tag in cast("list[Any]", said)) if isinstance(said, list) else frozenset()
