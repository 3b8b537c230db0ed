"""What a project's containers, volumes and network are called, and the labels that say whose they are.

State can be rebuilt from these labels alone: whoever lists the engine finds every project that left something there.
"""

from __future__ import annotations

import re

PROJECT = "quarterdeck.project"
SERVICE = "quarterdeck.service"
PATH = "quarterdeck.path"
"""The project's folder on the node."""
FIRST_PORT = "quarterdeck.first-port"
"""The lowest port of its block."""
CONFIG = "quarterdeck.config"
"""Of a container: what tells its configuration from another one, see ``container_config.digest``."""
DEFINED_BY = "quarterdeck.defined-by"
"""``default``, or the file that defines its services."""
DEFINITION = "quarterdeck.definition"
"""Of a network or volume: the whole definition, as JSON."""
SECRETS = "quarterdeck.secrets"
"""Of a network or volume: the folder on the node that holds the secrets its data was made with."""
PORTS = "quarterdeck.ports"
"""Of a container: the ports on the host, separated by commas."""
REQUIRED = "quarterdeck.required"
"""Of a container: ``no`` where the project is well without it."""
NODE = "quarterdeck.node"
"""What the console that launched it calls the node; another console may call it otherwise."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")

NAME_RULE = (
    "a project's name has 1 to 40 lower-case letters, digits, '-' or '_' and begins and ends with a letter or digit"
)


def valid(name: str) -> bool:
    """Whether a project may be called so."""
    return _NAME.fullmatch(name) is not None


def container(project: str, service: str) -> str:
    """The name of a service's container."""
    return f"qd-{project}-{service}"


def network(project: str) -> str:
    """The name of a project's own network."""
    return f"qd-{project}"


def volume(project: str, service: str, name: str) -> str:
    """The name of one of a service's data volumes."""
    return f"qd-{project}-{service}-{name}"
