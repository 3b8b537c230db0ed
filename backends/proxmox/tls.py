"""How a server proves that it is the one: by a CA's signature, or by showing exactly the certificate that was pinned.

A pin is checked at the end of each handshake, on the very connection that is then used and before one byte of a request
is written to it; so a login is never shown to whoever answers in the server's place, on a later connection either.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.column import clean
from app.errors import ConfigurationError, TimedOut, Unreachable
from app.link import LinkCost
from backends.proxmox.failures import NotProxmox

if TYPE_CHECKING:
    from cryptography import x509

PORT = 8006
"""Where Proxmox VE listens unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate as it was shown; texts come from outside and are cleaned already."""

    fingerprint: str
    """SHA-256, as Proxmox shows it: ``AA:BB:…``."""
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    """In UTC, as all dates here."""
    not_after: datetime | None = None
    names: tuple[str, ...] = ()
    """The host names and addresses that it stands for."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What makes a server believed: pinned certificates where there are any, else signatures."""

    fingerprints: tuple[str, ...] = ()
    configured: bool = True
    """The pins stand in hosts.yaml; False: ``vm trust`` wrote them down."""
    ends: datetime | None = None
    """When the pinned certificate does, UTC, where that is known."""
    ca: Path | None = None
    """Of whom signatures count; ``None`` for whom the system trusts."""


class WrongPin(ssl.SSLCertVerificationError):
    """The certificate shown is not a pinned one."""

    def __init__(self, seen: str) -> None:
        super().__init__(1, "the certificate is not the pinned one")
        self.seen = seen
        """Its fingerprint."""


def fingerprint_of(der: bytes) -> str:
    """SHA-256 of a certificate, ``AA:BB:…``."""
    return hashlib.sha256(der).digest().hex(":").upper()


def context_for(trust: Trust, cost: LinkCost) -> ssl.SSLContext:
    """A TLS context that lets only whom ``trust`` means through, and counts what passes. Reads files: not on the loop.

    Raises ConfigurationError for a CA file that cannot be read.
    """
    if trust.fingerprints:
        context = _unchecked()
    else:
        try:
            context = ssl.create_default_context(cafile=str(trust.ca) if trust.ca else None)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or "not a certificate in PEM form"
            raise ConfigurationError(f"the CA file cannot be read: {why}", where=str(trust.ca)) from None
        if trust.ca is not None:
            # The CA that a Proxmox cluster makes for itself lacks extensions that newer Pythons insist on; naming its
            # file is what it is believed by.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.sslobject_class = _checking(frozenset(trust.fingerprints), cost)
    return context


def _unchecked() -> ssl.SSLContext:
    """Encrypts, and believes everybody: whoever uses it looks at the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _checking(pins: frozenset[str], cost: LinkCost) -> type[ssl.SSLObject]:
    """Both asyncio and anyio make their TLS objects of the context's ``sslobject_class``: here is where all pass."""

    class Checking(ssl.SSLObject):
        """One connection's TLS: refuses all but the pinned certificates, where there are pins."""

        def do_handshake(self) -> None:
            super().do_handshake()
            if pins:
                seen = fingerprint_of(self.getpeercert(binary_form=True) or b"")
                if seen not in pins:
                    raise WrongPin(seen)
            cost.connects += 1

        def read(self, len: int = 1024, buffer: Any = None) -> Any:
            got = super().read(len, buffer)
            cost.bytes_in += got if isinstance(got, int) else got.__len__()  # ``len`` is a parameter here
            return got

        def write(self, data: Any) -> int:
            sent = super().write(data)
            cost.bytes_out += sent
            return sent

    return Checking


async def seen_certificate(url: str, *, within: float = 10.0) -> Certificate:
    """What the server at a URL shows to anybody; nothing is believed and nothing is sent to it.

    Raises Unreachable, TimedOut after ``within`` seconds, and NotProxmox where nobody speaks TLS.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORT
    where = f"{host}:{port}"
    if parts.scheme != "https":
        raise ConfigurationError("only a server at https:// shows a certificate", where=where)
    try:
        async with asyncio.timeout(within):
            # The host's name is sent, as the client itself does: behind a proxy it decides who answers.
            _, writer = await asyncio.open_connection(host, port, ssl=_unchecked(), server_hostname=host)
    except TimeoutError:
        raise TimedOut(f"no answer within {within:g} s", where=where) from None
    except ssl.SSLError as error:
        raise NotProxmox(
            f"nobody speaks TLS there ({clean(error.reason or 'no reason given')})",
            where=where,
            todo="check url in hosts.yaml: Proxmox VE listens at https://HOST:8006",
        ) from None
    except OSError as error:
        raise Unreachable(why_not(error), where=where, todo="check url in hosts.yaml, and whether it is up") from None
    try:
        shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return await asyncio.to_thread(certificate_of, shown.getpeercert(binary_form=True) or b"")
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


def why_not(error: OSError) -> str:
    """Why a connection could not be made, in words."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if type(error).__name__ == "gaierror":
        return "its name is not known"
    return clean(error.strerror or str(error)).lower() or "no connection"


def certificate_of(der: bytes) -> Certificate:
    """A certificate taken apart; one that cannot be read still has its fingerprint."""
    from cryptography import x509

    shown = fingerprint_of(der)
    try:
        parsed = x509.load_der_x509_certificate(der)
        return Certificate(
            fingerprint=shown,
            subject=clean(parsed.subject.rfc4514_string()),
            issuer=clean(parsed.issuer.rfc4514_string()),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            names=_names(parsed),
        )
    except (ValueError, TypeError):
        return Certificate(shown)


def _names(parsed: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        said = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    known = [one for one in said if isinstance(one, x509.DNSName | x509.IPAddress)]
    return tuple(clean(str(one.value)) for one in known)
