"""Click commands drawn from a kind's verbs: one group per noun, one command per verb, made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from app import registry
from app.cli.options import RESERVED, ListsGlobals, Options
from app.cli.root import unknown
from app.errors import Clash
from app.kind import AnyKind
from app.registry import Part
from app.verb import Catalog, Param, Risk, Shape, Verb

_CLICK_TYPES: dict[type, Any] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    bool: click.BOOL,
    Path: click.Path(path_type=Path),
}


class NounGroup(ListsGlobals, click.Group):
    """``quarterdeck NOUN``: ``list``, ``show`` and the verbs of one kind."""

    def __init__(self, noun: str, parts: Sequence[Part]) -> None:
        super().__init__(noun, subcommand_metavar="VERB [TARGET…] [ARGUMENTS] [-- COMMAND…]")
        self.parts = parts
        self.help = registry.about(noun, parts) or None

    @cached_property
    def kind(self) -> AnyKind:
        """The kind; imported with the first question about it."""
        return registry.kind(self.name or "", self.parts)

    @cached_property
    def catalog(self) -> Catalog:
        """Its verbs."""
        return Catalog({self.kind.noun: self.kind.verbs})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """``list`` and ``show``, then the verbs in the order of their declaration."""
        return ["list", "show", *(verb.name for verb in self.catalog.on(self.kind.noun))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one verb."""
        if cmd_name == "list":
            return ListCommand(self.kind, self.parts)
        if cmd_name == "show":
            return ShowCommand(self.kind, self.parts)
        verb = self.catalog.find(self.kind.noun, cmd_name)
        return None if verb is None else VerbCommand(verb, self.kind, self.parts)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb for an unknown one."""
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            unknown(ctx, f"'{self.name}' has no verb", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs, each with its risk where it has one."""
        rows = [("list", f"Show the {self.kind.plural}."), ("show", "Show everything known about some of them.")]
        rows += [(verb.name, verb.help + _risk_note(verb)) for verb in self.catalog.on(self.kind.noun)]
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


def _risk_note(verb: Verb) -> str:
    return {Risk.SAFE: "", Risk.DISRUPTS: " (asks)", Risk.DESTROYS: " (asks for the name)"}[verb.risk]


class Words(click.Argument):
    """All positional words of a command; targets are completed from hosts.yaml."""

    def __init__(self, metavar: str) -> None:
        super().__init__(["words"], nargs=-1, type=click.UNPROCESSED, metavar=metavar)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names, groups and tags of hosts.yaml, the last of a comma list; nodes where an argument names one."""
        from app.cli.completion import names, nodes

        if isinstance(ctx.command, VerbCommand) and not ctx.command.verb.takes_target:
            given: Sequence[str] = ctx.params.get(self.name or "") or ()
            arguments = ctx.command.arguments
            place = len(given) < len(arguments) and arguments[len(given)] is ctx.command.verb.place
            return [CompletionItem(name) for name in nodes(ctx, incomplete)] if place else []
        return [CompletionItem(name) for name in names(ctx, incomplete)]


class _KindCommand(ListsGlobals):
    """A command of one kind."""

    def __init__(self, name: str, kind: AnyKind, parts: Sequence[Part], help: str, words: str) -> None:
        super().__init__(name, help=help, callback=self.answer)
        self.kind = kind
        self.parts = parts
        self.params.insert(0, Words(words))

    def answer(self, **values: Any) -> int:
        """What click calls; returns the exit code."""
        context = click.get_current_context()
        return self.run(context, context.ensure_object(Options), **values)

    def run(self, context: click.Context, options: Options, **values: Any) -> int:
        """Do it and return the exit code."""
        raise NotImplementedError


class ListCommand(_KindCommand):
    """``quarterdeck NOUN list``."""

    def __init__(self, kind: AnyKind, parts: Sequence[Part]) -> None:
        super().__init__("list", kind, parts, f"Show the {kind.plural}, all of them or those that match.", "[TARGET…]")
        self.params.append(click.Option(["-w", "--wide"], is_flag=True, help="Show the wide columns as well."))
        self.params.append(click.Option(["--faults"], is_flag=True, help="Only those that want a person."))

    def run(self, context: click.Context, options: Options, **values: Any) -> int:
        """Wait for first readings and print them."""
        from app.cli.look import list_kind

        no_tail(context, options)
        return list_kind(options, self.kind, self.parts, values["words"], wide=values["wide"], faults=values["faults"])


class ShowCommand(_KindCommand):
    """``quarterdeck NOUN show``."""

    def __init__(self, kind: AnyKind, parts: Sequence[Part]) -> None:
        super().__init__("show", kind, parts, f"Show everything known about some {kind.plural}.", "TARGET…")

    def run(self, context: click.Context, options: Options, **values: Any) -> int:
        """Wait for first readings and print all of them."""
        from app.cli.look import show_kind

        no_tail(context, options)
        words = values["words"] or (("*",) if options.on else ())
        if not words:
            raise click.UsageError(f"which {self.kind.noun}? name one, or give --on PATTERN", context)
        return show_kind(options, self.kind, self.parts, words)


class VerbCommand(_KindCommand):
    """``quarterdeck NOUN VERB``, drawn from the declaration of the verb."""

    def __init__(self, verb: Verb, kind: AnyKind, parts: Sequence[Part]) -> None:
        self.verb = verb
        self.arguments = [param for param in verb.params if param.shape is Shape.ARGUMENT]
        super().__init__(verb.name, kind, parts, _help(verb, self.arguments), _metavar(verb, self.arguments))
        for param in verb.params:
            if param.shape in (Shape.OPTION, Shape.FLAG):
                self.params.append(_option(verb, param))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with what follows ``--``."""
        pieces = super().collect_usage_pieces(ctx)
        command = next((p for p in self.verb.params if p.shape is Shape.COMMAND), None)
        return [*pieces, f"-- {command.name.upper()}…"] if command else pieces

    def run(self, context: click.Context, options: Options, **values: Any) -> int:
        """Tell targets from arguments, then act or look."""
        words: Sequence[str] = values.pop("words")
        targets, arguments = divide(self.verb, self.arguments, words, context, limited=bool(options.on))
        by_name = {param.name: param for param in self.verb.params}
        for name, value in values.items():
            if value is not None and not (by_name[name].many and not value):
                arguments[name] = value
        arguments |= self._tail(context, options)
        if self.verb.takes_target and not targets:
            if not options.on:
                raise click.UsageError(f"which {self.kind.noun}? name one, '*' for all, or give --on PATTERN", context)
            targets = ("*",)
        if self.verb.view:
            from app.cli.views import view

            return view(options, self.kind, self.parts, self.verb, targets, arguments)
        from app.cli.act import act

        return act(options, self.kind, self.parts, self.verb, targets, arguments)

    def _tail(self, context: click.Context, options: Options) -> dict[str, Any]:
        command = next((p for p in self.verb.params if p.shape is Shape.COMMAND), None)
        if command is None:
            no_tail(context, options)
            return {}
        if not options.tail:
            raise click.UsageError(f"what is to run stands after --: {self.verb.title} TARGET -- uptime", context)
        return {command.name: options.tail}


