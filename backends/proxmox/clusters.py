"""The configured clusters, each with one client for everybody who wants to talk to it."""

from __future__ import annotations

import asyncio
from functools import partial

from app.backend import Context
from app.inventory.secrets import resolve
from backends.proxmox.client import Client
from backends.proxmox.cluster import Cluster, cluster_of, clusters_of
from backends.proxmox.known import KnownCertificates
from backends.ssh.prompts import Secrets

_CLOSE_S = 5.0


def clusters(context: Context) -> Clusters:
    """The clusters of a context; ask for them by ``context.shared(clusters)``."""
    return Clusters(context)


class Clusters:
    """Makes each cluster's client on first use.

    When a cluster's configuration changes the next ``of`` gives a new client, and the old one hands its calls on to it.
    One of a cluster that is configured no more is of use to those who hold it, and closed with the others.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.known = KnownCertificates(context.state)
        """The certificates that ``vm trust`` pinned."""
        self._passwords = Secrets(context.ask_secret)
        self._clients: dict[str, Client] = {}
        self._retiring: dict[asyncio.Task[None], Client] = {}

    def configured(self) -> tuple[Cluster, ...]:
        """The clusters of hosts.yaml as it stands now, those with mistakes as well."""
        return clusters_of(self._context.inventory())

    def of(self, name: str) -> Client:
        """A cluster's client, not necessarily connected. Raises Missing for a cluster nobody configured."""
        cluster = cluster_of(self._context.inventory(), name)
        known = self._clients.get(name)
        if known is not None and _reached_alike(known.cluster, cluster):
            known.cluster = cluster
            return known
        made = Client(
            cluster,
            resolve=self._resolve,
            passwords=self._passwords,
            trust=partial(self.known.trust, cluster),
            clock=self._context.clock,
        )
        if known is not None:
            self._replace(known, made)
        self._clients[name] = made
        return made

    async def _resolve(self, reference: str) -> str:
        return await resolve(reference, self._context.inventory(), state=self._context.state)

    def _replace(self, client: Client, successor: Client) -> None:
        """Close a client that is of no use any more; a call on its way over it still gets its answer."""
        task = asyncio.get_running_loop().create_task(client.retire(successor))
        self._retiring[task] = client
        task.add_done_callback(lambda task: self._retiring.pop(task, None))

    async def close(self) -> None:
        """End all connections, within some seconds."""
        held = [*self._clients.values(), *self._retiring.values()]
        waited = [*self._retiring]
        self._clients = {}
        for task in waited:
            task.cancel()
        waited += [asyncio.ensure_future(one.close()) for one in held]
        if waited:
            await asyncio.wait(waited, timeout=_CLOSE_S)


def _reached_alike(one: Cluster, other: Cluster) -> bool:
    """Whether two configurations of a cluster are talked to in one way."""
    return _way(one) == _way(other)


def _way(cluster: Cluster) -> tuple[object, ...]:
    return (
        cluster.urls, cluster.token, cluster.user, cluster.realm, cluster.password, cluster.fingerprints, cluster.ca,
        cluster.interval, cluster.fault,
    )  # fmt: skip
