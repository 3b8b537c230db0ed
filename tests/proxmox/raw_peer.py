"""A TLS server that answers with exactly the bytes a test gives it, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, in one file, and its fingerprint."""

    file: Path
    fingerprint: str


def make_identity(folder: Path, name: str = "pve1", days: int = 30) -> Identity:
    """A self-signed certificate for 127.0.0.1; the subject is ``name``, whatever is in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{made.serial_number}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return Identity(file, made.fingerprint(hashes.SHA256()).hex(":").upper())


@dataclass
class Asked:
    """One request as it arrived."""

    head: str
    body: bytes

    @property
    def line(self) -> str:
        """``GET /api2/json/version HTTP/1.1``."""
        return self.head.partition("\r\n")[0]

    @property
    def headers(self) -> dict[str, str]:
        """By their names in small letters."""
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:] if line]
        return {name.lower(): value.strip() for name, _, value in lines}


Reply = Callable[[Asked], Awaitable[bytes | None] | bytes | None]
"""A request -> the bytes to answer with; ``None`` closes the connection without a word."""


def answer(
    body: bytes | str, status: str = "200 OK", type: str = "application/json;charset=UTF-8", *, close: bool = False
) -> bytes:
    """An answer as the official server frames it."""
    raw = body.encode() if isinstance(body, str) else body
    kept = "close" if close else "Keep-Alive"
    kind = f"Content-Type: {type}\r\n" if type else ""
    return f"HTTP/1.1 {status}\r\nConnection: {kept}\r\nContent-Length: {len(raw)}\r\n{kind}\r\n".encode() + raw


@dataclass
class RawPeer:
    """Where it listens, and what it has seen."""

    url: str
    asked: list[Asked] = field(default_factory=list[Asked])
    connections: int = 0
    open: int = 0
    most_open: int = 0
    port: int = 0


@asynccontextmanager
async def raw_peer(identity: Identity | None, reply: Reply, *, port: int = 0) -> AsyncGenerator[RawPeer]:
    """Listen on 127.0.0.1 until the block ends. Answers that say ``Connection: close`` end their connection.

    Without an identity it speaks HTTP in the clear.
    """
    context = None
    if identity is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(identity.file)
    peer = RawPeer("")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        peer.open += 1
        peer.most_open = max(peer.most_open, peer.open)
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"\x16":  # TLS where none is spoken: answered as web servers do
                    writer.write(answer("", "400 Bad Request", close=True))
                    return
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                asked = Asked(head, b"")
                asked.body = await reader.readexactly(int(asked.headers.get("content-length", "0")))
                peer.asked.append(asked)
                made = reply(asked)
                said = made if isinstance(made, bytes) or made is None else await made
                if said is None:
                    return
                writer.write(said)
                await writer.drain()
                if b"\r\nconnection: close" in said[:2000].lower():
                    return
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ssl.SSLError):
            return
        except asyncio.CancelledError:
            writer.transport.abort()  # a client that keeps its connection would be waited for
            raise
        finally:
            peer.open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await writer.wait_closed()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the block has ended
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(held, "127.0.0.1", port, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    peer.url = f"{'https' if context else 'http'}://127.0.0.1:{peer.port}"
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tuple(tasks), return_exceptions=True)
        await server.wait_closed()
