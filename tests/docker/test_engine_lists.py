"""An engine's lists and events as values, from answers of API 1.41 and later, and from broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.column import clean
from app.errors import BadAnswer, Unsupported
from backends.docker import lists
from backends.docker.events import Event, event
from backends.docker.hello import agreed
from backends.docker.restarts import Course
from backends.docker.told import Told
from backends.kinds.container import Port

ANSWERS = Path(__file__).with_name("answers")


def answer(name: str) -> Any:
    """A recorded answer."""
    return json.loads((ANSWERS / f"{name}.json").read_text())


# -- containers


def test_containers_of_api_1_41() -> None:
    found = lists.containers(answer("containers-1.41"), 1000.0)
    web, job, made = found.values()
    assert (web.name, web.image, web.state, web.health) == ("web", "nginx:1.25", "running", "healthy")
    assert web.uptime_s == 3 * 3600
    assert web.listed_at == 1000.0
    assert web.created_at == 1722500000
    assert web.command == "/docker-entrypoint.sh nginx -g 'daemon off;'"
    assert web.ports == (
        Port(private=80, public=8080, address="0.0.0.0"),
        Port(private=80, public=8080, address="::"),
        Port(private=443),
    )
    assert [(one.type, one.name, one.destination, one.writable) for one in web.mounts] == [
        ("volume", "certs", "/etc/certs", False),
        ("bind", "", "/usr/share/nginx/html", True),
    ]
    assert web.networks == {"bridge": "172.17.0.2", "shop_default": "172.19.0.3"}
    assert web.labels["com.docker.compose.project"] == "shop"
    assert (job.state, job.exit_code, job.health, job.uptime_s, job.ports) == ("exited", 137, None, None, ())
    assert (made.state, made.exit_code, made.networks) == ("created", None, {"none": ""})


def test_containers_of_a_newer_api_and_of_podman() -> None:
    newer, podman = lists.containers(answer("containers-newer"), 0.0).values()
    assert (newer.name, newer.health, newer.ports[0].protocol) == ("api", "starting", "udp")
    assert newer.networks == {"net6": "fd00::2"}
    assert (podman.name, podman.command, podman.labels, podman.networks) == ("job", "sleep 1000", {}, {})


@pytest.mark.parametrize(
    ("status", "health", "code", "seconds"),
    [
        ("Up Less than a second", None, None, 0.5),
        ("Up 1 second", None, None, 1),
        ("Up About a minute (healthy)", "healthy", None, 60),
        ("Up 42 minutes (unhealthy)", "unhealthy", None, 2520),
        ("Up About an hour (health: starting)", "starting", None, 3600),
        ("Up 3 days (Paused)", None, None, 259200),
        ("Up 2 weeks", None, None, 1209600),
        ("Up 5 months", None, None, 12960000),
        ("Up 2 years", None, None, 63072000),
        ("Exited (0) 3 hours ago", None, 0, None),
        ("Exited (-1) 3 hours ago", None, -1, None),
        ("Restarting (1) 4 seconds ago", None, 1, None),
        ("Created", None, None, None),
        ("Removal In Progress", None, None, None),
        ("Dead", None, None, None),
        ("", None, None, None),
        ("Up", None, None, None),
        ("Up (healthy)", "healthy", None, None),
        ("Exited", None, None, None),
        ("(healthy) 3 hours", None, None, None),
    ],
)
def test_the_words_of_a_status(status: str, health: str | None, code: int | None, seconds: float | None) -> None:
    assert lists.health(status) == health
    assert lists.exit_code(status) == code
    assert lists.uptime(status) == seconds


WRONG: list[Any] = [None, 7, -1.5, True, "x", "", [], [None], [7], {}, {"a": None}, {"x": [1]}, "\x1b[2J[@click=a]\n‮"]


@pytest.mark.parametrize("key", list(answer("containers-1.41")[0]))
@pytest.mark.parametrize("value", WRONG)
def test_no_field_of_a_wrong_type_breaks_the_list(key: str, value: Any) -> None:
    good = answer("containers-1.41")
    good[0][key] = value
    found = lists.containers(good, 0.0)
    assert len(found) >= 2
    for one in found.values():
        assert one.name
        assert clean(one.name).isprintable()
        hash(one.ports)
    del good[0][key]
    assert len(lists.containers(good, 0.0)) >= 2


@pytest.mark.parametrize("value", [7, "x", {}, {"message": "no"}, True])
def test_what_is_no_list_is_said(value: Any) -> None:
    with pytest.raises(BadAnswer, match="no list"):
        lists.containers(value, 0.0)
    with pytest.raises(BadAnswer, match="no list"):
        lists.images(value)
    with pytest.raises(BadAnswer, match="no list"):
        lists.networks(value)
    if not isinstance(value, dict):
        with pytest.raises(BadAnswer, match="no list"):
            lists.volumes(value)
    with pytest.raises(BadAnswer, match="no list"):
        lists.volumes({"Volumes": 7})


def test_null_is_an_empty_list_and_what_has_no_identity_is_left_out() -> None:
    assert lists.containers(None, 0.0) == {}
    assert lists.images(None) == ()
    assert lists.networks(None) == ()
    assert lists.volumes({"Volumes": None, "Warnings": None}) == ()
    assert lists.volumes({}) == ()
    junk: list[Any] = [None, 7, "x", [], {}, {"Id": None}, {"Id": 7, "Name": None}]
    assert lists.containers(junk, 0.0) == {}
    assert lists.images(junk) == ()
    assert lists.networks(junk) == ()
    assert lists.volumes({"Volumes": junk}) == ()


def test_a_container_without_a_name_is_known_by_its_id() -> None:
    (one,) = lists.containers([{"Id": "0123456789abcdef", "Names": None}], 0.0).values()
    assert (one.name, one.state) == ("0123456789ab", "unknown")
    (linked,) = lists.containers([{"Id": "a", "Names": ["/other/alias", "/own"]}], 0.0).values()
    assert linked.name == "own"


# -- images, volumes, networks


def test_images() -> None:
    tagged, bare, podman = lists.images(answer("images"))
    assert (tagged.tags, tagged.size_bytes, tagged.labels) == (("redis:7", "redis:latest"), 116_000_000, {"a": "b"})
    assert tagged.digests == ("redis@sha256:" + "1" * 64,)
    assert (bare.tags, bare.digests) == ((), ())
    assert (podman.tags, podman.labels) == (("localhost/bb:latest",), {})


def test_volumes_and_networks() -> None:
    data, other = lists.volumes(answer("volumes"))
    assert (data.name, data.driver, data.created_at) == ("data", "local", 1722506400.0)
    assert (other.name, other.created_at, other.labels) == ("other", None, {})
    bridge, shop = lists.networks(answer("networks"))
    assert (bridge.name, bridge.subnets, bridge.internal) == ("bridge", ("172.17.0.0/16",), False)
    assert (shop.subnets, shop.internal, shop.labels) == (("172.19.0.0/16", "fd00::/64"), True, {"x": "y"})


@pytest.mark.parametrize("name", ["images", "networks"])
@pytest.mark.parametrize("value", WRONG)
def test_no_wrong_field_breaks_the_other_lists(name: str, value: Any) -> None:
    read = {"images": lists.images, "networks": lists.networks}[name]
    for key in answer(name)[0]:
        good = answer(name)
        good[0][key] = value
        assert len(read(good)) >= len(good) - 1
    for key in answer("volumes")["Volumes"][0]:
        held = answer("volumes")
        held["Volumes"][0][key] = value
        assert lists.volumes(held)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("2024-08-01T10:00:00Z", 1722506400.0),
        ("2024-08-01T10:00:00.5Z", 1722506400.5),
        ("2024-08-01T12:00:00.123456789+02:00", 1722506400.123456),
        ("2024-08-01T10:00:00", 1722506400.0),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_moments(words: str, seconds: float | None) -> None:
    assert lists.moment(words) == seconds


# -- the version that is spoken


def test_the_api_both_sides_know() -> None:
    assert agreed("1.41", "1.12", "pi") == "1.41"
    assert agreed("1.41", "", "pi") == "1.41"
    assert agreed("1.52", "1.44", "pi") == "1.45", "no newer than the library was written for"
    assert agreed("1.60", "1.50", "pi") == "1.50", "no older than the engine takes"
    with pytest.raises(Unsupported, match=r"speaks API 1\.9, and at least 1\.41"):
        agreed("1.9", "1.0", "pi")
    with pytest.raises(BadAnswer):
        agreed("new", "1.12", "pi")


# -- events


def test_an_event_is_read() -> None:
    start, healthy, old = (event(one) for one in answer("events"))
    assert start is not None
    assert (start.type, start.action, start.id, start.attributes["name"]) == ("container", "start", "a" * 64, "web")
    assert start.at == 1722506400.5
    assert healthy is not None
    assert (healthy.action, healthy.detail) == ("health_status", "healthy")
    assert old is not None
    assert (old.action, old.at) == ("die", 1722506402.0)


@pytest.mark.parametrize("value", [*WRONG, {"Type": "container"}, {"Type": 7, "Action": "start", "time": 1}])
def test_what_is_no_event_is_none(value: Any) -> None:
    assert event(value) is None


@pytest.mark.parametrize("value", WRONG)
def test_no_wrong_field_of_an_event_breaks_what_is_known(value: Any) -> None:
    told = Told()
    told.listed(lists.containers(answer("containers-1.41"), 0.0), set())
    for key in ("Type", "Action", "Actor", "time", "timeNano", "id", "status"):
        broken = {**answer("events")[0], key: value}
        heard = event(broken)
        if heard is not None:
            told.heard(heard)
    for key in ("ID", "Attributes"):
        heard = event({**answer("events")[0], "Actor": {**answer("events")[0]["Actor"], key: value}})
        if heard is not None:
            told.heard(heard)
    assert len(told.containers) == 3


# -- what events make of what is known


def happened(action: str, at: float = 2000.0, type: str = "container", id: str = "a" * 64, **said: str) -> Event:
    """An event as the parser gives it."""
    word, _, detail = action.partition(": ")
    return Event(type, word, detail, id, at, said)


@pytest.fixture
def told() -> Told:
    made = Told()
    made.listed(lists.containers(answer("containers-1.41"), 1000.0), set())
    return made


def test_a_death_and_a_start(told: Told) -> None:
    key = "a" * 64
    assert told.heard(happened("die", exitCode="3"))
    dead = told.containers[key]
    assert (dead.state, dead.exit_code, dead.health, dead.uptime_s) == ("exited", 3, None, None)
    assert told.heard(happened("start", 2001.0))
    back = told.containers[key]
    assert (back.state, back.exit_code, back.started_at) == ("running", None, 2001.0)
    assert told.stale.containers == {key}


def test_an_event_that_changes_nothing_is_no_news(told: Told) -> None:
    before = told.containers["a" * 64]
    assert not told.heard(happened("health_status: healthy"))
    assert not told.heard(happened("health_status: feeling \x1b[31mfine"))
    assert not told.heard(happened("oom"))
    assert not told.heard(happened("unpause"))
    assert not told.heard(happened("rename", name=""))
    assert not told.heard(happened("destroy", id="nobody"))
    assert told.containers["a" * 64] is before


def test_a_list_that_says_nothing_new_keeps_the_objects(told: Told) -> None:
    before = dict(told.containers)
    later = answer("containers-1.41")
    later[0]["Status"] = "Up 4 hours (healthy)"
    told.listed(lists.containers(later, 5000.0), set())
    assert all(told.containers[key] is one for key, one in before.items())
    later[0]["Status"] = "Up 2 seconds (healthy)"
    told.listed(lists.containers(later, 5000.0), set())
    assert told.containers["a" * 64].uptime_s == 2, "it was restarted while nobody looked"


def test_a_list_older_than_an_event_does_not_undo_it(told: Told) -> None:
    key = "a" * 64
    listed = lists.containers(answer("containers-1.41"), 1000.0)
    told.heard(happened("destroy", id=key))
    told.heard(happened("die", id="b" * 64, exitCode="9"))
    told.listed(listed, {key, "b" * 64})
    assert key not in told.containers
    assert told.containers["b" * 64].exit_code == 9


def test_a_new_container_is_asked_for(told: Told) -> None:
    assert not told.heard(happened("create", id="new"))
    assert told.stale.containers == {"new"}
    told.stale.containers.clear()
    for _ in range(4):  # the engine tells of it a moment before its list knows
        told.listed_some({"new"}, {})
        assert told.stale.containers == {"new"}
        told.stale.containers.clear()
    told.listed_some({"new"}, {})
    assert not told.stale
    assert "new" not in told.containers


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("die", "exited")])
def test_a_list_that_does_not_know_yet_is_not_believed(told: Told, action: str, state: str) -> None:
    key = "a" * 64
    told.heard(happened(action))
    told.stale.containers.clear()
    before = lists.containers(answer("containers-1.41"), 2000.0)
    told.listed_some({key}, before)
    assert told.containers[key].state == state
    assert told.stale.containers == {key}, "it is asked for again"
    for _ in range(4):
        told.listed_some({key}, before)
    assert told.containers[key].state == "running", "in the end the list is right"


def test_what_other_events_make_doubtful(told: Told) -> None:
    told.heard(happened("pull", type="image"))
    assert told.stale.others == ["images"]
    told.heard(happened("create", type="volume"))
    told.heard(happened("destroy", type="network"))
    assert told.stale.others == ["images", "volumes", "networks"]
    told.heard(happened("connect", type="network", id="n", container="b" * 64))
    told.heard(happened("connect", type="network", id="n", container="nobody"))
    assert told.stale.containers == {"b" * 64}


def test_the_past_dates_what_runs_and_changes_nothing_else(told: Told) -> None:
    key = "a" * 64
    started = 1000.0 - 3 * 3600 - 17
    assert told.heard(happened("start", started), past=True)
    assert told.containers[key].started_at == started
    assert not told.heard(happened("destroy", 900.0), past=True)
    assert not told.heard(happened("die", 900.0, id="nobody"), past=True)
    assert key in told.containers
    assert not told.stale


# -- restarts


def course(*steps: str, announced: bool | None = None) -> list[float]:
    """The restarts in ``start@1 die@2 start@2.1``."""
    made = Course(announced=announced)
    for step in steps:
        action, _, at = step.partition("@")
        word, _, signal = action.partition(":")
        match word:
            case "create":
                made.create()
            case "start":
                made.start(float(at))
            case "die":
                made.die(float(at))
            case "kill":
                made.kill(signal)
            case "stop":
                made.stop()
            case "rests":
                made.rests()
            case _:
                made.restart(float(at))
    return list(made.restarts)


def loop(waits: list[float], run: float = 1.0) -> list[str]:
    """Starts and ends of a container that the engine starts again after these waits."""
    at, steps = 100.0, ["create", "start@100"]
    for pause in waits:
        at += run
        steps.append(f"die@{at}")
        at += pause
        steps.append(f"start@{at}")
    return steps


def test_restarts_with_growing_waits_count() -> None:
    waits = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert len(course(*loop(waits))) == len(waits)


def test_a_start_that_no_engine_would_wait_so_long_for_is_somebodys() -> None:
    assert course(*loop([0.1, 40.0])) == [101.1]
    assert course("start@100", "die@200", "start@201") == [201.0]
    assert course("start@100", "die@200", "start@210") == []
    assert len(course("die@200", "start@260")) == 1, "how far its waits had grown is not known"
    assert course("die@200", "start@280") == []


@pytest.mark.parametrize("asked", ["kill:15", "kill:9", "stop", "rests", "kill:"])
def test_what_a_client_ended_does_not_count(asked: str) -> None:
    if asked in ("rests", "stop"):
        assert course("start@1", "die@2", asked, "start@2.2") == []
    else:
        assert course("start@1", asked, "die@2", "start@2.2") == []
    assert len(course("start@1", asked, "die@2", "start@2.2", "die@20", "start@20.2")) == (1 if asked != "rests" else 2)


def test_a_signal_it_lives_on_after_is_no_end() -> None:
    assert course("start@1", "kill:1", "die@12", "start@12.2") == [12.2]


def test_docker_says_restart_after_the_start_and_podman_before_it() -> None:
    assert course("start@1", "die@20", "start@20.5", "restart@20.6") == []
    assert course("start@1", "die@20", "start@20.1", "die@31", "start@31.1", "restart@60") == [20.1, 31.1]
    told = ["start@1", "die@2", "restart@2.1", "start@2.2"]
    assert course(*told, announced=False) == [2.2]
    assert course("start@1", "die@2", "start@2.2", announced=False) == []
    assert course(*told, "die@3", "start@3.1", announced=False) == [2.2]


def test_only_so_many_restarts_are_kept() -> None:
    steps = loop([0.1] * 600, run=11.0)
    assert len(course(*steps)) == 512
