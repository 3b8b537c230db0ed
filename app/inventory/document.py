"""One YAML file as plain values, with the place of every key and value.

Whatever is wrong with the file becomes a mistake with its place; nothing here raises on bad input.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from app.column import clean
from app.inventory import syntax
from app.inventory.model import Mistake

LARGEST = 4 << 20
"""Bytes; a larger file is refused."""
MOST_ALIASED = 20_000
"""Values that aliases may add to a file before they count as an attack."""

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top: ``("nodes", "pi", "tags", 0)``."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file, counted from 1 as editors do."""

    line: int
    column: int


TOP = Spot(1, 1)


@dataclass(slots=True)
class Document:
    """A file as read: its plain values, where each of them stands, and what is wrong with its syntax."""

    file: str
    """As the operator called it."""
    text: str = ""
    digest: str = ""
    """SHA-256 of its bytes; empty where there was no file."""
    root: yaml.Node | None = None
    """PyYAML's nodes, for whoever edits the text; ``None`` for an empty or unreadable file."""
    data: Any = None
    """dict, list, str, int, float, bool and None; keys are always text."""
    keys: dict[KeyPath, Spot] = field(default_factory=dict[KeyPath, Spot])
    values: dict[KeyPath, Spot] = field(default_factory=dict[KeyPath, Spot])
    mistakes: list[Mistake] = field(default_factory=list[Mistake])

    def spot(self, path: KeyPath, *, key: bool = False) -> Spot:
        """Where a value stands, or its key; of a thing that is not there, the key of what would hold it."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        for end in range(len(path), 0, -1):
            found = first.get(path[:end]) or second.get(path[:end])
            if found is not None:
                return found
            first, second = self.keys, self.values
        return TOP

    def mistake(
        self, path: KeyPath, what: str, *, key: bool = False, nearest: str = "", warning: bool = False
    ) -> Mistake:
        """A mistake at the place of a value, or of its key; one below ``nodes`` or ``proxmox`` faults that entry."""
        spot = self.spot(path, key=key)
        return Mistake(
            file=self.file,
            line=spot.line,
            column=spot.column,
            what=what,
            nearest=nearest,
            node=_below("nodes", path),
            cluster=_below("proxmox", path),
            warning=warning,
        )

    def where(self, path: KeyPath) -> str:
        """``FILE:LINE:COL`` of a value."""
        spot = self.spot(path)
        return f"{self.file}:{spot.line}:{spot.column}"


def read(path: Path, file: str = "", *, tags: bool = False) -> Document:
    """Read a file, called ``file`` in messages; at most ``LARGEST`` bytes of it."""
    file = file or str(path)
    try:
        raw = read_bytes(path)
    except OSError as error:
        return _failed(file, why_unreadable(error))
    return parse(raw, file, tags=tags)


def read_bytes(path: Path) -> bytes:
    """The first ``LARGEST`` + 1 bytes of an ordinary file; raises OSError for anything else."""
    if path.exists() and not path.is_file():  # a pipe would block for ever
        raise OSError("a file is expected, this is something else")
    with path.open("rb") as stream:
        return stream.read(LARGEST + 1)


def digest(raw: bytes) -> str:
    """What tells one content of a file from another: SHA-256, in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def why_unreadable(error: OSError) -> str:
    """An operating system's refusal in words, without the path."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be read: {error.strerror or error}"


def decode(raw: bytes, file: str) -> tuple[str, Mistake | None]:
    """The text of a configuration file, or the mistake that keeps it from being one: size, encoding, control bytes."""
    if len(raw) > LARGEST:
        return "", _at(file, f"larger than {LARGEST >> 20} MiB, which no list of hosts is")
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        return "", _at(file, f"not UTF-8: the byte 0x{raw[error.start]:02x} stands here", _spot_after(before))
    if found := _UNPRINTABLE.search(text):
        what = f"the control character U+{ord(found.group()):04X} stands here"
        return "", _at(file, what, _spot_after(text[: found.start()]))
    return text, None


def parse(raw: bytes, file: str, *, tags: bool = False) -> Document:
    """Read the bytes of a file; ``tags`` lets unknown YAML tags pass, their values read as ``None``."""
    text, mistake = decode(raw, file)
    document = Document(file, text, digest(raw))
    if mistake is not None:
        document.mistakes.append(mistake)
        return document
    try:
        document.root = syntax.compose(text)
    except yaml.MarkedYAMLError as error:
        document.mistakes.append(_syntax(document, error))
    except yaml.YAMLError as error:
        document.mistakes.append(_at(file, f"not YAML: {clean(str(error))}"))
    else:
        if document.root is not None:
            _Walk(document, tags).run(document.root)
    return document


def _below(section: str, path: KeyPath) -> str | None:
    """The entry of a section that a place is in, if it is in one."""
    return str(path[1]) if len(path) > 1 and path[0] == section else None


_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


def _at(file: str, what: str, spot: Spot = TOP) -> Mistake:
    return Mistake(file=file, line=spot.line, column=spot.column, what=what)


def _failed(file: str, what: str) -> Document:
    return Document(file, mistakes=[_at(file, what)])


def _spot_after(before: str) -> Spot:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Spot(len(lines), len(lines[-1]) + 1)


def _syntax(document: Document, error: yaml.MarkedYAMLError) -> Mistake:
    """The parser's words made ours; they never quote the file, which may hold a secret."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = document.text.replace("\r\n", "\n").split("\n")
    at = lines[line] if line < len(lines) else ""
    indent = at[: len(at) - len(at.lstrip())]
    problem = error.problem or ""
    if "\t" in indent:
        what, column = "a tab stands where only spaces may indent", indent.index("\t")
    elif "cannot start any token" in problem:
        what = f"a text that begins with {at[column : column + 1]} needs quotes"
    elif problem == syntax.TOO_DEEP:
        what = problem
    else:
        described = f"{error.context or ''} {problem}"
        what = next((words for key, words in _SYNTAX.items() if key in described), f"not YAML: {clean(described)}")
    return Mistake(file=document.file, line=line + 1, column=column + 1, what=what)


