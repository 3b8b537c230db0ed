"""``libvirt`` of a node in hosts.yaml: which of its hypervisors is asked, or that none is looked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.inventory.pieces import checked, shape
from backends.libvirt.declared import check_uri


def _only_off(value: bool) -> bool:
    if value:
        words = "true says nothing: leave it out, or name the connection: qemu:///system"
        raise PydanticCustomError("words", "{words}", {"words": words})
    return value


Uri = Annotated[str, checked(check_uri), Field(description="qemu:///system, or qemu:///session for the login's own")]
Libvirt = Annotated[
    Annotated[bool, AfterValidator(_only_off), Tag("true or false")] | Annotated[Uri, Tag("text")],
    Discriminator(shape),
]
"""``false``: no libvirt is looked for; a text: it must be there."""
