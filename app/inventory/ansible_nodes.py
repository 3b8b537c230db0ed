"""Ansible's variables of a host as the entry that hosts.yaml would have for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from app.inventory import address
from app.inventory.ansible import Imported, Variable
from app.inventory.document import Spot, shown

_YES = {"true", "yes", "on", "1", "y", "t"}
_HOST = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_PASSWORD = ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass")
_SUDO_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
_JUMP = re.compile(r"""(?:^|\s)(?:-J\s*|-o\s*["']?ProxyJump[=\s])["']?([^\s"']+)""")


@dataclass(slots=True)
class ImportedNode:
    """One host as an entry of hosts.yaml, and where each of its values stands."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    spots: dict[str, Spot] = field(default_factory=dict[str, Spot])
    """By dotted key: ``ssh.port``."""
    spot: Spot = field(default_factory=lambda: Spot(1, 1))


def nodes(imported: Imported) -> dict[str, ImportedNode]:
    """Every host of an inventory as an entry; what cannot be read is noted as a mistake of that host."""
    groups: dict[str, list[str]] = {host: [] for host in imported.hosts}
    for group, members in imported.groups.items():
        for host in members:
            groups[host].append(group)
    return {host: _node(imported, host, groups[host]) for host in imported.hosts}


def _node(imported: Imported, host: str, groups: list[str]) -> ImportedNode:
    variables = imported.hosts[host]
    made = ImportedNode(spot=imported.spots[host])
    made.values["tags"] = groups
    spelled = _first(variables, ("ansible_connection",))
    if spelled and str(spelled[0]) == "local":
        made.values["local"] = True
        made.spots["local"] = spelled[1]
    else:
        made.values["ssh"] = _ssh(imported, host, made)
    become = _first(variables, ("ansible_become",))
    method = _first(variables, ("ansible_become_method",))
    if become and str(become[0]).lower() in _YES and (method is None or str(method[0]) == "sudo"):
        asked = _first(variables, _SUDO_PASSWORD)
        made.values["sudo"] = "ask" if asked else "nopasswd"
        made.spots["sudo"] = asked[1] if asked else become[1]
    return made


def _ssh(imported: Imported, host: str, made: ImportedNode) -> dict[str, Any]:
    variables = imported.hosts[host]
    found: dict[str, Any] = {"host": host}
    made.spots["ssh.host"] = made.spot
    for key, names in (("host", _HOST), ("port", _PORT), ("user", _USER), ("identity", _KEY)):
        said = _first(variables, names)
        if said is None:
            continue
        text = str(said[0])
        if "{{" in text:
            imported.mistake(said[1], f"{shown(host)}: {names[0]} is a template, and those are not evaluated", host)
            continue
        try:
            found[key] = _checked(key, text)
            made.spots[f"ssh.{key}"] = said[1]
        except ValueError as error:
            imported.mistake(said[1], f"{shown(host)}: {names[0]} '{shown(text)}': {error}", host)
    if "host" in found and "ssh.host" in made.spots and made.spots["ssh.host"] is made.spot:
        try:
            address.check_host(host)
        except ValueError as error:
            imported.mistake(made.spot, f"'{shown(host)}': {error}", host)
    if asked := _first(variables, _PASSWORD):
        found |= {"password": "ask"}
        made.spots["ssh.password"] = asked[1]
    arguments = _first(variables, _ARGUMENTS)
    if arguments and (jump := _JUMP.search(str(arguments[0]))):
        try:
            found["proxy_jump"] = address.check_jump(jump.group(1))
            made.spots["ssh.proxy_jump"] = arguments[1]
        except ValueError as error:
            imported.mistake(arguments[1], f"{shown(host)}: the jump host '{shown(jump.group(1))}': {error}", host)
    return found


def _checked(key: str, text: str) -> str | int:
    if key == "port":
        return address.check_port(text)
    if key == "host":
        return address.check_host(text)
    if key == "user":
        return address.check_user(text)
    return text


def _first(variables: dict[str, Variable], names: tuple[str, ...]) -> Variable | None:
    return next((variables[name] for name in names if name in variables), None)
