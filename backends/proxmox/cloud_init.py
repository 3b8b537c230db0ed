"""cloud-init's settings as Proxmox keeps them: who may log in, and which address a guest has. Pure but for files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any
from urllib.parse import quote

from app.column import clean
from app.errors import ConfigurationError
from app.paths import home

_KEY = re.compile(
    r"(?P<type>ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp\d+|sk-[a-z0-9-]+@openssh\.com) "
    r"(?P<key>[A-Za-z0-9+/]{20,}={0,3})(?: (?P<comment>[^\r\n]*))?"
)
_KEY_FILE_BYTES = 1 << 20
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_MORE = ("gw", "ip6", "gw6")


@dataclass(frozen=True, slots=True)
class Address:
    """What ``ipconfig0`` of a virtual machine says, or ``net0`` of a container: either family, or both."""

    v4: IPv4Interface | str | None = None
    """An address with its network, or ``dhcp``."""
    gw: str | None = None
    v6: IPv6Interface | str | None = None
    """The same, or ``auto`` as well."""
    gw6: str | None = None

    @property
    def parts(self) -> dict[str, str]:
        """``{"ip": "10.0.0.5/24", "gw": "10.0.0.1"}``, as both kinds of guests take them."""
        said = {"ip": self.v4, "gw": self.gw, "ip6": self.v6, "gw6": self.gw6}
        return {key: str(value) for key, value in said.items() if value is not None}

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.parts.items())

    def nth(self, number: int) -> Address:
        """The one that is ``number`` further on; what is asked of DHCP stays as it is.

        Raises ConfigurationError where that is no address of its network any more, or is the gateway's.
        """
        return replace(self, v4=_counted(self.v4, number, self.gw), v6=_counted(self.v6, number, self.gw6))


def address(said: str, *, where: str = "--ip") -> Address:
    """``dhcp``, ``10.0.0.5/24,gw=10.0.0.1`` or Proxmox's own ``ip=…,gw=…,ip6=…,gw6=…``.

    Raises ConfigurationError for anything else.
    """
    first, *rest = (part.strip() for part in said.strip().split(","))
    parts: dict[str, str] = {}
    if "=" not in first:
        key = "ip6" if ":" in first or first == "auto" else "ip"
        parts[key] = first
    else:
        rest.insert(0, first)
    for part in rest:
        key, is_pair, value = part.partition("=")
        if not is_pair or key not in ("ip", *_MORE) or key in parts or not value:
            raise _no_address(said, where)
        if key == "gw" and "ip" not in parts and ":" in value:
            key = "gw6"
        parts[key] = value
    try:
        v4, v6 = _interface(parts.get("ip"), 4), _interface(parts.get("ip6"), 6)
        gw, gw6 = _gateway(parts.get("gw"), v4, 4), _gateway(parts.get("gw6"), v6, 6)
    except ValueError as error:
        raise _no_address(said, where, str(error)) from None
    return Address(
        v4 if not isinstance(v4, IPv6Interface) else None, gw, v6 if not isinstance(v6, IPv4Interface) else None, gw6
    )


def _interface(said: str | None, version: int) -> IPv4Interface | IPv6Interface | str | None:
    if said is None or said == "dhcp" or (version == 6 and said == "auto"):
        return said
    if "/" not in said:
        raise ValueError("its network is missing, such as /24")
    found = ip_interface(said)
    if found.version != version:
        raise ValueError(f"{said} is not of IPv{version}")
    return found


def _gateway(said: str | None, own: IPv4Interface | IPv6Interface | str | None, version: int) -> str | None:
    if said is None:
        return None
    if own is None or isinstance(own, str):
        raise ValueError("a gateway goes with an address, not with dhcp")
    found = ip_address(said)
    if found.version != version:
        raise ValueError(f"{said} is not of IPv{version}")
    if found not in own.network and not found.is_link_local:
        raise ValueError(f"the gateway {said} is not in {own.network}")
    if found == own.ip:
        raise ValueError(f"{said} is the gateway's own address")
    return str(found)


def _no_address(said: str, where: str, why: str = "") -> ConfigurationError:
    what = f"'{clean(said)}' is no address for a guest" + (f": {clean(why)}" if why else "")
    return ConfigurationError(what, where=where, todo="it reads dhcp, or 10.0.0.5/24,gw=10.0.0.1")


def _counted(own: Any, number: int, gateway: str | None) -> Any:
    """An address so many further on in its network."""
    if not isinstance(own, IPv4Interface | IPv6Interface) or not number:
        return own
    network = own.network
    value = int(own.ip) + number
    last = int(network.broadcast_address)
    if network.version == 4 and network.prefixlen < 31:
        last -= 1
    if value > last:
        raise ConfigurationError(
            f"there are not enough addresses behind {own.ip} in {network}",
            where="--ip",
            todo="begin lower, or make fewer",
        )
    found = type(own)((value, network.prefixlen))
    if gateway is not None and found.ip == ip_address(gateway):
        raise ConfigurationError(
            f"counting up from {own.ip} meets the gateway {gateway}", where="--ip", todo="begin behind it"
        )
    return found


def with_address(net: str, wanted: Address) -> str:
    """A container's ``net0`` with another address; what else it says stays."""
    kept = [part for part in net.split(",") if part and part.partition("=")[0] not in ("ip", *_MORE)]
    return ",".join([*kept, str(wanted)])


