"""cloud-init's own files on a Proxmox node, written over the SSH connection to that node.

The API takes no snippets: ``upload`` and ``download-url`` know iso, vztmpl and import (schemas of 8.4 and 9.1), and a
guest's agent, which could be told otherwise, is not in the usual cloud images yet. So a template that installs
something needs the node to be a node of hosts.yaml as well (``node_map``), where we are root or become it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from app.column import clean
from app.errors import Refused, Unsupported
from app.inventory.model import Inventory, Sudo
from app.link import Link

WITHIN_S = 60.0


def volume(storage: str, name: str) -> str:
    """What ``cicustom`` calls a file: ``local:snippets/quarterdeck-hub.yaml``."""
    return f"{storage}:snippets/{name}"


def node_of(node: str, node_map: Mapping[str, str], inventory: Inventory) -> str | None:
    """The node of hosts.yaml that a Proxmox node is; ``None`` where nobody said."""
    found = node_map.get(node)
    return found if found in inventory.nodes else None


def _place(snippet: str) -> str:
    return f"path=$(pvesm path {shlex.quote(snippet)}) && "


def writing(snippet: str) -> str:
    """The command that writes standard input to a snippet; a torn one never stands under its name."""
    return f'{_place(snippet)}mkdir -p -- "${{path%/*}}" && umask 022 && cat > "$path.new" && mv -- "$path.new" "$path"'


def removing(snippet: str) -> str:
    """The command that removes one."""
    return f'{_place(snippet)}rm -f -- "$path"'


def as_root(command: str, sudo: Sudo) -> str:
    """The command with the rights it needs: as it is for root, else through a sudo that asks for nothing."""
    if sudo is not Sudo.NOPASSWD:
        return command
    return f'if [ "$(id -u)" = 0 ]; then {command}; else sudo -n -- sh -c {shlex.quote(command)}; fi'


async def run(link: Link, command: str, sudo: Sudo, *, content: str | None = None) -> None:
    """Run one of the two; raises Unsupported where we are not root there, Refused with the node's own words."""
    said = content.encode() if content is not None else None
    done = await link.run(as_root(command, sudo), input=said, timeout=WITHIN_S)
    if done.exit_code == 0:
        return
    words = clean(" ".join(done.stderr.decode("utf-8", "replace").split())[-300:]) or f"exit code {done.exit_code}"
    if done.exit_code == 127 or ("pvesm" in words and "not found" in words):
        raise Unsupported("there is no pvesm: that is no Proxmox node, or we are not root there", where=link.node)
    raise Refused(
        f"the snippet could not be handled: {words}",
        where=link.node,
        todo="log in as root there, or set 'sudo: nopasswd' for the node in hosts.yaml",
    )
