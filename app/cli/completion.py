"""Completion of nouns, verbs, options and target names by the shell; names are read from hosts.yaml at each tab."""

from __future__ import annotations

import contextlib

import click

from app.cli.options import ListsGlobals, Options

VARIABLE = "_QUARTERDECK_COMPLETE"


def names(context: click.Context, incomplete: str) -> list[str]:
    """Nodes, groups and tags that go on as typed; in a comma list the last name is completed."""
    from app.inventory import load
    from app.inventory.pattern import vocabulary

    options = context.find_object(Options)
    before, comma, last = incomplete.rpartition(",")
    sign = last[:1] if last[:1] in ("!", "&") else ""
    with contextlib.suppress(Exception):  # a broken hosts.yaml completes nothing, and a tab is no place to say so
        valid = vocabulary(load(options.hosts if options else None))
        return [f"{before}{comma}{sign}{name}" for name in valid if name.startswith(last[len(sign) :])]
    return []


def nodes(context: click.Context, incomplete: str) -> list[str]:
    """Nodes whose names go on as typed."""
    from app.inventory import load

    options = context.find_object(Options)
    with contextlib.suppress(Exception):  # as above
        found = load(options.hosts if options else None).nodes
        return [name for name in found if name.startswith(incomplete)]
    return []


class _Completion(ListsGlobals):
    """``quarterdeck completion``."""


@click.command("completion", cls=_Completion)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that teaches a shell to complete nouns, verbs, options and names from hosts.yaml.

    \b
    bash:  echo 'eval "$(quarterdeck completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(quarterdeck completion zsh)"' >> ~/.zshrc
    fish:  quarterdeck completion fish > ~/.config/fish/completions/quarterdeck.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    root = context.find_root().command
    if found is not None:
        made = found(root, {}, "quarterdeck", VARIABLE)
        # The template is written directly: asking click to check the version of bash would start one.
        click.echo(made.source_template % made.source_vars())
