"""May this be done? Two pure questions: one before planning, one on the plan and the evidence gathered for it.

``permit`` needs neither plan nor network, so it also decides which keys are greyed. ``judge`` weighs the plan,
once before the operator is asked and again after the answer, because the world moves while a question is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.backend import Allow, Ask, Intention, Refuse, Rule, Verdict
from app.fleet import Fleet, Resource
from app.inventory import matches
from app.inventory.model import Rules
from app.inventory.pattern import names_of
from app.plan import Risk
from app.verb import Verb

Tagged = tuple[Resource, frozenset[str]]
"""A resource and the tags that reach it, from above as well."""

Above = Callable[[Resource], Iterable[str]]
"""The ids of what a resource stands on; a rule that names one of them reaches it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what, whether it held, and the evidence."""

    what: str
    held: bool
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict and every check behind it, for ``--mode falsify`` and for the question."""

    verdict: Verdict
    checks: tuple[Check, ...] = ()


def parent_alone(target: Resource) -> tuple[str, ...]:
    """What a resource itself says that it stands on."""
    return (target.parent.id,) if target.parent is not None else ()


def _touches(patterns: Sequence[str], target: Resource, tags: frozenset[str], above: Above) -> str | None:
    """The first pattern that reaches a target by id, by name, by what it stands on, or by tag."""
    if not patterns:
        return None
    names = {*names_of(target), target.source, *above(target)}
    for pattern in patterns:
        if any(matches(pattern, name, tags) for name in names):
            return pattern
    return None


def permit(
    verb: Verb, targets: Sequence[Tagged], rules: Rules, *, read_only: bool, above: Above = parent_alone
) -> Verdict:
    """Whether the verb may be considered at all for these targets, or at these places."""
    if verb.view:
        return Allow()
    if read_only:
        return Refuse("this console is read-only", "read-only")
    for target, tags in targets:
        pattern = _touches(rules.read_only, target, tags, above)
        if pattern is not None:
            return Refuse(f"'{target.id}' is read-only by the rule '{pattern}'", "rules.read_only")
    return Allow()


def risk_of(intention: Intention) -> Risk:
    """The plan's risk where it is higher than the verb's."""
    return max(intention.verb.risk, intention.plan.risk or Risk.SAFE)


def needs_why(risk: Risk, rules: Rules) -> bool:
    """Whether the configuration wants a reason for an action of that risk."""
    least = {"always": Risk.SAFE, "disrupts": Risk.DISRUPTS, "destroys": Risk.DESTROYS}.get(rules.require_why)
    return least is not None and risk >= least


def judge(
    intention: Intention,
    targets: Sequence[Tagged],
    fleet: Fleet,
    rules: Rules,
    *,
    read_only: bool,
    evidence: Sequence[tuple[Rule, Any]] = (),
    places: Sequence[Tagged] = (),
    above: Above = parent_alone,
) -> Judgement:
    """Weigh the plan: preconditions, rules of the configuration, rules of backends on their evidence; pure.

    The first refusal decides; every check is listed all the same. Otherwise a risk or a rule may want to ask.
    ``places``: nodes at which the plan does something without having them as targets; their rules hold as well.
    """
    touched = [*targets, *places]
    checks: list[Check] = []
    refusal: Refuse | None = None
    asks: list[Ask] = []

    verdict = permit(intention.verb, touched, rules, read_only=read_only, above=above)
    checks.append(Check("allowed by rules", isinstance(verdict, Allow), _words(verdict)))
    if isinstance(verdict, Refuse):
        refusal = verdict
    for what, held, said in intention.plan.preconditions:
        checks.append(Check(what, held, said))
        if not held and refusal is None:
            refusal = Refuse(f"{what}: {said}", "precondition")
    for target, _ in targets:
        seen = fleet.find(target.ref)
        checks.append(Check(f"{target.name} is still there", seen is not None, seen.state if seen else "gone"))
        if seen is None and refusal is None:
            refusal = Refuse(f"'{target.name}' is no longer there", "target")
    for rule, found in evidence:
        verdict = rule.judge(intention, fleet, found)
        checks.append(Check(rule.name, not isinstance(verdict, Refuse), _words(verdict)))
        if isinstance(verdict, Refuse) and refusal is None:
            refusal = Refuse(verdict.reason, verdict.rule or rule.name)
        elif isinstance(verdict, Ask):
            asks.append(verdict)

    risk = risk_of(intention)
    if risk is Risk.DESTROYS:
        asks.append(Ask("something will be lost", type_name=True))
    elif risk is Risk.DISRUPTS:
        asks.append(Ask("something will be disturbed"))
    if risk > Risk.SAFE:
        for target, tags in touched:
            pattern = _touches(rules.type_name, target, tags, above)
            if pattern is not None:
                asks.append(Ask(f"'{target.name}' wants its name typed by the rule '{pattern}'", type_name=True))
                break
    if needs_why(risk, rules) and not intention.why:
        asks.append(Ask("a reason is required"))
    if refusal is not None:
        return Judgement(refusal, tuple(checks))
    if not asks:
        return Judgement(Allow(), tuple(checks))
    reasons = "; ".join(dict.fromkeys(ask.reason for ask in asks))
    return Judgement(Ask(reasons, type_name=any(ask.type_name for ask in asks)), tuple(checks))


def _words(verdict: Verdict) -> str:
    return "nothing stands against it" if isinstance(verdict, Allow) else verdict.reason


def typed_name(targets: Sequence[Resource], verb: Verb) -> str:
    """What the operator types to confirm: the one name, or how many and what."""
    if not targets:
        return verb.name
    if len(targets) == 1:
        return targets[0].name
    return f"{verb.name} {len(targets)}"


__all__ = [
    "Above",
    "Check",
    "Judgement",
    "Tagged",
    "judge",
    "needs_why",
    "parent_alone",
    "permit",
    "risk_of",
    "typed_name",
]
