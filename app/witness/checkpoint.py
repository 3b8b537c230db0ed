"""Signed statements of how long a chain was and how it ended, against cutting its end off.

A checkpoint proves something only to somebody who keeps a copy where the log's owner cannot reach it: on the same
disk, whoever can rewrite the log can sign anew as well. One line of ``checkpoints.jsonl`` each::

    {"origin":"ops@hp","size":4000,"head":"<64 hex>","time":"…","key":"<16 hex>","signature":"<128 hex>"}

``key`` is the beginning of the SHA-256 of the public key; the Ed25519 signature covers the bytes before
``,"signature"``. The cryptography library is imported when the first one is signed or checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from app.errors import WitnessError
from app.witness.entry import Unreadable, stamp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE = "checkpoints.jsonl"
PRIVATE = "checkpoint.key"
PUBLIC = "checkpoint.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One signed statement."""

    origin: str
    """Which chain: ``operator@host``."""
    size: int
    """How many entries the chain had, which is the number of the last one."""
    head: str
    """The hash of that entry."""
    time: str
    key: str
    signature: str

    def body(self) -> bytes:
        """The bytes that are signed."""
        values = {"origin": self.origin, "size": self.size, "head": self.head, "time": self.time, "key": self.key}
        return json.dumps(values, separators=(",", ":")).encode("ascii")[:-1]

    def line(self) -> str:
        """The statement as one line of JSON without a line break: what is kept and what is copied elsewhere."""
        return f'{self.body().decode("ascii")},"signature":"{self.signature}"}}'


def parse(line: bytes) -> Checkpoint:
    """The checkpoint a line holds, unchecked. Raises Unreadable."""
    try:
        raw: object = json.loads(line)
        values = cast("dict[str, Any]", raw)
        found = Checkpoint(**{name: values[name] for name in ("origin", "size", "head", "time", "key", "signature")})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"not a checkpoint: {error}") from None
    texts = (found.origin, found.head, found.time, found.key, found.signature)
    if not isinstance(cast("object", found.size), int) or not all(isinstance(cast("object", t), str) for t in texts):
        raise Unreadable("not a checkpoint: wrong types")
    return found


def sign(chain: Path, *, origin: str, size: int, head: str) -> Checkpoint:
    """Sign the chain's present end and append the statement; call it under the chain's lock.

    The private key is made on first use. Raises WitnessError where others can read it, OSError where the disk is full.
    """
    key = _private_key(chain)
    name = _name(key.public_key())
    unsigned = Checkpoint(origin=origin, size=size, head=head, time=stamp(), key=name, signature="")
    signed = replace(unsigned, signature=key.sign(unsigned.body()).hex())
    _append(chain / FILE, signed.line().encode("ascii") + b"\n")
    return signed


def is_signed(checkpoint: Checkpoint, key: Ed25519PublicKey) -> bool:
    """Whether the signature is that of this key over exactly this statement."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(checkpoint.signature), checkpoint.body())
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.key == _name(key)


def public_key(path: Path) -> Ed25519PublicKey | None:
    """The public key kept in a file, or ``None`` where the file is missing or holds none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def stored(path: Path) -> tuple[list[Checkpoint], list[tuple[int, str]]]:
    """The checkpoints of a file, and what could not be read: (line number, reason).

    An unfinished last line is left out: its writing was cut short. A missing file holds none.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise WitnessError(f"the checkpoints cannot be read: {error.strerror}", where=str(path)) from error
    good: list[Checkpoint] = []
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            good.append(parse(line))
        except Unreadable as error:
            bad.append((number, str(error)))
    return good, bad


def latest(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """The one that covers most entries."""
    return max(checkpoints, key=lambda each: each.size, default=None)


def _name(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _private_key(chain: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = chain / PRIVATE
    if not path.exists():
        return _new_key(chain)
    if path.stat().st_mode & 0o077:
        raise WitnessError(
            "the key that signs checkpoints can be read by others", where=str(path), todo=f"chmod 600 '{path}'"
        )
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise WitnessError(
            "holds no Ed25519 key", where=str(path), todo="restore it, or move it aside to begin with a new one"
        )
    return key


def _new_key(chain: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The public half first: a private key on disk is never without it.
    for name, data in ((PUBLIC, public), (PRIVATE, private)):
        draft = chain / f"{name}.new"
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(chain / name)
    return key


def _append(path: Path, line: bytes) -> None:
    """Add a whole line or nothing; one that was cut short earlier is replaced."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        end = os.fstat(fd).st_size
        start = max(0, end - 4096)
        tail = os.pread(fd, end - start, start)
        end = start + tail.rfind(b"\n") + 1
        try:
            os.ftruncate(fd, end)
            if os.pwrite(fd, line, end) != len(line):
                raise OSError(28, "No space left on device")  # the system takes part of a line only when it is full
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, end)
            raise
    finally:
        os.close(fd)
