"""The options that every command understands, wherever they stand before ``--``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

HELP_NAMES = ["-h", "--help"]
DEMO_NODES = 60
"""Size of the pretend fleet unless told otherwise."""


@dataclass(slots=True)
class Options:
    """What the global options of one command line say; other commands find it as ``ctx.obj``."""

    hosts: Path | None = None
    form: Literal["table", "json"] | None = None
    on: str | None = None
    yes: bool = False
    why: str = ""
    trace: bool = False
    """Print the trace token."""
    trace_id: str = ""
    mode: Literal["normal", "falsify"] = "normal"
    read_only: bool = False
    no_wait: bool = False
    wait_timeout: float | None = None
    parallel: int = 16
    no_color: bool = False
    demo: bool = False
    nodes: int | None = None
    tail: tuple[str, ...] | None = None
    """What followed ``--``; ``None`` where there was none."""

    @property
    def output(self) -> Literal["table", "json"]:
        """How results are written: as asked, else a table on a terminal and JSON anywhere else."""
        return self.form or ("table" if sys.stdout.isatty() else "json")

    @property
    def json(self) -> bool:
        """Results are one JSON object."""
        return self.output == "json"

    @property
    def color(self) -> bool:
        """Tables may be coloured: on a terminal, unless ``--no-color``, ``NO_COLOR`` or a dumb terminal says no."""
        plain = self.no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        return not plain and sys.stdout.isatty()

    @property
    def pretend(self) -> int:
        """Size of the pretend fleet; 0 when the fleet is real."""
        return (self.nodes or DEMO_NODES) if self.demo else 0


class GlobalOption(click.Option):
    """An option of every command; the help lists them apart."""


def _keep(field: str) -> Any:
    """A callback that puts a given value into the ``Options`` of the command line, and leaves the rest alone."""

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        options = context.find_object(Options)
        given = parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if options is not None and given:
            setattr(options, field, value)

    return keep


def global_options() -> list[click.Parameter]:
    """New option objects for one command."""

    def option(name: str, field: str, **rest: Any) -> GlobalOption:
        return GlobalOption([name, f"_{field}"], expose_value=False, callback=_keep(field), default=None, **rest)

    def flag(name: str, field: str, help: str) -> GlobalOption:
        return option(name, field, is_flag=True, flag_value=True, help=help)

    return [
        option(
            "--hosts",
            "hosts",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read this hosts.yaml (else $QUARTERDECK_HOSTS, else the config folder's).",
        ),
        option(
            "--output",
            "form",
            type=click.Choice(["table", "json"]),
            help="Table on a terminal, JSON elsewhere, unless given.",
        ),
        option("--on", "on", metavar="PATTERN", help="Only nodes or tags: pi,hp, @edge, '!old', 'n*'."),
        flag("--yes", "yes", "Answer every question with yes, the typed name included."),
        option("--why", "why", metavar="TEXT", help="Why it is done; stands in the witness."),
        flag("--trace", "trace", "Print the trace token of what was done."),
        option("--trace-id", "trace_id", metavar="TOKEN", help="Join an earlier operation in the witness."),
        option(
            "--mode",
            "mode",
            type=click.Choice(["normal", "falsify"]),
            help="falsify: change nothing; print the plan, every check and its evidence.",
        ),
        flag("--read-only", "read_only", "Refuse everything that changes anything."),
        flag("--no-wait", "no_wait", "Do not wait, where the outside carries the work on by itself."),
        option(
            "--wait-timeout",
            "wait_timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Cancel what is not done by then.",
        ),
        option(
            "--parallel",
            "parallel",
            type=click.IntRange(1, 1000),
            metavar="N",
            help="So many targets at a time; 16 unless given.",
        ),
        flag("--no-color", "no_color", "No colours; $NO_COLOR says the same."),
        flag("--demo", "demo", "A labelled pretend fleet in place of hosts.yaml."),
        option("--nodes", "nodes", type=click.IntRange(1, 100_000), metavar="N", help="Size of the pretend fleet."),
    ]


RESERVED = frozenset(name for option in global_options() for name in option.opts if name.startswith("-"))
"""Option names no verb may use."""


class ListsGlobals(click.Command):
    """A command that understands the global options and lists them apart in its help."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        rest.setdefault("context_settings", {"help_option_names": HELP_NAMES})
        super().__init__(*args, **rest)
        self.params.extend(global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those of every command: in full at the root, by name elsewhere."""
        own: list[tuple[str, str]] = []
        everywhere: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                (everywhere if isinstance(parameter, GlobalOption) else own).append(record)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        with formatter.section("Options"):
            formatter.write_dl(own)
        with formatter.section("Options of every command"):
            if ctx.parent is None:
                formatter.write_dl(everywhere)
            else:
                formatter.write_text(", ".join(name for name, _ in everywhere))
                formatter.write_text("What they do: quarterdeck --help")


__all__ = ["DEMO_NODES", "HELP_NAMES", "RESERVED", "GlobalOption", "ListsGlobals", "Options", "global_options"]
