"""hosts.yaml and what it imports, read, checked and made one inventory; every mistake is found in one go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pydantic import ValidationError

from app.errors import ConfigurationError
from app.inventory import ansible, building, check, document
from app.inventory.address import check_name
from app.inventory.ansible_nodes import ImportedNode
from app.inventory.ansible_nodes import nodes as imported_nodes
from app.inventory.document import Document, KeyPath, shown
from app.inventory.find import Found, distrusted, find
from app.inventory.model import RESERVED, SHAPES, InvalidInventory, Inventory, Mistake, NodeEntry
from app.inventory.pattern import nearest, terms
from app.inventory.shapes import File


@dataclass(slots=True)
class Loaded:
    """An inventory, every mistake of its files, and where its values came from."""

    found: Found
    inventory: Inventory = field(default_factory=Inventory)
    mistakes: tuple[Mistake, ...] = ()
    document: Document | None = None
    imported: dict[str, tuple[str, ImportedNode]] = field(default_factory=dict[str, tuple[str, ImportedNode]])
    """Name -> (file, entry) of every imported host."""
    own: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """The entries of hosts.yaml itself, as they stood."""

    @property
    def fatal(self) -> bool:
        """Something in hosts.yaml itself is wrong that does not concern single nodes or clusters only."""
        ours = (one for one in self.mistakes if one.file == self.found.file)
        return any(not one.warning and one.node is None and one.cluster is None for one in ours)


def load(path: Path | None = None) -> Inventory:
    """The inventory to work with; see the package."""
    loaded = read(path)
    if loaded.fatal:
        raise InvalidInventory(loaded.found.file, loaded.mistakes)
    return loaded.inventory


def read(path: Path | None = None) -> Loaded:
    """All there is to know of a hosts.yaml; raises ConfigurationError only for a named file that is not there."""
    found = find(path)
    if found.path is None:
        return Loaded(found, building.built_in(found))
    if not found.path.exists() and found.given:
        raise ConfigurationError(
            "there is no such file", where=str(found.path), todo=f"it was {found.how}; quarterdeck node add creates it"
        )
    return _Reader(found, found.path).run()


class _Reader:
    """One reading of one hosts.yaml."""

    def __init__(self, found: Found, path: Path) -> None:
        self.folder = path.resolve().parent
        self.path = path
        self.doc = document.read(path, found.file)
        self.mistakes = list(self.doc.mistakes)
        self.watched = {path: self.doc.digest}
        """Path -> digest of every file that was looked for."""
        self.loaded = Loaded(found, document=self.doc)
        self.groups: dict[str, list[str]] = {}
        self.incomplete = self.doc.data is None
        """Something could not be read: that a name is unknown says nothing then."""
        self.imported: dict[str, tuple[str, ImportedNode]] = self.loaded.imported

    def run(self) -> Loaded:
        data = self.data()
        valid = self.validated(data)
        self.read_imports(valid.get("import") or ())
        own = cast("dict[str, Any]", data.get("nodes") if isinstance(data.get("nodes"), dict) else {})
        self.loaded.own = {name: values if isinstance(values, dict) else {} for name, values in own.items()}
        merged = self.merged(valid.get("nodes") or {}, own)
        tags = {name: _tags(values) for name, values in merged.items()}
        self.resolve_groups(valid.get("groups") or {}, tags)
        for group, members in self.groups.items():
            for name in members:
                tags[name].add(group)
        everything = {tag for some in tags.values() for tag in some} | set(self.groups)
        reserved = building.reserved(data)
        clusters = Inventory(extra=reserved).clusters
        for more in clusters.values():
            everything |= more
        self.mistakes += check.together(self.doc, valid, None if self.incomplete else tuple(merged))
        self.mistakes += check.exposed(self.doc, data, self.path)
        if not self.incomplete:
            self.mistakes += check.rules(self.doc, valid.get("rules") or {}, [*merged, *clusters], everything)
            self.mistakes += check.copies(self.doc, valid.get("witness") or {}, merged)
        defaults = building.defaults(valid.get("defaults") or {}, self.folder)
        faults = self.faults()
        entries = {
            name: self.entry(name, values, defaults, tags[name], faults.get(name, []))
            for name, values in merged.items()
        }
        order = sorted(self.mistakes, key=lambda one: (one.file != self.doc.file, one.file, one.line, one.column))
        self.loaded.mistakes = tuple(dict.fromkeys(order))
        self.loaded.inventory = Inventory(
            path=self.path,
            watched=tuple(self.watched),
            digests=tuple(self.watched.values()),
            trusted=not distrusted(self.path),
            nodes=MappingProxyType(entries),
            groups=MappingProxyType({name: tuple(members) for name, members in self.groups.items()}),
            ssh=defaults.ssh,
            interval=defaults.interval,
            rules=building.rules(valid.get("rules") or {}),
            keys=MappingProxyType(dict(valid.get("keys") or {})),
            theme=valid.get("theme"),
            wallboard=building.wallboard(valid.get("wallboard") or {}),
            witness=building.witness(valid.get("witness") or {}),
            mistakes=self.loaded.mistakes,
            extra=reserved,
            private=check.private(data, self.mistakes),
        )
        return self.loaded

    def data(self) -> dict[str, Any]:
        """The top of the file; empty where the file is, or is something else."""
        data = self.doc.data
        if isinstance(data, dict):
            return cast("dict[str, Any]", data)
        if data is not None:
            what = "a mapping is expected at the top, such as nodes: {here: {local: true}}"
            self.mistakes.append(self.doc.mistake((), what))
        elif not self.mistakes:
            self.mistakes.append(self.doc.mistake((), "the file is empty: an inventory without nodes", warning=True))
        return {}

    def validated(self, data: dict[str, Any]) -> dict[str, Any]:
        """What passes the schema; sections, nodes and clusters with mistakes are left out, and their mistakes noted."""
        plain = _without_reserved(data)
        for _ in range(2):
            try:
                return File.model_validate(plain).model_dump(exclude_none=True, by_alias=True)
            except ValidationError as error:
                found = check.mistakes_of(self.doc, error)
                self.mistakes += found
                bad = {str(one.node) for one in found if one.node is not None}
                faulty = {str(one.cluster) for one in found if one.cluster is not None}
                for detail in error.errors(include_url=False, include_input=False, include_context=False):
                    section, *inside = detail["loc"]
                    if section not in {"nodes", "proxmox"} or not inside:
                        self.incomplete = self.incomplete or _names(str(section))
                        plain.pop(str(section), None)
                if isinstance(plain.get("nodes"), dict):
                    plain["nodes"] = {name: None if name in bad else values for name, values in plain["nodes"].items()}
                if isinstance(plain.get("proxmox"), dict):
                    plain["proxmox"] = {name: one for name, one in plain["proxmox"].items() if name not in faulty}
        return {}

    def read_imports(self, imports: Iterable[dict[str, Any]]) -> None:
        for at, item in enumerate(imports):
            where: KeyPath = ("import", at, "ansible")
            name = str(item["ansible"])
            path = Path(building.located(name, self.folder))
            self.watched.setdefault(path, "")
            if not path.is_file():
                what = "cannot import it: " + ("only files are imported" if path.exists() else "no such file")
                self.mistakes.append(self.doc.mistake(where, f"'{shown(name)}': {what}"))
                self.incomplete = True
                continue
            found = ansible.read(path, name)
            self.watched[path] = found.digest
            for host, entry in imported_nodes(found).items():
                self.imported.setdefault(host, (name, entry))
            for group, members in found.groups.items():
                self.groups[group] = list(dict.fromkeys([*self.groups.get(group, ()), *members]))
            self.mistakes += found.mistakes
            if found.mistakes and not found.hosts:
                self.mistakes.append(self.doc.mistake(where, f"'{shown(name)}': nothing could be read of it"))
                self.incomplete = True

    def merged(self, valid: dict[str, Any], own: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Every node's values: those of hosts.yaml over imported ones, which lose their way of reaching to another."""
        merged: dict[str, dict[str, Any]] = {}
        for name in [*own, *(name for name in self.imported if name not in own)]:
            self.check_name(name)
            said: dict[str, Any] = {**(valid.get(name) or {}), **_reserved(own.get(name))}
            said["tags"] = list(dict.fromkeys([*_tags(own.get(name)), *said.get("tags", ())]))
            if name in self.imported:
                said = _over(said, self.imported[name][1].values)
            merged[name] = said
        return merged

    def check_name(self, name: str) -> None:
        try:
            check_name(name)
        except ValueError as error:
            what = f"'{shown(name)}': {error}"
            if name in self.imported and ("nodes", name) not in self.doc.keys:
                file, entry = self.imported[name]
                spot = entry.spot
                self.mistakes.append(Mistake(file=file, line=spot.line, column=spot.column, what=what, node=name))
            else:
                self.mistakes.append(self.doc.mistake(("nodes", name), what, key=True))

    def resolve_groups(self, said: dict[str, list[str]], tags: dict[str, set[str]]) -> None:
        """The members of the groups of hosts.yaml; a member is a node, a glob of nodes or a tag of their own."""
        for group, patterns in said.items():
            members = dict.fromkeys(self.groups.get(group, ()))
            for at, pattern in enumerate(patterns):
                reached = self.member(("groups", group, at), pattern, tags)
                members |= dict.fromkeys(reached)
            self.groups[group] = list(members)

    def member(self, where: KeyPath, pattern: str, tags: dict[str, set[str]]) -> list[str]:
        if pattern in tags:
            return [pattern]
        parts = terms(pattern)
        if len(parts) != 1 or parts[0].sign:
            what = f"'{shown(pattern)}': a member is one node, a glob of nodes or an @tag"
            self.mistakes.append(self.doc.mistake(where, what))
            return []
        reached = [name for name, own in tags.items() if check.reaches(parts[0], name, own)]
        if not reached and not self.incomplete:
            near = nearest(pattern, [*tags, *(f"@{tag}" for own in tags.values() for tag in own)])
            kind = "node has the tag" if parts[0].tag else "node is called"
            what = f"no {kind} '{shown(parts[0].text)}'"
            self.mistakes.append(self.doc.mistake(where, what, nearest=near, warning=parts[0].glob))
        return reached

    def faults(self) -> dict[str, list[Mistake]]:
        """The mistakes found so far, by the node they belong to."""
        found: dict[str, list[Mistake]] = {}
        for mistake in dict.fromkeys(self.mistakes):
            if mistake.node is not None and not mistake.warning:
                found.setdefault(mistake.node, []).append(mistake)
        return found

    def entry(
        self, name: str, values: dict[str, Any], defaults: building.Defaults, tags: set[str], faults: list[Mistake]
    ) -> NodeEntry:
        if not faults:
            faults = check.transport(self.doc, name, values)
            self.mistakes += faults
        if faults:
            fault = "; ".join(str(mistake) for mistake in faults)
            return building.faulty(name, fault, values, frozenset(tags))
        return building.node(name, values, defaults, frozenset(tags), self.folder)


