"""hosts.yaml and theme files that change while the console runs."""

from __future__ import annotations

import os
from pathlib import Path

from app.paths import Paths
from app.start import Start, open_deck
from tests.console.conftest import PARTS, driven

HOSTS = "version: 1\nnodes:\n  here: {local: true}\n"


def write(path: Path, text: str) -> None:
    """Replace a file as editors do, and make sure it looks changed."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.replace(path)


async def test_keys_theme_and_mistakes_are_taken_from_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    write(path, HOSTS)
    deck = open_deck(Start(hosts=path), parts=PARTS)
    async with driven(deck=deck) as it:
        assert it.console.theme == "quarterdeck-dark"
        write(path, HOSTS + "theme: quarterdeck-mono\nkeys: {console.help: f1}\n")
        await it.until(lambda: it.console.theme == "quarterdeck-mono")
        await it.press("f1")
        await it.at("help")
        write(path, HOSTS + "theme: quarterdeck-mono\nruels: {}\n")
        await it.until(lambda: any("ruels" in words for words in it.toasts()), str(it.toasts()))
        assert it.console.keymap.key("console.help") == "f1"
        assert "hosts.yaml:5:1" in " ".join(it.toasts())


async def test_a_theme_file_that_changes_shows_at_once() -> None:
    folder = Paths.find().config / "themes"
    folder.mkdir(parents=True)
    theme = folder / "mine.toml"
    theme.write_text('base = "quarterdeck-dark"\n[tokens]\ntitle = "#112233"\n')
    async with driven(theme="mine") as it:
        assert it.console.theme == "mine"

        def colour() -> str:
            title = it.console.header.palette.tokens
            return str(next(style.color for token, style in title.items() if token == "title"))

        assert "112233" in colour()
        theme.write_text('base = "quarterdeck-dark"\n[tokens]\ntitle = "#445566"\n')
        os.utime(theme, (1, 1))
        await it.until(lambda: "445566" in colour())
        theme.write_text("not = [toml\n")
        await it.until(lambda: any("mine.toml" in words for words in it.toasts()))
        assert "445566" in colour()
