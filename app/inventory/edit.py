"""Adds nodes to hosts.yaml and removes them, leaving every other byte as it was.

The text is edited, not rewritten from values: comments, order and style stay. What came out is read again and must
hold exactly what was meant; otherwise nothing is written.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml

from app.errors import ConfigurationError, Missing
from app.inventory import document
from app.inventory.address import check_name
from app.inventory.document import Document
from app.inventory.loading import read as read_inventory
from app.paths import private_folder

_FIRST = (
    "# The nodes of this console. Every key: quarterdeck config schema\nversion: 1\nnodes:\n  here: {local: true}\n"
)
"""What a new hosts.yaml begins with: this machine, which was shown before there was a file, stays."""


def add_node(path: Path, name: str, values: Mapping[str, Any]) -> None:
    """Write a node into hosts.yaml, which is made where there is none.

    ``values`` is the entry as hosts.yaml has it (``{"ssh": "ops@pi", "tags": ["arm"]}``). Raises ConfigurationError
    where the name is taken, the entry would not be valid, or the file changed meanwhile.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise ConfigurationError(str(error), where=f"'{document.shown(name)}'") from None
    file = _Edited(path)
    if name in file.nodes:
        raise ConfigurationError(
            f"'{name}' stands there already", where=file.doc.where(("nodes", name)), todo="remove it first"
        )
    _write(file, _added(file, name, values), {**file.nodes, name: _plain(values)})


def remove_node(path: Path, name: str) -> None:
    """Take a node out of hosts.yaml; comments around its entry stay.

    Raises Missing for a node the file does not hold, ConfigurationError where something else still needs it.
    """
    file = _Edited(path)
    if name not in file.nodes:
        raise Missing(f"no node is called '{document.shown(name)}'", where=str(path))
    left = {other: values for other, values in file.nodes.items() if other != name}
    _write(file, _removed(file, name), left)


class _Edited:
    """A hosts.yaml as it stands: its bytes, text and nodes."""

    def __init__(self, path: Path) -> None:
        self.given = path
        self.path = path.resolve()
        """What a symlink points at: the link itself stays."""
        try:
            self.raw: bytes | None = document.read_bytes(self.path)
        except FileNotFoundError:
            self.raw = None
        except OSError as error:
            raise ConfigurationError(document.why_unreadable(error), where=str(path)) from None
        self.bom = (self.raw or b"").startswith(b"\xef\xbb\xbf")
        self.doc = self.parsed(_FIRST.encode() if self.raw is None else self.raw)
        self.text = self.doc.text
        self.newline = "\r\n" if "\r\n" in self.text else "\n"

    def parsed(self, raw: bytes) -> Document:
        doc = document.parse(raw, str(self.given))
        if doc.mistakes:
            raise ConfigurationError(
                f"it cannot be edited while this is wrong: {doc.mistakes[0].what}",
                where=f"{doc.file}:{doc.mistakes[0].line}:{doc.mistakes[0].column}",
                todo="mend it by hand",
            )
        if doc.data is not None and not isinstance(doc.data, dict):
            raise ConfigurationError("it holds no mapping to add to", where=str(self.given))
        return doc

    @property
    def top(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.doc.data or {})

    @property
    def nodes(self) -> dict[str, Any]:
        nodes = self.top.get("nodes")
        return cast("dict[str, Any]", nodes) if isinstance(nodes, dict) else {}

    def node_pairs(self) -> tuple[yaml.ScalarNode, yaml.Node] | None:
        """The key ``nodes`` and its value, where they stand in the text."""
        root = self.doc.root
        pairs: list[tuple[yaml.Node, yaml.Node]] = root.value if isinstance(root, yaml.MappingNode) else []
        for key, value in pairs:
            if isinstance(key, yaml.ScalarNode) and key.value == "nodes":
                return key, value
        return None


def _added(file: _Edited, name: str, values: Mapping[str, Any]) -> str:
    text, newline = file.text, file.newline
    found = file.node_pairs()
    if found is None:
        lines = ["nodes:", *_block(name, values, "  ")]
        return _closed(text, newline) + newline.join(lines) + newline
    key, value = found
    pairs: list[tuple[yaml.Node, yaml.Node]] = value.value if isinstance(value, yaml.MappingNode) else []
    if isinstance(value, yaml.MappingNode) and value.flow_style:
        inside = f"{_scalar(name)}: {_flow(values)}"
        if pairs:
            at = _index(pairs[-1][1], end=True)
            return f"{text[:at]}, {inside}{text[at:]}"
        at = _index(value)
        return f"{text[: at + 1]}{inside}{text[at + 1 :]}"
    if pairs:
        indent = " " * _column(pairs[0][0])
        at = _line_end(text, _content_end(pairs[-1][1], text))
    else:  # nodes: with nothing, null or ~ behind it
        indent = " " * (_column(key) + 2)
        start, end = _index(value), _index(value, end=True)
        if end > start:
            text = text[:start].rstrip(" ") + text[end:]
        at = _line_end(text, _index(key, end=True) + 1)
    lines = newline.join(_block(name, values, indent)) + newline
    before = _closed(text[:at], newline)
    return before + lines + text[at:]


