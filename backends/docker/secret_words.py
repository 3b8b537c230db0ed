"""What is covered before a container's settings are shown: values whose name, form or place says that they are secret.

Covering too much costs one more key, covering too little costs the secret; so names are matched loosely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

COVER = "••••••"

_NAME = re.compile(
    r"passw|passphrase|passwd|secret|token|key|credential|cookie|_pw$|_pwd$|^pwd_|_pass$|^pass$|(^|_)auth($|_)|_dsn$|salt",
    re.IGNORECASE,
)
_FILE = re.compile(r"_(file|path|dir)$", re.IGNORECASE)
_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/?#@:]*:)[^\s/?#@]+(@)", re.IGNORECASE)
"""``scheme://user:password@``: everything between the colon and the at sign."""
_INSIDE = re.compile(
    r"((?:password|passwd|pwd|passphrase|secret|token|api[-_]?key|credentials?)[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s;&,\"']+)",
    re.IGNORECASE,
)
"""``Password=x;``, ``--token=x``, ``"secret": "x"``."""
_OPTION = re.compile(
    r"((?:^|\s)--?[\w-]*(?:passw|passphrase|requirepass|masterauth|secret|token|api-?key)[\w-]*\s+)([^\s-]\S*)",
    re.IGNORECASE,
)
"""``--requirepass x`` in a line of words."""

_MOUNT = re.compile(r"(\b(?:password|pass|passwd|credentials|secret)=)[^,]*", re.IGNORECASE)
"""An option that is handed to mount: its value ends at a comma and nowhere else."""
_SHARE = re.compile(r"(//[^/:@\s]*:)[^/@\s]*@")
"""``//user:password@host``, an address without a scheme."""


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable's name says that its value is secret; one that only names a file is not."""
    if not _NAME.search(name):
        return False
    return not (_FILE.search(name) and value.startswith("/"))


def covered(name: str, value: str) -> str:
    """The value of a variable as it may be shown."""
    if value and is_secret(name, value):
        return COVER
    return covered_text(value)


def covered_text(text: str) -> str:
    """Any text with passwords in addresses and after words like ``--password=`` covered."""
    text = _URL.sub(rf"\1{COVER}\2", text)
    return _OPTION.sub(rf"\1{COVER}", _INSIDE.sub(rf"\1{COVER}", text))


def covered_words(words: Iterable[str]) -> list[str]:
    """A command line's words; the one behind ``--password`` is covered as well."""
    said: list[str] = []
    option = ""
    for word in words:
        behind = option and not word.startswith("-") and _OPTION.match(f"{option} {word}")
        said.append(COVER if behind else covered_text(word))
        option = word if word.startswith("-") else ""
    return said


def split(variable: str) -> tuple[str, str]:
    """``NAME=value`` of an environment; no value where there is none."""
    name, _, value = variable.partition("=")
    return name, value


def _covered_variable(variable: str) -> str:
    name, value = split(variable)
    return f"{name}={covered(name, value)}" if "=" in variable else variable


def covered_tree(value: Any, key: str = "") -> Any:
    """An answer of the engine with everything in it covered that looks like a secret."""
    if isinstance(value, dict):
        return {name: covered_tree(one, name) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        many = cast("list[Any]", value)
        if key == "Env":
            return [_covered_variable(str(one)) for one in many]
        if all(isinstance(one, str) for one in many):
            return covered_words(cast("list[str]", many))
        return [covered_tree(one, key) for one in many]
    if isinstance(value, str):
        if key in ("o", "device"):  # what a volume hands to mount
            value = _SHARE.sub(rf"\1{COVER}@", _MOUNT.sub(rf"\1{COVER}", value))
        return covered(key, value) if _NAME.search(key) and key not in _PLAIN else covered_text(value)
    return value


_PLAIN = frozenset({"SandboxKey", "DetachKeys"})
"""Fields of the engine whose names look like secrets and are none."""
