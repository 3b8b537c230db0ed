"""Ansible inventories, INI and YAML, read for what hosts.yaml can use of them; never run, evaluated or rewritten.

Groups become tags. Variables are inherited as Ansible does it: host over deeper group over shallower group over
``all``. Of secrets in the file only their being there is noted, which makes quarterdeck ask.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from app.inventory import document
from app.inventory.document import Document, Spot, shown
from app.inventory.model import Mistake

MOST_HOSTS = 20_000
"""Hosts of one file, ranges written out."""

_TOO_MANY = f"more than {MOST_HOSTS} hosts"

Variable = tuple[Any, Spot]
"""A value and where it stands."""


@dataclass(slots=True)
class Group:
    """One group as written."""

    hosts: dict[str, Spot] = field(default_factory=dict[str, Spot])
    children: dict[str, Spot] = field(default_factory=dict[str, Spot])
    variables: dict[str, Variable] = field(default_factory=dict[str, Variable])


@dataclass(slots=True)
class Imported:
    """What an inventory file says: hosts with their variables resolved, and the groups each is in."""

    file: str
    digest: str = ""
    """SHA-256 of its bytes; empty where it could not be read."""
    hosts: dict[str, dict[str, Variable]] = field(default_factory=dict[str, dict[str, Variable]])
    spots: dict[str, Spot] = field(default_factory=dict[str, Spot])
    groups: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Without ``all`` and ``ungrouped``; the hosts of child groups included."""
    mistakes: list[Mistake] = field(default_factory=list[Mistake])

    def mistake(self, spot: Spot, what: str, node: str | None = None) -> None:
        """Note something wrong at a place of the file."""
        self.mistakes.append(Mistake(file=self.file, line=spot.line, column=spot.column, what=what, node=node))


def read(path: Path, file: str) -> Imported:
    """Read an inventory file, called ``file`` in messages; nothing is raised."""
    found = Imported(file)
    try:
        raw = document.read_bytes(path)
    except OSError as error:
        found.mistake(document.TOP, document.why_unreadable(error))
        return found
    found.digest = document.digest(raw)
    if raw.startswith(b"#!"):
        found.mistake(document.TOP, "an inventory script is not run; import a file that it has written")
        return found
    text, mistake = document.decode(raw, file)
    if mistake is not None:
        found.mistakes.append(mistake)
        return found
    sheet = _Sheet(found)
    if _is_yaml(path, text):
        _from_yaml(sheet, document.parse(raw, file, tags=True))
    else:
        _from_ini(sheet, text)
    sheet.resolve()
    return found


