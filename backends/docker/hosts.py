"""``docker`` of a node in hosts.yaml: where its engine listens, or that there is none."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.inventory.pieces import checked, plain, shape


def _only_off(value: bool) -> bool:
    if value:
        words = "true says nothing: leave it out, or name the socket: unix:///var/run/docker.sock"
        raise PydanticCustomError("words", "{words}", {"words": words})
    return value


Socket = Annotated[
    str,
    checked(plain("a socket on the node is written unix:///var/run/docker.sock", r"unix:///[^\x00-\x20\x7f]+")),
    Field(description="the engine's Unix socket on the node"),
]
Docker = Annotated[
    Annotated[bool, AfterValidator(_only_off), Tag("true or false")] | Annotated[Socket, Tag("text")],
    Discriminator(shape),
]
"""``false``: no engine is looked for; a text: the engine must be there."""
