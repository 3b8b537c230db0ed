"""``proxmox`` of hosts.yaml as everything else sees it: clusters, their templates and networks, typed and immutable.

Secrets stay references here; ``app.inventory.secrets.resolve`` makes them plain when they are needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from app.errors import Missing
from app.inventory import secrets
from app.inventory.model import Inventory
from app.inventory.pattern import nearest
from app.paths import home
from backends.proxmox import pieces

INTERVAL = 10.0
"""Seconds between two looks at a cluster: its own figures are no fresher."""
TEMPLATE_TIMEOUT = 900.0
"""Seconds that the making of a template may take: download, import, first boot, packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that is to be there, made from a cloud image where it is not; ``None`` leaves a thing to Proxmox."""

    name: str
    vmid: int
    image: str
    """A URL, or what a storage holds already: ``local:import/x.qcow2``."""
    checksum: str | None = None
    """SHA-256 of the image in hexadecimal, in small letters."""
    node: str | None = None
    """The Proxmox node it is made on."""
    storage: str | None = None
    """Where its disk goes."""
    bridge: str | None = None
    cores: int | None = None
    memory_mib: int | None = None
    disk_mib: int | None = None
    """What its disk is grown to."""
    user: str | None = None
    """cloud-init's user."""
    ssh_keys: tuple[str, ...] = ()
    """Public keys as text, or references to them: resolve them with ``private=False``."""
    packages: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    """Commands of the first boot, in order, each a line of shell."""
    ip: str = "dhcp"
    """``dhcp``, or an address and its gateway as cloud-init takes them: ``10.0.0.5/24,gw=10.0.0.1``."""
    agent: bool = True
    """The guest agent is installed and waited for."""
    tags: tuple[str, ...] = ()
    notes: str = ""
    snippets: str | None = None
    """The storage that takes cloud-init's user data."""
    timeout: float = TEMPLATE_TIMEOUT
    """Seconds."""


