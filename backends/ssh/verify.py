"""Strict host keys: what known_hosts says of an offered key, turned into words an operator can act on."""

from __future__ import annotations

from app.errors import ChangedHostKey, HostKeyError, RevokedHostKey, UnknownHostKey
from app.inventory.ssh_config import Resolved
from backends.ssh import hostkeys
from backends.ssh.hostkeys import Finding, KnownHosts, Standing, fingerprint


def _label(hop: Resolved) -> str:
    return f"{hop.address} (as {hop.host_key_alias})" if hop.host_key_alias else hop.address


def _trust(node: str) -> str:
    return f"quarterdeck node trust {node}"


def _asides(finding: Finding) -> str:
    return f" ({'; '.join(finding.faults)})" if finding.faults else ""


def key_error(known: KnownHosts, hop: Resolved, blob: bytes, node: str) -> HostKeyError | None:
    """The error for a key a hop shows, ``None`` when it is trusted."""
    finding = hostkeys.classify(known, hop.known_as, blob, port=hop.port, host="" if hop.host_key_alias else hop.host)
    kind, shown = hostkeys.blob_type(blob), fingerprint(blob)
    where = _label(hop)
    match finding.standing:
        case Standing.TRUSTED:
            return None
        case Standing.REVOKED:
            return RevokedHostKey(
                f"HOST KEY REVOKED: the host shows {kind} {shown}, which {finding.lines[0].place} marks as revoked",
                where=where,
                todo="do not connect; find out who answers there",
            )
        case Standing.CHANGED:
            old = finding.lines[0]
            return ChangedHostKey(
                f"HOST KEY CHANGED: the host shows {kind} {shown}, but {old.place} says {fingerprint(old.blob)};"
                " somebody may be listening in, or the host was installed anew",
                where=where,
                todo=f"check the fingerprint at the host itself, then: {_trust(node)}",
            )
        case Standing.OTHER_TYPE:
            types = ", ".join(finding.known_types)
            return UnknownHostKey(
                f"the host shows a {kind} key {shown}, and only keys of other types are known: {types}"
                + _asides(finding),
                where=where,
                todo=_trust(node),
            )
        case Standing.UNKNOWN:
            return UnknownHostKey(
                f"the host key is unknown: {kind} {shown}{_asides(finding)}", where=where, todo=_trust(node)
            )


def authority_error(known: KnownHosts, hop: Resolved, blob: bytes, node: str) -> HostKeyError | None:
    """The error for the key that signed a hop's certificate, ``None`` when it is trusted."""
    finding = hostkeys.authority(known, hop.known_as, blob)
    shown = f"{hostkeys.blob_type(blob)} {fingerprint(blob)}"
    if finding.standing is Standing.TRUSTED:
        return None
    if finding.standing is Standing.REVOKED:
        return RevokedHostKey(
            f"HOST KEY REVOKED: the certificate is signed by {shown}, which {finding.lines[0].place} marks as revoked",
            where=_label(hop),
            todo="do not connect; find out who answers there",
        )
    return UnknownHostKey(
        f"the host's certificate is signed by an unknown authority: {shown}{_asides(finding)}",
        where=_label(hop),
        todo=_trust(node),
    )
