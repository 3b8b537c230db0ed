"""``quarterdeck config trust``: show the commands that secrets come from, and agree to those that are new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from app.cli.config_commands import as_json, hosts, write_json, write_table
from app.cli.exits import DONE
from app.cli.options import Options
from app.cli.output import remark
from app.column import clean
from app.errors import ConfigurationError, Declined, Refused

VERB = "config trust"


def trust(context: click.Context) -> int:
    """Do what the command line says; the exit code.

    Raises ConfigurationError for a hosts.yaml that others may write, Refused where nobody may or can agree, Declined
    where the operator does not.
    """
    from app.inventory import load, secrets
    from app.inventory import trust as trusting
    from app.paths import Paths

    options = context.find_object(Options) or Options()
    inventory = load(hosts(context))
    state = Paths.find().state
    commands = secrets.commands(inventory)
    path = inventory.path
    if path is None or not commands:
        _tell(context, [])
        remark("no secret of hosts.yaml comes from a command")
        return DONE
    if reason := secrets.unfit(path):
        raise ConfigurationError(reason, where=str(path), todo=f"make it yours alone to write: chmod go-w {path}")
    known = trusting.trusted(state)
    digests = {place: trusting.digest(text, path) for place, text in commands.items()}
    new = {place: commands[place] for place, digest in digests.items() if digest not in known}
    if new:
        _allowed(options)
        shown = [f"{place}: {text}" for place, text in new.items()]
        for line in shown:
            remark(line)
        if options.mode == "falsify":
            remark("nothing is in the way of trusting them; nothing was changed")
            return DONE
        _ask(options, path, shown)
        _keep(options, state, path, {place: digests[place] for place in new})
    else:
        remark("every command is trusted already")
    _tell(
        context, [{"id": place, "name": place, "command": text, "state": "trusted"} for place, text in commands.items()]
    )
    return DONE


def _tell(context: click.Context, items: list[dict[str, str]]) -> None:
    if as_json(context):
        write_json(items)
    elif items:
        write_table([("SECRET", "COMMAND", "STATE"), *((one["id"], one["command"], one["state"]) for one in items)])


def _allowed(options: Options) -> None:
    if options.read_only:
        raise Refused("nothing is changed with --read-only", where=VERB)


def _ask(options: Options, path: Path, shown: list[str]) -> None:
    """Raises Refused where there is nobody to ask, Declined where the answer is no."""
    if options.yes:
        return
    import asyncio
    import sys

    from app.cli.front import find_terminal

    terminal = find_terminal() if sys.stdin.isatty() else None
    if terminal is None:
        raise Refused(f"'{VERB}' asks first, and there is no terminal to ask at", todo="read them, then add --yes")
    if not sys.stderr.isatty():  # nobody agrees to what they have not seen
        terminal.say("".join(f"{clean(line)}\n" for line in shown))
    which = "this command" if len(shown) == 1 else f"these {len(shown)} commands"
    said = asyncio.run(terminal.line(f"Run {which} of {clean(str(path))} whenever the secret is needed? [y/N] "))
    if said is None or said.strip().lower() not in {"y", "yes"}:
        raise Declined("no command is trusted", where=VERB)


def _keep(options: Options, state: Path, path: Path, digests: dict[str, str]) -> None:
    """Note the agreement, witnessed before and after; the commands themselves may hold secrets and stay out of it."""
    import asyncio

    from app.inventory import trust as trusting
    from app.start import open_witness
    from app.witness import Draft, Phase, new_trace

    trace = options.trace_id or new_trace()
    plan = tuple(f"trust the command of {place} in {path}: sha256 {digest}" for place, digest in digests.items())

    async def witnessed() -> None:
        async with open_witness(state / "witness", path) as log:
            await log.begin(Draft(verb=VERB, phase=Phase.INTENT, plan=plan, why=options.why, trace=trace))
            ended = Draft(verb=VERB, phase=Phase.OUTCOME, trace=trace)
            try:
                await asyncio.to_thread(trusting.trust, state, digests.values())
            except ConfigurationError as error:
                await log.record(replace(ended, outcome="failed", exit_code=1, message=str(error)))
                raise
            await log.record(replace(ended, outcome="done", exit_code=0, message=f"{len(digests)} trusted"))

    asyncio.run(witnessed())
