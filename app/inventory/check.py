"""What is wrong with the content of hosts.yaml, in an operator's words and at its place.

The types are pydantic's to judge; here its findings become mistakes, and what only makes sense together is checked.
"""

from __future__ import annotations

import importlib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from app.inventory import secrets
from app.inventory.contributed import Contributed
from app.inventory.document import Document, KeyPath, shown
from app.inventory.model import CHECKS, RESERVED, SECRETS, SHAPES, Mistake
from app.inventory.pattern import Term, nearest, terms
from app.inventory.shapes import File, Node

_SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)
"""Keys whose values no message repeats: somebody may have written a password there."""
_LOGIN = re.compile(r"://[^/\s]*@|![\w.-]+=")
"""What looks like a URL with a login, or a token, wherever it stands."""


def mistakes_of(document: Document, error: ValidationError, shape: type[BaseModel] = File) -> list[Mistake]:
    """Pydantic's findings as mistakes at their places; ``shape`` is what the whole file should have been."""
    return [_mistake(document, detail, shape) for detail in error.errors(include_url=False)]


def _mistake(document: Document, detail: ErrorDetails, shape: type[BaseModel]) -> Mistake:
    loc = detail["loc"]
    of_key = loc[-1] == "[key]"
    path = _path(document, loc)
    kind = detail["type"]
    name = shown(path[-1] if path else "")
    if kind == "extra_forbidden":
        if elsewhere := _elsewhere(path, shape):
            return document.mistake(path, f"'{name}' {elsewhere}", key=True)
        near = nearest(name, keys_at(path[:-1], shape))
        return document.mistake(path, f"unknown key '{name}'", key=True, nearest=near)
    if kind == "missing":
        return document.mistake(path, f"'{loc[-1]}' is missing", key=True)
    if of_key:
        return document.mistake(path, f"'{name}': {detail.get('ctx', {}).get('words', 'not a valid key')}", key=True)
    expected = str(detail.get("ctx", {}).get("expected", ""))
    choices = re.findall(r"'([^']*)'", expected) or ([expected] if expected else [])
    words = _words(detail, choices)
    subject = f"'{shown(_subject(path))}'"
    value = detail["input"]
    tell = isinstance(value, (str, int, float, bool)) and not any(_SECRET.search(str(part)) for part in path)
    tell = tell and not _LOGIN.search(str(value))
    near = nearest(str(value), choices) if choices and tell else ""
    if kind in {"bool_type"} and isinstance(value, str):
        near = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), "")
    said = f", not '{shown(value)}'" if tell and words.startswith("must") else ""
    if tell and not words.startswith("must"):
        return document.mistake(path, f"{subject}: '{shown(value)}': {words}", nearest=near)
    separator = " " if words.startswith("must") else ": "
    return document.mistake(path, f"{subject}{separator}{words}{said}", nearest=near)


def _elsewhere(path: KeyPath, shape: type[BaseModel]) -> str:
    """Where a key belongs that is right and stands in the wrong mapping: at the top, or in a node."""
    key = str(path[-1])
    if key not in RESERVED or shape is not File:
        return ""
    if len(path) == 1 and key in _names(Node):
        return "stands in a node, not at the top"
    return "stands at the top, not in a node" if len(path) == 3 and path[0] == "nodes" and key in _names(File) else ""


