"""What the servers of a cluster show now, beside what is believed of them: what ``vm trust`` puts to an operator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.errors import QuarterdeckError
from backends.proxmox.cluster import Cluster
from backends.proxmox.known import KnownCertificates
from backends.proxmox.tls import Certificate, seen_certificate


@dataclass(frozen=True, slots=True)
class Shown:
    """One URL: the certificate there, and the pins that count for it."""

    url: str
    certificate: Certificate | None
    """``None`` where none could be seen; ``error`` says why."""
    pinned: tuple[str, ...] = ()
    """Fingerprints; none where signatures count."""
    configured: bool = False
    """The pins stand in hosts.yaml, where only an operator changes them: pinning another one would have no effect."""
    error: QuarterdeckError | None = None

    @property
    def believed(self) -> bool:
        """It is a pinned one already."""
        return self.certificate is not None and self.certificate.fingerprint in self.pinned


async def shown_by(cluster: Cluster, known: KnownCertificates, *, within: float = 10.0) -> tuple[Shown, ...]:
    """All URLs of a cluster at once, in their order; one that does not answer carries its error. Sends nothing.

    Pin one with ``known.pin(cluster.name, shown.url, shown.certificate)``: exactly what was put to the operator.
    """
    return tuple(await asyncio.gather(*(_one(cluster, url, known, within) for url in cluster.urls)))


async def _one(cluster: Cluster, url: str, known: KnownCertificates, within: float) -> Shown:
    trust = known.trust(cluster, url)
    configured = bool(cluster.fingerprints)
    try:
        return Shown(url, await seen_certificate(url, within=within), trust.fingerprints, configured)
    except QuarterdeckError as error:
        return Shown(url, None, trust.fingerprints, configured, error)
