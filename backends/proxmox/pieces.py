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


def ip_config(text: str) -> str:
    """A first address as cloud-init takes it: ``dhcp``, or ``10.0.0.5/24,gw=10.0.0.1`` with or without the gateway."""
    if text == "dhcp":
        return text
    address, _, rest = text.partition(",")
    try:
        inside = ipaddress.ip_interface(address)
    except ValueError:
        inside = None
    if inside is None or "/" not in address:
        raise ValueError("neither dhcp nor an address with its prefix: it reads 10.0.0.5/24,gw=10.0.0.1")
    gateway = rest.strip().removeprefix("gw=")
    if not gateway:
        return address
    try:
        within = ipaddress.ip_address(gateway) in inside.network
    except ValueError:
        raise ValueError("the gateway is no address: it reads 10.0.0.5/24,gw=10.0.0.1") from None
    if not within:
        raise ValueError(f"the gateway is outside of {inside.network}")
    return f"{address},gw={gateway}"


def check_network(text: str) -> None:
    """A network in CIDR notation."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not a network: it reads 10.20.0.0/24") from None
    if str(network) != text and "/" in text:
        raise ValueError(f"an address, not a network: the network is {network}")


def check_peers(text: str) -> None:
    """Addresses, networks, ranges and names of address sets, separated by commas, as the firewall takes them."""
    for part in text.split(","):
        ends = part.split("-") if re.match(r"[0-9.]+-[0-9.]+\Z", part) else [part]
        for end in ends:
            if re.fullmatch(r"\+?[A-Za-z][A-Za-z0-9_./-]*", end):
                continue
            try:
                ipaddress.ip_network(end, strict=False)
            except ValueError:
                raise ValueError("neither an address, a network nor a set: it reads 10.20.0.0/24 or +trusted") from None


def check_ports(text: str) -> None:
    """Ports, ranges and names of services, separated by commas, as the firewall takes them."""
    for part in text.split(","):
        ends = part.split(":")
        if len(ends) > 2 or not all(re.fullmatch(r"[0-9]{1,5}|[a-z][a-z0-9-]*", end) for end in ends):
            raise ValueError("not ports: it reads 22, 80,443 or 8000:8010")
        numbers = [int(end) for end in ends if end.isdigit()]
        if any(number > 65535 for number in numbers) or numbers != sorted(numbers):
            raise ValueError("ports go from 0 to 65535, the lower end of a range first")


def checksum(text: str) -> str:
    """An image's SHA-256 in small hexadecimal letters."""
    bare = text.removeprefix("sha256:").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", bare):
        raise ValueError("a SHA-256 checksum has 64 hexadecimal digits")
    return bare


def check_image(text: str) -> None:
    """Where a cloud image comes from: a URL, or what a storage holds already among its imports."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*:import/[^\s/]+\.(?:qcow2|raw|vmdk)", text, re.IGNORECASE):
        return
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*:[a-z]+/\S*", text):
        raise ValueError("Proxmox makes disks of a storage's imports alone (.qcow2, .raw, .vmdk): local:import/x.qcow2")
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = None
    if parts is not None and parts.username is not None:
        raise ValueError("no login stands in a URL")
    named = parts is not None and parts.scheme in {"http", "https"} and parts.hostname and parts.path.strip("/")
    if not named or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("neither the URL of an image nor one on a storage: local:import/x.qcow2")


def check_public_key(text: str) -> None:
    """A public key as ``authorized_keys`` has it, or a reference to one."""
    if text.startswith(("file:", "cmd:")) or "${" in text:
        return
    if "PRIVATE KEY" in text:
        raise ValueError("a private key: the public one is wanted, which ends in .pub")
    if not re.fullmatch(r"(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/=]+(?: [^\x00-\x1f\x7f]*)?", text.strip()):
        raise ValueError("not a public key: it reads ssh-ed25519 AAAA… or file:~/.ssh/id_ed25519.pub")
