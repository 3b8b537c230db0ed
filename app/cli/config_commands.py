"""``quarterdeck config``: check and show hosts.yaml, say where values come from, trust its commands, print its schema.

Attached to the command line by name; reads files only when a command runs. Of the context's object it uses the
attributes ``hosts``, ``output`` and ``on``, all optional.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from app.column import clean

if TYPE_CHECKING:
    from app.inventory.model import Inventory, Mistake, NodeEntry

DONE, USAGE = 0, 2


@click.group("config")
def config() -> None:
    """Check, show and explain hosts.yaml."""


@config.command("validate")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def validate(context: click.Context, file: Path | None) -> None:
    """List every mistake as FILE:LINE:COL: what (nearest valid name); exit 2 when there is one.

    Checks FILE, else the hosts.yaml in use, and what it imports. A warning alone exits 0.
    """
    from app.inventory.loading import read

    loaded = read(file or hosts(context))
    errors = [mistake for mistake in loaded.mistakes if not mistake.warning]
    if as_json(context):
        write_json([_mistake(mistake) for mistake in loaded.mistakes])
    else:
        for mistake in loaded.mistakes:
            click.echo(clean(str(mistake)))
    where = clean(str(loaded.found.path or loaded.found.how))
    for skipped in loaded.found.skipped:
        click.echo(f"not used: {clean(skipped)}", err=True)
    click.echo(f"{where}: {_counted(errors, loaded.mistakes)}", err=True)
    context.exit(USAGE if errors else DONE)


def _counted(errors: Sequence[Mistake], all_of_them: Sequence[Mistake]) -> str:
    warnings = len(all_of_them) - len(errors)
    said = [f"{len(errors)} mistake{'' if len(errors) == 1 else 's'}"] if errors else []
    said += [f"{warnings} warning{'' if warnings == 1 else 's'}"] if warnings else []
    return ", ".join(said) or "no mistakes"


def _mistake(mistake: Mistake) -> dict[str, Any]:
    return {
        "id": f"{mistake.file}:{mistake.line}:{mistake.column}",
        "file": mistake.file,
        "line": mistake.line,
        "column": mistake.column,
        "grade": "warning" if mistake.warning else "error",
        "what": mistake.what,
        "nearest": mistake.nearest or None,
        "node": mistake.node,
        "cluster": mistake.cluster,
    }


@config.command("show")
@click.pass_context
def show(context: click.Context) -> None:
    """Show nodes and clusters as resolved: defaults filled in, imports read, groups made tags; no secrets."""
    from app.cli import cluster_text
    from app.inventory import load, select
    from app.paths import Paths

    inventory = load(hosts(context))
    on = getattr(context.find_root().obj, "on", None)
    nodes = [inventory.nodes[name] for name in (select(inventory, on) if on else inventory.nodes)]
    clusters = [] if on else cluster_text.clusters(inventory, Paths.find().state)
    if as_json(context):
        items = [{"id": node.name, **plain(node)} for node in nodes] + clusters
        write_json(items, [_mistake(mistake) for mistake in inventory.mistakes if not mistake.warning])
        return
    click.echo(f"# {clean(str(inventory.path or 'built in: this machine, no hosts.yaml'))}")
    if nodes or not clusters:
        write_table([("NODE", "REACHED BY", "SUDO", "EVERY", "TAGS", "FAULT"), *(_node_row(node) for node in nodes)])
    if clusters:
        write_table(cluster_text.table(clusters))
    for line in _settings(inventory):
        click.echo(line)


def _node_row(node: NodeEntry) -> tuple[str, ...]:
    fault = node.fault or ""
    return node.name, _way(node), node.sudo.value, f"{node.interval:g} s", ", ".join(sorted(node.tags)), fault


def _way(node: NodeEntry) -> str:
    if node.local:
        return "this machine"
    if node.ssh:
        user = f"{node.ssh.user}@" if node.ssh.user else ""
        host = f"[{node.ssh.host}]" if ":" in node.ssh.host else node.ssh.host
        return f"ssh {user}{host}{f':{node.ssh.port}' if node.ssh.port else ''}"
    if node.ping:
        return f"{node.ping.method} {node.ping.host}{f':{node.ping.port}' if node.ping.port else ''}"
    return "–"


def _settings(inventory: Inventory) -> list[str]:
    rules = inventory.rules
    said = {
        "groups": "; ".join(f"{name}: {', '.join(members)}" for name, members in inventory.groups.items()),
        "read-only": ", ".join(rules.read_only),
        "type the name": ", ".join(rules.type_name),
        "why is required": rules.require_why,
        "keys": ", ".join(f"{name}: {key}" for name, key in inventory.keys.items()),
        "theme": inventory.theme or "",
        "wallboard": f"{', '.join(inventory.wallboard.panes) or 'every pane'}, {inventory.wallboard.rotate:g} s each",
        "witness copies": _witness_copies(inventory),
    }
    return [f"{name + ':':<20}{clean(value)}" for name, value in said.items() if value]


def _witness_copies(inventory: Inventory) -> str:
    said = inventory.witness
    places = [*(["journald"] if said.journald else []), *(f"{one.node}:{one.folder}" for one in said.nodes)]
    return f"{', '.join(places)}, every {said.every} entries" if places else ""


@config.command("explain")
@click.argument("name")
@click.pass_context
def explain(context: click.Context, name: str) -> None:
    """Say where each value of a node or cluster comes from: its entry, an import, ssh_config or the defaults."""
    from app.inventory import explain as explained

    rows = explained(hosts(context), name)
    if as_json(context):
        write_json([{"id": name, "key": key, "value": value, "from": where} for key, value, where in rows])
    else:
        write_table([("KEY", "VALUE", "FROM"), *rows])


@config.command("trust")
@click.pass_context
def trust(context: click.Context) -> None:
    """List the commands that secrets of hosts.yaml come from, and agree to those that are new.

    A command is run only once it was agreed to here. One that was changed, or that stands in another file, is new.
    """
    from app.cli.trust_command import trust as agree

    context.exit(agree(context))


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of hosts.yaml, for editors that complete and check it."""
    from app.inventory import schema as drawn

    click.echo(json.dumps(drawn(), indent=2))


def hosts(context: click.Context) -> Path | None:
    """The hosts.yaml named on the command line, if one was."""
    said = getattr(context.find_root().obj, "hosts", None)
    return Path(said) if said else None


def as_json(context: click.Context) -> bool:
    """Whether results are JSON: as asked, else wherever stdout is no terminal."""
    said = getattr(context.find_root().obj, "output", None)
    return said == "json" if said else not sys.stdout.isatty()


def write_json(items: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]] = ()) -> None:
    """Write the one object that stdout holds in JSON."""
    click.echo(json.dumps({"items": list(items), "errors": list(errors)}, indent=2, ensure_ascii=False))


def write_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns as wide as they need to be, the last as long as it is."""
    drawn = [[clean(text) for text in row] for row in rows]
    widths = [max(len(row[at]) for row in drawn) for at in range(len(drawn[0]))]
    for row in drawn:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def plain(value: Any) -> Any:
    """A configured value as JSON has it; absent is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {spec.name: plain(getattr(value, spec.name)) for spec in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, frozenset):
        return sorted(str(one) for one in cast("frozenset[Any]", value))
    return str(value) if isinstance(value, Path) else value
