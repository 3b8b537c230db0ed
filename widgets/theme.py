"""Themes as files: read, checked, and read again when they change on disk."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.errors import StyleSyntaxError
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.theme import Theme

from app.column import Token, clean
from app.errors import ConfigurationError
from widgets.palette import PARTS, Look, Palette

DEFAULT = "quarterdeck-dark"
SHIPPED = Path(__file__).resolve().parent.parent / "themes"
"""Where the themes of this program lie."""
LARGEST = 64 * 1024
"""Bytes of a theme file; a larger one is none."""

_FRAME = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
_SECTIONS = {"frame": _FRAME, "tokens": tuple(token.value for token in Token), "parts": PARTS}


def read_look(path: Path, bases: Mapping[str, Look] | None = None) -> Look:
    """A theme from a TOML file, named as the file; ``base`` takes what is not said from another one.

    Raises ``ConfigurationError`` that names the file, what is wrong in it and the nearest valid name.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigurationError("too large for a theme", where=str(path), todo="keep it under 64 KiB")
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not TOML: {error}", where=str(path), todo="correct the line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path), todo="make it readable text") from error
    return _look_of(path, said, bases or {})


def _look_of(path: Path, said: dict[str, Any], bases: Mapping[str, Look]) -> Look:
    _known(path, "", said, ("title", "dark", "base", *_SECTIONS))
    base: Look | None = None
    if "base" in said:
        base = bases.get(str(said["base"]))
        if base is None:
            near = _nearest(str(said["base"]), bases)
            raise ConfigurationError(f"base '{said['base']}' is no theme{near}", where=str(path), todo="name another")
    frame = _section(path, said, "frame")
    tokens = _section(path, said, "tokens")
    parts = _section(path, said, "parts")
    for key, colour in frame.items():
        _colour(path, f"frame.{key}", colour)
    if base is None and (missing := [key for key in _FRAME if key not in frame]):
        raise ConfigurationError(
            f"[frame] lacks {', '.join(missing)}", where=str(path), todo=f'add them, or base = "{DEFAULT}"'
        )
    dark = said.get("dark", base.dark if base else True)
    if not isinstance(dark, bool):
        raise ConfigurationError("dark is neither true nor false", where=str(path), todo="write dark = true")
    colours: dict[str, Any] = {key: getattr(base, key) for key in _FRAME} if base else {}
    colours |= frame
    palette = Palette(
        (dict(base.palette.tokens) if base else {})
        | {Token(key): _style(path, f"tokens.{key}", words) for key, words in tokens.items()},
        (dict(base.palette.parts) if base else {})
        | {key: _style(path, f"parts.{key}", words) for key, words in parts.items()},
    )
    theme = Theme(name=path.stem, dark=dark, variables=_variables(palette, colours), **colours)
    return Look.of(theme, palette, clean(str(said.get("title", path.stem)))[:60])


def _variables(palette: Palette, colours: Mapping[str, str]) -> dict[str, str]:
    """What style sheets may use beside Textual's own names: ``$rule``, ``$muted`` and quiet scroll bars."""
    rule = _hex(palette.part("rule")) or colours["panel"]
    return {
        "rule": rule,
        "muted": _hex(palette[Token.MUTED]) or colours["foreground"],
        "scrollbar": rule,
        "scrollbar-hover": rule,
        "scrollbar-active": colours["accent"],
        "scrollbar-background": colours["background"],
        "scrollbar-background-hover": colours["background"],
        "scrollbar-background-active": colours["background"],
        "scrollbar-corner-color": colours["background"],
    }


def _hex(style: Style) -> str | None:
    return style.color.get_truecolor().hex if style.color else None


def _known(path: Path, section: str, said: Iterable[str], names: Iterable[str]) -> None:
    for key in said:
        if key not in names:
            at = f"[{section}] " if section else ""
            raise ConfigurationError(
                f"{at}'{key}' means nothing here{_nearest(key, names)}", where=str(path), todo="correct or remove it"
            )


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _section(path: Path, said: Mapping[str, Any], name: str) -> dict[str, str]:
    section = said.get(name, {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"{name} is no table", where=str(path), todo=f"write [{name}] above its lines")
    lines = cast("dict[str, Any]", section)
    _known(path, name, lines, _SECTIONS[name])
    for key, value in lines.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"{name}.{key} is no text", where=str(path), todo='write it as "#rrggbb"')
    return {key: str(value) for key, value in lines.items()}


def _colour(path: Path, key: str, colour: str) -> None:
    try:
        Color.parse(colour)
    except ColorParseError as error:
        raise ConfigurationError(f"{key} '{clean(colour)}' is no colour", where=str(path), todo="#rrggbb") from error


def _style(path: Path, key: str, words: str) -> Style:
    try:
        style = Style.parse(words)
    except (StyleSyntaxError, ValueError) as error:
        raise ConfigurationError(
            f"{key} '{clean(words)}' is no style", where=str(path), todo='such as "bold #rrggbb on #rrggbb"'
        ) from error
    if style.link or style.blink or style.blink2:
        raise ConfigurationError(f"{key} links or blinks", where=str(path), todo="use weight and colour")
    return style


@dataclass(frozen=True, slots=True)
class News:
    """What reading the folders again brought."""

    looks: tuple[Look, ...] = ()
    """New or changed themes."""
    faults: tuple[ConfigurationError, ...] = ()
    """Files that cannot be used; each is told once, until it changes again."""


class Themes:
    """The themes of this program and of the operator's folder; the latter may replace the former."""

    def __init__(self, own: Path | None = None, shipped: Path = SHIPPED) -> None:
        self._folders = [shipped, *([own] if own else [])]
        self._seen: dict[Path, tuple[int, int]] = {}
        self.looks: dict[str, Look] = {}
        """By name; a file that broke since keeps its last good theme."""

    def refresh(self) -> News:
        """Read what is new or changed; cheap when nothing is (one ``stat`` a file)."""
        looks: list[Look] = []
        faults: list[ConfigurationError] = []
        there: set[Path] = set()
        for folder in self._folders:
            for path in sorted(folder.glob("*.toml"), key=_bases_first):
                there.add(path)
                stamp = _stamp(path)
                if stamp is None or self._seen.get(path) == stamp:
                    continue
                self._seen[path] = stamp
                try:
                    look = read_look(path, self.looks)
                except ConfigurationError as error:
                    faults.append(error)
                    continue
                self.looks[look.name] = look
                looks.append(look)
        self._seen = {path: stamp for path, stamp in self._seen.items() if path in there}
        return News(tuple(looks), tuple(faults))


def _bases_first(path: Path) -> tuple[bool, str]:
    return not path.stem.startswith("quarterdeck-"), path.name


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def wear(app: App[Any], themes: Themes, name: str | None = None) -> News:
    """Bring new and changed themes to a running application and switch to ``name``, or stay with what is worn.

    An unknown name falls back to the default. A changed theme that is being worn shows at once.
    """
    news = themes.refresh()
    for look in themes.looks.values() if name is not None else news.looks:
        app.register_theme(look)
    if name is not None:
        app.theme = name if name in themes.looks else DEFAULT
    elif any(look.name == app.theme for look in news.looks):
        app.mutate_reactive(App.theme)  # pyright: ignore[reportUnknownMemberType]
    return news
