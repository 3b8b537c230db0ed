"""Keys of hosts.yaml that belong to single backends: their shapes stand beside those backends, named here as strings.

They are imported when a hosts.yaml is checked and at no other time.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from app.inventory.model import SHAPES


@dataclass(frozen=True, slots=True)
class Contributed:
    """Stands in ``Annotated`` of a field whose type is another's business; nothing at all is always allowed."""

    key: str

    @property
    def type(self) -> Any:
        """The type that the value must have."""
        module, _, attribute = SHAPES[self.key].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.nullable_schema(handler.generate_schema(self.type))
