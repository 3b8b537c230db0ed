"""Every verb of a container that is answered by its engine alone; logs stand on their own."""

from __future__ import annotations

from backends.docker.verbs.copying import CopyingVerbs
from backends.docker.verbs.life import LifeVerbs
from backends.docker.verbs.looking import LookingVerbs
from backends.docker.verbs.opening import OpeningVerbs
from backends.docker.verbs.removing import RemovingVerbs


class ContainerActions(LifeVerbs, RemovingVerbs, CopyingVerbs, LookingVerbs, OpeningVerbs):
    """Mixed into a ``Backend``, before it."""
