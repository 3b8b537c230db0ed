"""What a registry said no to, sorted: the words are the engine's, what to do next is ours."""

from __future__ import annotations

from app.column import clean
from app.errors import BadAnswer, Denied, Missing, QuarterdeckError, Unreachable
from backends.docker.registry.reference import Reference

_MOST = 1000
_DENIED = ("unauthorized", "no basic auth credentials", "authentication required", "access denied", "denied:")
_MISSING = ("manifest unknown", "not found", "name unknown", "no such")
_AWAY = ("connection refused", "no such host", "i/o timeout", "timeout exceeded", "no route to host", "eof")


def refusal(words: str, node: str, reference: Reference) -> QuarterdeckError:
    """An engine's words on a failed pull or question, as an error of ours about that name."""
    said = clean(words).strip().rstrip(".")[:_MOST] or "no reason given"
    where = f"{node}/{reference.name}"
    lower = said.lower()
    if any(mark in lower for mark in _DENIED):
        todo = f"if it is there: quarterdeck image login {reference.registry} USER --to {node}"
        return Denied(said, where=where, todo=todo)
    if any(mark in lower for mark in _AWAY):
        return Unreachable(said, where=where, todo=f"is {reference.registry} reached from {node}?")
    if any(mark in lower for mark in _MISSING):
        return Missing(said, where=where, todo="look at the name and the tag")
    return BadAnswer(said, where=where)


def about(error: QuarterdeckError, node: str, reference: Reference) -> QuarterdeckError:
    """An engine's refusal of a request about a registry; one of the way to the engine stays what it is."""
    if isinstance(error, Unreachable) and not isinstance(error, Denied):
        return error
    return refusal(error.what, node, reference)