# -- who may log in


def check_user(user: str) -> str:
    """A login's name; raises ConfigurationError for what Linux takes for none."""
    if not _USER.fullmatch(user):
        todo = "small letters, digits, _ and -, a letter first"
        raise ConfigurationError(f"'{clean(user)}' is no user's name", where="--user", todo=todo)
    return user


def public_keys(said: Iterable[str], *, where: str = "--ssh-key") -> tuple[str, ...]:
    """Public keys, each once, of keys and files of keys. Reads files: not on the loop.

    Raises ConfigurationError for what is neither; a private key is refused and never repeated.
    """
    found: dict[str, None] = {}
    for one in said:
        text = one.strip()
        lines = [text] if _KEY.fullmatch(text) else _read(text, where)
        found.update(dict.fromkeys(lines))
    return tuple(found)


def _read(text: str, where: str) -> list[str]:
    if "PRIVATE KEY" in text or "\n" in text:
        raise ConfigurationError("that is no public key", where=where, todo="give the one that ends in .pub")
    path = home() / text[2:] if text.startswith("~/") else home().__class__(text)
    try:
        with path.open("rb") as file:
            held = file.read(_KEY_FILE_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is neither a public key nor a file"
        raise ConfigurationError(f"'{clean(text[:80])}' cannot be read: {why}", where=where) from None
    if "PRIVATE KEY" in held:
        what = f"{clean(text)} holds a private key"
        raise ConfigurationError(what, where=where, todo=f"give {clean(text)}.pub")
    return keys_in(held, where=clean(text))


def keys_in(text: str, *, where: str) -> list[str]:
    """The public keys of a text, one a line, as ``authorized_keys`` has them; raises ConfigurationError for none."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(lines, 1):
        if not _KEY.fullmatch(line):
            raise ConfigurationError(f"line {number} is no public key", where=where, todo="one key a line")
    if not lines:
        raise ConfigurationError("there is no public key in it", where=where)
    return lines


def sshkeys(keys: Sequence[str]) -> str:
    """The value of ``sshkeys``: keys a line each and percent-encoded, which a form then encodes once more."""
    return quote("\n".join(keys), safe="")


def shown_key(key: str) -> str:
    """A public key for a plan: its type, its end and its comment."""
    found = _KEY.fullmatch(key)
    if found is None:
        return clean(key[:40])
    comment = f" {clean(found['comment'])}" if found["comment"] else ""
    return f"{found['type']} …{found['key'][-12:]}{comment}"


def has_drive(config: Mapping[str, Any]) -> bool:
    """Whether a virtual machine has a drive that cloud-init's settings reach it by."""
    return any("cloudinit" in str(value).split(",", 1)[0] for key, value in config.items() if _CD.fullmatch(key))


_CD = re.compile(r"(?:ide|sata|scsi|virtio)\d+")
