"""What an operator wants, what is asked back, and the door both go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from app.errors import Unsupported
from app.fleet import Ref, Resource
from app.guard import Check
from app.job import Ended, Outcome
from app.plan import Plan, Risk
from app.verb import Verb


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an operator wants, from whatever door."""

    verb: Verb
    targets: tuple[Ref, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """By parameter name; the parameter for what follows ``--`` takes a sequence of words."""
    why: str = ""
    trace: str = ""
    """A token to join; made when empty."""
    mode: Literal["normal", "falsify"] = "normal"
    parallel: int = 16
    wait: bool = True
    wait_timeout: float | None = None
    hidden: int = 0
    """How many of the targets the operator cannot see at the moment; told in the question."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked before a plan runs."""

    order: Order
    targets: tuple[Resource, ...]
    plan: Plan
    risk: Risk
    reason: str
    type_name: str | None
    """What must be typed to go on; ``None`` where a plain yes will do."""
    needs_why: bool
    checks: tuple[Check, ...] = ()
    cannot: tuple[Outcome, ...] = ()
    """Targets left out, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator said."""

    yes: bool
    why: str = ""
    falsify: bool = False
    """Leave, but show every check with its evidence first."""


class Front(Protocol):
    """The door an operator stands at: a screen, or a command line."""

    async def ask(self, question: Question) -> Answer:
        """Show the plan and wait for the answer."""
        ...

    async def secret(self, what: str, prompt: str) -> str | None:
        """Ask with a masked prompt; ``None`` when declined or nobody is there."""
        ...

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Let a child process have the terminal; its exit code."""
        ...


@runtime_checkable
class TakesTurns(Protocol):
    """A front that says whose turn it is when several steps of one job want the terminal, one after another."""

    async def turn(self, verb: str, who: Ref, number: int, total: int) -> bool:
        """Announce the next; ``False`` where the operator wants no more of them."""
        ...


class NoFront:
    """Nobody is there: every question is declined."""

    async def ask(self, question: Question) -> Answer:
        """Decline."""
        return Answer(False)

    async def secret(self, what: str, prompt: str) -> str | None:
        """No answer."""
        return None

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """There is no terminal."""
        raise Unsupported("there is no terminal to hand over")


def outcome_of(
    order: Order,
    target: str,
    ended: Ended,
    message: str,
    code: int,
    job: str = "",
    data: Mapping[str, Any] | None = None,
) -> Outcome:
    """What became of one target of an order."""
    return Outcome(
        id=target,
        verb=order.verb.title,
        outcome=ended,
        exit_code=code,
        message=message,
        job=job,
        trace=order.trace,
        data=data or {},
    )
