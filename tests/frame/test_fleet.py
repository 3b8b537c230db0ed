"""A fleet finds its way among its readings, whether they name the resources of the one before or others."""

from __future__ import annotations

from dataclasses import replace

from app.fleet import Fleet, Reading, Ref, Resource
from tests.frame.kettle import Kettle
from tests.frame.mug import Mug


def kettle(name: str, source: str, state: str = "up") -> Kettle:
    return Kettle(id=name, name=name, source=source, state=state)


def reading(source: str, *items: Resource, at: float = 1.0) -> Reading:
    return Reading(backend="b", source=source, items=items, taken_at=at)


def ids(fleet: Fleet, noun: str = "kettle") -> list[str]:
    return [row.id for row in fleet.noun(noun)]


def test_news_of_known_rows_are_found_where_the_old_ones_were():
    a, b, c = kettle("a", "one"), kettle("b", "one"), kettle("c", "two")
    first = Fleet().with_readings((reading("one", a, b), reading("two", c)))
    assert ids(first) == ["a", "b", "c"]
    hot = replace(b, state="down")
    second = first.with_reading(reading("one", a, hot, at=2.0))
    assert list(second.noun("kettle")) == [a, hot, c]
    assert second.find(Ref("kettle", "b")) is hot
    assert first.find(Ref("kettle", "b")) is b
    found = second.reading_of(Ref("kettle", "b"))
    assert found is not None
    assert found.taken_at == 2.0


def test_rows_that_come_go_or_change_places_are_found_as_they_are_now():
    a, b, c = kettle("a", "one"), kettle("b", "one"), kettle("c", "two")
    fleet = Fleet().with_readings((reading("one", a, b), reading("two", c)))
    assert ids(fleet) == ["a", "b", "c"]
    turned = fleet.with_reading(reading("one", b, a))
    assert ids(turned) == ["b", "a", "c"]
    assert turned.find(Ref("kettle", "a")) is a
    gone = turned.with_reading(reading("one", b))
    assert ids(gone) == ["b", "c"]
    assert gone.find(Ref("kettle", "a")) is None
    assert ids(gone.without_source("b", "two")) == ["b"]
    assert ids(fleet) == ["a", "b", "c"]


def test_a_row_that_two_sources_tell_of_is_the_one_told_of_last_and_listed_once():
    one, two = kettle("a", "one"), kettle("a", "two", "down")
    fleet = Fleet().with_readings((reading("one", one, kettle("b", "one")), reading("two", two)))
    assert [row.state for row in fleet.noun("kettle")] == ["down", "up"]
    assert fleet.find(Ref("kettle", "a")) is two
    newer = replace(two, state="up")
    fleet = fleet.with_reading(reading("two", newer))
    assert next(fleet.noun("kettle")) is newer


def test_kinds_in_one_reading_are_kept_apart():
    pot, cup = kettle("a", "one"), Mug(id="a", name="a", source="one", state="up")
    fleet = Fleet().with_reading(reading("one", pot, cup))
    assert list(fleet.noun("kettle")) == [pot]
    assert list(fleet.of(Mug)) == [cup]
    assert fleet.find(Ref("mug", "a")) is cup
    swapped = fleet.with_reading(reading("one", cup, pot))
    assert swapped.find(Ref("mug", "a")) is cup
    assert swapped.find(Ref("kettle", "a")) is pot
    assert list(swapped.noun("nothing")) == []
