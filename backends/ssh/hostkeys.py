"""Who a host says it is: known_hosts read line by line, an offered key classified, a trusted one added.

The format is that of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. A key is compared as the bytes the server sent, so nothing
here needs a cryptographic library beyond hashing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import fnmatch
import hashlib
import hmac
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from app.errors import Refused

CERTIFICATE = "-cert-v01@openssh.com"


class Standing(Enum):
    """What known_hosts says about an offered key."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    OTHER_TYPE = "only keys of other types are known"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Line:
    """One readable line of a known_hosts file."""

    file: Path
    number: int
    marker: str
    """Empty, ``cert-authority`` or ``revoked``."""
    names: tuple[str, ...]
    """Patterns as written; a single one that starts with ``|1|`` when hashed."""
    type: str
    blob: bytes

    @property
    def place(self) -> str:
        """``FILE:LINE``."""
        return f"{self.file}:{self.number}"


class KnownHosts:
    """The known_hosts files of one host, read; ``faults`` says in words what could not be."""

    def __init__(self, lines: Sequence[Line] = (), faults: Sequence[str] = ()) -> None:
        self.lines = tuple(lines)
        self.faults = tuple(faults)
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        self._found: dict[str, list[Line]] = {}
        for number, line in enumerate(self.lines):
            if any(char in name for name in line.names for char in "*?!|"):
                self._patterns.append(number)
            else:
                for name in line.names:
                    self._exact.setdefault(name.lower(), []).append(number)

    def of(self, name: str) -> list[Line]:
        """The lines that speak of a host, named as in ``Resolved.known_as``, in their order."""
        if name not in self._found:
            matching = [number for number in self._patterns if _matches(self.lines[number].names, name)]
            numbers = sorted({*matching, *self._exact.get(name, ())})
            self._found[name] = [self.lines[number] for number in numbers]
        return self._found[name]


