"""How the console is steered: keys, the palette and the ``:`` line, each to the place or the verb it means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from textual import on

from app.backend import Refuse
from app.deck import Deck
from app.errors import ConfigurationError
from app.fleet import Ref, Resource
from app.kind import AnyKind, full_name
from app.owner import owner
from app.verb import Verb
from widgets.command import CommandLine
from widgets.describe import DescribePlace
from widgets.form import needs_form
from widgets.frame import Frame
from widgets.help import HelpPlace
from widgets.jobs import JobsPlace
from widgets.key_hints import split_alt
from widgets.kind_pane import KindPane
from widgets.raw import RawPlace
from widgets.search import Offer, open_palette
from widgets.stage import OVERVIEW
from widgets.theme import wear
from widgets.witness_pane import WitnessPlace
from widgets.words import Do, Go, Press, Wear, meant, read_command

_WORDS = {
    "overview": "Every kind in a tile, the worst first.",
    "jobs": "What runs and what came of it.",
    "witness": "Who did what, and what became of it.",
    "help": "Every key and verb.",
    "quit": "End the console.",
}
"""Words of the frame that the palette lists, and what each shows."""


class Steering(Frame):
    """Finds out what the operator means; doing it is the console's."""

    def __init__(self, deck: Deck, **how: Any) -> None:
        super().__init__(deck, **how)
        self._answers: dict[str, Callable[[], object]] = {
            "command-line": self.command_line.open,
            "help": lambda: self.visit(lambda: HelpPlace(self._noun)),
            "back": self._back,
            "describe": lambda: self._of_cursor(DescribePlace),
            "open": lambda: self._of_cursor(DescribePlace),
            "raw-view": lambda: self._of_cursor(RawPlace),
            "copy": self._copy,
            "jump-to-what-it-runs-on": self._jump,
            "overview": lambda: self.pane(OVERVIEW),
            "witness": lambda: self.visit(WitnessPlace),
            "jobs": lambda: self.visit(JobsPlace),
            "palette": lambda: open_palette(self),
            "quit": self.quit,
            "history-back": lambda: self.stage.step(-1),
            "history-forward": lambda: self.stage.step(1),
            "last-view": self.stage.last,
            "next": self._next_pane,
            "theme": lambda: self._wear(""),
            "look-again-now": deck.feed.nudge_all,
        }
        for number, family in enumerate(self.families, start=1):
            self._answers[f"pane-{number}"] = lambda family=family: self.number(family)

    # -- what the console does ------------------------------------------------------------------------------------

    def begin(
        self,
        verb: Verb,
        targets: Sequence[Resource],
        *,
        arguments: Mapping[str, Any] | None = None,
        form: bool = False,
        hidden: int = 0,
    ) -> None:
        """What a verb's key does."""
        raise NotImplementedError

    def act(self, verb: Verb, targets: Sequence[Resource], arguments: Mapping[str, Any], *, hidden: int = 0) -> None:
        """Perform a verb beside the screen."""
        raise NotImplementedError

    def quit(self) -> None:
        """End, or ask first."""
        raise NotImplementedError

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
            self.tell("no row is chosen", bad=True)
        else:
            self.visit(lambda: make(ref))

    def _jump(self) -> None:
        """From the row under the cursor to what it runs on: container, node, guest, hypervisor."""
        ref = getattr(self.place, "cursor_ref", None) or getattr(self.place, "ref", None)
        row = self.deck.feed.fleet.find(ref) if isinstance(ref, Ref) else None
        if row is None:
            self.tell("no row is chosen", bad=True)
            return
        above = owner(self.deck.feed.fleet, self.deck.kinds.values(), row)
        if above is None:
            self.tell(f"nothing is known of what {full_name(row)} runs on")
            return
        self.pane(above.NOUN)
        pane = self.stage.pane(above.NOUN)
        if isinstance(pane, KindPane):
            pane.arrive_at(above.ref)

    def _copy(self) -> None:
        if self.place is not None:
            self.clip(self.place.words(), "to the clipboard")

    def _next_pane(self) -> None:
        """Through the overview and the numbers; kinds that stand behind one are passed over."""
        here = self.stage.stop.name
        rounds = [(OVERVIEW,), *(tuple(kind.noun for kind in family) for family in self.families)]
        at = next((number for number, nouns in enumerate(rounds) if here in nouns), -1)
        self.pane(rounds[(at + 1) % len(rounds)][0])

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

    def offers(self) -> Iterator[Offer]:
        """Everything that can be done here and now."""
        key = self.keymap.key
        place = self.place
        targets = place.targets() if place is not None else ()
        hidden = place.hidden_marks if place is not None else 0
        whom = full_name(targets[0]) if len(targets) == 1 else f"{len(targets)} marked"
        for verb in self.deck.offered(targets[0]) if targets else ():
            if not isinstance(self.deck.permitted(verb, targets), Refuse):
                line = f"{verb.title} {whom}"
                yield Offer(line, key(verb.id), verb.help, lambda verb=verb: self.begin(verb, targets, hidden=hidden))
                if verb.params and not needs_form(verb):
                    held = f"alt-{key(verb.id)}" if key(verb.id) else ""
                    yield Offer(
                        f"{line} …",
                        held,
                        f"{verb.help.rstrip('.')}: with its options.",
                        lambda verb=verb: self.begin(verb, targets, form=True, hidden=hidden),
                    )
        for kind in self.deck.kinds.values():
            for verb in self.deck.offered_by_kind(kind.noun):
                if not isinstance(self.deck.permitted(verb), Refuse):
                    yield Offer(verb.title, key(verb.id), verb.help, lambda verb=verb: self.begin(verb, ()))
            about = f"The pane of {kind.plural}."
            yield Offer(kind.plural, self._pane_key(kind), about, lambda noun=kind.noun: self.pane(noun))
        for word, about in _WORDS.items():
            ident = f"console.{word}"
            yield Offer(word, key(ident), about, lambda ident=ident: self.do_binding(ident))
        for name in sorted(self.themes.looks):
            yield Offer(f"theme {name}", "", self.themes.looks[name].title, lambda name=name: self._wear(name))

    def _pane_key(self, kind: AnyKind) -> str:
        """The number of a kind's pane, and how often it is pressed where that is not once: ``2×3``."""
        for number, family in enumerate(self.families, start=1):
            if kind in family:
                said = self.keymap.key(f"console.pane-{number}")
                times = family.index(kind) + 1
                return f"{said}×{times}" if said and times > 1 else said
        return ""

    @on(CommandLine.Typed)
    def _typed(self, event: CommandLine.Typed) -> None:
        try:
            self._obey(event.text)
        except ConfigurationError as error:
            self.command_line.complain(str(error))
            self.release_keys()
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
            # A typed command means what it means on the command line: all of them, where it names none.
            every = {one.name: one.default for one in verb.params if one.row and not one.required}
            self.begin(verb, targets, arguments={**every, **said.arguments}, form=said.form, hidden=hidden)
        elif targets or not verb.takes_target:
            # A key that is not there was hardly meant; a typed command was, and what refuses it is witnessed.
            self.act(verb, targets, said.arguments, hidden=hidden)

    def _refused(self, verb: Verb, targets: Sequence[Resource]) -> bool:
        """Whether it is clear before planning that nothing of it can be done."""
        offered = not targets or any(verb in self.deck.offered(target) for target in targets)
        return not offered or isinstance(self.deck.permitted(verb, targets), Refuse)


__all__ = ["Steering"]
