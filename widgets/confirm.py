"""The question before a disruption: the plan as it will run, what it costs and loses, and what to type to go on."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from app.column import Token, clean, duration_text
from app.deck import Answer, Question
from app.kind import full_name
from app.plan import Cost, Risk, Step
from widgets.page import Line, Span, take_keys, wrapped
from widgets.pane import KeyHint
from widgets.place import bridge_of
from widgets.sheet import Field, Row, Sheet, Words, label


def headline(question: Question) -> str:
    """What is about to be done, in one sentence: ``Reboot pi``, ``Reboot 3 nodes``."""
    verb = question.order.verb
    name = verb.name.replace("-", " ").capitalize()
    if not question.targets:
        return f"{name}: {verb.noun}"
    if len(question.targets) == 1:
        return f"{name} {clean(full_name(question.targets[0]))}"
    return f"{name} {len(question.targets)} {_plural(verb.noun, len(question.targets))}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def cost_text(cost: Cost | None) -> str:
    """What a plan is expected to use up, in words; ``not known`` is said as such."""
    if cost is None:
        return "none"
    parts: list[str] = []
    if cost.money is not None:
        parts.append(f"{cost.money:.2f}")
    if cost.seconds is not None:
        parts.append(f"about {duration_text(cost.seconds)}")
    if cost.note:
        parts.append(clean(cost.note))
    return ", ".join(parts) or "not known"


def undo_text(steps: Sequence[Step]) -> str:
    """How to take the plan back."""
    ways = list(dict.fromkeys(clean(step.undo) for step in steps if step.undo))
    if not ways:
        return "none"
    return "; ".join(ways[:3]) + (f"; and {len(ways) - 3} more" if len(ways) > 3 else "")


def plan_lines(question: Question, width: int) -> list[Line]:
    """Steps with their exact text, then what is lost, noted, undone and paid; nothing is cut off."""
    steps = question.plan.steps
    names = {str(t.ref): clean(full_name(t)) for t in question.targets}
    shown = [names.get(str(step.ref), clean(step.ref.id)) for step in steps]
    column = min(32, width // 2, max((len(name) for name in shown), default=0))
    lines: list[Line] = []
    for name, step in zip(shown, steps, strict=True):
        before: Span = (f"   {name:<{column}}  ", Token.TITLE)
        first, *more = wrapped(((clean(step.text), Token.TEXT),), max(10, width - column - 6))
        lines.append((before, *first))
        lines += [((" " * (column + 5), Token.TEXT), *line) for line in more]
    for gone in question.plan.loses:
        lines += _told("! lost: ", gone, Token.CRIT, width)
    for note in question.plan.notes:
        lines += _told("  ", note, Token.TEXT, width)
    for out in question.cannot:
        lines += _told("○ left out: ", f"{out.id}: {out.message}", Token.WARN, width)
    for check in question.checks:
        if not check.held:
            lines += _told("! ", f"{check.what}: {check.evidence}", Token.WARN, width)
    said = f"Undo: {undo_text(steps)}.   Cost: {cost_text(question.plan.cost)}."
    return [*lines, *(((" ", Token.MUTED), *line) for line in wrapped(((said, Token.MUTED),), max(10, width - 3)))]


def _told(before: str, text: str, token: Token, width: int) -> list[Line]:
    lines = wrapped(((clean(text), token),), max(10, width - len(before) - 3))
    return [((f" {before if n == 0 else ' ' * len(before)}", token), *line) for n, line in enumerate(lines)]


class Confirm(Sheet[Answer]):
    """Asks; ``enter`` runs once everything required is typed, ``f`` shows the checks, ``esc`` leaves."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self._name_field = Field(placeholder=question.type_name or "")
        self._why = Field(question.order.why, placeholder="required" if question.needs_why else "optional; tab to type")
        self._beside_name = Words(classes="beside")
        self._beside_why = Words(classes="beside")

    def fields(self) -> ComposeResult:
        """The name to type where that is wanted, and the reason."""
        if self.question.type_name is not None:
            with Row():
                yield label("type the name")
                yield self._name_field
                yield self._beside_name
        with Row():
            yield label("why")
            yield self._why
            yield self._beside_why

    def ready(self) -> None:
        """Show the plan; a required field has the keys, else ``enter`` answers at once."""
        question = self.question
        hidden = question.order.hidden
        note = ""
        if hidden:
            note = f"! {hidden} marked {'row is' if hidden == 1 else 'rows are'} hidden by the filter"
        token = Token.CRIT if question.risk is Risk.DESTROYS else Token.TITLE
        self.heading.put(((f" {headline(question)}", token),), ((note, Token.WARN),))
        self.page.make_lines = lambda width: plan_lines(question, width)
        self.page.refresh(layout=True)
        if question.type_name is not None:
            self._beside_name.put(((f"exactly: {clean(question.type_name)}", Token.MUTED),))

    def first_focus(self) -> Widget:
        """What must be typed; else nothing is, and ``enter`` answers at once."""
        if self.question.type_name is not None:
            return self._name_field
        return self._why if self.question.needs_why else self.page

    def hints(self) -> Sequence[KeyHint]:
        """Letters answer only while none is being typed."""
        held = "ctrl+" if self.typing else ""
        return (
            KeyHint("enter", "run"),
            KeyHint(f"{held}f", "falsify"),
            KeyHint("ctrl+y" if self.typing else "c", "copy"),
            KeyHint("escape", "leave"),
        )

    def press(self, key: str) -> bool:
        """Answer."""
        if key == "escape":
            self.dismiss(Answer(False))
        elif key == "enter":
            self._run()
        elif key == "ctrl+f" or (key == "f" and not self.typing):
            self.dismiss(Answer(False, falsify=True))
        elif key == "ctrl+y" or (key == "c" and not self.typing):
            text = "\n".join(step.text for step in self.question.plan.steps)
            bridge_of(self).clip(text, "the plan")
        else:
            return False
        return True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """``enter`` in a field runs as well."""
        event.stop()
        self._run()

    def _run(self) -> None:
        wanted = self.question.type_name
        if wanted is not None and self._name_field.value.strip() != wanted.strip():
            self._beside_name.put(((f"! type exactly: {clean(wanted)}", Token.CRIT),))
            take_keys(self._name_field)
            return
        why = self._why.value.strip()
        if self.question.needs_why and not why:
            self._beside_why.put((("! a reason is required", Token.CRIT),))
            take_keys(self._why)
            return
        self.dismiss(Answer(True, why=why))


__all__ = ["Confirm", "cost_text", "headline", "plan_lines", "undo_text"]
