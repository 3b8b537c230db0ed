"""When scripts run: one a tick, few at once, a hanging one alone with its slot."""

from __future__ import annotations

from app.link import Probe, Tier
from backends.sampling.script import SLOTS
from backends.sampling.slots import PATIENCE_S, Slots


def slow(name: str, every: float = 60.0) -> Probe[bytes]:
    return Probe(name, Tier.SLOW, bytes, script=name, every=every)


ONCE = Probe("once", Tier.ONCE, bytes, script="once")


def names(begun: list[tuple[int, Probe[object]] | None]) -> list[str]:
    return [one[1].name for one in begun if one is not None]


def test_what_is_asked_once_comes_first_then_the_order_given() -> None:
    slots = Slots([slow("a"), slow("b"), ONCE])

    assert names([slots.begin(1.0) for _ in range(4)]) == ["once", "a", "b"]


def test_a_probe_comes_again_when_it_is_due_and_one_asked_once_never() -> None:
    slots = Slots([slow("a", 60), ONCE], jitter=lambda: 0.5)
    for _ in range(2):
        begun = slots.begin(0.0)
        assert begun
        slots.end(begun[0], 0.5)

    assert slots.settled
    assert slots.begin(59.0) is None
    assert names([slots.begin(60.0)]) == ["a"]
    assert slots.begin(1e9) is None


def test_what_comes_after_another_waits_until_that_has_begun_and_some_time_has_gone_by() -> None:
    second = Probe("second", Tier.ONCE, bytes, script="second", after="once")
    slots = Slots([second, ONCE, slow("a")])

    assert names([slots.begin(0.0) for _ in range(3)]) == ["once", "a"]
    assert slots.begin(0.1) is None
    assert not slots.settled
    assert names([slots.begin(0.3)]) == ["second"]
    slots.again()
    assert names([slots.begin(0.35) for _ in range(3)]) == ["once", "a"]
    assert names([slots.begin(0.7)]) == ["second"]


def test_what_comes_after_a_probe_that_nobody_asks_for_waits_for_nothing() -> None:
    slots = Slots([Probe("second", Tier.ONCE, bytes, script="second", after="once")])

    assert names([slots.begin(0.0)]) == ["second"]


def test_jitter_keeps_hosts_from_moving_in_step() -> None:
    early, late = Slots([slow("a", 100)], jitter=lambda: 0.0), Slots([slow("a", 100)], jitter=lambda: 1.0)
    for slots in (early, late):
        begun = slots.begin(0.0)
        assert begun
        slots.end(begun[0], 1.0)

    assert early.begin(90.0)
    assert late.begin(109.0) is None
    assert late.begin(110.1)


def test_hanging_scripts_hold_their_slots_and_are_told_once() -> None:
    slots = Slots([slow(str(number)) for number in range(SLOTS + 2)])
    begun = [slots.begin(0.0) for _ in range(SLOTS + 2)]

    assert sum(one is not None for one in begun) == SLOTS
    assert slots.hanging(PATIENCE_S - 1) == []
    assert len(slots.hanging(PATIENCE_S + 1)) == SLOTS
    assert slots.hanging(PATIENCE_S + 2) == []
    assert begun[0] is not None
    assert slots.end(begun[0][0], 99.0) is begun[0][1]
    assert slots.begin(99.0) is not None


def test_an_answer_nobody_asked_for_is_nobodys() -> None:
    assert Slots([slow("a")]).end(3, 0.0) is None


def test_probes_wanted_later_are_due_at_once_and_others_keep_their_turn() -> None:
    slots = Slots([slow("a")])
    begun = slots.begin(0.0)
    assert begun
    slots.end(begun[0], 1.0)

    slots.want([slow("a"), slow("b")])

    assert names([slots.begin(2.0), slots.begin(2.0)]) == ["b"]
    slots.want([])
    assert slots.begin(1e9) is None


def test_a_probe_that_is_no_longer_wanted_still_frees_its_slot() -> None:
    slots = Slots([slow("a")])
    begun = slots.begin(0.0)
    assert begun
    slots.want([])

    slots.end(begun[0], 1.0)

    slots.want([slow(str(number)) for number in range(SLOTS)])
    assert len(names([slots.begin(2.0) for _ in range(SLOTS)])) == SLOTS


def test_what_others_wait_for_begins_a_session_beside_another_and_when_hurried() -> None:
    waited = Probe("waited", Tier.SLOW, bytes, script="waited", every=60.0, first=True)
    slots = Slots([slow("a"), ONCE, waited], jitter=lambda: 0.5)

    assert names([slots.begin(0.0), slots.begin(0.0, waited_for=True), slots.begin(0.0, waited_for=True)]) == [
        "once",
        "waited",
    ]
    assert slots.end(1, 0.5) is waited
    assert slots.begin(61.0, waited_for=True) is None, "at its usual time it takes its turn like all others"
    slots.hurry("waited")
    slots.hurry("nobody asked for it")
    assert names([slots.begin(1.0, waited_for=True)]) == ["waited"]
    slots.hurry("waited")
    assert slots.begin(1.0, waited_for=True) is None, "it runs already"
    slots.again()
    assert names([slots.begin(2.0, waited_for=True)]) == ["waited"]
