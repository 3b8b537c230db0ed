"""The official schema of Proxmox's API: which path takes which method, and what it says about parameters.

``Schema.read(version)`` takes the reference data (``folder()``: the environment's QUARTERDECK_SHARED, or ``shared``
beside the checkout) and answers None where there is none. ``schema.find("/nodes/pve1/qemu")`` resolves a path,
``refusals(method, parameters)`` is the official validator written anew: the same decisions, and its own words for them.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.servers.pve_formats import why_not

VERSIONS = {"8.4": "api-schema.json", "9.1": "api-schema-pve9.json"}
"""Version of Proxmox -> file of its schema below ``proxmox/`` of the reference data."""

_INDEXED = re.compile(r"([a-z]+)(0|[1-9][0-9]*)")
_LIMITS = {
    "net": 32, "ipconfig": 32, "ide": 4, "sata": 6, "scsi": 31, "virtio": 16, "unused": 256, "numa": 8, "hostpci": 16,
    "usb": 14, "virtiofs": 10, "serial": 4, "parallel": 3, "mp": 256, "dev": 256, "link": 8, "acmedomain": 6,
}  # fmt: skip
"""How many of each numbered parameter there are; the schema only says ``net[n]``."""


def folder() -> Path | None:
    """The reference data, or None where this machine has none."""
    named = os.environ.get("QUARTERDECK_SHARED")
    place = Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared"
    return place if (place / "proxmox" / VERSIONS["9.1"]).is_file() else None


Method = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """A path of a request: its pattern, what the pattern's names stand for, and the methods it takes."""

    template: str
    values: dict[str, str]
    methods: Mapping[str, Method]


@dataclass
class _Branch:
    """One step of a path in the tree of all."""

    literal: dict[str, _Branch] = field(default_factory=dict[str, "_Branch"])
    name: str = ""
    named: _Branch | None = None
    template: str = ""


class Schema:
    """All paths of one version."""

    def __init__(self, paths: Mapping[str, Mapping[str, Method]]) -> None:
        self.paths = paths
        self._root = _Branch()
        for template in paths:
            branch = self._root
            for step in template.strip("/").split("/"):
                if step.startswith("{"):
                    branch.name = step[1:-1]
                    branch.named = branch.named or _Branch()
                    branch = branch.named
                elif step:
                    branch = branch.literal.setdefault(step, _Branch())
            branch.template = template

    @classmethod
    @functools.cache
    def read(cls, version: str) -> Schema | None:
        """That of a version out of ``VERSIONS``, or None where the reference data is not there."""
        place = folder()
        if place is None:
            return None
        content = json.loads((place / "proxmox" / VERSIONS[version]).read_bytes())
        paths: dict[str, dict[str, Method]] = {}
        for one in cast("list[dict[str, Any]]", content["endpoints"]):
            paths.setdefault(one["path"], {})[one["method"]] = one
        return cls(paths)

    def find(self, path: str) -> Found | None:
        """What a path below ``/api2/json`` means, its steps decoded already; None for one that does not exist."""
        values: dict[str, str] = {}
        branch = self._root
        steps = [step for step in path.split("/") if step]
        for number, step in enumerate(steps):
            following = branch.literal.get(step)
            if following is None and branch.named is not None:
                # The last name of a path takes the rest of it: volumes and pools have slashes.
                greedy = branch.name in ("volume", "poolid", "cidr") and not branch.named.literal
                values[branch.name] = "/".join(steps[number:]) if greedy else step
                following = branch.named
                if greedy:
                    branch = following
                    break
            if following is None:
                return None
            branch = following
        template = branch.template or ("/" if branch is self._root else "")
        return Found(template, values, self.paths[template]) if template in self.paths else None


def refusals(method: Method, parameters: Mapping[str, object]) -> dict[str, str]:
    """Parameter -> why it is refused, in the official words; empty where all are good.

    ``parameters`` hold those of the path too; forms and queries have strings only, JSON bodies may have other types.
    """
    declared = cast("Mapping[str, Any]", method.get("parameters") or {})
    found: dict[str, str] = {}
    _object(declared, parameters, "", found)
    return found


def _entry(properties: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    if name in properties:
        return properties[name]
    if indexed := _INDEXED.fullmatch(name):
        base, number = indexed[1], int(indexed[2])
        if number < _LIMITS.get(base, 1000):
            return properties.get(f"{base}[n]")
    return None


def _object(declared: Mapping[str, Any], given: Mapping[str, object], path: str, found: dict[str, str]) -> None:
    properties = cast("Mapping[str, Any]", declared.get("properties") or {})
    for name, entry in properties.items():
        if name not in given and not name.endswith("[n]") and not entry.get("optional") and not entry.get("alias"):
            found[path + name] = "property is missing and it is not optional"
    for name, value in given.items():
        entry = _entry(properties, name)
        if entry is None:
            if declared.get("additionalProperties", 1) in (0, "0", False):
                found[path + name] = (
                    "property is not defined in schema and the schema does not allow additional properties"
                )
            continue
        needed = entry.get("requires")
        if isinstance(needed, str) and needed not in given:
            found[path + needed] = f"missing property required by '{path}{name}'"
        refused = _value(entry, value, path + name, found)
        if refused:
            found[path + name] = refused


def _type(wanted: str, value: object) -> str:
    """Why a value is not of a type; in a form, booleans are only 0 and 1."""
    if isinstance(value, bool):
        return "" if wanted in ("boolean", "any", "string") else f"type check ('{wanted}') failed - got '{value:d}'"
    if isinstance(value, (dict, list)):
        fits = wanted in ("any", "object" if isinstance(value, dict) else "array")
        return "" if fits else f"type check ('{wanted}') failed"
    text = str(value)
    shape = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "[01]", "null": ""}.get(wanted)
    if wanted == "object" or (shape is not None and not re.fullmatch(shape, text)):
        return f"type check ('{wanted}') failed - got '{text}'"
    return ""