@dataclass(frozen=True, slots=True)
class Finding:
    """An offered key classified, and the lines that led to it."""

    standing: Standing
    lines: tuple[Line, ...] = ()
    known_types: tuple[str, ...] = ()
    faults: tuple[str, ...] = field(default=())


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` as ssh-keygen -l prints it (RFC 4648 base64 without padding, over the key's wire format)."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def blob_type(blob: bytes) -> str:
    """The key type that its wire format begins with; empty when it is no key."""
    length = int.from_bytes(blob[:4], "big")
    name = blob[4 : 4 + length]
    return (
        name.decode("ascii", "replace") if len(name) == length and 0 < length <= 64 and len(blob) > 4 + length else ""
    )


_Stamp = tuple[object, ...]
_read: dict[tuple[Path, ...], tuple[_Stamp, KnownHosts]] = {}


def read(files: Sequence[Path]) -> KnownHosts:
    """Read known_hosts files; those that are missing are empty, lines that are broken are skipped and reported.

    Files that did not change since are not read again: hundreds of hosts share them.
    """
    key = tuple(files)
    stamp = tuple(_stamp(file) for file in key)
    held = _read.get(key)
    if held is None or held[0] != stamp:
        held = _read[key] = (stamp, _parse(key))
    return held[1]


def _stamp(file: Path) -> _Stamp:
    try:
        stat = file.stat()
    except OSError as error:
        return (error.errno,)
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _parse(files: Sequence[Path]) -> KnownHosts:
    lines: list[Line] = []
    faults: list[str] = []
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(f"{file} cannot be read: {error.strerror}")
            continue
        for number, raw in enumerate(data.split(b"\n"), 1):
            text = raw.decode("utf-8", "surrogateescape").strip()
            if not text or text.startswith("#"):
                continue
            try:
                lines.append(_line(file, number, text))
            except ValueError as error:
                faults.append(f"{file}:{number} is broken and was skipped: {error}")
    return KnownHosts(lines, faults)


def _line(file: Path, number: int, text: str) -> Line:
    parts = text.split()
    marker = ""
    if parts[0].startswith("@"):
        marker = parts.pop(0)[1:]
        if marker not in {"cert-authority", "revoked"}:
            raise ValueError("its marker is not known")
    if len(parts) < 3:
        raise ValueError("it has no host, type and key")
    names, kind, encoded = parts[:3]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("its key is not base64") from None
    if blob_type(blob) != kind:
        raise ValueError(f"its key is not of the type {kind[:40]!r} it names")
    if names.startswith("|"):
        _hashed(names)
        return Line(file, number, marker, (names,), kind, blob)
    return Line(file, number, marker, tuple(names.split(",")), kind, blob)


def _hashed(name: str) -> tuple[bytes, bytes]:
    try:
        _, magic, salt, digest = name.split("|")
        if magic != "1":
            raise ValueError
        return base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("its hashed name cannot be read") from None


def _matches(patterns: Sequence[str], name: str) -> bool:
    found = False
    for pattern in patterns:
        if pattern.startswith("|"):
            salt, digest = _hashed(pattern)
            wanted = hmac.new(salt, name.encode("utf-8", "surrogateescape"), "sha1").digest()
            found = found or hmac.compare_digest(wanted, digest)
            continue
        negated = pattern.startswith("!")
        if _glob(pattern.removeprefix("!").lower(), name):
            if negated:
                return False
            found = True
    return found


def _glob(pattern: str, name: str) -> bool:
    """``*`` and ``?`` are wildcards; brackets are not: they stand around hosts with a port."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def classify(known: KnownHosts, name: str, blob: bytes, *, port: int = 22, host: str = "") -> Finding:
    """What known_hosts says about a key a host offers.

    ``name`` is the host as known_hosts would list it. For another port than 22, a line for the bare ``host`` counts
    when it holds this very key, as in OpenSSH; it never makes the key a changed one.
    """
    kind = blob_type(blob)
    lines = known.of(name)
    bare = known.of(host.lower()) if host and port != 22 and host.lower() != name else []
    revoked = [line for line in (*lines, *bare) if line.marker == "revoked" and line.blob == blob]
    if revoked:
        return Finding(Standing.REVOKED, tuple(revoked), faults=known.faults)
    keys = [line for line in lines if not line.marker]
    same = [line for line in (*keys, *bare) if not line.marker and line.blob == blob]
    types = tuple(dict.fromkeys(line.type for line in keys))
    if same:
        return Finding(Standing.TRUSTED, tuple(same), types, known.faults)
    changed = [line for line in keys if line.type == kind]
    if changed:
        return Finding(Standing.CHANGED, tuple(changed), types, known.faults)
    if keys:
        return Finding(Standing.OTHER_TYPE, tuple(keys), types, known.faults)
    return Finding(Standing.UNKNOWN, faults=known.faults)


def authority(known: KnownHosts, name: str, blob: bytes) -> Finding:
    """What known_hosts says about the key that signed a host's certificate."""
    lines = known.of(name)
    revoked = [line for line in lines if line.marker == "revoked" and line.blob == blob]
    if revoked:
        return Finding(Standing.REVOKED, tuple(revoked), faults=known.faults)
    trusted = [line for line in lines if line.marker == "cert-authority" and line.blob == blob]
    return Finding(Standing.TRUSTED if trusted else Standing.UNKNOWN, tuple(trusted), faults=known.faults)


def has_authority(known: KnownHosts, name: str) -> bool:
    """Whether certificates of this host can be trusted at all."""
    return any(line.marker == "cert-authority" for line in known.of(name))


SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Algorithms to ask for where the name of the key type is none to ask for (RFC 8332)."""


def preferred_algorithms(known: KnownHosts, name: str, offered: Sequence[str]) -> list[str]:
    """``offered`` ordered as OpenSSH orders it: what is known of this host first, so that it shows a key we know.

    Certificates stand first where an authority is trusted for the host and are left out elsewhere.
    """
    types = {line.type for line in known.of(name) if not line.marker}
    wanted = {algorithm for kind in types for algorithm in SIGNATURES.get(kind, (kind,))}
    certificates = [one for one in offered if one.endswith(CERTIFICATE)] if has_authority(known, name) else []
    plain = [one for one in offered if not one.endswith(CERTIFICATE)]
    first = [one for one in plain if one in wanted]
    return [*certificates, *first, *(one for one in plain if one not in wanted)]


def add_known_host(file: Path, name: str, blob: bytes, *, replace: Sequence[Line] = ()) -> None:
    """Add a key under a name (``Resolved.known_as``) to a known_hosts file, keeping everything else in it.

    The file is made with mode 0600 where it is missing. ``replace`` are the lines of a changed key that the operator
    has confirmed: the name is taken out of them in the same write; a line that names other hosts too keeps those.
    Raises Refused where such a line is a pattern, stands in another file or changed meanwhile.
    """
    line = f"{name} {blob_type(blob)} {base64.b64encode(blob).decode()}\n".encode()
    file = file.expanduser()
    file = Path(os.path.realpath(file))  # people link it into a repository of theirs
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if replace:
            _rewrite(file, name, line, replace)
            return
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        # One write in append mode: ssh itself and other programs may be adding to the same file.
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rewrite(file: Path, name: str, line: bytes, replace: Sequence[Line]) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    for old in replace:
        if os.path.realpath(old.file) != str(file):
            raise Refused("the old key stands in another file", where=old.place, todo="take the line out by hand")
        raw = lines[old.number - 1] if old.number <= len(lines) else b""
        try:
            now = _line(old.file, old.number, raw.decode("utf-8", "surrogateescape").strip() or "-")
        except ValueError:
            now = None
        if now != old:
            raise Refused("the file changed meanwhile", where=old.place, todo="look again")
        rest = [one for one in old.names if one.lower() != name]
        if len(rest) == len(old.names) and not old.names[0].startswith("|"):
            raise Refused("the old key is listed by a pattern", where=old.place, todo="change the line by hand")
        if old.names[0].startswith("|") or not rest:
            lines[old.number - 1] = b""
        else:
            names = ",".join(old.names).encode("utf-8", "surrogateescape")
            lines[old.number - 1] = raw.replace(names, ",".join(rest).encode("utf-8", "surrogateescape"), 1)
    text = b"".join(lines)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    descriptor, temporary = tempfile.mkstemp(prefix=".known_hosts-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(descriptor, file.stat().st_mode & 0o777)
            out.write(text + line)
            out.flush()
            os.fsync(descriptor)
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
