"""Believing a cluster's certificate: ``trust``. It is shown first, and kept only if it is still the same then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from app.column import clean
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.proxmox.cluster import Cluster, cluster_of
from backends.proxmox.failures import ChangedCertificate
from backends.proxmox.known import KnownCertificates
from backends.proxmox.tls import Certificate, seen_certificate
from backends.proxmox.verbs.acting import Acting


@dataclass(frozen=True, slots=True)
class _Shown:
    """What one URL shows."""

    url: str
    certificate: Certificate


class TrustVerbs(Acting):
    """Whom we talk to."""

    async def trust(self, cluster: str) -> Plan:
        """Show the certificate a cluster presents, and keep its fingerprint as the one to expect."""
        try:
            meant = cluster_of(self.context.inventory(), cluster)
        except Missing as error:
            raise ConfigurationError(error.what, where=error.where, todo=error.todo) from None
        if meant.fault is not None:
            raise ConfigurationError(meant.fault, where=meant.name)
        known = self._known_certificates()
        shown, away = await _shown(meant)
        if meant.fingerprints:
            return _declared(meant, shown)
        steps: list[Step] = []
        notes: list[str] = []
        for one in shown:
            pin = known.of(meant.name, one.url)
            if pin is not None and pin.fingerprint == one.certificate.fingerprint:
                notes.append(f"{one.url}: trusted already")
                continue
            notes += _about(one)
            if pin is not None:
                notes.append(
                    f"{one.url}: another one was trusted until now, {pin.fingerprint}: make sure that it was renewed, "
                    "and that nobody stands in between"
                )
            steps.append(_keeping(meant, one, known))
        return Plan(*steps, notes=[*notes, *away], preconditions=_seen(shown))

    def _known_certificates(self) -> KnownCertificates:
        from backends.proxmox.clusters import clusters

        return self.context.shared(clusters).known


async def _shown(cluster: Cluster) -> tuple[list[_Shown], list[str]]:
    """What each URL of a cluster shows, and which do not answer; raises the error of the first where none does."""
    shown: list[_Shown] = []
    failed: list[QuarterdeckError] = []
    for url in cluster.urls:
        try:
            shown.append(_Shown(url, await seen_certificate(url)))
        except QuarterdeckError as error:
            failed.append(error)
    if not shown and failed:
        raise failed[0]
    return shown, [f"{error.where}: not asked, {error.what}" for error in failed]


def _declared(cluster: Cluster, shown: list[_Shown]) -> Plan:
    """hosts.yaml says which certificate it is to be: nothing else is believed."""
    for one in shown:
        if one.certificate.fingerprint not in cluster.fingerprints:
            raise Refused(
                f"hosts.yaml expects {' or '.join(cluster.fingerprints)}, and {one.url} shows "
                f"{one.certificate.fingerprint}",
                where=cluster.name,
                todo=f"if it was renewed, correct proxmox.{cluster.name}.fingerprint; else somebody is in between",
            )
    return Plan(notes=["hosts.yaml says which certificate to expect, and it is the one shown"])


def _keeping(cluster: Cluster, one: _Shown, known: KnownCertificates) -> Step:
    async def run(report: Report) -> Result:
        now = await seen_certificate(one.url)
        if now.fingerprint != one.certificate.fingerprint:
            raise ChangedCertificate(
                f"it shows another certificate by now: {now.fingerprint}",
                where=one.url,
                todo="somebody may be in between",
            )
        await asyncio.to_thread(known.pin, cluster.name, one.url, now)
        return Result(0, f"{one.url} is trusted by {now.fingerprint}", {"fingerprint": now.fingerprint, "url": one.url})

    return Step(Ref("vm", ""), f"keep SHA-256 {one.certificate.fingerprint} for {one.url}", run)


def _about(one: _Shown) -> list[str]:
    """A certificate in an operator's words, to be compared with what Proxmox shows at its node."""
    seen = one.certificate
    lines = [f"{one.url}: SHA-256 {seen.fingerprint}"]
    if seen.subject:
        lines.append(f"{one.url}: of {clean(seen.subject)}, signed by {clean(seen.issuer)}")
    if seen.not_before is not None and seen.not_after is not None:
        lines.append(f"{one.url}: from {_day(seen.not_before)} to {_day(seen.not_after)}")
    if seen.names:
        lines.append(f"{one.url}: for {clean(', '.join(seen.names))}")
    lines.append("compare it at the node: pvenode cert info, or Node → System → Certificates")
    return lines


def _seen(shown: list[_Shown]) -> list[tuple[str, bool, str]]:
    return [(f"{one.url} shows a certificate", True, one.certificate.fingerprint) for one in shown]


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
