"""What became of an order, in one line for a toast."""

from __future__ import annotations

from collections.abc import Sequence

from app.column import clean
from app.deck import Order
from app.job import Ended, Outcome


def order_name(order: Order) -> str:
    """``reboot pi``, ``upgrade 3 nodes``, ``node add``."""
    verb = order.verb
    if not order.targets:
        return verb.title
    if len(order.targets) == 1:
        return f"{verb.name} {clean(order.targets[0].id)}"
    return f"{verb.name} {len(order.targets)} {verb.noun}s"


def outcome_words(order: Order, outcomes: Sequence[Outcome]) -> tuple[str, bool]:
    """The words, and whether they are bad news; empty words where there is nothing to tell."""
    name = order_name(order)
    wrong = [one for one in outcomes if one.outcome is not Ended.DONE]
    if outcomes and all(one.outcome is Ended.DECLINED for one in outcomes):
        return "", False
    if not wrong:
        message = outcomes[0].message if len(outcomes) == 1 else ""
        return (f"{name}: {clean(message)}" if message else f"{name}: done"), False
    first = wrong[0]
    if len(outcomes) == 1:
        told = _reason(first)
        return f"{name}: {first.outcome}{': ' + told if told else ''}", True
    where = f"{clean(first.id)}: " if first.id else ""
    return f"{name}: {len(wrong)} of {len(outcomes)} not done; {where}{_reason(first) or first.outcome}", True


def _reason(outcome: Outcome) -> str:
    """Why it was not done, where that says more than how it ended."""
    message = clean(outcome.message)
    if message and message != outcome.outcome:
        return message
    return f"exit code {outcome.exit_code}" if outcome.outcome is Ended.FAILED else ""


def wants_reading(outcomes: Sequence[Outcome]) -> bool:
    """Whether the outcomes hold more than a toast can say and no job's screen will show it."""
    if any(outcome.data.get("mode") == "falsify" for outcome in outcomes):
        return True
    return len(outcomes) > 1 and not any(o.job for o in outcomes) and any(o.outcome is Ended.FAILED for o in outcomes)


__all__ = ["order_name", "outcome_words", "wants_reading"]
