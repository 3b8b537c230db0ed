"""What ``inspect`` shows: all that the engine knows, as JSON, with what looks like a secret covered."""

from __future__ import annotations

import json
from typing import Any

from app.verb import Text
from backends.docker.secret_words import covered_tree


def inspected(whole: Any) -> Text:
    """An answer of the engine as text to read."""
    return Text(json.dumps(covered_tree(whole), indent=2, ensure_ascii=False))
