"""Checked values become the immutable inventory: defaults filled in, paths expanded, groups made tags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from app.inventory import address
from app.inventory.find import Found
from app.inventory.model import (
    RESERVED,
    Inventory,
    NodeCopy,
    NodeEntry,
    PingEntry,
    Rules,
    SshDefaults,
    SshEntry,
    Sudo,
    Thresholds,
    Wallboard,
    WitnessCopies,
)
from app.paths import home

HERE = "here"
"""What this machine is called where nobody configured anything."""
INTERVAL = 2.0
THRESHOLDS: Mapping[str, Thresholds] = MappingProxyType(
    {"cpu": (70.0, 90.0), "memory": (80.0, 95.0), "swap": (50.0, 90.0), "disk": (80.0, 92.0), "gpu": (85.0, 97.0)}
)
"""What holds where ``defaults.thresholds`` says nothing."""

Values = Mapping[str, Any]
"""Plain values that have passed the schema."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """``defaults`` of hosts.yaml, filled in."""

    ssh: SshDefaults
    interval: float
    thresholds: Mapping[str, Thresholds]
    sudo: Sudo


def located(text: str, folder: Path) -> str:
    """A path of hosts.yaml: ``~`` is the home folder, a relative path begins at hosts.yaml, ssh's ``%`` words stay."""
    if text.startswith("~/"):
        return str(home() / text[2:])
    if text.startswith(("~", "%", "$", "/")) or text == "none":
        return text
    return os.path.normpath(folder.absolute() / text)


def defaults(said: Values, folder: Path) -> Defaults:
    """``defaults`` with what is built in where it says nothing."""
    ssh: Values = said.get("ssh") or {}
    known_hosts, config = ssh.get("known_hosts"), ssh.get("config")
    return Defaults(
        ssh=SshDefaults(
            user=ssh.get("user"),
            port=ssh.get("port"),
            identity=_identities(ssh.get("identity"), folder),
            connect_timeout=float(ssh.get("connect_timeout") or 10.0),
            known_hosts=Path(located(known_hosts, folder)) if known_hosts else None,
            config=Path(located(config, folder)) if config else None,
        ),
        interval=float(said.get("interval") or INTERVAL),
        thresholds=thresholds(said.get("thresholds"), THRESHOLDS),
        sudo=Sudo(said.get("sudo") or "none"),
    )


def thresholds(said: Values | None, below: Mapping[str, Thresholds]) -> Mapping[str, Thresholds]:
    """Thresholds by name, those not said taken from below."""
    own = {name: (float(pair[0]), float(pair[1])) for name, pair in (said or {}).items() if pair}
    return MappingProxyType({**below, **own})


def node(name: str, values: Values, holding: Defaults, tags: frozenset[str], folder: Path) -> NodeEntry:
    """One node without mistakes."""
    routes: tuple[str, ...] = tuple(values.get("routes") or ())
    ping = values.get("ping")
    rate: Mapping[str, float] = values.get("rate") or {}
    return NodeEntry(
        name=name,
        local=bool(values.get("local")),
        ssh=_ssh(name, values["ssh"], folder) if values.get("ssh") is not None else None,
        ping=_ping(name, ping) if ping not in (None, False) else None,
        routes=routes,
        tags=tags,
        sudo=Sudo(values["sudo"]) if values.get("sudo") else holding.sudo,
        rate=MappingProxyType({key: float(cost) for key, cost in rate.items()}),
        interval=float(values.get("interval") or holding.interval),
        thresholds=thresholds(values.get("thresholds"), holding.thresholds),
        extra=reserved(values),
    )


def faulty(name: str, fault: str, values: Values, tags: frozenset[str]) -> NodeEntry:
    """A node whose entry has mistakes: its row says so, its tags still put it under their rules."""
    return NodeEntry(name=name, fault=fault, tags=tags, thresholds=THRESHOLDS, extra=reserved(values))


def reserved(values: Values) -> Mapping[str, Any]:
    """What belongs to other backends, as it stood."""
    return MappingProxyType({key: values[key] for key in RESERVED if key in values})


def _ssh(name: str, said: Any, folder: Path) -> SshEntry:
    if isinstance(said, str):
        at = address.parse(said)
        return SshEntry(host=at.host, port=at.port, user=at.user)
    asked: dict[str, Literal["ask"] | None] = {key: said.get(key) for key in ("password", "passphrase")}
    return SshEntry(
        host=said.get("host") or name,
        port=said.get("port"),
        user=said.get("user"),
        identity=_identities(said.get("identity"), folder),
        proxy_jump=said.get("proxy_jump"),
        password=asked["password"],
        passphrase=asked["passphrase"],
    )


def _identities(said: Any, folder: Path) -> tuple[str, ...]:
    given = [said] if isinstance(said, str) else list(said or ())
    return tuple(located(one, folder) for one in given)


def _ping(name: str, said: Any) -> PingEntry:
    if said is True:
        return PingEntry(host=name)
    port = said.get("tcp")
    return PingEntry(method="tcp" if port else "icmp", host=said.get("host") or name, port=port)


def rules(said: Values) -> Rules:
    """``rules`` with what is built in where it says nothing."""
    return Rules(
        read_only=tuple(said.get("read_only") or ()),
        type_name=tuple(said.get("type_name") or ()),
        require_why=said.get("require_why") or "destroys",
    )


def wallboard(said: Values) -> Wallboard:
    """``wallboard`` with what is built in where it says nothing."""
    return Wallboard(rotate=float(said.get("rotate") or 15.0), panes=tuple(said.get("panes") or ()))


def witness(said: Values) -> WitnessCopies:
    """``witness`` with what is built in where it says nothing."""
    copies: list[Any] = list(said.get("copy") or ())
    built_in = WitnessCopies()
    return WitnessCopies(
        every=int(said.get("checkpoint_every") or built_in.every),
        journald="journald" in copies,
        nodes=tuple(_node_copy(one) for one in copies if one != "journald"),
    )


def _node_copy(said: Values) -> NodeCopy:
    folder = str(said.get("dir") or "").removeprefix("~/").strip()
    return NodeCopy(node=said["node"], folder=folder) if folder else NodeCopy(node=said["node"])


def built_in(found: Found) -> Inventory:
    """The zero-configuration default: this machine, everything embedded."""
    here = node(HERE, {"local": True}, defaults({}, Path()), frozenset(), Path())
    return Inventory(
        watched=found.candidates,
        digests=("",) * len(found.candidates),
        nodes=MappingProxyType({HERE: here}),
        interval=here.interval,
    )