def _names(section: str) -> bool:
    """Whether a section tells names that others use, or is meant to."""
    telling = ("nodes", "groups", "import")
    return section in telling or bool(nearest(section, telling))


def _without_reserved(data: dict[str, Any]) -> dict[str, Any]:
    """The file without what only its backend can check; a copy as deep as that needs."""
    plain = _plain(data)
    nodes = plain.get("nodes")
    if isinstance(nodes, dict):
        plain["nodes"] = {name: _plain(entry) for name, entry in cast("dict[str, Any]", nodes).items()}
    return plain


def _plain(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    unchecked = {key for key in RESERVED if key not in SHAPES}
    return {key: value for key, value in cast("dict[str, Any]", entry).items() if key not in unchecked}


def _reserved(entry: Any) -> dict[str, Any]:
    said = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    return {key: said[key] for key in RESERVED if key in said}


def _tags(entry: Any) -> set[str]:
    """The tags of an entry, however much else of it is wrong: rules reach a node by them."""
    said: Any = cast("dict[str, Any]", entry).get("tags") if isinstance(entry, dict) else None
    return {str(tag) for tag in cast("list[Any]", said)} if isinstance(said, list) else set()


def _over(own: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    """An entry of hosts.yaml over an imported one; ``ssh`` is joined key by key, tags are added up."""
    ways = {"local", "ssh", "ping"}
    if ways & own.keys():
        below = {key: value for key, value in below.items() if key not in ways or key in own}
    made = {**below, **own}
    ours, theirs = own.get("ssh"), below.get("ssh")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        made["ssh"] = {**cast("dict[str, Any]", theirs), **cast("dict[str, Any]", ours)}
    made["tags"] = list(dict.fromkeys([*own.get("tags", ()), *below.get("tags", ())]))
    return made
