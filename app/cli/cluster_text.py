"""The clusters of hosts.yaml as ``config show`` tells of them: where their secrets come from, and never the secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.inventory.model import Inventory
    from backends.proxmox.cluster import Cluster


def clusters(inventory: Inventory, state: Path) -> list[dict[str, Any]]:
    """One item for each cluster, in the order of the file; ``state`` is the folder that knows trusted commands."""
    if not inventory.clusters:
        return []
    from backends.proxmox.cluster import clusters_of

    return [_item(cluster, inventory, state) for cluster in clusters_of(inventory)]


def _item(cluster: Cluster, inventory: Inventory, state: Path) -> dict[str, Any]:
    return {
        "id": cluster.name,
        "name": cluster.name,
        "backend": "proxmox",
        "urls": list(cluster.urls),
        "login": None if cluster.fault else cluster.login or "token",
        "secret": None if cluster.fault else _secret(cluster, inventory, state),
        "verified_by": None if cluster.fault else _verified_by(cluster, state),
        "fingerprints": list(cluster.fingerprints),
        "node_map": dict(cluster.node_map),
        "interval": cluster.interval,
        "parallel": cluster.parallel,
        "tags": sorted(cluster.tags),
        "templates": {name: one.vmid for name, one in cluster.templates.items()},
        "networks": {name: one.bridge for name, one in cluster.networks.items()},
        "fault": cluster.fault,
    }


def _verified_by(cluster: Cluster, state: Path) -> str:
    from backends.proxmox.known import KnownCertificates

    if cluster.fingerprints:
        return "fingerprint"
    otherwise = str(cluster.ca) if cluster.ca else "the system's authorities"
    try:
        known = KnownCertificates(state)
        pinned = [url for url in cluster.urls if known.of(cluster.name, url) is not None]
    except ConfigurationError as error:
        return f"{otherwise}; {error}"
    if not pinned:
        return otherwise
    return "vm trust" if len(pinned) == len(cluster.urls) else f"vm trust ({', '.join(pinned)}), else {otherwise}"


def _secret(cluster: Cluster, inventory: Inventory, state: Path) -> str:
    from app.inventory import secrets, trust

    reference = cluster.token or cluster.password or secrets.ASK
    said = secrets.shown(reference)
    if secrets.form(reference) != "cmd" or inventory.path is None:
        return said
    try:
        known = trust.digest(secrets.command(reference), inventory.path) in trust.trusted(state)
    except ConfigurationError:
        known = False
    return said if known else f"{said}, not trusted yet: {secrets.TRUST}"


def table(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The same as rows, the head first."""
    head = ("CLUSTER", "REACHED BY", "LOGIN", "SECRET", "VERIFIED BY", "EVERY", "TAGS", "FAULT")
    return [head, *(_row(item) for item in items)]


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        item["name"],
        ", ".join(item["urls"]),
        item["login"] or "",
        item["secret"] or "",
        item["verified_by"] or "",
        f"{item['interval']:g} s",
        ", ".join(item["tags"]),
        item["fault"] or "",
    )