def _removed(file: _Edited, name: str) -> str:
    text = file.text
    found = file.node_pairs()
    if found is None or not isinstance(found[1], yaml.MappingNode):
        raise ConfigurationError(
            "its nodes stand elsewhere, behind an alias", where=str(file.given), todo="edit by hand"
        )
    pairs: list[tuple[yaml.Node, yaml.Node]] = found[1].value
    at = next((i for i, (key, _) in enumerate(pairs) if cast("yaml.ScalarNode", key).value == name), None)
    if at is None:
        raise ConfigurationError("it comes from a merged mapping (<<)", where=str(file.given), todo="edit by hand")
    key, value = pairs[at]
    if found[1].flow_style:
        start, end = _index(key), _index(value, end=True)
        if at + 1 < len(pairs):
            end = _index(pairs[at + 1][0])
        elif at > 0:
            start = _index(pairs[at - 1][1], end=True)
        return text[:start] + text[end:]
    start = text.rfind("\n", 0, _index(key)) + 1
    return text[:start] + text[_line_end(text, _content_end(value, text)) :]


def _index(node: yaml.Node, *, end: bool = False) -> int:
    mark: Any = node.end_mark if end else node.start_mark
    return int(mark.index)


def _column(node: yaml.Node) -> int:
    mark: Any = node.start_mark
    return int(mark.column)


def _content_end(node: yaml.Node, text: str) -> int:
    """Where the last thing inside a node ends: a block's own end mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last: Any = cast("list[Any]", node.value)[-1]
        return _content_end(last[1] if isinstance(node, yaml.MappingNode) else last, text)
    start, end = _index(node), _index(node, end=True)
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        end = len(re.sub(r"(\s*(#.*)?\n?)*\Z", "", text[start:end])) + start
    return end if end > start else start


def _line_end(text: str, at: int) -> int:
    """Where the line after the one that holds a place begins."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _closed(text: str, newline: str) -> str:
    return text if not text or text.endswith("\n") else text + newline


def _block(name: str, values: Mapping[str, Any], indent: str) -> list[str]:
    """A node's entry as lines, one key each."""
    if not values:
        return [f"{indent}{_scalar(name)}: {{}}"]
    return [
        f"{indent}{_scalar(name)}:",
        *(f"{indent}  {_scalar(key)}: {_flow(value)}" for key, value in values.items()),
    ]


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in mapping.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(one) for one in cast("list[Any]", value)) + "]"
    return _scalar(value)


_UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*|~/[A-Za-z0-9_./-]+|[0-9]+(\.[0-9]+){2,3}")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    text = str(value)
    if _UNQUOTED.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f")


def _plain(value: Any) -> Any:
    """A value as reading it back gives it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in cast("list[Any]", value)]
    return value


def _write(file: _Edited, text: str, nodes: Mapping[str, Any]) -> None:
    """Put a new text in the file's place, if it says what it should and nobody else wrote meanwhile."""
    raw = (b"\xef\xbb\xbf" if file.bom else b"") + text.encode()
    doc = file.parsed(raw)
    now = cast("dict[str, Any]", doc.data or {})
    others = {key: value for key, value in file.top.items() if key != "nodes"}
    if (now.get("nodes") or {}) != nodes or {key: value for key, value in now.items() if key != "nodes"} != others:
        raise ConfigurationError(
            "it is written in a way that cannot be edited safely", where=str(file.given), todo="edit by hand"
        )
    try:
        _replace(file, raw)
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise ConfigurationError(what, where=str(file.given)) from None


def _replace(file: _Edited, raw: bytes) -> None:
    """A whole new file under the old name, or the old one as it was."""
    if file.raw is None:
        private_folder(file.path.parent)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.path.name}.", dir=file.path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(raw)
            stream.flush()
            if file.raw is not None:
                was = file.path.stat()
                os.fchmod(stream.fileno(), was.st_mode & 0o7777)
                with suppress(PermissionError):  # only root may give files away
                    os.fchown(stream.fileno(), was.st_uid, was.st_gid)
            os.fsync(stream.fileno())
        _refuse_new_mistakes(file, Path(temporary))
        _refuse_changed(file)
        Path(temporary).replace(file.path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(file.path.parent)


def _refuse_new_mistakes(file: _Edited, temporary: Path) -> None:
    known = set[tuple[str, str | None]]()
    if file.raw is not None:
        known = {(mistake.what, mistake.node) for mistake in read_inventory(file.path).mistakes}
    new = [mistake for mistake in read_inventory(temporary).mistakes if not mistake.warning]
    new = [mistake for mistake in new if (mistake.what, mistake.node) not in known]
    if new:
        raise ConfigurationError(
            "the result would not be valid: " + "; ".join(mistake.what for mistake in new), where=str(file.given)
        )


def _refuse_changed(file: _Edited) -> None:
    try:
        now: bytes | None = document.read_bytes(file.path)
    except FileNotFoundError:
        now = None
    if now != file.raw:
        raise ConfigurationError("somebody else changed it meanwhile", where=str(file.given), todo="try again")


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
