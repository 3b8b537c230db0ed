"""What the parts of the test peer share: fakepve's own classes, and the table of answers that stand in front of them.

Only the peer's own process imports this (see ``pve_process``): fakepve is never part of a test's process. It ships no
types, so its names are ``Any`` here, once, instead of being argued about in every file.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

_server: Any = importlib.import_module("fakepve.server")
_model: Any = importlib.import_module("fakepve.model")
certificates: Any = importlib.import_module("fakepve.certs")
official: Any = importlib.import_module("fakepve.schema")
"""fakepve's own copy of the schema, for machines without the reference data."""

FakePve: Any = _server.FakePve
FakeVm: Any = _server.FakeVm
PveError: Any = _model.PveError
TaskError: Any = _model.TaskError
USER: Any = _server.USER
shapes: Any = _server.shapes
lxc: Any = importlib.import_module("fakepve.lxc")
qemu: Any = importlib.import_module("fakepve.qemu")
agent: Any = importlib.import_module("fakepve.agent")


@dataclass
class Call:
    """One request that passed every check."""

    method: str
    template: str
    values: dict[str, Any]
    """Parameters of path, query and body; integers and booleans are ints already."""
    user: str
    request: web.Request = field(repr=False)

    @property
    def node(self) -> str:
        """The node of the path."""
        return str(self.values["node"])

    @property
    def vmid(self) -> int:
        """The guest of the path."""
        return int(self.values["vmid"])


@dataclass
class Listed:
    """An answer with keys beside its ``data``."""

    data: Any
    beside: dict[str, Any]


Answer = Callable[[Any, Call], Awaitable[Any]]
ANSWERS: dict[tuple[str, str], Answer] = {}
"""(method, path template) -> who answers instead of fakepve."""

_F = TypeVar("_F", bound=Answer)


def answers(method: str, *templates: str) -> Callable[[_F], _F]:
    """Mark a method as the answer to these requests; it returns the ``data``, a ``Listed`` or a whole response."""

    def mark(function: _F) -> _F:
        for template in templates:
            ANSWERS[method, template] = function
        return function

    return mark


VM = "/nodes/{node}/qemu/{vmid}"
CT = "/nodes/{node}/lxc/{vmid}"
