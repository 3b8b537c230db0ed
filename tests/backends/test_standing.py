"""When a source that fails is called down, and when that would be a lie."""

from __future__ import annotations

import pytest

from app.errors import BadAnswer, ConfigurationError, Denied, QuarterdeckError, TimedOut, UnknownHostKey, Unreachable
from backends.standing import Standing, ours


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_never_answered_is_down_at_once(clock: Clock) -> None:
    assert Standing(2.0, clock).fails(Unreachable("no route")) == "down"


@pytest.mark.parametrize(("interval", "patience"), [(2.0, 30.0), (10.0, 100.0)])
def test_what_answered_keeps_its_rows_for_a_while(clock: Clock, interval: float, patience: float) -> None:
    standing = Standing(interval, clock)
    standing.works()
    assert standing.fails(TimedOut("nothing")) is None
    clock.now += patience - 1
    assert standing.fails(TimedOut("nothing")) is None
    clock.now += 2
    assert standing.fails(TimedOut("nothing")) == "down"
    standing.works()
    assert standing.fails(TimedOut("nothing")) is None


@pytest.mark.parametrize("error", [Denied("key"), UnknownHostKey("new"), ConfigurationError("bad"), BadAnswer("?")])
def test_what_is_our_fault_says_nothing_of_the_source(clock: Clock, error: QuarterdeckError) -> None:
    assert ours(error)
    assert Standing(2.0, clock).fails(error) == "unknown"


def test_a_refusal_after_it_answered_is_shown_at_once(clock: Clock) -> None:
    standing = Standing(2.0, clock)
    standing.works()

    assert standing.fails(Denied("the key was changed")) == "unknown"
    assert not ours(Unreachable("gone"))
