"""A configuration with its secrets covered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

COVER = "••••••"
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|private|api_?key|access_?key|auth|salt|_key$|^key$|_pw$|^pw$|dsn",
    re.IGNORECASE,
)
_OPEN = re.compile(r"(_file|_path|_dir|_url|_host|_port|_user|_name|_id|_enabled)$", re.IGNORECASE)
"""What a secret's neighbours are called: where it lies, and for whom it is."""
_IN_ADDRESS = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*:)(?P<secret>[^/\s@]+)(?=@)", re.IGNORECASE)
_SHORTEST = 4
"""Shorter secrets are not covered where they stand alone elsewhere: ``1`` is everywhere."""


def secret_name(name: str) -> bool:
    """Whether what has this name is likely a secret."""
    return bool(_SECRET.search(name)) and not _OPEN.search(name)


def masked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document with every value covered that is named like a secret, wherever it stands."""
    found: set[str] = set()
    _collect(document, found)
    known = sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True)
    return cast("dict[str, Any]", _covered(document, known))


def shown(document: Mapping[str, Any]) -> str:
    """The document as YAML, secrets covered."""
    import yaml

    return yaml.safe_dump(masked(document), sort_keys=False, allow_unicode=True, default_flow_style=False)


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, dict):
        for key, one in cast("dict[Any, Any]", value).items():
            if isinstance(one, str | int | float) and not isinstance(one, bool) and secret_name(str(key)):
                found.add(str(one))
            else:
                _collect(one, found)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            name, assigned, secret = one.partition("=") if isinstance(one, str) else ("", "", "")
            if assigned and secret_name(name):
                found.add(secret)
            else:
                _collect(one, found)
    elif isinstance(value, str):
        found.update(match["secret"] for match in _IN_ADDRESS.finditer(value))


def _covered(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        said: dict[Any, Any] = {}
        for key, one in cast("dict[Any, Any]", value).items():
            plain = isinstance(one, str | int | float) and not isinstance(one, bool)
            covers = plain and one != "" and secret_name(str(key))
            said[key] = COVER if covers else _covered(one, secrets)
        return said
    if isinstance(value, list):
        return [_covered_item(one, secrets) for one in cast("list[Any]", value)]
    if isinstance(value, str):
        text = _IN_ADDRESS.sub(lambda match: f"{match['before']}{COVER}", value)
        for secret in secrets:
            text = text.replace(secret, COVER)
        return text
    return value


def _covered_item(one: Any, secrets: list[str]) -> Any:
    if isinstance(one, str):
        name, assigned, secret = one.partition("=")
        if assigned and secret and secret_name(name):
            return f"{name}={COVER}"
    return _covered(one, secrets)
