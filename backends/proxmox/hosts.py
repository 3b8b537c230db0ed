"""``proxmox`` of hosts.yaml: the clusters, how each is reached and logged in to, its templates and its networks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.inventory.pieces import Name, Pattern, Strict, Text, checked, plain, shape
from backends.proxmox import pieces
from backends.proxmox.mistakes import mistakes

_PLAIN = r"[^\x00-\x1f\x7f]+"


def _as_text(value: Any) -> Any:
    """What YAML took for a number, as the text that was written."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _some(said: list[str]) -> list[str]:
    if not said:
        raise PydanticCustomError("words", "{words}", {"words": "names nothing"})
    return said


Url = Annotated[str, checked(pieces.url), Field(description="https://HOST:8006")]
Print = Annotated[str, checked(pieces.fingerprint), Field(description="AA:BB:…, SHA-256 of the certificate")]
Prints = Annotated[
    Annotated[Print, Tag("text")] | Annotated[list[Print], AfterValidator(_some), Tag("list")], Discriminator(shape)
]
PveNode = Annotated[str, checked(plain("not the name of a Proxmox node", r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"))]
Storage = Annotated[str, checked(plain("not the name of a storage, such as local-lvm", r"[A-Za-z][A-Za-z0-9._-]*"))]
Bridge = Annotated[str, checked(plain("not the name of a bridge, such as vmbr0", r"[A-Za-z][A-Za-z0-9._-]{0,14}"))]
GuestTag = Annotated[
    str, checked(plain("a guest's tag holds a-z, 0-9, _, -, + and .", r"[A-Za-z0-9_][A-Za-z0-9_+.-]*"))
]
GuestName = Annotated[
    str,
    checked(
        plain(
            "a guest's name holds letters, digits, - and ., as a host's does",
            r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
        )
    ),
]
Package = Annotated[str, checked(plain("not the name of a package", r"[A-Za-z0-9][A-Za-z0-9+.:_=~/-]*"))]
Login = Annotated[str, checked(plain("not the name of a login", r"[a-z_][a-z0-9_-]{0,31}"))]
Size = Annotated[
    str,
    checked(pieces.size),
    BeforeValidator(_as_text, json_schema_input_type=str | int),
    Field(description="in MiB, or with its unit: 512M, 4G"),
]
Ports = Annotated[
    str,
    checked(pieces.check_ports),
    BeforeValidator(_as_text, json_schema_input_type=str | int),
    Field(description="22, 80,443 or 8000:8010"),
]
Peers = Annotated[str, checked(pieces.check_peers), Field(description="10.20.0.0/24, an address, or +SET")]
Policy = Literal["accept", "drop", "reject", "ACCEPT", "DROP", "REJECT"]
Secret = Annotated[Text, Field(description="${NAME}, file:PATH or cmd:COMMAND")]


class Template(Strict):
    """A template that is made from a cloud image where it is missing."""

    vmid: Annotated[int, Field(ge=100, le=999_999_999)]
    image: Annotated[str, checked(pieces.check_image)] = Field(
        description="a URL, or on a storage: local:import/x.qcow2"
    )
    checksum: Annotated[str, checked(pieces.checksum)] | None = Field(None, description="SHA-256 of the image")
    node: PveNode | None = Field(None, description="the Proxmox node it is made on")
    storage: Storage | None = Field(None, description="where its disk goes")
    bridge: Bridge | None = None
    cores: Annotated[int, Field(ge=1, le=8192)] | None = None
    memory: Size | None = None
    disk: Size | None = None
    user: Login | None = Field(None, description="cloud-init's user")
    ssh_keys: list[Annotated[str, checked(pieces.check_public_key)]] | None = Field(
        None, description="public keys, or references such as file:~/.ssh/id_ed25519.pub"
    )
    packages: list[Package] | None = None
    run: list[Annotated[Text, checked(plain("a command is one line", _PLAIN))]] | None = Field(
        None, description="commands of the first boot"
    )
    ip: Annotated[str, checked(pieces.ip_config)] | None = Field(None, description="dhcp, or 10.0.0.5/24,gw=10.0.0.1")
    agent: bool | None = Field(None, description="install the guest agent and wait for it; true where left out")
    tags: list[GuestTag] | None = None
    notes: str | None = None
    snippets: Storage | None = Field(None, description="the storage that takes cloud-init's user data")
    timeout: Annotated[float, Field(ge=10, le=86400, description="seconds")] | None = None


class Rule(Strict):
    """One rule of the firewall of a network's guests."""

    action: Policy
    direction: Literal["in", "out"]
    proto: Annotated[str, checked(plain("not a protocol, such as tcp, udp or icmp", r"[a-z][a-z0-9-]*"))] | None = None
    dport: Ports | None = None
    sport: Ports | None = None
    source: Peers | None = None
    dest: Peers | None = None
    comment: Annotated[str, checked(plain("a comment is one line", _PLAIN))] | None = None


class Network(Strict):
    """A network whose guests are kept apart."""

    bridge: Bridge
    cidr: Annotated[str, checked(pieces.check_network)] | None = None
    guests: list[Pattern] | None = Field(None, description="patterns, as on the command line")
    policy_in: Policy | None = None
    policy_out: Policy | None = None
    rules: list[Rule] | None = Field(None, description="in their order: what is let through stands before what is not")


class Cluster(Strict):
    """One Proxmox VE cluster, or one server that stands alone."""

    url: Url | None = None
    urls: list[Url] | None = Field(None, description="tried in order when the first does not answer")
    token: Secret | None = Field(None, description="USER@REALM!TOKENID=SECRET, as ${NAME}, file:PATH or cmd:COMMAND")
    user: Annotated[str, checked(pieces.user)] | None = None
    password: Secret | None = Field(None, description="${NAME}, file:PATH, cmd:COMMAND, or ask: typed and not kept")
    realm: Annotated[str, checked(pieces.check_realm)] | None = Field(None, description="pam where it is left out")
    fingerprint: Prints | None = Field(None, description="of the certificates that are accepted")
    ca: Annotated[Text, checked(plain("a path holds no control characters", _PLAIN))] | None = Field(
        None, description="the certificate authority's file, relative to hosts.yaml"
    )
    node_map: dict[PveNode, Text] | None = Field(None, description="Proxmox node: the node of this file that it is")
    interval: Annotated[float, Field(ge=2, le=86400, description="seconds between two looks")] | None = None
    parallel: (
        Annotated[int, Field(ge=1, le=64, description="clones and snapshots side by side on a storage")] | None
    ) = None
    tags: list[Name] | None = None
    templates: dict[GuestName, Template] | None = None
    networks: dict[Name, Network] | None = None


Proxmox = dict[Name, Cluster]

__all__ = ["Cluster", "Network", "Proxmox", "Rule", "Template", "mistakes"]