Policy = Literal["ACCEPT", "DROP", "REJECT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a guest's firewall; rules hold in the order they are declared in."""

    action: Policy
    direction: Literal["in", "out"]
    proto: str | None = None
    dport: str | None = None
    sport: str | None = None
    source: str | None = None
    dest: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that is to be isolated: its bridge, the guests in it, and what may pass to and from them."""

    name: str
    bridge: str
    cidr: str | None = None
    guests: tuple[str, ...] = ()
    """Patterns, as on the command line."""
    policy_in: Policy = "DROP"
    policy_out: Policy = "DROP"
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One Proxmox VE cluster, or one server that stands alone."""

    name: str
    urls: tuple[str, ...] = ()
    """``https://host:port``, tried in order; without a slash at the end."""
    token: str | None = field(default=None, repr=False)
    """A reference to ``USER@REALM!TOKENID=SECRET``; where it is ``None`` the user and the password hold."""
    user: str | None = None
    """Without the realm."""
    realm: str = "pam"
    password: str | None = field(default=None, repr=False)
    """A reference; ``None`` beside a user: it is asked for."""
    fingerprints: tuple[str, ...] = ()
    """SHA-256 of the certificates that are accepted, ``AA:BB:…``; where there are any, nothing else counts."""
    ca: Path | None = None
    """The certificate authority's file; ``None`` for the system's own."""
    node_map: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """A Proxmox node's name -> the name of the node of hosts.yaml that it is."""
    interval: float = INTERVAL
    """Seconds between two looks."""
    parallel: int = 1
    """Clones and snapshots at work side by side on one storage."""
    tags: frozenset[str] = frozenset()
    templates: Mapping[str, Template] = field(default_factory=lambda: MappingProxyType({}))
    networks: Mapping[str, Network] = field(default_factory=lambda: MappingProxyType({}))
    fault: str | None = None
    """The mistakes of this entry, in words; such a cluster is shown and not contacted."""

    @property
    def login(self) -> str | None:
        """``user@realm`` of a cluster that is logged in to with a password."""
        return f"{self.user}@{self.realm}" if self.user is not None and self.token is None else None

    @property
    def identity(self) -> str:
        """Changes when the cluster would have to be watched anew; templates and networks do not count."""
        said = (
            self.name, self.urls, self.token, self.user, self.realm, self.password, self.fingerprints, str(self.ca),
            sorted(self.node_map.items()), self.interval, sorted(self.tags), self.fault,
        )  # fmt: skip
        return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def clusters_of(inventory: Inventory) -> tuple[Cluster, ...]:
    """The clusters of an inventory, in the order of the file; one with mistakes carries them as its ``fault``."""
    said: Any = inventory.extra.get("proxmox")
    if not isinstance(said, Mapping):
        return ()
    faults: dict[str, list[str]] = {}
    for mistake in inventory.mistakes:
        if mistake.cluster is not None and not mistake.warning:
            faults.setdefault(mistake.cluster, []).append(str(mistake))
    folder = inventory.path.resolve().parent if inventory.path is not None else Path()
    return tuple(
        _faulty(name, values, "; ".join(faults[name])) if name in faults else _cluster(name, values, folder)
        for name, values in cast("Mapping[str, Any]", said).items()
    )


def cluster_of(inventory: Inventory, name: str) -> Cluster:
    """One cluster by its name; raises Missing, with the nearest name there is."""
    found = {one.name: one for one in clusters_of(inventory)}
    if name in found:
        return found[name]
    near = nearest(name, found)
    todo = f"the nearest is {near}" if near else "the clusters stand below proxmox in hosts.yaml"
    raise Missing("no such cluster is configured", where=name, todo=todo)


def _faulty(name: str, values: Any, fault: str) -> Cluster:
    """A cluster whose entry has mistakes: its tags still put it under their rules."""
    said: Any = cast("Mapping[str, Any]", values).get("tags") if isinstance(values, Mapping) else None
    tags = cast("list[Any]", said) if isinstance(said, list) else []
    return Cluster(name=name, tags=frozenset(str(tag) for tag in tags), fault=fault)


def _cluster(name: str, values: Mapping[str, Any], folder: Path) -> Cluster:
    """A cluster of values that were checked."""
    prints = values.get("fingerprint") or ()
    user, realm = pieces.user(values["user"]) if values.get("user") else (None, "")
    ca = values.get("ca")
    return Cluster(
        name=name,
        urls=urls(values),
        token=values.get("token"),
        user=user,
        realm=values.get("realm") or realm or "pam",
        password=values.get("password") if values.get("password") != secrets.ASK else None,
        fingerprints=tuple(pieces.fingerprint(one) for one in ([prints] if isinstance(prints, str) else prints)),
        ca=located(ca, folder) if ca else None,
        node_map=MappingProxyType(dict(values.get("node_map") or {})),
        interval=float(values.get("interval") or INTERVAL),
        parallel=int(values.get("parallel") or 1),
        tags=frozenset(values.get("tags") or ()),
        templates=_named(_template, values.get("templates")),
        networks=_named(_network, values.get("networks")),
    )


def urls(values: Mapping[str, Any]) -> tuple[str, ...]:
    """``url`` and then ``urls``, each once."""
    said = [*([values["url"]] if values.get("url") else []), *(values.get("urls") or ())]
    return tuple(dict.fromkeys(pieces.url(one) for one in said))


def located(text: str, folder: Path) -> Path:
    """A path of hosts.yaml: ``~`` is the home folder, a relative one begins at hosts.yaml."""
    return home() / text[2:] if text.startswith("~/") else folder / text


def _named(make: Any, said: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return MappingProxyType({name: make(name, values) for name, values in (said or {}).items()})


def _template(name: str, values: Mapping[str, Any]) -> Template:
    given = {key: value for key, value in values.items() if value is not None}
    for key in ("memory", "disk"):
        if key in given:
            given[f"{key}_mib"] = pieces.size(given.pop(key))
    for key in ("ssh_keys", "packages", "run", "tags"):
        given[key] = tuple(given.get(key, ()))
    if "checksum" in given:
        given["checksum"] = pieces.checksum(given["checksum"])
    if "ip" in given:
        given["ip"] = pieces.ip_config(given["ip"])
    return Template(name=name, **given)


def _network(name: str, values: Mapping[str, Any]) -> Network:
    given = {key: value for key, value in values.items() if value is not None}
    for key in ("policy_in", "policy_out"):
        if key in given:
            given[key] = str(given[key]).upper()
    given["guests"] = tuple(given.get("guests", ()))
    given["rules"] = tuple(_rule(one) for one in given.get("rules", ()))
    return Network(name=name, **given)


def _rule(values: Mapping[str, Any]) -> Rule:
    given: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    given |= {key: str(given[key]) for key in ("dport", "sport") if key in given}
    given["action"] = str(given["action"]).upper()
    return Rule(**given)
