"""How rows come of what an engine tells, at moments of the test's choice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.column import Token
from app.fleet import Mood
from backends.docker.container_rows import ContainerRows, shown_age, using
from backends.docker.object_rows import ObjectRows
from backends.docker.one_shot_stats import read
from backends.docker.summary import ContainerSummary, ImageSummary, Mount, NetworkSummary, Seen, VolumeSummary
from backends.docker.usage import Counters, Usage
from backends.kinds.container import describe, mood

NOW = 1_800_000_000.0


def summary(name: str = "web", number: int = 1, **rest: Any) -> ContainerSummary:
    """A running container."""
    made: dict[str, Any] = {
        "id": f"{number:x}" * 64,
        "name": name,
        "image": "bb:1",
        "image_id": "sha256:" + "a" * 64,
        "command": "sleep 1",
        "created_at": NOW - 7200,
        "state": "running",
        "status": "Up 2 hours",
        "started_at": NOW - 7200,
    }
    return ContainerSummary(**{**made, **rest})


def seen(*containers: ContainerSummary, **rest: Any) -> Seen:
    """What an engine holds."""
    return Seen(taken_at=0.0, containers=containers, **rest)


def test_a_row_is_new_only_when_what_is_shown_of_it_changed() -> None:
    rows = ContainerRows("pi")
    one = seen(summary())
    assert rows.fold(one, {}, NOW)
    (first,) = rows.rows
    assert (first.uptime_s, first.created_s) == (7200.0, 7200.0)
    assert not rows.fold(one, {}, NOW + 60)
    assert not rows.fold(seen(summary()), {}, NOW + 120)  # listed again: the same words in new objects
    assert rows.rows[0] is first
    assert rows.fold(one, {}, NOW + 3600)
    assert rows.rows[0].uptime_s == 10_800.0
    used = {one.containers[0].id: Usage(cpu_percent=3.0)}
    assert rows.fold(one, used, NOW + 3600)
    assert rows.rows[0].cpu_percent == 3.0
    assert not rows.fold(one, dict(used), NOW + 3600)


def test_only_the_row_that_changed_is_a_new_object() -> None:
    rows = ContainerRows("pi")
    web, api = summary("web", 1), summary("api", 2)
    rows.fold(seen(web, api), {}, NOW)
    before = rows.rows
    assert rows.fold(seen(replace(web, state="paused"), api), {}, NOW)
    assert rows.rows[0] is not before[0]
    assert rows.rows[1] is before[1]


def test_uptime_of_one_that_ran_before_is_as_coarse_as_the_engines_words_and_goes_on() -> None:
    rows = ContainerRows("pi")
    listed = summary(started_at=None, uptime_s=3 * 3600.0, listed_at=NOW)
    rows.fold(seen(listed), {}, NOW)
    assert rows.rows[0].uptime_s == 3 * 3600
    rows.fold(seen(listed), {}, NOW + 3600)
    assert rows.rows[0].uptime_s == 4 * 3600
    rows.fold(seen(replace(listed, status="Up 4 hours", listed_at=NOW + 3600)), {}, NOW + 3600)  # no jump back
    assert rows.rows[0].uptime_s == 4 * 3600
    rows.fold(seen(replace(listed, started_at=NOW + 3600)), {}, NOW + 3610)
    assert rows.rows[0].uptime_s == 10


def test_a_stopped_one_has_no_uptime_and_one_from_the_future_is_young() -> None:
    rows = ContainerRows("pi")
    rows.fold(seen(summary(state="exited", exit_code=1), summary("b", 2, started_at=NOW + 50)), {}, NOW)
    assert [row.uptime_s for row in rows.rows] == [None, 0.0]


def test_restarts_make_a_rate_and_a_loop_and_are_forgotten_in_time() -> None:
    rows = ContainerRows("pi")
    web = summary()
    moments = tuple(NOW - ago for ago in (5000.0, 500.0, 200.0, 10.0))
    told = seen(web, restarts={web.id: moments})
    rows.fold(told, {}, NOW)
    row = rows.rows[0]
    assert (row.restarts, row.restarts_per_hour, row.looping) == (4, 3.0, True)
    assert rows.fold(told, {}, NOW + 120)
    assert not rows.rows[0].looping
    rows.fold(told, {}, NOW + 4000)
    assert (rows.rows[0].restarts, rows.rows[0].restarts_per_hour) == (4, 0.0)


def test_one_that_waits_for_its_next_turn_has_no_zero_restarts() -> None:
    rows = ContainerRows("pi")
    rows.fold(seen(summary(state="restarting")), {}, NOW)
    assert (rows.rows[0].restarts, rows.rows[0].restarts_per_hour) == (None, None)


def test_a_loop_is_called_one_while_it_goes_on_and_its_rate_is_described() -> None:
    web = summary()
    moments = (NOW - 30, NOW - 20, NOW - 10)
    states: dict[str, tuple[str, Mood]] = {}
    for state in ("running", "restarting", "exited"):
        rows = ContainerRows("pi")
        rows.fold(seen(replace(web, state=state, exit_code=3), restarts={web.id: moments}), {}, NOW)
        states[state] = rows.rows[0].word, mood(rows.rows[0])
        (said,) = [cell for label, cell in describe(rows.rows[0])[0].lines if label == "restarts"]
        assert (said.text.split(), said.token) == (["3", "3/h"], Token.CRIT)
    loops = ("loops", Mood.ATTENTION)
    assert states == {"running": loops, "restarting": loops, "exited": ("exit 3", Mood.ATTENTION)}


def test_two_of_one_name_are_two_rows() -> None:
    rows = ContainerRows("pi")
    rows.fold(seen(summary("web", 1, state="removing"), summary("web", 2), summary("", 3)), {}, NOW)
    assert [row.id for row in rows.rows] == ["pi/web", "pi/web-" + "2" * 12, "pi/" + "3" * 12]


@pytest.mark.parametrize(
    ("labels", "stack", "service"),
    [
        ({"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}, "shop", "api"),
        ({"quarterdeck.project": "lab", "quarterdeck.service": "db"}, "lab", "db"),
        ({"com.docker.compose.project": "", "maintainer": "x"}, None, None),
    ],
)
def test_labels_say_the_stack(labels: dict[str, str], stack: str | None, service: str | None) -> None:
    rows = ContainerRows("pi")
    rows.fold(seen(summary(labels=labels)), {}, NOW)
    assert (rows.rows[0].stack, rows.rows[0].service) == (stack, service)


def test_unknown_words_of_health_are_no_health() -> None:
    rows = ContainerRows("pi")
    rows.fold(seen(summary(health="splendid")), {}, NOW)
    assert rows.rows[0].health is None


def test_only_what_has_processes_is_looked_at() -> None:
    states = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
    every = [summary(state, number, state=state) for number, state in enumerate(states)]
    assert [one.name for one in using(every)] == ["running", "paused"]


def test_an_age_is_kept_while_its_text_would_be_the_same() -> None:
    assert shown_age(7200.0, 7300.9) == 7200.0
    assert shown_age(5.0, 6.9) == 6.0
    assert shown_age(None, 6.9) == 6.0
    assert shown_age(5.0, None) is None


def test_who_uses_what_is_told() -> None:
    rows = ObjectRows("pi")
    image, other, old = "sha256:" + "a" * 64, "sha256:" + "b" * 64, "sha256:" + "c" * 64
    mounts = (Mount(type="volume", name="vault"), Mount(type="volume", name="vault"), Mount(type="bind", source="/x"))
    web = summary(mounts=mounts, networks={"front": "10.0.0.2"})
    told = seen(
        web,
        images=(
            ImageSummary(id=image, tags=("bb:1", "bb:latest"), created_at=NOW - 60),
            ImageSummary(id=other, tags=("other:1",)),
            ImageSummary(id=old, tags=("<none>:<none>",)),
        ),
        volumes=(
            VolumeSummary(name="vault", driver="local", mountpoint="/v"),
            VolumeSummary(name="spare", driver="local", mountpoint="/s"),
        ),
        networks=(
            NetworkSummary(id="1" * 64, name="front", driver="bridge"),
            NetworkSummary(id="2" * 64, name="front", driver="bridge"),
            NetworkSummary(id="3" * 64, name="bridge", driver="bridge"),
            NetworkSummary(id="4" * 64, name="back", driver="bridge"),
        ),
    )
    assert rows.fold(told, NOW)
    assert [(row.id, row.state, row.used_by) for row in rows.images] == [
        ("pi/bb:1", "used", ("web",)),
        ("pi/bb:latest", "used", ("web",)),
        ("pi/other:1", "unused", ()),
        ("pi/" + "c" * 12, "dangling", ()),
    ]
    assert [(row.name, row.state, row.used_by) for row in rows.volumes] == [
        ("vault", "used", ("web",)),
        ("spare", "unused", ()),
    ]
    assert [row.id for row in rows.networks] == ["pi/front", "pi/front-" + "2" * 12, "pi/bridge", "pi/back"]
    assert [row.state for row in rows.networks] == ["used", "used", "builtin", "unused"]
    assert not rows.fold(told, NOW)
    images, volumes = rows.images, rows.volumes
    assert rows.fold(replace(told, networks=told.networks[:1]), NOW)
    assert rows.images is images
    assert rows.volumes is volumes


@pytest.mark.parametrize("said", [None, [], {}, {"cpu_stats": 3, "memory_stats": None, "networks": {"eth0": 1}}])
def test_stats_without_sense_are_unknown(said: Any) -> None:
    found = read(said)
    assert replace(found, received_bytes=None, sent_bytes=None) == Counters()
