"""hosts.yaml as the operator writes it: strict pydantic models, from which the JSON Schema is drawn as well.

They say what may stand where; what it means together is checked elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from app.inventory.address import check_name
from app.inventory.contributed import Contributed
from app.inventory.model import RESERVED, SHAPES
from app.inventory.pieces import (
    Host,
    Jump,
    Levels,
    Name,
    OneOrMany,
    Pattern,
    Port,
    Seconds,
    Strict,
    Text,
    User,
    Where,
    checked,
    plain,
    shape,
)


class Ssh(Strict):
    """``ssh`` of a node, written out."""

    host: Host | None = Field(None, description="address or ssh_config alias; the node's name where it is left out")
    port: Port | None = None
    user: User | None = None
    identity: OneOrMany | None = Field(None, description="private key file, or several")
    proxy_jump: Jump | None = Field(None, description="user@host:port, several separated by commas, or none")
    password: Literal["ask"] | None = Field(None, description="ask: prompted for, masked, never stored")
    passphrase: Literal["ask"] | None = Field(None, description="ask: prompted for, masked, never stored")


class Ping(Strict):
    """``ping`` of a device without a shell; ICMP unless a TCP port is named."""

    host: Host | None = Field(None, description="the node's name where it is left out")
    tcp: Port | None = Field(None, description="the port that must accept a connection")


Reached = Annotated[Annotated[Where, Tag("text")] | Annotated[Ssh, Tag("mapping")], Discriminator(shape)]
Pinged = Annotated[Annotated[bool, Tag("true or false")] | Annotated[Ping, Tag("mapping")], Discriminator(shape)]


class Thresholds(Strict):
    """From where on a figure is a warning, and critical."""

    cpu: Levels | None = None
    memory: Levels | None = None
    swap: Levels | None = None
    disk: Levels | None = None
    gpu: Levels | None = None


class Node(Strict):
    """One machine."""

    local: bool | None = Field(None, description="this machine itself")
    ssh: Reached | None = Field(None, description="user@host:port, an ssh_config alias, or a mapping")
    ping: Pinged | None = Field(None, description="a device without a login: true, {tcp: PORT}, {host: ADDRESS}")
    routes: list[Where] | None = Field(None, description="addresses tried in order when the first does not answer")
    tags: list[Name] | None = None
    sudo: Literal["none", "nopasswd", "ask"] | None = None
    rate: (
        dict[
            Annotated[str, checked(plain("a rate is called per_something, such as per_hour", "per_[a-z_]+"))],
            Annotated[float, Field(ge=0)],
        ]
        | None
    ) = Field(None, description="cost, such as {per_hour: 0.004}")
    interval: Seconds | None = None
    thresholds: Thresholds | None = None
    docker: Annotated[Any, Contributed("docker")] = None
    stacks: Annotated[Any, Contributed("stacks")] = None
    libvirt: Annotated[Any, Contributed("libvirt")] = None


class SshDefaults(Strict):
    """What holds where neither a node's entry nor ssh_config says anything."""

    user: User | None = None
    port: Port | None = None
    identity: OneOrMany | None = None
    connect_timeout: Annotated[float, Field(gt=0, le=600, description="seconds")] | None = None
    known_hosts: Text | None = None
    config: Text | None = Field(None, description="an ssh_config other than OpenSSH's own")


class Defaults(Strict):
    """What holds for every node that does not say otherwise."""

    ssh: SshDefaults | None = None
    interval: Seconds | None = Field(None, description="seconds between samples")
    thresholds: Thresholds | None = None
    sudo: Literal["none", "nopasswd", "ask"] | None = None


class Import(Strict):
    """A file whose hosts are taken over; read, never rewritten."""

    ansible: Text = Field(description="an Ansible inventory, INI or YAML, relative to hosts.yaml")


class Rules(Strict):
    """What the guard holds operators to."""

    read_only: list[Pattern] | None = Field(None, description="nothing there may be changed")
    type_name: list[Pattern] | None = Field(None, description="there, every change asks for the name to be typed")
    require_why: Literal["never", "destroys", "disrupts", "always"] | None = None


class Wallboard(Strict):
    """What the wallboard shows."""

    rotate: Annotated[float, Field(ge=1, le=86400, description="seconds each pane is shown")] | None = None
    panes: list[Text] | None = None


class CopyNode(Strict):
    """A node that keeps copies of the witness's checkpoints."""

    node: Text = Field(description="a node reached by SSH")
    dir: Annotated[str, checked(plain("a folder's name holds no control characters", r"[^\x00-\x1f\x7f]+"))] | None = (
        Field(None, description="a folder there; relative to the home folder unless it begins with /")
    )


CopyTo = Annotated[
    Annotated[Literal["journald"], Tag("text")] | Annotated[CopyNode, Tag("mapping")], Discriminator(shape)
]


class Witness(Strict):
    """How the log of what was done is guarded against being cut or rewritten."""

    checkpoint_every: Annotated[int, Field(ge=1, le=1_000_000, description="entries between checkpoints")] | None = None
    copies: list[CopyTo] | None = Field(
        None, alias="copy", description="where checkpoints are copied to: journald, {node: NAME, dir: FOLDER}"
    )


_ID = plain("malformed id: it reads noun.verb, such as node.reboot", r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*")
_KEY = plain(
    "not a key: it reads f9, R or ctrl+r, several separated by commas", r"(?![a-z]+\.[a-z])[^\s\x00-\x1f]{1,40}"
)


class File(Strict):
    """hosts.yaml."""

    version: Literal[1] | None = Field(None, description="the version of this format")
    defaults: Defaults | None = None
    nodes: dict[str, Node | None] | None = Field(None, description="name: how to reach it")
    groups: dict[Name, list[Pattern]] | None = Field(None, description="name: nodes; a group's name is a tag of theirs")
    imports: list[Import] | None = Field(None, alias="import")
    rules: Rules | None = None
    keys: dict[Annotated[str, checked(_ID)], Annotated[str, checked(_KEY)]] | None = Field(
        None, description="id of a binding: key"
    )
    theme: Text | None = None
    wallboard: Wallboard | None = None
    witness: Witness | None = None
    proxmox: Annotated[Any, Contributed("proxmox")] = None


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of hosts.yaml, for editors."""
    made = File.model_json_schema()
    others = {name: {"description": f"belongs to the {name} backend"} for name in RESERVED if name not in SHAPES}
    made["properties"] |= others
    made["$defs"]["Node"]["properties"] |= others
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "quarterdeck hosts.yaml"
    return made


__all__ = ["File", "Node", "Strict", "check_name", "json_schema"]