_SYNTAX = {
    "undefined alias": "this alias has no anchor; a text that begins with * needs quotes",
    "duplicate anchor": "an anchor of this name stands further up already",
    "mapping values are not allowed": "a colon stands where none is expected; a text that holds one needs quotes",
    "single document": "a second document begins here; only one is read",
    "unexpected end of stream": "the file ends in the middle of something: a quote is not closed",
    "could not find expected ':'": "the key above has no colon behind it",
    "while parsing a flow": "a bracket, brace or comma is missing or stands here by mistake",
    "while parsing a block": "this line does not fit what stands above it; look at the indentation",
}


class _Walk:
    """Turns nodes into plain values and notes where each stands; bounded against aliases that multiply."""

    def __init__(self, document: Document, tags: bool) -> None:
        self.document = document
        self.tags = tags
        self.seen: set[int] = set()
        self.above: set[int] = set()
        self.aliased = 0
        self.refused = False

    def run(self, root: yaml.Node) -> None:
        value = self.value(root, ())
        self.document.data = None if self.refused else value

    def too_many_aliased(self, node: yaml.Node) -> bool:
        """Count one more value that is here only because an alias repeats it."""
        self.aliased += 1
        if self.aliased > MOST_ALIASED and not self.refused:
            self.refused = True
            self.complain(node, (), f"aliases make this file more than {MOST_ALIASED} values larger")
        return self.refused

    def complain(self, node: yaml.Node, path: KeyPath, what: str) -> None:
        spot = _start(node)
        self.document.mistakes.append(
            Mistake(
                file=self.document.file,
                line=spot.line,
                column=spot.column,
                what=what,
                node=_below("nodes", path),
                cluster=_below("proxmox", path),
            )
        )

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if self.refused:
            return None
        if id(node) in self.seen and self.too_many_aliased(node):
            return None
        if id(node) in self.above:
            self.complain(node, path, _INSIDE_ITSELF)
            return None
        self.seen.add(id(node))
        self.document.values.setdefault(path, _start(node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        expected = syntax.SEQUENCE if isinstance(node, yaml.SequenceNode) else syntax.MAPPING
        if node.tag != expected:
            return self.unknown_tag(node, path)
        self.above.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            value: Any = [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        else:
            value = self.mapping(node, path)
        self.above.discard(id(node))
        return value

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        try:
            return syntax.scalar(node)
        except KeyError:
            return self.unknown_tag(node, path)
        except ValueError:
            self.complain(node, path, "the value is not what its tag says")
            return None

    def unknown_tag(self, node: yaml.Node, path: KeyPath) -> None:
        if not self.tags:
            self.complain(node, path, "YAML tags (a word that begins with !) mean nothing here")

    def mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, path, "a key must be a single word, not a list or mapping")
            elif key.value == "<<" and not key.style:
                merged.append(item)
            else:
                self.entry(found, key, item, path)
        for item in merged:
            self.merge(found, item, path)
        return found

    def entry(self, found: dict[str, Any], key: yaml.ScalarNode, item: yaml.Node, path: KeyPath) -> None:
        name = str(key.value)
        here: KeyPath = (*path, name)
        if name in found:
            first = self.document.keys[here]
            self.complain(key, here, f"'{shown(name)}' stands here a second time; it is in line {first.line} already")
            return
        self.document.keys[here] = _start(key)
        found[name] = self.value(item, here)

    def merge(self, found: dict[str, Any], item: yaml.Node, path: KeyPath) -> None:
        """YAML's ``<<``: what the named mappings hold and this one does not say itself."""
        for source in item.value if isinstance(item, yaml.SequenceNode) else [item]:
            if not isinstance(source, yaml.MappingNode):
                self.complain(source, path, "<< takes a mapping")
                continue
            if id(source) in self.above:
                self.complain(source, path, _INSIDE_ITSELF)
                continue
            if self.too_many_aliased(source):
                return
            self.above.add(id(source))
            for key, value in source.value:
                if isinstance(key, yaml.ScalarNode) and key.value == "<<" and not key.style:
                    self.merge(found, value, path)
                elif isinstance(key, yaml.ScalarNode) and key.value not in found:
                    self.entry(found, key, value, path)
            self.above.discard(id(source))


_INSIDE_ITSELF = "this alias stands inside the very thing it points at"


def _start(node: yaml.Node) -> Spot:
    mark: Any = node.start_mark
    return Spot(mark.line + 1, mark.column + 1)


def shown(value: object, longest: int = 40) -> str:
    """A value from a file as it may stand in a message: one line, no control characters, not too long."""
    text = clean(str(value).lower() if isinstance(value, bool) else str(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"
