"""``quarterdeck witness``: ask the log, follow one operation, prove that nothing was changed, hand it on.

Attached to the command line by name; imports the witness only when a command runs. What the commands need they find
in ``ctx.obj``, as attributes or keys, all optional: ``output`` (``table`` or ``json``) and ``witness_folder``.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from app.errors import ConfigurationError, Missing, QuarterdeckError, WitnessError

if TYPE_CHECKING:
    from app.witness.entry import Entry
    from app.witness.query import Filter

F = TypeVar("F", bound=Callable[..., Any])

DONE, FAILED, USAGE, PARTLY = 0, 1, 2, 3
TERMINAL_LIMIT = 50
"""How many entries a question shows on a terminal unless told otherwise."""


@click.group("witness")
def witness() -> None:
    """Ask and prove the log of everything that was done."""


def _setting(name: str) -> Any:
    """A fact the command line left in the context; ``None`` where there is none."""
    found: object = click.get_current_context().obj
    if isinstance(found, Mapping):
        return cast("Mapping[str, Any]", found).get(name)
    return getattr(found, name, None)


def _json() -> bool:
    said = _setting("output")
    return str(said) == "json" if said else not sys.stdout.isatty()


def _folder(given: Path | None) -> Path:
    if given is not None:
        if not given.is_dir():
            raise ConfigurationError("there is no such folder", where=f"--folder {given}")
        return given
    said = _setting("witness_folder")
    if said is not None:
        return Path(said)
    from app.paths import Paths

    return Paths.find().state_of(pretend=bool(_setting("demo"))) / "witness"


def _answering(command: F) -> F:
    """Give errors the form of the output, and the exit code that fits them."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            code: int = command(*args, **options)
        except QuarterdeckError as error:
            click.echo(f"quarterdeck: {_drawn(str(error))}", err=True)
            if _json():
                _print_json([], [_as_error(error)])
            code = USAGE if isinstance(error, ConfigurationError) else FAILED
        click.get_current_context().exit(code)

    return cast("F", run)


def _drawn(text: str) -> str:
    from app.column import clean

    return clean(text)


def _as_error(error: QuarterdeckError) -> dict[str, str]:
    return {"what": error.what, "where": error.where, "todo": error.todo}


def _print_json(items: Iterable[object], errors: Iterable[object]) -> None:
    click.echo(json.dumps({"items": list(items), "errors": list(errors)}))


def _filtering(command: F) -> F:
    """The options that say which entries."""
    for option in reversed(
        (
            click.option("--verb", metavar="PATTERN", help="Verb or one word of it: 'node reboot', reboot, 'node*'."),
            click.option("--target", metavar="PATTERN", help="Target, with or without its kind: node:pi, 'pi/*'."),
            click.option("--operator", metavar="PATTERN", help="Who did it."),
            click.option("--outcome", metavar="PATTERN", help="done, failed, refused, declined or cancelled."),
            click.option("--since", metavar="WHEN", help="From then on: 2h, 3d, 2025-11-20, 2025-11-20T09:41:00Z."),
            click.option("--until", metavar="WHEN", help="Up to then; a date includes its whole day."),
            click.option("--text", metavar="WORDS", help="Anywhere in verb, target, plan, why, message or handle."),
            click.option("--limit", type=click.IntRange(min=0), metavar="N", help="The newest N only."),
            _folder_option,
        )
    ):
        command = option(command)
    return command


_folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Read the log in this folder, such as a copy of another machine's.",
)


def _filter(
    verb: str | None,
    target: str | None,
    operator: str | None,
    outcome: str | None,
    since: str | None,
    until: str | None,
    text: str | None,
) -> Filter:
    from app.witness.query import Filter, moment

    start = moment(since, option="--since") if since is not None else None
    end = moment(until, option="--until", end=True) if until is not None else None
    if start is not None and end is not None and start > end:
        raise ConfigurationError(f"'{since}' is after '{until}'", where="--since", todo="swap --since and --until")
    return Filter(verb=verb, target=target, operator=operator, outcome=outcome, since=start, until=end, text=text)


def _entries(wanted: Filter, limit: int | None, folder: Path | None, damaged: list[str]) -> Iterator[Entry]:
    """The entries that match, oldest first; with a limit the newest of them."""
    from app.witness.query import read_all
    from app.witness.segments import chains

    found = chains(_folder(folder))
    read = read_all(found, wanted, limit=limit, reverse=limit is not None, damage=damaged.append)
    return _until_damaged(read, damaged) if limit is None else reversed(list(_until_damaged(read, damaged)))


def _until_damaged(entries: Iterator[Entry], damaged: list[str]) -> Iterator[Entry]:
    """What could be read, where a file turns out to be unreadable half way: output that has begun must stay whole."""
    try:
        yield from entries
    except WitnessError as error:
        damaged.append(str(error))


@witness.command("query")
@_filtering
@_answering
def query(limit: int | None, folder: Path | None, **options: str | None) -> int:
    """Entries that match, oldest first; the newest 50 on a terminal, all of them elsewhere."""
    from app.witness.export import json_pieces
    from app.witness.show import table

    damaged: list[str] = []
    cut = limit is None and sys.stdout.isatty()
    # One more than is shown tells whether there are more.
    found = _entries(_filter(**options), TERMINAL_LIMIT + 1 if cut else limit, folder, damaged)
    shown = list(found) if cut else []
    entries = iter(shown[-TERMINAL_LIMIT:]) if cut else found
    if _json():
        _write(json_pieces(entries, lambda: [_damage(each) for each in damaged]))
    else:
        _write(f"{line}\n" for line in table(entries))
    if len(shown) > TERMINAL_LIMIT:
        click.echo(f"the newest {TERMINAL_LIMIT}; more: --limit N", err=True)
    return _partly(damaged)


