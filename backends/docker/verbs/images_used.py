"""Which containers stand on which image."""

from __future__ import annotations

from collections.abc import Sequence

from backends.docker.answers import objects
from backends.docker.contract import Client
from backends.docker.verbs.base import container_name


def users_of(client: Client, image_id: str) -> list[tuple[str, str]]:
    """(name, state) of the containers made from an image, stopped ones included."""
    return [
        (container_name(one), str(one.get("State", "")))
        for one in objects(client.containers(all=True))
        if one.get("ImageID") == image_id
    ]


def running_users(used: Sequence[tuple[str, str]]) -> list[str]:
    """Those with processes, paused ones included."""
    return [name for name, state in used if state in ("running", "paused", "restarting")]


def used_images(client: Client) -> set[str]:
    """The ids of all images that containers are made from."""
    return {str(one.get("ImageID", "")) for one in objects(client.containers(all=True))}
