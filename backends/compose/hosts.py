"""``stacks`` of a node in hosts.yaml: the compose stacks that are to run there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.inventory.pieces import Name, Strict, Text, checked, plain

Project = Annotated[
    str,
    checked(
        plain("compose wants lower-case letters, digits, _ and -, a letter or digit first", r"[a-z0-9][a-z0-9_-]*")
    ),
]
Place = Annotated[
    Text, checked(plain("a path holds no control characters", r"[^\x00-\x1f\x7f]+")), Field(description="on the node")
]


class Stack(Strict):
    """One compose stack."""

    dir: Place = Field(description="its folder on the node; ~ and $NAME are the node's")
    project: Project | None = Field(None, description="its name, where compose's own is not the right one")
    files: list[Place] | None = Field(None, description="compose files, where they are not the folder's own")
    profiles: list[Text] | None = None
    env_files: list[Place] | None = Field(None, description="in order; what comes later wins")
    order: int | None = Field(None, description="lower ones are started first and stopped last")


Stacks = dict[Name, Stack]
