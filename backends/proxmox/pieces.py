"""The texts that a cluster is configured with, read and made alike: URLs, fingerprints, sizes, user names.

Each function raises ValueError in an operator's words. Nothing here repeats what may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

SHA256_BYTES = 32
_SIZE = re.compile(r"([1-9][0-9]{0,8})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_MIB_OF = {"M": 1, "G": 1024, "T": 1024 * 1024}
_REALM = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")
_USER = re.compile(r"[^\s:/@!=\x00-\x1f\x7f](?:[^\s:/!=\x00-\x1f\x7f]{0,62}[^\s:/@!=\x00-\x1f\x7f])?")
_TOKEN = re.compile(r"([^\s:/!=]+@[A-Za-z][A-Za-z0-9._-]*)!([A-Za-z][A-Za-z0-9._-]+)=(\S+)")


def url(text: str) -> str:
    """A server's URL as a client wants it: without a path and without a slash at its end."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL: it reads https://10.0.1.10:8006") from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\x00-\x1f\x7f\\]", text):
        raise ValueError("not a URL: it reads https://10.0.1.10:8006")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no login stands in a URL: use token, or user and password")
    if parts.path.rstrip("/") not in {"", "/api2/json"} or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port stand here, such as https://10.0.1.10:8006")
    if port == 0:
        raise ValueError("0 is no port")
    if parts.scheme == "http" and not loopback(host):
        raise ValueError("a token is not sent in the clear: it begins with https://")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}"


def loopback(host: str) -> bool:
    """Whether a host is this machine by name or number: the near end of a tunnel."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fingerprint(text: str) -> str:
    """A certificate's SHA-256 as Proxmox shows it: ``AA:BB:…``, 32 bytes in capitals."""
    bare = re.sub(r"(?i)^sha-?256[:=\s]\s*", "", text.strip())
    if not re.fullmatch(r"[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2})*", bare):
        raise ValueError("not a fingerprint: it reads AA:BB:… with 32 bytes in hexadecimal")
    raw = bytes.fromhex(bare.replace(":", ""))
    if len(raw) != SHA256_BYTES:
        old = ", as SHA-1 has; SHA-256 is wanted" if len(raw) == 20 else ""
        raise ValueError(f"a SHA-256 fingerprint has {SHA256_BYTES} bytes, this has {len(raw)}{old}")
    return raw.hex(":").upper()


def size(said: str | int) -> int:
    """An amount of memory or disk in MiB: ``4096`` is in MiB already, ``512M``, ``20G`` and ``1T`` say theirs."""
    match = _SIZE.fullmatch(str(said).strip())
    unit = match.group(2).upper() if match else "K"
    if match is None or unit == "K":
        raise ValueError("not a size: it reads 4096 (MiB), 512M, 20G or 1T")
    return int(match.group(1)) * _MIB_OF[unit or "M"]


def user(text: str) -> tuple[str, str]:
    """A user taken apart: (name, realm), the realm empty where none is said."""
    name, at, realm = text.rpartition("@")
    if not at:
        name, realm = text, ""
    if not _USER.fullmatch(name) or (at and not _REALM.fullmatch(realm)):
        raise ValueError("not a user: it reads root@pam, or root with realm: pam")
    return name, realm


def check_realm(text: str) -> None:
    """A realm's name."""
    if not _REALM.fullmatch(text):
        raise ValueError("not a realm: it reads pam, pve or the name of one of the cluster's own")


def token_user(text: str) -> str:
    """Whose token it is, ``USER@REALM!TOKENID``, of the whole text with its secret."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise ValueError("a token reads USER@REALM!TOKENID=SECRET")
    return f"{match.group(1)}!{match.group(2)}"
