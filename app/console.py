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
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from app.backend import Refuse
from app.column import clean
from app.deck import Answer, Deck, Order, Question
from app.errors import Unsupported, WitnessError
from app.fleet import Ref, Resource
from app.job import Job, Outcome
from app.verb import Scope, Verb
from app.witness import Draft, Phase, new_trace
from widgets.confirm import Confirm
from widgets.form import Form, needs_form
from widgets.jobs import JobPlace, ResultPlace
from widgets.leaving import Leaving
from widgets.outcome_words import outcome_words, wants_reading
from widgets.secret import SecretQueue
from widgets.sheet import Sheet
from widgets.steering import Steering
from widgets.terminal_app import TerminalApp
from widgets.turn import NextTurn
from widgets.viewing import ViewPlace

T = TypeVar("T")

END_WITHIN = 10.0
"""Seconds that cancelled jobs have to end what they began, when the console ends."""


class Console(Steering):
    """The full-screen program."""

    def __init__(self, deck: Deck, **how: Any) -> None:
        super().__init__(deck, **how)
        deck.front = self
        deck.context.visible = self._visible
        self._secrets = SecretQueue(self._ask_sheet)
        self._asking = asyncio.Lock()
        self._handing_over = asyncio.Lock()
        self._turn = ""
        """Whose terminal comes next, where it is one of several."""
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._orders: dict[str, asyncio.Task[Any]] = {}
        self.left_jobs: tuple[Job, ...] = ()
        """Jobs that their hosts carry on after this console."""

    def _visible(self, refs: Collection[Ref]) -> frozenset[Ref]:
        """What of these the operator sees, for sources that look no further."""
        place = self.stage.place if self.is_running else None
        return place.refs_shown().intersection(refs) if place is not None else frozenset()

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
            self.tell(f"{verb.name}: no row is chosen", bad=True)
            return
        elif not any(verb in self.deck.offered(target) for target in targets):
            self.tell(f"'{verb.name}' is not offered for {targets[0].name}", bad=True)
            return
        arguments = self._at_the_row(verb, arguments or {})
        targets = tuple(targets)
        verdict = self.deck.permitted(verb, targets)
        if isinstance(verdict, Refuse):
            self.tell(f"{verb.name}: {verdict.reason}", bad=True)
        elif form or needs_form(verb, arguments):
            self.do(self._fill_in(verb, targets, arguments, hidden))
        else:
            self._go_on(verb, targets, arguments, hidden)

    def _at_the_row(self, verb: Verb, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """A verb of the kind that names a node, or what else a row tells, is meant for the row at hand, unless told."""
        param = verb.place
        ref = getattr(self.place, "cursor_ref", None) or getattr(self.place, "ref", None)
        row = self.deck.feed.fleet.find(ref) if isinstance(ref, Ref) else None
        if verb.takes_target or row is None:
            return given
        if verb.noun == row.NOUN:
            told = {one.name: getattr(row, one.row) for one in verb.params if one.row and one.name not in given}
            given = {**given, **told}
        if param is None or param.name in given:
            return given
        node = row.id if row.NOUN == "node" else row.source
        known = node in self.deck.inventory.nodes or self.deck.feed.fleet.find(Ref("node", node)) is not None
        return {**given, param.name: node} if known else given

    async def _fill_in(self, verb: Verb, targets: tuple[Resource, ...], given: Mapping[str, Any], hidden: int) -> None:
        arguments = await self._ask_sheet(Form(verb, targets, given))
        if arguments is not None:
            self._go_on(verb, targets, arguments, hidden)

    def _go_on(self, verb: Verb, targets: tuple[Resource, ...], arguments: Mapping[str, Any], hidden: int) -> None:
        if verb.view:
            follow = {p.name: True for p in verb.params if p.name == "follow" and p.type is bool}
            asked = {**follow, **arguments}
            refs = self._read_of(verb, targets)
            self.visit(lambda: ViewPlace(verb, refs, asked))
        else:
            self.act(verb, targets, arguments, hidden=hidden)

    def _read_of(self, verb: Verb, targets: tuple[Resource, ...]) -> tuple[Ref, ...]:
        """Whom a view reads: all targets where it can read several as one, else the row under the cursor."""
        refs = tuple(target.ref for target in targets)
        if verb.scope is Scope.GROUP or len(refs) < 2:
            return refs
        here = getattr(self.place, "cursor_ref", None)
        one = here if here in refs else refs[0]
        self.tell(f"{verb.name} reads one at a time: of {len(refs)} this is {one.id}")
        return (one,)

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
        """Where the output is what it was done for, go to it; any other job is told of by the tray."""

        def started(job: Job) -> None:
            self.show_jobs()
            if verb.shows and self.is_running:
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

    async def turn(self, verb: str, who: Ref, number: int, total: int) -> bool:
        """Before the second and further ones ask whether to go on; the first is what the key was pressed for."""
        self._turn = f"{number} of {total}: {verb} {clean(who.id)}"
        if number == 1:
            return True
        async with self._asking:
            return await self._ask_sheet(NextTurn(verb, who.id, number, total)) or False

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Let a child have the terminal; the screen comes back as it was."""
        if self.screen_driver is None:
            raise Unsupported("there is no terminal to hand over", todo="run it from a terminal")
        async with self._handing_over:
            interrupt = signal.getsignal(signal.SIGINT)
            with self.batch_update(), self.suspend():
                # A handler, not SIG_IGN: the child gets ctrl-c as it always does, and this process lives on.
                signal.signal(signal.SIGINT, _ignored)
                turn, self._turn = self._turn, ""
                if turn and sys.__stdout__ is not None:
                    with contextlib.suppress(OSError, ValueError):
                        sys.__stdout__.write(f"── {turn} ──\r\n")
                        sys.__stdout__.flush()
                try:
                    child = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **(env or {})})
                    code = await child.wait()
                finally:
                    signal.signal(signal.SIGINT, interrupt)
            self.refresh(layout=True)
            return 128 - code if code < 0 else code

    # -- the end --------------------------------------------------------------------------------------------------

    def quit(self) -> None:
        """End; while jobs run, ask what becomes of them."""
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
