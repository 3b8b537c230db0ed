"""A verb's typed inputs, read off its signature: what becomes CLI arguments and options, and a form's fields."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from app.errors import Clash
from app.fleet import Resource


@dataclass(frozen=True, slots=True)
class Help:
    """Says what a parameter is for; stands in ``Annotated``."""

    text: str
    example: str = ""
    secret: bool = False
    """Masked in forms, never witnessed."""
    row: str = ""
    """Of a verb without a target: the attribute of the row at hand that fills it in, where a key begins it."""


PLACES = ("node", "to")
"""Parameters of a verb without a target that name the node whose engine is meant."""


class Scope(StrEnum):
    """What a verb acts on."""

    KIND = "kind"
    """No target: it makes one, or concerns the kind."""
    EACH = "each"
    """Each target by itself."""
    GROUP = "group"
    """All targets of one backend in one plan."""


class Shape(StrEnum):
    """How a parameter is given on the command line."""

    ARGUMENT = "argument"
    OPTION = "option"
    FLAG = "flag"
    COMMAND = "command"
    """Everything after ``--``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One typed input of a verb: a CLI option or argument, and a field of the console's form."""

    name: str
    """As in Python; ``option`` is its form on the command line."""
    shape: Shape
    type: type
    """``str``, ``int``, ``float``, ``bool`` or ``Path``: what one given value is read as."""
    required: bool
    default: Any = None
    many: bool = False
    """A tuple of values: the option may be repeated."""
    choices: tuple[str, ...] = ()
    help: str = ""
    example: str = ""
    secret: bool = False
    row: str = ""
    """The attribute of the row at hand that fills it in; see ``Help``."""

    @property
    def option(self) -> str:
        """The long option: ``wait_timeout`` is ``--wait-timeout``."""
        return "--" + self.name.rstrip("_").replace("_", "-")


def read_signature(method: Callable[..., Any]) -> tuple[Scope, tuple[Param, ...]]:
    """What a verb's method acts on, and its inputs in order; raises Clash for a type no option can have."""
    hints = get_type_hints(method, include_extras=True)
    scope = Scope.KIND
    params: list[Param] = []
    for number, parameter in enumerate(list(inspect.signature(method).parameters.values())[1:]):
        hint = hints.get(parameter.name, str)
        if number == 0:
            found = _scope_of(hint)
            if found is not None:
                scope = found
                continue
        params.append(_param_of(parameter, hint))
    return scope, tuple(params)


def _scope_of(hint: Any) -> Scope | None:
    if isinstance(hint, type) and issubclass(hint, Resource):
        return Scope.EACH
    arguments = get_args(hint)
    if get_origin(hint) is Sequence and arguments and isinstance(arguments[0], type):
        return Scope.GROUP if issubclass(arguments[0], Resource) else None
    return None


def _param_of(parameter: inspect.Parameter, hint: Any) -> Param:
    told = Help("")
    if get_origin(hint) is Annotated:
        told = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Help)), told)
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
    many = get_origin(hint) is tuple
    if many:
        hint = get_args(hint)[0]
    choices: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        choices, hint = tuple(str(choice) for choice in get_args(hint)), str
    elif isinstance(hint, type) and issubclass(hint, Enum):
        choices, hint = tuple(str(member.value) for member in hint), str
    required = parameter.default is inspect.Parameter.empty
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        shape, many, required = Shape.COMMAND, True, True
    elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        shape = Shape.FLAG if hint is bool else Shape.OPTION
    else:
        shape = Shape.ARGUMENT
    if hint not in (str, int, float, bool, Path):
        raise Clash(f"parameter '{parameter.name}' has a type no option can have", where=repr(parameter))
    return Param(
        name=parameter.name,
        shape=shape,
        type=hint,
        required=required,
        default=None if required else parameter.default,
        many=many,
        choices=choices,
        help=told.text,
        example=told.example,
        secret=told.secret,
        row=told.row,
    )
