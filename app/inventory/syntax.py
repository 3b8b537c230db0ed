"""YAML text to PyYAML's nodes, safely: bounded depth, YAML 1.2's plain scalars, nothing constructed.

A node called ``no`` stays text, ``22:22`` is no number of minutes, and no file can overflow the parser's stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import yaml
from yaml.composer import Composer, ComposerError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

DEEPEST = 40
"""Levels of nesting; hosts.yaml needs eight."""

TOO_DEEP = f"nested more than {DEEPEST} levels deep"

TEXT = "tag:yaml.org,2002:str"
INTEGER = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOLEAN = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"
MAPPING = "tag:yaml.org,2002:map"
SEQUENCE = "tag:yaml.org,2002:seq"


class _Core(BaseResolver):
    """What an unquoted scalar means: true, false, null, whole numbers, decimal fractions; all else is text."""


for _tag, _pattern, _first in (
    (BOOLEAN, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (INTEGER, r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789"),
    (FLOAT, r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?", "-+.0123456789"),
):
    cast("Any", _Core).add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


class _Shallow(Composer):
    """PyYAML's composer in Python, with a bound: the one written in C overflows its stack on deep files."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ComposerError(None, None, TOO_DEEP, self.peek_event().start_mark)  # type: ignore[attr-defined]
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _PythonLoader(Reader, Scanner, Parser, _Shallow, _Core):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)


def _fastest() -> Any:
    if not yaml.__with_libyaml__:
        return _PythonLoader
    parser = cast("Any", import_module("yaml.cyaml")).CParser

    class _NativeLoader(_Shallow, parser, _Core):
        def __init__(self, text: str) -> None:
            parser.__init__(self, text)
            Composer.__init__(self)
            BaseResolver.__init__(self)

    return _NativeLoader


_loader = _fastest()


def compose(text: str, loader: Any = None) -> yaml.Node | None:
    """The node graph of a text's one document; ``None`` for an empty one. Raises ``yaml.YAMLError``."""
    return (loader or _loader)(text).get_single_node()


def scalar(node: yaml.ScalarNode) -> Any:
    """The plain value of a scalar; raises KeyError for an unknown tag, ValueError where tag and text disagree."""
    return _READ[node.tag](node.value)


_READ: dict[str, Callable[[str], Any]] = {
    TEXT: str,
    NULL: lambda text: None,
    BOOLEAN: lambda text: text.lower() == "true",
    INTEGER: int,
    FLOAT: float,
}
