"""Names and ``user@host:port``, strictly: what passes is safe as an argument of ``ssh`` and as part of an id."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOST = re.compile(r"[^\s@/\[\],'\"`$&|;<>(){}\\!*?#\x00-\x1f\x7f]{1,255}")
_USER = re.compile(r"[^\s:/\[\],'\"`$&|;<>(){}!*?#\x00-\x1f\x7f]{1,64}")
_NAME = re.compile(r"\w[\w.:-]{0,119}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect to, and as whom; ``None`` leaves a part to others."""

    host: str
    """A name, an ssh_config alias, or an address without brackets."""
    port: int | None = None
    user: str | None = None


def parse(text: str) -> Address:
    """Read ``host``, ``host:port``, ``user@host``, ``[::1]:22``, ``::1`` or ``ssh://…``; raises ValueError in words."""
    rest = text.strip().removeprefix("ssh://")
    user: str | None = None
    if "@" in rest:
        user, _, rest = rest.rpartition("@")
        check_user(user)
    host, port = rest, ""
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        if not closed:
            raise ValueError("the bracket of the IPv6 address is not closed")
        if port and not port.startswith(":"):
            raise ValueError("behind the ] of an IPv6 address only :PORT may follow")
        if not port or port[1:]:
            port = port[1:]
        else:
            raise ValueError("the port behind the colon is missing")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
        if not port:
            raise ValueError("the port behind the colon is missing")
    check_host(host)
    return Address(host, check_port(port) if port else None, user)


def check_host(host: str) -> str:
    """A host name, alias or address; raises ValueError in words."""
    if not host:
        raise ValueError("the host is missing")
    if host.startswith("-"):
        raise ValueError("a host must not begin with a dash")
    if host.count(":") == 1:
        raise ValueError("a host holds no port; it stands behind a colon in user@host:port or under port")
    if not _HOST.fullmatch(host):
        raise ValueError("a host must not hold blanks or any of / @ [ ] and the shell's special characters")
    return host


def check_user(user: str) -> str:
    """A login name; raises ValueError in words."""
    if not user:
        raise ValueError("the user before the @ is missing")
    if user.startswith("-"):
        raise ValueError("a user must not begin with a dash")
    if not _USER.fullmatch(user):
        raise ValueError("a user must not hold blanks, colons or the shell's special characters")
    return user


def check_port(text: str) -> int:
    """A port, 1 to 65535; raises ValueError in words."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)


def check_jump(text: str) -> str:
    """A chain of jump hosts as ``ssh -J`` takes it, or ``none``; raises ValueError in words."""
    for hop in text.split(","):
        parse(hop)
    return text


def check_name(name: str) -> str:
    """A node, group or tag: no blanks, commas, slashes or globs, which patterns and ids give a meaning."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name is made of letters, digits, dots, dashes and underscores, and begins with none of . -")
    return name