def _words(detail: ErrorDetails, choices: list[str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "words":
        return str(context["words"])
    if kind == "literal_error":
        return f"must be {' or '.join(choices)}" if len(choices) < 3 else f"must be one of {', '.join(choices)}"
    if kind == "union_tag_invalid":
        found = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        return f"must be {' or '.join(_ARTICLES.get(one, str(one)) for one in found)}"
    if kind in {"too_long", "too_short"} and detail["loc"][-1] != "[key]":
        return "must be two numbers: [warning, critical]"
    for bound, text in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"must be {text} {context[bound]:g}"
    return _KINDS.get(kind, detail["msg"].lower())


_ARTICLES = {"text": "a text", "mapping": "a mapping", "list": "a list"}
_KINDS = {
    "string_type": "must be a text (a number or true needs quotes to be one)",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list, such as [one, two]",
    "dict_type": "must be a mapping of keys and values",
    "model_type": "must be a mapping of keys and values",
    "model_attributes_type": "must be a mapping of keys and values",
}


def _path(document: Document, loc: tuple[int | str, ...]) -> KeyPath:
    """Pydantic's place without what it adds for unions and keys, so that it is a place in the document."""
    path: KeyPath = ()
    for part in loc:
        if (*path, part) in document.values or (*path, part) in document.keys:
            path = (*path, part)
    return path


def _subject(path: KeyPath) -> str:
    """The key that an operator would look for: of the second tag it is ``tags``."""
    return next((str(part) for part in reversed(path) if isinstance(part, str)), "the file")


def keys_at(path: KeyPath, shape: type[BaseModel] = File) -> list[str]:
    """The keys that may stand in the mapping at a place of a file of that shape."""
    at: Any = shape
    for part in path:
        at = _inside(at, part)
    model = _model(at)
    if model is None:
        return []
    return [*_names(model), *((key for key in RESERVED if key not in SHAPES) if model in {File, Node} else ())]


def _names(model: type[BaseModel]) -> dict[str, Any]:
    def annotation(spec: FieldInfo) -> Any:
        return next((one for one in spec.metadata if isinstance(one, Contributed)), spec.annotation)

    return {spec.alias or name: annotation(spec) for name, spec in model.model_fields.items()}


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, Contributed):
        return _model(annotation.type)
    if get_origin(annotation) in {Union, types.UnionType, Annotated}:
        return next((found for arm in get_args(annotation) if (found := _model(arm))), None)
    return None


def _inside(annotation: Any, part: str | int) -> Any:
    model = _model(annotation)
    if model is not None:
        return _names(model).get(str(part))
    if isinstance(annotation, Contributed):
        return _inside(annotation.type, part)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {dict, list}:
        return inner[-1]
    if origin in {Union, types.UnionType, Annotated}:
        return next((found for arm in inner if (found := _inside(arm, part)) is not None), None)
    return None


def transport(document: Document, name: str, merged: Mapping[str, Any]) -> list[Mistake]:
    """Whether a node says once, and only once, how it is reached; ``merged`` is its entry with what was imported."""
    path: KeyPath = ("nodes", name)
    ways = [way for way in ("local", "ssh", "ping") if merged.get(way) not in (None, False)]
    if len(ways) > 1:
        second = next((way for way in reversed(ways) if (*path, way) in document.keys), ways[-1])
        return [document.mistake((*path, second), f"both {' and '.join(ways)}: a node is reached in one way", key=True)]
    if not ways and not any(key in merged for key in RESERVED if key not in SHAPES):
        what = f"nothing says how '{shown(name)}' is reached: local: true, ssh: user@host or ping: true"
        return [document.mistake(path, what, key=True)]
    if merged.get("routes") and "ssh" not in ways:
        return [document.mistake((*path, "routes"), "routes are other addresses of ssh, which is not there", key=True)]
    return []


def rules(document: Document, data: Mapping[str, Any], nodes: Iterable[str], tags: Iterable[str]) -> list[Mistake]:
    """Warnings for patterns of ``rules`` that reach nothing, as misspelt ones do."""
    known, known_tags = set(nodes), set(tags)
    found: list[Mistake] = []
    for rule in ("read_only", "type_name"):
        for at, pattern in enumerate(data.get(rule) or ()):
            path: KeyPath = ("rules", rule, at)
            if not terms(pattern):
                found.append(document.mistake(path, "the pattern is empty and reaches nothing"))
            for term in terms(pattern):
                if missing := _unknown(term, known, known_tags):
                    valid = [*sorted(known), *(f"@{tag}" for tag in sorted(known_tags))]
                    near = nearest(("@" if term.tag else "") + term.text, valid)
                    found.append(document.mistake(path, missing, nearest=near, warning=True))
    return found


def copies(document: Document, data: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> list[Mistake]:
    """Whether the nodes that should keep copies of checkpoints can; ``nodes`` are entries with what was imported."""
    found: list[Mistake] = []
    for at, one in enumerate(data.get("copy") or ()):
        if one == "journald":
            continue
        name, path = str(one["node"]), ("witness", "copy", at, "node")
        entry = nodes.get(name)
        if entry is None:
            what = f"no node is called '{shown(name)}'"
            found.append(document.mistake(path, what, nearest=nearest(name, nodes)))
        elif entry.get("ping"):
            found.append(document.mistake(path, f"'{shown(name)}' is only checked, so nothing can be copied there"))
        elif entry.get("local"):
            what = (
                f"'{shown(name)}' is this machine: a copy proves something only where the log's owner cannot reach it"
            )
            found.append(document.mistake(path, what, warning=True))
    return found


def together(document: Document, valid: Mapping[str, Any], nodes: Sequence[str] | None) -> list[Mistake]:
    """What backends find wrong with their own sections; ``nodes`` are all names, ``None`` where some are unknown."""
    found: list[Mistake] = []
    for key, place in CHECKS.items():
        if valid.get(key):
            module, _, attribute = place.partition(":")
            found += getattr(importlib.import_module(module), attribute)(document, valid[key], nodes)
    return found


def exposed(document: Document, data: Mapping[str, Any], path: Path) -> list[Mistake]:
    """Secrets that stand in a file that others may read, and references that are written wrongly."""
    found: list[Mistake] = []
    open_to_others: bool | None = None
    for place, value in secrets.found(data):
        if not isinstance(value, str) or not value:
            continue  # the shape has said so
        if wrong := secrets.problem(value):
            found.append(document.mistake(place, f"'{shown(_subject(place))}': {wrong}"))
        elif secrets.form(value) == "literal" and secrets.secret(place):
            if open_to_others is None:
                open_to_others = secrets.open_to_others(path)
            if open_to_others:
                what = f"'{shown(_subject(place))}': {secrets.EXPOSED}: chmod 600 it, or {secrets.FORMS}"
                found.append(document.mistake(place, what))
    return found


def private(data: Mapping[str, Any], mistakes: Iterable[Mistake]) -> bool:
    """Whether a secret stands in the file itself; behind a mistake it may stand anywhere in its cluster."""
    if any(mistake.cluster is not None and not mistake.warning for mistake in mistakes):
        return True
    told = (value for _, value in secrets.found(data, SECRETS) if value is not None)
    return any(not isinstance(value, str) or secrets.form(value) == "literal" for value in told)


def reaches(term: Term, name: str, tags: Iterable[str]) -> bool:
    """Whether one term of a group means a node."""
    return any(fnmatchcase(tag, term.text) for tag in tags) if term.tag else fnmatchcase(name, term.text)


def _unknown(term: Term, nodes: set[str], tags: set[str]) -> str:
    if term.glob:
        return ""
    if term.tag:
        return "" if term.text in tags else f"no node has the tag '{shown(term.text)}'"
    known = term.text.partition("/")[0] in nodes or term.text in tags
    return "" if known else f"no node, group or tag is called '{shown(term.text)}'"
