"""One resource as data: YAML to read, JSON to hand on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from app.column import Token, clean
from app.fleet import Fleet, Ref
from widgets.page import Line, said
from widgets.pane import KeyHint
from widgets.place import Place, heading, short


def as_yaml(value: Any) -> str:
    """Plain data as YAML; what YAML has no word for becomes text."""
    import yaml

    return yaml.safe_dump(_plain(value), allow_unicode=True, sort_keys=False, default_flow_style=False, width=100)


def as_json(value: Any) -> str:
    """Plain data as indented JSON."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


class RawPlace(Place):
    """``y``: the row as the command line's JSON has it; ``t`` turns YAML into JSON and back."""

    def __init__(self, ref: Ref) -> None:
        super().__init__()
        self.ref = ref
        self.noun = ref.kind
        self.name_of = f"raw {ref}"
        self._as_json = False
        self._data: dict[str, Any] | None = None

    def title(self) -> tuple[Line, Line]:
        """Whose data, in which form."""
        gone: Line = () if self._data is not None else (("   nobody tells of it any more", Token.WARN),)
        return (*heading("raw", short(self.ref)), *gone), (("JSON" if self._as_json else "YAML", Token.MUTED),)

    def hints(self) -> Sequence[KeyHint]:
        """Turn and copy."""
        return (
            self.key("next", "YAML" if self._as_json else "JSON"),
            self.key("describe"),
            self.key("copy"),
            self.key("back"),
        )

    def targets(self) -> tuple[Any, ...]:
        """This one."""
        row = self.bridge.deck.feed.fleet.find(self.ref)
        return (row,) if row is not None else ()

    def press(self, ident: str) -> bool:
        """``tab`` turns."""
        if ident != "console.next":
            return super().press(ident)
        self._as_json = not self._as_json
        self._show()
        return True

    def ready(self) -> None:
        """Show it."""
        self.take(self.bridge.deck.feed.fleet)

    def take(self, fleet: Fleet) -> None:
        """Show it as it is now."""
        row = fleet.find(self.ref)
        if row is not None:
            self._data = self.bridge.deck.kinds[self.ref.kind].json(row)
        self._show()

    def _show(self) -> None:
        text = "" if self._data is None else as_json(self._data) if self._as_json else as_yaml(self._data)
        self.page.set_lines([_coloured(line) for line in text.splitlines()])
        self.retitle()


def _coloured(line: str) -> Line:
    """The key quieter than the value."""
    key, colon, rest = line.partition(":")
    if not colon or (rest and not rest.startswith(" ")):
        return said(f" {line}")
    return ((f" {clean(key)}:", Token.MUTED), (clean(rest), Token.TEXT))


__all__ = ["RawPlace", "as_json", "as_yaml"]
