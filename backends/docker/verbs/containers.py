"""Every verb of a container that is answered by its engine alone; logs stand on their own."""

from __future__ import annotations

from backends.docker.verbs.life import LifeVerbs
from backends.docker.verbs.running import RunningVerbs


class ContainerActions(LifeVerbs, RunningVerbs):
    """Mixed into a ``Backend``, before it."""
