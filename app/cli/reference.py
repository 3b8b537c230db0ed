"""The command line's reference and the key sheet as Markdown, drawn from the catalog.

``python -m app.cli.reference > docs/cli.md`` and ``python -m app.cli.reference --keys > docs/keys.md``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence

import click

from app import registry
from app.cli.nouns import NounGroup, VerbCommand
from app.cli.options import DEMO_NODES, GlobalOption, Options
from app.cli.root import OWN, Root
from app.keys import global_bindings, shown
from app.plan import Risk
from app.registry import PARTS, Part
from app.verb import Catalog, Verb

_RISKS = {
    Risk.SAFE: "",
    Risk.DISRUPTS: "asks",
    Risk.DESTROYS: "asks for the name",
}


def cli(parts: Sequence[Part] = PARTS) -> str:
    """The reference of every noun, verb and option."""
    return "\n".join(_cli(parts)) + "\n"


def _cli(parts: Sequence[Part]) -> Iterator[str]:
    root = Root(parts)
    context = click.Context(root, info_name="quarterdeck", obj=Options())
    yield "# The command line"
    yield ""
    yield "Written by `make docs` from the declarations of the verbs; do not edit it by hand."
    yield ""
    yield "```"
    yield "quarterdeck NOUN VERB [TARGET…] [ARGUMENTS] [options] [-- COMMAND…]"
    yield "```"
    yield ""
    yield from _paragraphs(_PREFACE)
    yield "## Options of every command"
    yield ""
    yield from _options(root, context, everywhere=True)
    for noun in registry.nouns(parts):
        yield from _noun(NounGroup(noun, parts), context)
    yield "## The tool's own"
    yield ""
    for name, (_, about) in OWN.items():
        command = root.get_command(context, name)
        assert command is not None
        yield from _own(command, name, about, context)


def _noun(group: NounGroup, parent: click.Context) -> Iterator[str]:
    context = click.Context(group, info_name=group.name, parent=parent)
    yield f"## {group.name}"
    yield ""
    if group.help:
        yield from _paragraphs(group.help)
    yield "| Verb | Key | | |"
    yield "|---|---|---|---|"
    commands = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    for name, command in commands:
        verb = command.verb if isinstance(command, VerbCommand) else None
        told = verb.help if verb else (command.get_short_help_str(200) if command else "")
        yield f"| `{group.name} {name}` | {_key(verb)} | {_escaped(told)} | {_RISKS[verb.risk] if verb else ''} |"
    yield ""
    for name, command in commands:
        if command is not None:
            yield from _command(command, f"{group.name} {name}", context)


def _key(verb: Verb | None) -> str:
    return f"`{shown(verb.key)}`" if verb and verb.key else ""


def _command(command: click.Command, title: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=command.name, parent=parent)
    yield f"### {title}"
    yield ""
    yield "```"
    yield " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield "```"
    yield ""
    yield from _paragraphs(command.help or "")
    yield from _options(command, context, everywhere=False)


def _own(command: click.Command, title: str, about: str, parent: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield from _command(command, title, parent)
        return
    context = click.Context(command, info_name=command.name, parent=parent)
    yield f"### {title}"
    yield ""
    yield from _paragraphs(command.help or about)
    for name in command.list_commands(context):
        each = command.get_command(context, name)
        if each is not None:
            yield from _command(each, f"{title} {name}", context)


def _options(command: click.Command, context: click.Context, *, everywhere: bool) -> Iterator[str]:
    rows = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option) and isinstance(parameter, GlobalOption) is everywhere
    ]
    found = [row for row in rows if row is not None]
    if found:
        yield "| Option | |"
        yield "|---|---|"
        for option, told in found:
            yield f"| `{_escaped(option)}` | {_escaped(told)} |"
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):  # newer Pythons do this when they compile
        if paragraph.startswith("\b"):
            yield "```"
            yield from (line.rstrip() for line in paragraph.splitlines()[1:])
            yield "```"
        else:
            yield " ".join(paragraph.split())
        yield ""


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def keys(parts: Sequence[Part] = PARTS) -> str:
    """Every key of the console: those of every pane, and those of each kind's verbs."""
    return "\n".join(_keys(parts)) + "\n"


def _keys(parts: Sequence[Part]) -> Iterator[str]:
    yield "# Keys"
    yield ""
    yield "Written by `make docs` from the declarations of the verbs; do not edit it by hand. `?` shows the same in the"
    yield "console. Every key can be changed in hosts.yaml by the id of its binding: `keys: {node.reboot: f9}`."
    yield ""
    yield "## In every pane"
    yield ""
    yield "| Key | | Id |"
    yield "|---|---|---|"
    for binding in global_bindings():
        named = " ".join(f"`{_escaped(shown(key))}`" for key in binding.keys)
        yield f"| {named} | {_escaped(binding.label)} | `{binding.id}` |"
    yield ""
    kinds = registry.kinds(parts)
    catalog = Catalog({noun: kind.verbs for noun, kind in kinds.items()})
    for noun, kind in kinds.items():
        yield f"## On {kind.plural}"
        yield ""
        if kind.under in kinds:
            yield f"Behind {kinds[kind.under].plural}: their number again goes from pane to pane."
            yield ""
        yield "| Key | Verb | | | Id |"
        yield "|---|---|---|---|---|"
        for verb in catalog.on(noun):
            key = _key(verb).replace("|", "\\|")
            yield f"| {key} | {verb.name} | {_escaped(verb.help)} | {_RISKS[verb.risk]} | `{verb.id}` |"
        yield ""


_PREFACE = f"""\
A target is an id (`pi`, `pi/web`), a name, a glob (`'n*'` of names, `'pi/*'` of ids), a group or a tag (`@edge`).
Several stand apart or with commas (`n1,n4`), `!old` leaves out, `&@arm` narrows. Arguments follow the targets. What
follows `--` is a command for the targets.

Results are on stdout: a table on a terminal, otherwise one JSON object with `items` and `errors`. Everything else is on
stderr. Unknown figures are `null`. An action's items are outcomes with `id`, `verb`, `outcome`, `exit_code`, `message`,
`job` and `trace`. Lines that are read are items with `target` and `line`, and with `origin` (who of several said it),
`at` (seconds since the epoch) and `error` (it came by standard error) where those are known. `show` adds `details`:
what has to be asked for, as sections with `title`, `lines` and `rows`.

Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 partly failed · 4 refused, falsified or declined ·
130 interrupted.

`--demo` shows {DEMO_NODES} pretend nodes unless `--nodes` says otherwise."""


if __name__ == "__main__":
    sys.stdout.write(keys() if "--keys" in sys.argv[1:] else cli())
