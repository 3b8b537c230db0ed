"""Every verb of a container that is answered by its engine alone; logs stand on their own."""

from __future__ import annotations

from backends.docker.verbs.life import LifeVerbs


class ContainerActions(LifeVerbs):
    """Mixed into a ``Backend``, before it."""
