"""The console: what an operator does from the screen, by key, palette or ``:`` line.

All three end in ``Console._perform``, which hands an ``Order`` to ``Deck.perform``, as the command line does. The
console is also the front at which the deck asks: questions, secrets, and the terminal for a child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from textual import on

from app.backend import Refuse
from app.deck import Answer, Deck, Order, Question
from app.errors import ConfigurationError, Unsupported, WitnessError
from app.fleet import Resource
from app.job import Job, Outcome
from app.verb import Shape, Verb
from app.witness import Draft, Phase, new_trace
from widgets.command import CommandLine
from widgets.confirm import Confirm
from widgets.describe import DescribePlace
from widgets.form import Form, needs_form
from widgets.frame import Frame
from widgets.help import HelpPlace
from widgets.jobs import JobPlace, JobsPlace, ResultPlace
from widgets.key_hints import split_alt
from widgets.leaving import Leaving
from widgets.outcome_words import outcome_words, wants_reading
from widgets.raw import RawPlace
from widgets.search import open_palette
from widgets.secret import SecretQueue
from widgets.sheet import Sheet
from widgets.stage import OVERVIEW
from widgets.terminal_app import TerminalApp
from widgets.theme import wear
from widgets.viewing import ViewPlace
from widgets.witness_pane import WitnessPlace
from widgets.words import Do, Go, Press, Wear, meant, read_command

T = TypeVar("T")

END_WITHIN = 10.0
"""Seconds that cancelled jobs have to end what they began, when the console ends."""


class Console(Frame):
    """The full-screen program."""

    def __init__(self, deck: Deck, **how: Any) -> None:
        super().__init__(deck, **how)
        deck.front = self
        self._secrets = SecretQueue(self._ask_sheet)
        self._asking = asyncio.Lock()
        self._handing_over = asyncio.Lock()
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._orders: dict[str, asyncio.Task[Any]] = {}
        self.left_jobs: tuple[Job, ...] = ()
        """Jobs that their hosts carry on after this console."""
        self._answers: dict[str, Callable[[], object]] = {
            "command-line": self.command_line.open,
            "help": lambda: self.visit(lambda: HelpPlace(self._noun)),
            "back": self._back,
            "describe": lambda: self._of_cursor(DescribePlace),
            "open": lambda: self._of_cursor(DescribePlace),
            "raw-view": lambda: self._of_cursor(RawPlace),
            "copy": self._copy,
            "overview": lambda: self.pane(OVERVIEW),
            "witness": lambda: self.visit(WitnessPlace),
            "jobs": lambda: self.visit(JobsPlace),
            "palette": lambda: open_palette(self),
            "quit": self._quit,
            "history-back": lambda: self.stage.step(-1),
            "history-forward": lambda: self.stage.step(1),
            "last-view": self.stage.last,
            "next": self._next_pane,
            "theme": lambda: self._wear(""),
            "look-again-now": deck.feed.nudge_all,
        }
        for number, noun in enumerate(deck.kinds, start=1):
            self._answers[f"pane-{number}"] = lambda noun=noun: self.pane(noun)

    # -- keys -----------------------------------------------------------------------------------------------------

    @property
    def _noun(self) -> str | None:
        return self.place.noun if self.place is not None else None

    def press(self, key: str) -> None:
        """What a key does: the place's own keys first, then the console's, then the verbs of the rows at hand."""
        place = self.place
        if place is None or not place.is_mounted or place.own_key(key):
            return
        with_form, key = split_alt(key)
        binding = self.keymap.find(key, place.noun)
        if binding is None:
            return
        if not binding.id.startswith("console."):
            noun, _, name = binding.id.partition(".")
            verb = self.deck.catalog.find(noun, name)
            if verb is not None:
                self.begin(verb, place.targets(), form=with_form, hidden=place.hidden_marks)
        elif not place.press(binding.id):
            self.do_binding(binding.id)

    def do_binding(self, ident: str) -> None:
        """What one of the console's own bindings does everywhere."""
        answer = self._answers.get(ident.removeprefix("console."))
        if answer is not None:
            answer()

    def _back(self) -> None:
        if self.place is not None and not self.place.back():
            self.toasts.clear()
            self.stage.leave()

    def _of_cursor(self, make: Callable[[Any], Any]) -> None:
        """Describe or show raw the row under the cursor, never the marked ones."""
        ref = getattr(self.place, "cursor_ref", None) or getattr(self.place, "ref", None)
        if ref is None:
            self.tell("no row is chosen")
        else:
            self.visit(lambda: make(ref))

    def _copy(self) -> None:
        if self.place is not None:
            self.clip(self.place.words(), "to the clipboard")

    def _next_pane(self) -> None:
        at = self.pane_names.index(self.stage.stop.name) if self.stage.stop.name in self.pane_names else -1
        self.pane(self.pane_names[(at + 1) % len(self.pane_names)])

    def _wear(self, name: str) -> None:
        """Another theme: the one named, or the next by name."""
        names = sorted(self.themes.looks)
        if name and name not in names:
            raise ConfigurationError(f"there is no theme '{name}'", todo=f"there are: {', '.join(names)}")
        current = names.index(self.theme) if self.theme in names else -1
        chosen = name or names[(current + 1) % len(names)]
        self.theme_wanted = chosen
        wear(self, self.themes, chosen)
        self.tell(f"theme {chosen}")

    # -- the palette and the : line -------------------------------------------------------------------------------

    def offers(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Everything that can be done here and now: (line, help, what it does)."""
        place = self.place
        targets = place.targets() if place is not None else ()
        hidden = place.hidden_marks if place is not None else 0
        whom = targets[0].name if len(targets) == 1 else f"{len(targets)} marked"
        for verb in self.deck.offered(targets[0]) if targets else ():
            if not isinstance(self.deck.permitted(verb, targets), Refuse):
                yield f"{verb.title} {whom}", verb.help, lambda verb=verb: self.begin(verb, targets, hidden=hidden)
                if verb.params and not needs_form(verb):
                    line = f"{verb.title} {whom} …"
                    yield line, "with options", lambda verb=verb: self.begin(verb, targets, form=True, hidden=hidden)
        for noun, kind in self.deck.kinds.items():
            for verb in self.deck.offered_by_kind(noun):
                if not isinstance(self.deck.permitted(verb), Refuse):
                    yield verb.title, verb.help, lambda verb=verb: self.begin(verb, ())
            yield kind.plural, "pane", lambda noun=noun: self.pane(noun)
        for word in ("overview", "jobs", "witness", "help", "quit"):
            yield word, self.keymap.key(f"console.{word}"), lambda word=word: self.do_binding(f"console.{word}")
        for name in sorted(self.themes.looks):
            yield f"theme {name}", self.themes.looks[name].title, lambda name=name: self._wear(name)

    @on(CommandLine.Typed)
    def _typed(self, event: CommandLine.Typed) -> None:
        try:
            self._obey(event.text)
        except ConfigurationError as error:
            self.command_line.complain(str(error))
        else:
            self._left()

    @on(CommandLine.Left)
    def _left(self) -> None:
        self.command_line.close()
        if self.place is not None:
            self.place.focus_body()

    def _obey(self, text: str) -> None:
        """Do what a command line says. Raises ConfigurationError where it means nothing."""
        said = read_command(text, self.deck)
        if isinstance(said, Press):
            self.do_binding(said.ident)
        elif isinstance(said, Wear):
            self._wear(said.theme)
        elif isinstance(said, Go):
            self.pane(said.noun)
            if said.filter is not None:
                self.call_after_refresh(self._filter_pane, said.noun, said.filter)
        else:
            self._obey_verb(said)

    def _filter_pane(self, noun: str, typed: str) -> None:
        pane = self.stage.pane(noun)
        set_filter = getattr(pane, "set_filter", None)
        if set_filter is not None:
            set_filter(typed)

    def _obey_verb(self, said: Do) -> None:
        verb, place = said.verb, self.place
        targets: tuple[Resource, ...] = ()
        hidden = 0
        if verb.takes_target and said.words:
            targets = meant(self.deck, self.deck.kinds[verb.noun], said.words)
        elif verb.takes_target and place is not None and place.noun == verb.noun:
            targets, hidden = place.targets(), place.hidden_marks
        if verb.view or not self._refused(verb, targets):
            self.begin(verb, targets, arguments=said.arguments, form=said.form, hidden=hidden)
        elif targets or not verb.takes_target:
            # A key that is not there was hardly meant; a typed command was, and what refuses it is witnessed.
            self.act(verb, targets, said.arguments, hidden=hidden)

    def _refused(self, verb: Verb, targets: Sequence[Resource]) -> bool:
        """Whether it is clear before planning that nothing of it can be done."""
        offered = not targets or any(verb in self.deck.offered(target) for target in targets)
        return not offered or isinstance(self.deck.permitted(verb, targets), Refuse)

    # -- acting ---------------------------------------------------------------------------------------------------

    def begin(
        self,
        verb: Verb,
        targets: Sequence[Resource],
        *,
        arguments: Mapping[str, Any] | None = None,
        form: bool = False,
        hidden: int = 0,
    ) -> None:
        """What a verb's key does: say why not, read a view, open the form, or perform."""
        if not verb.takes_target:
            targets = ()
        elif not targets:
            self.tell(f"{verb.name}: no row is chosen")
            return
        elif not any(verb in self.deck.offered(target) for target in targets):
            self.tell(f"'{verb.name}' is not offered for {targets[0].name}", bad=True)
            return
        targets = tuple(targets)
        verdict = self.deck.permitted(verb, targets)
        if isinstance(verdict, Refuse):
            self.tell(f"{verb.name}: {verdict.reason}", bad=True)
        elif form or needs_form(verb, arguments):
            self.do(self._fill_in(verb, targets, arguments or {}, hidden))
        else:
            self._go_on(verb, targets, arguments or {}, hidden)

    async def _fill_in(self, verb: Verb, targets: tuple[Resource, ...], given: Mapping[str, Any], hidden: int) -> None:
        arguments = await self._ask_sheet(Form(verb, targets, given))
        if arguments is not None:
            self._go_on(verb, targets, arguments, hidden)

    def _go_on(self, verb: Verb, targets: tuple[Resource, ...], arguments: Mapping[str, Any], hidden: int) -> None:
        if verb.view:
            follow = {p.name: True for p in verb.params if p.name == "follow" and p.type is bool}
            asked = {**follow, **arguments}
            ref = targets[0].ref if targets else None
            self.visit(lambda: ViewPlace(verb, ref, asked))
        else:
            self.act(verb, targets, arguments, hidden=hidden)

    def act(self, verb: Verb, targets: Sequence[Resource], arguments: Mapping[str, Any], *, hidden: int = 0) -> None:
        """Perform a verb beside the screen."""
        self.do(self._perform(verb, targets, arguments, hidden=hidden))

    async def _perform(
        self, verb: Verb, targets: Sequence[Resource], arguments: Mapping[str, Any], *, hidden: int = 0
    ) -> tuple[Outcome, ...]:
        """The one way from the screen to the deck; what came of it is told in a toast."""
        refs = tuple(target.ref for target in targets)
        order = Order(verb=verb, targets=refs, arguments=arguments, hidden=hidden, trace=new_trace())
        task = asyncio.current_task()
        assert task is not None
        self._orders[order.trace] = task
        try:
            outcomes = await self.deck.perform(order, started=self._started_by(verb))
        finally:
            del self._orders[order.trace]
        words, bad = outcome_words(order, outcomes)
        if words:
            self.tell(words, bad=bad)
        if wants_reading(outcomes):
            self.visit(lambda: ResultPlace(verb.title, outcomes))
        return outcomes

    def _started_by(self, verb: Verb) -> Callable[[Job], None]:
        """A command's output is what it was run for: go to it; any other job is told of by the tray."""
        reads = any(param.shape is Shape.COMMAND for param in verb.params)

        def started(job: Job) -> None:
            self.show_jobs()
            if reads and self.is_running:
                self.visit(lambda: JobPlace(job))

        return started

    # -- the front at which the deck asks -------------------------------------------------------------------------

    async def ask(self, question: Question) -> Answer:
        """Show the plan and wait for the answer; one question at a time."""
        async with self._asking:
            return await self._ask_sheet(Confirm(question)) or Answer(False)

    async def secret(self, what: str, prompt: str) -> str | None:
        """Ask with a masked prompt; ``None`` when declined or the screen is gone."""
        return await self._secrets.ask(what, prompt) if self.is_running else None

    async def _ask_sheet(self, sheet: Sheet[T]) -> T | None:
        if not self.is_running:
            return None
        answer: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

        def answered(result: T | None) -> None:
            if not answer.done():
                answer.set_result(result)

        self._unanswered.add(answer)
        self.push_screen(sheet, answered)
        try:
            return await answer
        finally:
            self._unanswered.discard(answer)
            if not answer.done() or answer.cancelled():
                with contextlib.suppress(Exception):
                    sheet.dismiss(None)

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Let a child have the terminal; the screen comes back as it was."""
        if self.screen_driver is None:
            raise Unsupported("there is no terminal to hand over", todo="run it from a terminal")
        async with self._handing_over:
            interrupt = signal.getsignal(signal.SIGINT)
            with self.batch_update(), self.suspend():
                # A handler, not SIG_IGN: the child gets ctrl-c as it always does, and this process lives on.
                signal.signal(signal.SIGINT, _ignored)
                try:
                    child = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **(env or {})})
                    code = await child.wait()
                finally:
                    signal.signal(signal.SIGINT, interrupt)
            self.refresh(layout=True)
            return 128 - code if code < 0 else code

    # -- the end --------------------------------------------------------------------------------------------------

    def _quit(self) -> None:
        if self.deck.running_jobs:
            self.do(self._ask_before_quitting())
        else:
            self.exit(0)

    async def _ask_before_quitting(self) -> None:
        chosen = await self._ask_sheet(Leaving(self.deck.running_jobs))
        if chosen == "wait":
            self.tell("quitting when the jobs are over")
            while self.deck.running_jobs:
                await asyncio.wait([job.start() for job in self.deck.running_jobs])
        elif chosen == "leave":
            self.left_jobs = tuple(job for job in self.deck.running_jobs if job.carried)
        elif chosen == "cancel":
            for job in self.deck.running_jobs:
                job.cancel()
        if chosen in ("wait", "leave", "cancel"):
            self.exit(0)

    async def close_down(self) -> None:
        """After the screen is gone: end what runs, witness how it ended, close the deck; bounded in time."""
        for watch in self.watches:
            watch.cancel()
        for answer in self._unanswered:
            if not answer.done():
                answer.set_result(None)
        cancelled = [job for job in self.deck.running_jobs if job not in self.left_jobs]
        for job in cancelled:
            job.cancel()
        # Orders end once their jobs have, and witness the outcomes; those of jobs left behind never do.
        rest = [task for task in self.tasks if task not in {self._orders.get(job.trace) for job in self.left_jobs}]
        if rest:
            await asyncio.wait(rest, timeout=END_WITHIN)
        if self.ended_by or self.left_jobs:
            await self._note_the_end(len(cancelled))
        await self.deck.close(leave=self.left_jobs)

    async def _note_the_end(self, cancelled: int) -> None:
        words = f"ended by {self.ended_by}; {cancelled} jobs cancelled" if self.ended_by else "jobs left to their hosts"
        notes = [Draft(verb="console end", phase=Phase.NOTE, message=words)]
        for job in self.left_jobs:
            target = ",".join(str(ref) for ref in job.targets if ref.id)
            said = "left running when the console ended; its host carries it on"
            notes.append(Draft(verb=job.verb, target=target, trace=job.trace, phase=Phase.NOTE, message=said))
        for note in notes:
            with contextlib.suppress(WitnessError):
                await self.deck.witness.record(note)


def _ignored(number: int, frame: object) -> None:
    """Somebody else is meant."""


async def _run(app: TerminalApp, close: Callable[[], Awaitable[None]]) -> int:
    try:
        await app.run_async()
    finally:
        await close()
    if app.last_words:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{app.last_words}\n")
    return app.exit_code


def run_console(deck: Deck, *, theme: str | None = None, read_only: bool = False, demo_label: str = "") -> int:
    """Show the console until the operator quits or the terminal is gone; closes the deck; the exit code.

    0 where the operator quit, 1 after a defect (told in one line, with the log file), 128 + signal else.
    """
    console = Console(deck, theme=theme, read_only=read_only, demo_label=demo_label)

    async def main() -> int:
        code = await _run(console, console.close_down)
        if console.left_jobs:
            # Ending the loop would cancel the jobs that were to be left: everything else is closed by now.
            sys.stdout.flush()
            os._exit(code)
        return code

    return asyncio.run(main())


def run_wallboard(
    deck: Deck,
    *,
    theme: str | None = None,
    demo_label: str = "",
    rotate: float | None = None,
    panes: Sequence[str] = (),
) -> int:
    """Show the read-only wallboard until a key or a signal ends it; closes the deck; exit codes as ``run_console``."""
    from widgets.board import Board

    board = Board(deck, theme=theme, demo_label=demo_label, rotate=rotate, panes=panes)
    return asyncio.run(_run(board, deck.close))


__all__ = ["Console", "run_console", "run_wallboard"]
