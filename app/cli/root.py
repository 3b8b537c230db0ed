"""The root of the command line: nouns, the tool's own commands, and what becomes of errors."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from app import registry
from app.cli.options import GlobalOption, ListsGlobals, Options, global_options
from app.registry import PARTS, Part

OWN: Mapping[str, tuple[str, str]] = {
    "config": ("app.cli.config_commands:config", "Check, show and explain hosts.yaml."),
    "witness": ("app.cli.witness_commands:witness", "Ask and prove the log of everything that was done."),
    "job": ("app.cli.job_commands:job", "What was begun and has no outcome yet."),
    "info": ("app.cli.info_command:info", "Every path and version in use."),
    "wallboard": ("app.cli.screens:wallboard", "The read-only console for a screen on the wall."),
    "completion": ("app.cli.completion:completion", "Print the completion script of a shell."),
}
"""The tool's own nouns: where each lives, and what it is for; imported when called."""

EPILOG = (
    "Without a noun the console opens. Targets are ids, names, globs, comma lists and tags: pi, pi/web, 'n*', n1,n4, "
    "@edge, '!old'. What follows -- is a command for the targets. "
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partly failed, 4 refused, 130 interrupted."
)


def unknown(context: click.Context, said: str, word: str, valid: Sequence[str]) -> NoReturn:
    """End with a usage error that says what is unknown and names what is nearest, or all there is."""
    from app.column import clean
    from app.inventory.pattern import nearest

    near = nearest(word, valid)
    hint = f"nearest valid name: {near}" if near else f"there are: {', '.join(valid)}"
    raise click.UsageError(f"{said} '{clean(word)}' ({hint})", context)


class Root(ListsGlobals, click.Group):
    """``quarterdeck``: a group whose commands are made when they are asked for."""

    def __init__(self, parts: Sequence[Part] = PARTS) -> None:
        super().__init__(
            "quarterdeck",
            help="One console over a small, mixed fleet: nodes over plain SSH, agentless, keyboard-driven, audited.",
            epilog=EPILOG,
            invoke_without_command=True,
            callback=_console,
            subcommand_metavar="[NOUN VERB [TARGET…] [ARGUMENTS] [-- COMMAND…]]",
        )
        self.parts = parts
        self.params.append(
            click.Option(["--version"], is_flag=True, expose_value=False, callback=_version, help="Print the version.")
        )

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """As click does; completion brings no options of its own, and reads the ones that were typed."""
        extra.setdefault("obj", Options())
        return super().make_context(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Nouns in their order, then the tool's own."""
        return [*registry.nouns(self.parts), *OWN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The group of a noun, or one of the tool's own commands."""
        if cmd_name in registry.nouns(self.parts):
            from app.cli.nouns import NounGroup

            return NounGroup(cmd_name, self.parts)
        if cmd_name in OWN:
            return _adopted(registry.load(OWN[cmd_name][0]))
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest noun for an unknown one."""
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            unknown(ctx, "there is no noun", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of stdout that has gone is no fault of what was read."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from app.cli.output import hush

            hush()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the nouns without importing any of them."""
        nouns = [(noun, registry.about(noun, self.parts)) for noun in registry.nouns(self.parts)]
        with formatter.section("Nouns"):
            formatter.write_dl(nouns)
        with formatter.section("The tool's own"):
            formatter.write_dl([(name, about) for name, (_, about) in OWN.items()])


def _adopted(command: Any) -> click.Command:
    """A command written elsewhere, taught the global options, and its subcommands with it."""
    assert isinstance(command, click.Command)
    if not any(isinstance(parameter, GlobalOption) for parameter in command.params):
        for option in global_options():
            cast("click.Option", option).hidden = True
            command.params.append(option)
        command.context_settings.setdefault("help_option_names", ["-h", "--help"])
        if not isinstance(command, click.Group):
            command.epilog = command.epilog or "Options of every command: quarterdeck --help"
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _adopted(each)
    return command


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from quarterdeck import __version__

        click.echo(f"quarterdeck {__version__}")
        context.exit()


@click.pass_context
def _console(context: click.Context) -> None:
    """Open the console when no noun is given."""
    if context.invoked_subcommand is None:
        from app.cli.screens import open_console

        root = cast("Root", context.command)
        context.exit(open_console(context.ensure_object(Options), root.parts))


def split_tail(words: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """What stands before the first ``--``, and what follows it (``None`` where there is none)."""
    if "--" not in words:
        return list(words), None
    at = list(words).index("--")
    return list(words[:at]), tuple(words[at + 1 :])


def call(words: Sequence[str], parts: Sequence[Part] = PARTS) -> int:
    """Run one command line and return its exit code; errors are on stderr by then, tracebacks in the log file."""
    from app.errors import QuarterdeckError

    before, tail = split_tail(words)
    options = Options(tail=tail)
    root = Root(parts)
    try:
        code: object = root.main(before, prog_name="quarterdeck", standalone_mode=False, obj=options)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.ClickException as error:
        return _misuse(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("quarterdeck: interrupted", err=True)
        return 130
    except QuarterdeckError as error:
        from app.cli.exits import of_error
        from app.cli.output import complain

        complain(str(error))
        return of_error(error)
    except Exception as error:
        return _defect(error)
    return code if isinstance(code, int) else 0


def _misuse(error: click.ClickException) -> int:
    """A command line that cannot be read: what is wrong with it, and where its help is."""
    from app.cli.output import complain
    from app.inventory.pattern import nearest

    words = error.format_message()
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and context is not None:
        valid = [name for p in context.command.get_params(context) for name in p.opts if name.startswith("--")]
        near = nearest(error.option_name, valid)
        words = f"there is no option '{error.option_name}'" + (f" (nearest valid name: {near})" if near else "")
    complain(words)
    if context is not None:
        complain(f"see {context.command_path} --help")
    return error.exit_code


def _defect(error: Exception) -> int:
    """Something the program did not expect: the traceback goes to the log file, a sentence to the operator."""
    import logging

    from app.cli.output import complain
    from app.start import log_to_file

    file = log_to_file()
    logging.getLogger(__name__).error("unexpected", exc_info=error)
    where = f"; the details are in {file}" if file else ""
    complain(f"unexpected {type(error).__name__}: {error}{where}")
    return 1


def _open_missing() -> None:
    """Where a caller closed stdin, stdout or stderr, Python has ``None`` there: nothing comes of it and goes to it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def run(words: Sequence[str]) -> NoReturn:
    """Run one command line and end the process with its exit code."""
    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    code = call(words)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from app.cli.output import hush

        hush()
    if any(thread is not threading.current_thread() and not thread.daemon for thread in threading.enumerate()):
        # A lookup or a dead file server may hold a thread for minutes; leaving must not wait for it.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
