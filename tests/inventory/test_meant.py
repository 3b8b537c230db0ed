"""What a word of a command line means, where ids are numbers and where they are names."""

from __future__ import annotations

import pytest

from app.backend import Allow, Refuse
from app.fleet import Resource
from app.guard import permit
from app.inventory.model import Rules
from app.inventory.pattern import meant, names_of, terms
from app.plan import Risk
from app.verb import verb, verbs_of

GUEST = Resource(id="lab/101", name="web1", source="lab", state="running", tags=frozenset({"prod"}))
CONTAINER = Resource(id="pi/redis", name="redis", source="pi", state="running")


def test_names_are_each_said_once() -> None:
    assert names_of(GUEST) == ("lab/101", "web1", "lab/web1")
    assert names_of(CONTAINER) == ("pi/redis", "redis")


@pytest.mark.parametrize(
    ("word", "guest", "container"),
    [
        ("lab/101", True, False),
        ("web1", True, False),
        ("lab/web1", True, False),
        ("lab/web*", True, False),
        ("lab/10?", True, False),
        ("*/web1", True, False),
        ("web*", True, False),
        ("10*", False, False),
        ("*/*", True, True),
        ("*", True, True),
        ("dc/web*", False, False),
        ("pi/r*", False, True),
        ("@prod", True, False),
        ("prod", False, False),
        ("edge", True, False),
    ],
)
def test_a_word_means(word: str, guest: bool, container: bool) -> None:
    (term,) = terms(word)

    def tags(one: Resource) -> frozenset[str]:
        return one.tags | frozenset(["edge"] if one is GUEST else [])

    assert meant(term, GUEST, tags, {"edge"}) is guest
    assert meant(term, CONTAINER, tags, {"edge"}) is container


class Verbs:
    """One verb."""

    @verb(risk=Risk.DISRUPTS)
    async def stop(self, target: Resource) -> None:
        """Stop it."""


@pytest.mark.parametrize("pattern", ["lab", "lab/101", "lab/web*", "web1", "lab/*", "@prod"])
def test_a_rule_reaches_a_guest_by_any_of_its_names(pattern: str) -> None:
    (stop,) = verbs_of("vm", Verbs)
    rules = Rules(read_only=(pattern,))
    assert isinstance(permit(stop, [(GUEST, GUEST.tags)], rules, read_only=False), Refuse)
    assert isinstance(permit(stop, [(CONTAINER, CONTAINER.tags)], rules, read_only=False), Allow)
