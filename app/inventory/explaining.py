"""Where each value of a node or cluster comes from: its entry, an import, ssh_config, the defaults, or nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from app.errors import ConfigurationError, QuarterdeckError
from app.inventory import loading, secrets, ssh_config
from app.inventory.document import KeyPath, shown
from app.inventory.loading import Loaded
from app.inventory.model import Inventory, NodeEntry, SshEntry
from app.inventory.pattern import nearest
from app.inventory.ssh_config import Resolved

BUILT_IN = "built in"

Row = tuple[str, str, str]
"""(key, value, where it comes from)."""


def explain(path: Path | None, name: str) -> list[Row]:
    """Every value of one node or cluster and its origin; runs ``ssh -G``, so not from within an event loop."""
    loaded = loading.read(path)
    node = loaded.inventory.nodes.get(name)
    if node is None and name in loaded.inventory.clusters:
        return list(_cluster_rows(loaded, name))
    if node is None:
        near = nearest(name, [*loaded.inventory.nodes, *loaded.inventory.clusters])
        what = f"no {'node or cluster' if loaded.inventory.clusters else 'node'} is called '{name}'"
        hint = f" (nearest valid name: {near})" if near else ""
        raise ConfigurationError(f"{what}{hint}", where=str(loaded.found.file or ""))
    rows = list(_Explained(loaded, node).rows())
    if node.ssh is not None:
        rows += asyncio.run(_reached(loaded, node, node.ssh))
    return rows


class _Explained:
    """One node and the places its values may have come from."""

    def __init__(self, loaded: Loaded, node: NodeEntry) -> None:
        self.loaded = loaded
        self.node = node

    def rows(self) -> Iterator[Row]:
        node = self.node
        if node.fault:
            yield "fault", node.fault, self.of()
        if node.local:
            yield "local", "true", self.of("local")
        if node.ping:
            port = f" port {node.ping.port}" if node.ping.port else ""
            yield "ping", f"{node.ping.method} {node.ping.host}{port}", self.of("ping")
        if node.routes:
            yield "routes", ", ".join(node.routes), self.of("routes")
        for tag in sorted(node.tags):
            yield "tag", tag, self.of_tag(tag)
        yield "sudo", node.sudo.value, self.of("sudo") or self.default("sudo")
        yield "interval", f"{node.interval:g} s", self.of("interval") or self.default("interval")
        for key, (warning, critical) in node.thresholds.items():
            where = self.of("thresholds", key) or self.default("thresholds", key)
            yield f"thresholds.{key}", f"{warning:g}, {critical:g}", where
        for key, cost in node.rate.items():
            yield f"rate.{key}", f"{cost:g}", self.of("rate", key)
        for key in node.extra:
            yield key, "for its own backend", self.of(key)

    def of(self, *inside: str) -> str:
        """Where the entry says it: in hosts.yaml, else in what was imported; empty where neither does."""
        document, name = self.loaded.document, self.node.name
        if document is None:
            return BUILT_IN if not inside or inside == ("local",) else ""
        path: KeyPath = ("nodes", name, *inside)
        if path in document.keys:
            return document.where(path)
        if name in self.loaded.imported:
            file, entry = self.loaded.imported[name]
            spot = entry.spots.get(".".join(inside)) if inside else entry.spot
            if spot is not None:
                return f"{file}:{spot.line}:{spot.column}"
        return ""

    def of_ssh(self, key: str) -> str:
        """Where a part of ``ssh`` is said: at its own key, or in the one text that says them all."""
        document = self.loaded.document
        path: KeyPath = ("nodes", self.node.name, "ssh")
        if document is not None and path in document.keys and (*path, key) not in document.keys:
            imported = self.loaded.imported.get(self.node.name)
            if imported is None or f"ssh.{key}" not in imported[1].spots:
                return document.where(path)
        return self.of("ssh", key) or self.of("ssh") or self.of()

    def of_tag(self, tag: str) -> str:
        """Where a tag is given: in the entry, or by the group of that name."""
        document, name = self.loaded.document, self.node.name
        if document is None:
            return BUILT_IN
        own: list[Any] = self.loaded.own.get(name, {}).get("tags") or []
        if tag in own:
            return document.where(("nodes", name, "tags", own.index(tag)))
        if ("groups", tag) in document.keys:
            return f"{document.where(('groups', tag))} (group)"
        return f"{self.loaded.imported[name][0]} (group)" if name in self.loaded.imported else BUILT_IN

    def default(self, *inside: str) -> str:
        """Where ``defaults`` says it, or that nobody does."""
        document = self.loaded.document
        path: KeyPath = ("defaults", *inside)
        return document.where(path) if document is not None and path in document.keys else BUILT_IN


def _cluster_rows(loaded: Loaded, name: str) -> Iterator[Row]:
    """Every value of a cluster as it is written; of secrets only where they come from."""
    document, faulty = loaded.document, False
    assert document is not None  # a cluster is read from a file
    for mistake in loaded.mistakes:
        if mistake.cluster == name and not mistake.warning:
            faulty = True
            yield "fault", mistake.what, f"{mistake.file}:{mistake.line}:{mistake.column}"
    for path, value in _scalars(loaded.inventory.extra["proxmox"][name], ("proxmox", name)):
        if secrets.secret(path):
            value = secrets.shown(str(value))
        elif faulty:
            value = "…"  # a secret may stand at a key that was misspelt
        yield ".".join(map(str, path[2:])), shown(value, 200), document.where(path)


def _scalars(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    inside: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        inside = list(cast("Mapping[str, Any]", value).items())
    elif isinstance(value, list):
        inside = list(enumerate(cast("list[Any]", value)))
    elif value is not None:
        yield path, value
    for key, one in inside:
        yield from _scalars(one, (*path, key))


async def _reached(loaded: Loaded, node: NodeEntry, entry: SshEntry) -> list[Row]:
    """The way to a node as ``ssh -G`` sees it, each value with its origin."""

    def entry_of(host: str) -> SshEntry | None:
        jump = loaded.inventory.nodes.get(host)
        return jump.ssh if jump is not None else None

    said = _Explained(loaded, node)
    try:
        route = await ssh_config.resolve(entry, loaded.inventory.ssh, entry_of=entry_of)
    except QuarterdeckError as error:
        return [("ssh.host", entry.host, said.of_ssh("host")), ("fault", str(error), "ssh -G")]
    rows = list(_ssh_rows(said, loaded.inventory, route.target))
    chain = _origin(said, loaded.inventory, "proxy_jump", route.target.origin.get("proxyjump", ""))
    for number, hop in enumerate(route.hops[:-1], 1):
        own = f"node {hop.alias}" if entry_of(hop.alias) is not None else chain
        rows.append((f"ssh.hop {number}", f"{hop.user}@{hop.address}", own))
    return rows


_SAID_AS: Mapping[str, str] = {"proxyjump": "proxy_jump", "proxycommand": "proxy_command"}


def _ssh_rows(said: _Explained, inventory: Inventory, target: Resolved) -> Iterator[Row]:
    values = {
        "host": target.host,
        "port": str(target.port),
        "user": target.user,
        "identity": ", ".join(map(str, target.identity_files)) or "none",
        "proxyjump": ",".join(target.proxy_jump),
        "proxycommand": target.proxy_command or "",
        "known_hosts": ", ".join(map(str, target.user_known_hosts)),
        "connect_timeout": f"{target.connect_timeout:g} s",
    }
    for key, value in values.items():
        if value:
            name = _SAID_AS.get(key, key)
            yield f"ssh.{name}", value, _origin(said, inventory, name, target.origin.get(key, ""))
    for key, asked in (("password", target.password), ("passphrase", target.passphrase)):
        if asked:
            yield f"ssh.{key}", "ask", said.of_ssh(key)


def _origin(said: _Explained, inventory: Inventory, key: str, origin: str) -> str:
    if origin == ssh_config.ENTRY:
        return said.of_ssh(key)
    if origin == ssh_config.CONFIG:
        return _config_file(inventory)
    if origin == ssh_config.DEFAULTS:
        where = said.default("ssh", key)
        return f"defaults.ssh ({where})" if where != BUILT_IN else BUILT_IN
    return f"{BUILT_IN} (OpenSSH)"


def _config_file(inventory: Inventory) -> str:
    return f"{inventory.ssh.config or '~/.ssh/config'} (ssh -G)"
