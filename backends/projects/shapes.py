"""A definition as it stands in YAML: the fields of ``definition``, with what each may hold."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag

from app.inventory.pieces import OneOrMany, Strict, Text, checked, plain, shape
from backends.projects.definition import Restart


def _address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("an address is written 127.0.0.1, 0.0.0.0 or ::1") from None


def _as_text(value: object) -> object:
    """Numbers and true or false as the texts they were written as: an environment holds nothing else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


ServiceName = Annotated[
    str,
    checked(
        plain(
            "a service's name has 1 to 32 lower-case letters, digits or '-', and begins with a letter: others find it "
            "by that name",
            r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?",
        )
    ),
]
Word = Annotated[
    str, checked(plain("1 to 40 lower-case letters, digits, '-' or '_', a letter first", r"[a-z][a-z0-9_-]{0,39}"))
]
Variable = Annotated[
    str, checked(plain("a variable's name has letters, digits and '_', no digit first", r"[A-Za-z_][A-Za-z0-9_]*"))
]
Value = Annotated[str, BeforeValidator(_as_text), checked(plain("a NUL cannot stand here", r"[^\0]*"))]
Image = Annotated[
    str, checked(plain("an image is written NAME:TAG, such as redis:7", r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"))
]
Inside = Annotated[str, checked(plain("a path in the container is absolute and holds no ':'", r"/[^\x00-\x1f\x7f:]*"))]
Below = Annotated[
    str,
    checked(
        plain(
            "a path in the project's folder is relative, without '..'",
            r"(?!/)(?!(?:.*/)?\.\.(?:/|\Z))[^\x00-\x1f\x7f]+",
        )
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[
    Annotated[Port, Tag("number")] | Annotated[list[Port], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "number"),
]
Seconds = Annotated[float, Field(ge=1, le=86400, description="seconds")]
Command = Annotated[Annotated[Text, Tag("text")] | Annotated[list[str], Tag("list")], Discriminator(shape)]


class HealthShape(Strict):
    """How the engine finds out whether a service works."""

    test: OneOrMany
    interval: Seconds = 30
    timeout: Seconds = 10
    retries: Annotated[int, Field(ge=1, le=1000)] = 3
    start_period: Annotated[float, Field(ge=0, le=86400, description="seconds")] = 0
    slow_ms: Annotated[float, Field(gt=0)] | None = None


class MountShape(Strict):
    """A part of the project's folder, seen in a container."""

    path: Below = "."
    target: Inside
    read_only: bool = False


class ServiceShape(Strict):
    """One container."""

    image: Image
    command: Command | None = None
    ports: Ports | None = None
    listen: Annotated[str, checked(_address)] = "127.0.0.1"
    env: dict[Variable, Value] = Field(default_factory=dict)
    secrets: list[Word] = Field(default_factory=list)
    volumes: dict[Word, Inside] = Field(default_factory=dict)
    mounts: list[MountShape] = Field(default_factory=list[MountShape])
    health: HealthShape | None = None
    depends_on: list[ServiceName] = Field(default_factory=list)
    cpus: Annotated[float, Field(ge=0.01, le=1024)] | None = None
    memory_mb: Annotated[int, Field(ge=6, le=1 << 24)] | None = None
    required: bool = True
    workdir: Inside | None = None
    user: (
        Annotated[
            str,
            checked(plain("a user is written uid, uid:gid or name", r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?")),
        ]
        | None
    ) = None
    restart: Restart = "unless-stopped"
    stop_timeout: Annotated[int, Field(ge=0, le=3600)] = 10


class DefinitionShape(Strict):
    """The whole file."""

    services: Annotated[dict[ServiceName, ServiceShape], Field(min_length=1)]