def no_tail(context: click.Context, options: Options) -> None:
    """Refuse words after ``--`` where nothing would read them."""
    if options.tail is not None:
        raise click.UsageError(f"'{context.info_name}' takes nothing after --", context)


def divide(
    verb: Verb, arguments: Sequence[Param], words: Sequence[str], context: click.Context, *, limited: bool = False
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Targets first, then the declared arguments from the right: ``node signal pi hp 4711``.

    Arguments with a default may be left out from the right. An argument that takes many words takes all there are; the
    target is then the first word alone. Where ``--on`` has ``limited`` the targets, none need to be named.
    """
    required = sum(param.required for param in arguments)
    named = verb.takes_target and not (limited and len(words) <= required)
    spare = len(words) - (1 if named else 0)
    many = bool(arguments) and arguments[-1].many
    taken = max(0, spare) if many else min(len(arguments), max(spare, 0))
    if taken < required:
        missing = next(p for p in arguments[max(0, taken) :] if p.required)
        raise click.UsageError(f"{missing.name.upper()} is missing", context)
    cut = len(words) - taken
    targets, given = tuple(words[:cut]), words[cut:]
    if not verb.takes_target and targets:
        raise click.UsageError(f"'{verb.title}' takes no target, and one argument less than given", context)
    read: dict[str, Any] = {}
    for number, param in enumerate(arguments):
        if param.many:
            if given[number:]:
                read[param.name] = tuple(_convert(param, word, context) for word in given[number:])
        elif number < len(given):
            read[param.name] = _convert(param, given[number], context)
    return targets, read


def _convert(param: Param, word: str, context: click.Context) -> Any:
    try:
        return _click_type(param).convert(word, None, context)
    except click.BadParameter as error:
        if not param.choices:
            raise click.UsageError(f"{param.name.upper()}: {error.message}", context) from None
        unknown(context, f"{param.name.upper()} cannot be", word, param.choices)


def _click_type(param: Param) -> Any:
    return click.Choice(param.choices) if param.choices else _CLICK_TYPES[param.type]


def _option(verb: Verb, param: Param) -> click.Option:
    """The option of one typed input. Raises Clash where its name belongs to the program."""
    if param.option in RESERVED or param.option in ("--help", "--version"):
        raise Clash(f"option '{param.option}' of '{verb.title}' means something else everywhere")
    told = param.help[:1].upper() + param.help[1:]
    if param.example:
        told += f", such as {param.example}"
    if param.secret:
        told += " (asked for when left out)"
    if told:
        told += "."
    if param.default not in (None, False, "", ()) and param.shape is Shape.OPTION and not param.secret:
        told = f"{told}  [default: {param.default}]".strip()
    if param.shape is Shape.FLAG:
        both = param.option if param.default is False else f"{param.option}/--no-{param.option[2:]}"
        return click.Option([both, param.name], is_flag=True, help=told, default=None)
    # An explicit default, even None, would count as a value where one is required.
    presence: dict[str, Any] = {"required": True} if param.required and not param.secret else {"default": None}
    if param == verb.place:
        presence["shell_complete"] = _complete_nodes
    return click.Option([param.option, param.name], type=_click_type(param), multiple=param.many, help=told, **presence)


def _complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from app.cli.completion import nodes

    return nodes(ctx, incomplete)


def _metavar(verb: Verb, arguments: Sequence[Param]) -> str:
    target = ["TARGET…"] if verb.takes_target else []
    said = [
        (name if param.required else f"[{name}]") + ("…" if param.many else "")
        for param in arguments
        for name in [param.name.upper()]
    ]
    return " ".join([*target, *said])


def _help(verb: Verb, arguments: Sequence[Param]) -> str:
    """The declaration's docstring, what its arguments are for, and what it asks."""
    said = [verb.doc]
    for param in arguments:
        about = param.help or "required"
        if param.choices:
            about += f": {', '.join(param.choices)}"
        if param.example:
            about += f", such as {param.example}"
        said.append(f"{param.name.upper()}: {about}.")
    asks = {
        Risk.SAFE: "",
        Risk.DISRUPTS: "Asks first; --yes answers.",
        Risk.DESTROYS: "Asks for the name to be typed; --yes --why TEXT answers.",
    }[verb.risk]
    return "\n\n".join(part for part in (*said, asks) if part)
