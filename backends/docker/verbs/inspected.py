"""What ``inspect`` shows: all that the engine knows, as JSON, with what looks like a secret covered."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from app.verb import Text

COVER = "••••••"
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api_?key|private_?key|access_?key|credential|auth", re.IGNORECASE
)
_SECRET_OPTION = re.compile(r"(\b(?:password|pass|passwd|credentials|secret)=)[^,]*", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(//[^/:@\s]*:)[^/@\s]*@")


def inspected(whole: Any) -> Text:
    """An answer of the engine as text to read."""
    return Text(json.dumps(_covered(whole), indent=2, ensure_ascii=False))


def _covered(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _covered(one, name) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_covered(one, key) for one in cast("list[Any]", value)]
    if isinstance(value, str):
        name, equals, _ = value.partition("=")
        if key == "Env" and equals and _SECRET_NAME.search(name):
            return f"{name}={COVER}"
        if key in ("o", "device"):  # what a volume hands to mount
            return _IN_ADDRESS.sub(rf"\1{COVER}@", _SECRET_OPTION.sub(rf"\1{COVER}", value))
    return value
