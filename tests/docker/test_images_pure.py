"""What is known of images without any engine: names, messages of pulls, accounts, sorted refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import BadAnswer, ConfigurationError, Denied, Missing, QuarterdeckError, Unreachable
from backends.docker.registry.accounts import Account, header
from backends.docker.registry.freshness import Freshness
from backends.docker.registry.progress import PullProgress
from backends.docker.registry.reference import account_key, parse, registry_host
from backends.docker.registry.refusals import refusal
from backends.docker.verbs.cache import cache_going
from backends.docker.verbs.disk import CacheRecord

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "name", "registry"),
    [
        ("redis", "redis:latest", "docker.io"),
        ("redis:7", "redis:7", "docker.io"),
        ("team/app:v1.2-x_y", "team/app:v1.2-x_y", "docker.io"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest", "127.0.0.1:5000"),
        ("localhost/app:1", "localhost/app:1", "localhost"),
        ("[::1]:5000/a/b__c:1", "[::1]:5000/a/b__c:1", "[::1]:5000"),
        ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io"),
        (f"app@{DIGEST}", f"app@{DIGEST}", "docker.io"),
        (f"app:1@{DIGEST}", f"app@{DIGEST}", "docker.io"),
    ],
)
def test_names_of_images(text: str, name: str, registry: str) -> None:
    found = parse(text)
    assert (found.name, found.registry) == (name, registry)
    assert parse(found.name) == (found if not found.digest else parse(found.name))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no name of an image"),
        ("Redis:7", "names are in small letters: redis:7"),
        ("redis:", "no tag"),
        ("redis:a b", "no tag"),
        ("redis:" + "x" * 129, "no tag"),
        ("app@sha256:12", "no digest"),
        ("app@", "no digest"),
        ("a//b", "no name"),
        ("-x", "no name"),
        ("http://r.example/app", "no registry|no tag|no name"),
        ("r_x.example/app", "no registry"),
        ("x" * 256, "no name"),
        ("app\n", "no name"),
        ("app\x1b[2J", "no name"),
    ],
)
def test_what_is_no_name(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as said:
        parse(text)
    assert "\x1b" not in str(said.value)


@pytest.mark.parametrize(
    ("text", "host", "key"),
    [
        ("r.example.org:5000", "r.example.org:5000", "r.example.org:5000"),
        ("https://r.example.org/", "r.example.org", "r.example.org"),
        ("docker.io", "docker.io", "https://index.docker.io/v1/"),
        ("https://index.docker.io/v1/", "docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_registries(text: str, host: str, key: str) -> None:
    assert (registry_host(text), account_key(registry_host(text))) == (host, key)


def message(layer: str, status: str, current: int | None = None, total: int | None = None) -> dict[str, Any]:
    detail = {"current": current, "total": total} if current is not None else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def test_a_sum_is_told_only_when_every_layer_told_its_size() -> None:
    pull = PullProgress()
    assert pull.take({"status": "Pulling from team/app", "id": "1"}) == "1: pulling from team/app"
    assert pull.measured is None
    for layer in ("aa", "bb", "cc", "dd"):
        pull.take(message(layer, "Pulling fs layer"))
    pull.take(message("dd", "Already exists"))
    assert pull.measured == (0, None, "B")
    assert pull.take(message("aa", "Downloading", 10, 2048)) == "aa: downloading 2.0K"
    assert pull.take(message("aa", "Downloading", 20, 2048)) is None
    pull.take(message("bb", "Downloading", 5, 50))
    assert pull.measured == (25, None, "B"), "cc has not said how large it is"
    pull.take(message("cc", "Downloading", 1, 10))
    assert pull.measured == (26, 2108, "B")
    for layer in ("aa", "bb", "cc"):
        pull.take(message(layer, "Verifying Checksum"))
        pull.take(message(layer, "Download complete"))
    assert pull.measured == (0, 2108, "B unpacked")
    pull.take(message("aa", "Extracting", 1000, 2048))
    assert pull.measured == (1000, 2108, "B unpacked")
    for layer in ("aa", "bb", "cc"):
        pull.take(message(layer, "Pull complete"))
    assert pull.measured == (2108, 2108, "B unpacked")
    pull.take({"status": f"Digest: {DIGEST}"})
    assert pull.take({"status": "Status: Downloaded newer image for x\x1b[31m"}) is not None
    assert pull.digest == DIGEST


def test_odd_messages_break_nothing() -> None:
    pull = PullProgress()
    odd: list[dict[str, Any]] = [
        {},
        {"status": None, "id": 3},
        {"id": "aa", "status": "Downloading", "progressDetail": {"current": "x", "total": -1}},
        {"id": "aa", "status": "Downloading", "progressDetail": [1]},
        {"id": "aa", "status": "Retrying in 5 seconds"},
        {"id": "a\x1b]0;t\x07a", "status": "W\u202eaiting"},
    ]
    lines = [pull.take(one) for one in odd]
    assert all(line is None or line.isprintable() for line in lines)
    assert pull.take({"id": "aa", "status": "Retrying in 4 seconds"}) is None


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ('Get "http://r/v2/": no basic auth credentials', Denied),
        ("pull access denied for x, repository does not exist or may require 'docker login'", Denied),
        ("manifest for x:9 not found: manifest unknown", Missing),
        ("dial tcp 127.0.0.1:9: connect: connection refused", Unreachable),
        ("dial tcp: lookup r.example: no such host", Unreachable),
        ("no space left on device", BadAnswer),
        ("\x1b[31m", BadAnswer),
    ],
)
def test_refusals_are_sorted_and_keep_their_words(words: str, error: type[QuarterdeckError]) -> None:
    said = refusal(words, "pi", parse("r.example/x:9"))
    assert type(said) is error
    assert said.where == "pi/r.example/x:9"
    assert "\x1b" not in said.what


def test_accounts_show_no_secret() -> None:
    account = Account("me", "hush", "token-of-me")
    assert "hush" not in repr(account)
    assert "token-of-me" not in repr(account)
    assert header(None, "r.example") == "e30="


def test_an_answer_is_about_the_image_that_was_asked_about() -> None:
    known = Freshness()
    heard: list[int] = []
    end = known.listen("pi", lambda: heard.append(1))
    assert known.newer("pi", "sha256:a", "app:1") is None
    known.learned("pi", "sha256:a", "app:1", newer=True)
    known.learned("pi", "sha256:a", "app:1", newer=True)
    known.learned("hp", "sha256:a", "app:1", newer=True)
    assert known.newer("pi", "sha256:a", "app:1") is True
    assert known.newer("pi", "sha256:b", "app:1") is None, "another image has that name now"
    end()
    known.learned("pi", "sha256:a", "app:1", newer=False)
    assert heard == [1]


def record(name: str, **more: Any) -> CacheRecord:
    said: dict[str, Any] = {"type": "regular", "description": "", "size_bytes": 10, "in_use": False, "shared": False}
    return CacheRecord(id=name, **{**said, **more})


def test_cache_that_goes(engine_less: Any) -> None:
    records = [
        record("base"),
        record("leaf", parents=("middle",)),
        record("middle", parents=("base",)),
        record("busy", in_use=True),
        record("shared", shared=True),
        record("front", type="frontend"),
    ]
    some = cache_going(engine_less, records, all=False)
    assert some is not None
    assert some.text.endswith("once for each ID of leaf middle base")
    assert some.size == 30
    every = cache_going(engine_less, records, all=True)
    assert every is not None
    assert {"shared", "front"} < {*every.text.split()}
    assert "busy" not in every.text
    assert cache_going(engine_less, [record("busy", in_use=True)], all=True) is None
    circle = [record("one", parents=("two",)), record("two", parents=("one",))]
    assert cache_going(engine_less, circle, all=True) is not None


@pytest.fixture
def engine_less() -> Any:
    """Where no engine is asked."""
    return None


def test_json_of_inspect_hides_what_looks_secret() -> None:
    from backends.docker.verbs.inspected import inspected

    said = inspected(
        {
            "Config": {"Env": ["API_KEY=k", "PATH=/bin", "odd"]},
            "Options": {"o": "addr=1,PASS=x y", "device": "//me:hush@nas/share"},
        }
    )
    assert json.loads(said.text) == {
        "Config": {"Env": ["API_KEY=••••••", "PATH=/bin", "odd"]},
        "Options": {"o": "addr=1,PASS=••••••", "device": "//me:••••••@nas/share"},
    }