@witness.command("trace")
@click.argument("token")
@_folder_option
@_answering
def trace(token: str, folder: Path | None) -> int:
    """Everything one operation left in the log, as a tree with durations."""
    from app.witness.operations import gather
    from app.witness.query import Filter, read_all
    from app.witness.segments import chains
    from app.witness.show import tree, tree_json

    damaged: list[str] = []
    operations = gather(read_all(chains(_folder(folder)), Filter(trace=token), damage=damaged.append))
    if not operations or not token:
        raise Missing(f"no operation has the trace '{token}'", todo="see the traces: witness query --output json")
    if _json():
        _print_json([tree_json(operation) for operation in operations], [_damage(each) for each in damaged])
    else:
        _write(f"{line}\n" for line in tree(token, operations))
    return _partly(damaged)


@witness.command("verify")
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="FILE", help="Compare with checkpoints kept elsewhere."
)
@_folder_option
@_answering
def verify(against: Path | None, folder: Path | None) -> int:
    """Prove that the log is whole, or report the first break; exits 1 when it is not whole."""
    from app.witness.segments import chain_name, chains
    from app.witness.show import verdict, verdict_json
    from app.witness.verify import LIMITS, copies
    from app.witness.verify import verify as verify_chain

    top = _folder(folder)
    found = chains(top)
    elsewhere = copies(against) if against is not None else []
    names = {chain.name for chain in found}
    lost = sorted({each.origin for each in elsewhere if chain_name(*_parts(each.origin)) not in names})
    if not found and not lost:
        raise WitnessError("there is no log here, so there is nothing to prove", where=str(top))
    verdicts = [
        verify_chain(chain, [each for each in elsewhere if chain_name(*_parts(each.origin)) == chain.name])
        for chain in found
    ]
    errors = [
        WitnessError(f"the chain '{origin}' is gone; a copy of its checkpoint says it was here") for origin in lost
    ]
    if _json():
        _print_json([verdict_json(each) for each in verdicts], [_as_error(error) for error in errors])
    else:
        for each in verdicts:
            _write(f"{line}\n" for line in verdict(each))
        click.echo(LIMITS)
    for error in errors:
        click.echo(f"quarterdeck: {_drawn(str(error))}", err=True)
    return FAILED if errors or any(each.first_break for each in verdicts) else DONE


def _parts(origin: str) -> tuple[str, str]:
    operator, _, host = origin.rpartition("@")
    return operator, host


@witness.command("export")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A new file.")
@_filtering
@_answering
def export(form: str, to: Path | None, limit: int | None, folder: Path | None, **options: str | None) -> int:
    """Entries that match as JSON or CSV, for other programs; nothing is left out unless asked for."""
    from app.witness.export import csv_pieces, json_pieces

    damaged: list[str] = []
    entries = _entries(_filter(**options), limit, folder, damaged)
    pieces = csv_pieces(entries) if form == "csv" else json_pieces(entries, lambda: [_damage(each) for each in damaged])
    _write(pieces, to)
    return _partly(damaged)


@witness.command("checkpoint")
@_folder_option
@_answering
def checkpoint(folder: Path | None) -> int:
    """Sign how long the log is and how it ends, and copy that where hosts.yaml says, to prove it later."""
    import asyncio

    from app.cli.front import CommandLine
    from app.cli.options import Options
    from app.start import open_witness
    from app.witness.checkpoint import latest, stored

    options = click.get_current_context().find_object(Options) or Options()

    async def sign() -> Path:
        async with open_witness(_folder(folder), options.hosts, CommandLine(options).secret) as log:
            return await log.checkpoint()

    path = asyncio.run(sign())
    last = latest(stored(path)[0])
    if last is None:
        raise WitnessError("there is no entry to sign yet", where=str(path.parent))
    if _json():
        _print_json([json.loads(last.line())], [])
    else:
        click.echo(last.line())
    return DONE


def _damage(text: str) -> dict[str, str]:
    return {"what": text, "where": "", "todo": "see where the chain breaks: quarterdeck witness verify"}


def _partly(damaged: list[str]) -> int:
    for text in damaged:
        click.echo(f"quarterdeck: {_drawn(text)}", err=True)
    return PARTLY if damaged else DONE


def _write(pieces: Iterable[str], to: Path | None = None) -> None:
    """Pass text on as it is made, to stdout or to a new file that is there only once it is complete."""
    if to is None:
        out = sys.stdout
        for piece in pieces:
            out.write(piece)
        return
    if to.exists():
        raise ConfigurationError("the file exists already", where=f"--to {to}", todo="name a new one")
    draft = to.with_name(f"{to.name}.part")
    try:
        with ExitStack() as undo:
            # Who may read the log is decided by its owner: an export is private until it is opened up.
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            undo.callback(lambda: draft.unlink(missing_ok=True))
            with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
            draft.rename(to)
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", where=f"--to {to}") from error