def _is_yaml(path: Path, text: str) -> bool:
    if path.suffix.lower() in {".yml", ".yaml", ".json"}:
        return True
    first = next((line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"), "")
    return path.suffix.lower() != ".ini" and bool(re.match(r"---|\{|[\w.-]+:\s*$", first))


class _Sheet:
    """Hosts and groups while they are being read."""

    def __init__(self, found: Imported) -> None:
        self.found = found
        self.groups: dict[str, Group] = {"all": Group()}
        self.own: dict[str, dict[str, Variable]] = {}

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def host(self, pattern: str, group: str, spot: Spot) -> Iterator[dict[str, Variable]]:
        """The own variables of every host that a name with ranges stands for."""
        port = ""
        if match := re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:]+(?:\[[^\]]*\][^:]*)*):(\d+)", pattern):
            pattern, port = match.groups()
        for name in _expanded(pattern):
            if len(self.own) >= MOST_HOSTS and name not in self.own:
                raise ValueError(_TOO_MANY)
            self.group(group).hosts.setdefault(name, spot)
            self.found.spots.setdefault(name, spot)
            own = self.own.setdefault(name, {})
            if port:
                own["ansible_port"] = (port, spot)
            yield own

    def resolve(self) -> None:
        """Work out who is in which group and which value of a variable holds."""
        self._check_children()
        depths = self._depths()
        members = {name: self._members(name) for name in self.groups}
        everyone = list(self.own)
        members["all"] = everyone
        order = sorted(self.groups, key=lambda name: (name != "all", depths[name], name))
        for host in everyone:
            self.found.hosts[host] = {}
        for name in order:
            for host in members[name]:
                self.found.hosts[host].update(self.groups[name].variables)
        for host, own in self.own.items():
            self.found.hosts[host].update(own)
        self.found.groups = {name: members[name] for name in self.groups if name not in {"all", "ungrouped"}}

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self.groups, 1)
        depths["all"] = 0
        for _ in range(len(self.groups)):
            changed = False
            for name, group in self.groups.items():
                for child in group.children:
                    if child in depths and child != "all" and depths[child] <= depths[name] < len(self.groups):
                        depths[child] = depths[name] + 1
                        changed = True
            if not changed:
                break
        return depths

    def _members(self, name: str) -> list[str]:
        """The hosts of a group and of all groups below it; every group is looked at once, however they nest."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        open_groups = [name]
        while open_groups:
            at = open_groups.pop()
            if at not in seen and at in self.groups:
                seen.add(at)
                found |= dict.fromkeys(self.groups[at].hosts)
                open_groups += reversed(self.groups[at].children)
        return list(found)

    def _check_children(self) -> None:
        for name, group in self.groups.items():
            for child, spot in group.children.items():
                if child not in self.groups:
                    self.found.mistake(spot, f"no group is called '{shown(child)}'")
                elif child == name or child == "all":
                    self.found.mistake(spot, f"the group '{shown(child)}' cannot stand below '{shown(name)}'")


_RANGE = re.compile(r"\[([0-9]+|[a-zA-Z]):([0-9]+|[a-zA-Z])(?::([0-9]+))?\]")


def _expanded(pattern: str) -> Iterator[str]:
    """``web[01:12]`` written out, with leading zeros and steps; raises ValueError in words."""
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern.removeprefix("[").removesuffix("]") if re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", pattern) else pattern
        return
    first, last, step = match.group(1), match.group(2), int(match.group(3) or 1)
    if first.isdigit() is not last.isdigit() or step < 1:
        raise ValueError(f"'{shown(match.group())}' is not a range")
    if first.isdigit():
        if len(last) > 9 or int(last) - int(first) > MOST_HOSTS * step:
            raise ValueError(_TOO_MANY)
        width = len(first) if first.startswith("0") or len(first) == len(last) else 0
        parts = [str(number).zfill(width) for number in range(int(first), int(last) + 1, step)]
    else:
        parts = [chr(code) for code in range(ord(first), ord(last) + 1, step)]
    if not parts:
        raise ValueError(f"the range '{shown(match.group())}' is empty")
    for part in parts:
        yield from _expanded(pattern[: match.start()] + part + pattern[match.end() :])


def _from_ini(sheet: _Sheet, text: str) -> None:
    name, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        spot = Spot(number, len(line) - len(line.lstrip()) + 1)
        try:
            header = re.fullmatch(r"\[([^\[\]]+)\]\s*(?:[#;].*)?", stripped)
            if header and not _RANGE.fullmatch(stripped):
                name, _, kind = header.group(1).strip().partition(":")
                kind = kind or "hosts"
                if kind not in {"hosts", "vars", "children"}:
                    sheet.found.mistake(spot, f"':{shown(kind)}' is none of :vars and :children")
                sheet.group(name)
            elif kind == "vars":
                key, equals, value = stripped.partition("=")
                if not equals:
                    raise ValueError("a variable reads name = value")
                sheet.group(name).variables[key.strip()] = (_unquoted(value.strip()), spot)
            elif kind == "children":
                sheet.group(name).children[stripped.split()[0]] = spot
            elif kind == "hosts":
                _ini_host(sheet, name, stripped, spot)
        except ValueError as error:
            sheet.found.mistake(spot, str(error))


def _ini_host(sheet: _Sheet, group: str, line: str, spot: Spot) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise ValueError("a quote is not closed") from None
    if not words:
        return
    variables: dict[str, Variable] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"'{shown(key)}' is no variable: behind a host stand name=value pairs")
        variables[key] = (value, spot)
    for own in sheet.host(words[0], group, spot):
        own |= variables


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #")[0].rstrip()


def _from_yaml(sheet: _Sheet, doc: Document) -> None:
    sheet.found.mistakes += doc.mistakes
    if doc.data is not None and not isinstance(doc.data, dict):
        sheet.found.mistake(document.TOP, "groups are expected at the top, such as all: {hosts: …}")
        return
    for name, body in _mapping(cast("Any", doc.data)).items():
        if name != "_meta":
            _yaml_group(sheet, doc, name, body, (name,))


def _yaml_group(sheet: _Sheet, doc: Document, name: str, body: Any, path: document.KeyPath) -> None:
    group = sheet.group(name)
    if body is not None and not isinstance(body, dict):
        sheet.found.mistake(doc.spot(path), f"the group '{shown(name)}' must be a mapping of hosts, vars and children")
        return
    for part, inside in _mapping(body).items():
        here = (*path, part)
        if part not in {"hosts", "vars", "children"}:
            sheet.found.mistake(doc.spot(here, key=True), f"'{shown(part)}' is none of hosts, vars and children")
        elif inside is not None and not isinstance(inside, dict):
            sheet.found.mistake(doc.spot(here), f"'{part}' must be a mapping")
        for key, value in _mapping(inside).items():
            spot = doc.spot((*here, key), key=True)
            if part == "vars":
                group.variables[key] = (value, doc.spot((*here, key)))
            elif part == "children":
                group.children[key] = spot
                _yaml_group(sheet, doc, key, value, (*here, key))
            elif part == "hosts":
                try:
                    for own in sheet.host(key, name, spot):
                        own |= {k: (v, doc.spot((*here, key, k))) for k, v in _mapping(value).items()}
                except ValueError as error:
                    sheet.found.mistake(spot, str(error))


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