def _value(entry: Mapping[str, Any], value: object, path: str, found: dict[str, str]) -> str:
    """Why a value is refused by its entry, or ``""``; those within lists and objects go to ``found``."""
    choices = cast("list[Mapping[str, Any]]", entry.get("oneOf") or [])
    if choices:
        answers = [_value(one, value, path, {}) for one in choices]
        return "" if "" in answers else answers[0]
    wanted = str(entry.get("type") or "any")
    if wanted == "array" and isinstance(value, str):
        value = value.split("\0")
    refused = _type(wanted, value)
    if refused:
        return refused
    if isinstance(value, list):
        items = cast("Mapping[str, Any]", entry.get("items") or {})
        for number, one in enumerate(cast("list[object]", value)):
            refused = _value(items, one, f"{path}[{number}]", found)
            if refused:
                found[f"{path}[{number}]"] = refused
        return ""
    if isinstance(value, dict):
        _object(entry, cast("dict[str, object]", value), f"{path}.", found)
        return ""
    return _text(entry, f"{value:d}" if isinstance(value, bool) else str(value), path)


def _text(entry: Mapping[str, Any], text: str, path: str) -> str:
    """The checks of a scalar, in the official order: format, pattern, length, range, enumeration."""
    form = cast("Mapping[str, Any] | str", entry.get("format") or "")
    refused = why_not(form, text) if isinstance(form, str) else _property_string(form, text, path)
    if refused:
        return f"invalid format - {refused}\n"
    pattern = entry.get("pattern")
    if pattern and not _matches(str(pattern), text):
        return "value does not match the regex pattern"
    if "maxLength" in entry and len(text) > int(entry["maxLength"]):
        return f"value may only be {entry['maxLength']} characters long"
    if "minLength" in entry and len(text) < int(entry["minLength"]):
        return f"value must be at least {entry['minLength']} characters long"
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        if "maximum" in entry and float(text) > float(entry["maximum"]):
            return f"value must have a maximum value of {entry['maximum']}"
        if "minimum" in entry and float(text) < float(entry["minimum"]):
            return f"value must have a minimum value of {entry['minimum']}"
    allowed = [str(one) for one in cast("list[object]", entry.get("enum") or [])]
    if allowed and text not in allowed:
        return f"value '{text}' does not have a value in the enumeration '{', '.join(allowed)}'"
    return ""


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A Perl pattern where Python can read it; the rest accept everything."""
    mended = pattern.replace(r"\z", r"\Z").replace(r"(?^:", "(?:").replace("[:alnum:]", "a-zA-Z0-9")
    if mended.startswith("(?^i:"):
        mended = "(?i:" + mended[5:]
    try:
        return re.compile(mended, re.ASCII)
    except re.error:
        return None


def _matches(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or re.match(f"^(?:{compiled.pattern})$", text, compiled.flags) is not None


def _property_string(form: Mapping[str, Any], text: str, path: str) -> str:
    """Why ``a=1,b=2`` breaks the schemas of its keys."""
    given: dict[str, object] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, equals, value = part.partition("=")
        if not equals:
            key = next((name for name, entry in form.items() if entry.get("default_key")), "")
            value = part
            if not key:
                return "value without key, but schema does not define a default key"
        elif not key or not value:
            return "missing key in comma-separated list property"
        entry = form.get(key)
        if entry is None:
            return f"invalid key in comma-separated list property: {key}"
        if entry.get("alias") and entry.get("keyAlias"):  # net0: "virtio=MAC" is model=virtio and macaddr=MAC
            if entry["keyAlias"] in given:
                return f"key alias '{entry['keyAlias']}' is already defined"
            given[str(entry["keyAlias"])] = key
        key = str(entry.get("alias") or key)
        if key in given:
            return f"duplicate key in comma-separated list property: {key}"
        if form.get(key, {}).get("type") == "boolean":
            value = {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}.get(value.lower(), value)
        given[key] = value
    found: dict[str, str] = {}
    _object({"properties": form, "additionalProperties": 0}, given, f"{path}." if path else "", found)
    return (
        "format error\n" + "\n".join(f"{name}: {why.strip()}" for name, why in sorted(found.items())) if found else ""
    )
