"""The command line as scripts see it: targets, arguments, outcomes, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.errors import ConfigurationError, Unreachable
from app.registry import Part
from tests.cli.conftest import Quarterdeck
from tests.frame.decks import KETTLES
from tests.frame.galley import World


def ids(quarterdeck: Quarterdeck, words: str) -> list[str]:
    said = quarterdeck(*f"kettle list {words}".split())
    assert said.code == 0, said.err
    return [item["id"] for item in said.items]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("", ["kitchen/red", "kitchen/blue", "office/red"]),
        ("kitchen/red", ["kitchen/red"]),
        ("blue", ["kitchen/blue"]),
        ("red", ["kitchen/red", "office/red"]),
        ("kitchen/*", ["kitchen/red", "kitchen/blue"]),
        ("r*", ["kitchen/red", "office/red"]),
        ("*/red", ["kitchen/red", "office/red"]),
        ("kitchen/red,office/red", ["kitchen/red", "office/red"]),
        ("kitchen/blue office/red", ["kitchen/blue", "office/red"]),
        ("@prod", ["kitchen/red", "kitchen/blue"]),
        ("* !kitchen/blue", ["kitchen/red", "office/red"]),
        ("!@prod", ["office/red"]),
        ("r*,&@prod", ["kitchen/red"]),
        ("house", ["kitchen/red", "kitchen/blue", "office/red"]),
        ("--on office", ["office/red"]),
        ("--on @prod r*", ["kitchen/red"]),
        ("--on !kitchen", ["office/red"]),
        ("--on house", ["kitchen/red", "kitchen/blue", "office/red"]),
    ],
)
def test_targets(quarterdeck: Quarterdeck, words: str, meant: list[str]) -> None:
    assert ids(quarterdeck, words) == meant


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("ketle list", "there is no noun 'ketle' (nearest valid name: kettle)"),
        ("kettle lst", "'kettle' has no verb 'lst' (nearest valid name: list)"),
        ("kettle list --outptu json", "there is no option '--outptu' (nearest valid name: --output)"),
        ("kettle boil kitchen/rde --yes", "there is no kettle 'kitchen/rde' (nearest valid name: kitchen/red)"),
        ("kettle boil z* --yes", "no kettle matches 'z*'"),
        ("kettle boil @prd --yes", "there is no tag '@prd' (nearest valid name: @prod)"),
        ("kettle boil --yes", "which kettle? name one, '*' for all, or give --on PATTERN"),
        ("kettle show", "which kettle?"),
        ("kettle boil red --yes", "'red' is the name of 2 kettles: kitchen/red, office/red"),
        ("kettle boil kitchen/red --on office --yes", "'kitchen/red' is outside of --on office"),
        ("kettle list --on kichen", "--on: there is no node 'kichen' (nearest valid name: kitchen)"),
        ("kettle list --on !kichen", "--on: there is no node 'kichen' (nearest valid name: kitchen)"),
        ("kettle list --on ,", "--on: the pattern is empty"),
        ("kettle boil kitchen/red --celsius hot", "'hot' is not a valid integer"),
        ("kettle pour kitchen/red many", "CUPS: 'many' is not a valid integer"),
        ("kettle pour kitchen/red", "CUPS is missing"),
        ("kettle create --litres 1", "NAME is missing"),
        ("kettle create green", "--litres"),
        ("kettle create green --litres 1 --colour rde", "--colour"),
        ("kettle create green blue --litres 1", "takes no target"),
        ("kettle say kitchen/red hello", "stands after --"),
        ("kettle boil kitchen/red -- now", "takes nothing after --"),
        ("kettle list -- now", "takes nothing after --"),
        ("kettle boil kitchen/red --parallel 0", "--parallel"),
        ("kettle list --hosts /nonexistent/hosts.yaml", "/nonexistent/hosts.yaml"),
    ],
)
def test_what_cannot_be_meant_is_usage(quarterdeck: Quarterdeck, world: World, words: str, complaint: str) -> None:
    said = quarterdeck(words)
    assert said.code == 2
    assert complaint in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert world.done == []


def test_arguments_stand_on_the_right_of_the_targets(quarterdeck: Quarterdeck, world: World) -> None:
    assert quarterdeck("kettle pour kitchen/red office/red 3").code == 0
    assert world.done == ["pour 3 from kitchen/red", "pour 3 from office/red"]
    assert quarterdeck("kettle pour 4 --on office").code == 0
    assert world.done[2:] == ["pour 4 from office/red"]


def test_typed_inputs_become_options_and_arguments(quarterdeck: Quarterdeck, world: World) -> None:
    said = quarterdeck("kettle create green --litres 1.7 --colour blue --lid --label a --label b")
    assert (said.code, said.items[0]["id"], said.items[0]["outcome"]) == (0, "", "done")
    assert world.done == ["create green 1.7 blue True a,b"]


@pytest.mark.parametrize(
    "words",
    [
        "--output table kettle --yes boil kitchen/red --why tea --trace-id t1",
        "kettle boil --output table kitchen/red --yes --trace-id t1 --why tea",
        "--yes --why tea --trace-id t1 --output table kettle boil kitchen/red",
    ],
)
def test_global_options_stand_anywhere(quarterdeck: Quarterdeck, words: str) -> None:
    said = quarterdeck(words)
    assert (said.code, said.out) == (0, "● kitchen/red  done: boil kitchen/red to 100\n")
    entries = quarterdeck("witness query --output json").items
    assert {(entry["trace"], entry["why"]) for entry in entries if entry["phase"] == "intent"} == {("t1", "tea")}


def test_outcomes_are_one_json_object_with_failures_first(quarterdeck: Quarterdeck, world: World) -> None:
    world.broken.add("kitchen/blue")
    said = quarterdeck("kettle boil * --yes")
    assert said.code == 3
    assert [(item["id"], item["outcome"], item["exit_code"]) for item in said.items] == [
        ("kitchen/blue", "failed", 1),
        ("kitchen/red", "done", 0),
        ("office/red", "done", 0),
    ]
    assert set(said.items[0]) >= {"id", "verb", "outcome", "exit_code", "message", "job", "trace"}
    assert said.object["errors"] == []


@pytest.mark.parametrize(
    ("words", "code", "outcome"),
    [
        ("kettle boil kitchen/red --yes", 0, "done"),
        ("kettle boil kitchen/blue --yes", 1, "failed"),
        ("kettle boil kitchen/blue,kitchen/red --yes", 3, "failed"),
        ("kettle boil kitchen/red", 4, "refused"),
        ("kettle boil kitchen/red --yes --read-only", 4, "refused"),
        ("kettle boil kitchen/red --yes --celsius 101", 4, "refused"),
        ("kettle boil kitchen/red --yes --no-wait", 4, "refused"),
        ("kettle descale kitchen/red --no-wait", 0, "done"),
        ("kettle scrap kitchen/red --yes", 4, "refused"),
        ("kettle scrap kitchen/red --yes --why old", 0, "done"),
        ("kettle boil kitchen/red --mode falsify", 0, "done"),
        ("kettle boil kitchen/red --mode falsify --celsius 101", 4, "refused"),
        ("kettle boil kitchen/red --mode falsify --read-only", 4, "refused"),
    ],
)
def test_exit_codes(quarterdeck: Quarterdeck, world: World, words: str, code: int, outcome: str) -> None:
    world.broken.add("kitchen/blue")
    said = quarterdeck(words)
    assert (said.code, said.items[0]["outcome"]) == (code, outcome)


def test_a_refusal_without_a_terminal_says_what_would_do(quarterdeck: Quarterdeck) -> None:
    assert "add --yes" in quarterdeck("kettle boil kitchen/red").items[0]["message"]
    assert "--why TEXT" in quarterdeck("kettle scrap kitchen/red --yes").items[0]["message"]


def test_wait_timeout_cancels_and_fails(quarterdeck: Quarterdeck, world: World) -> None:
    import asyncio

    world.hold = asyncio.Event()
    said = quarterdeck("kettle boil kitchen/red --yes --wait-timeout 0.05")
    assert (said.code, said.items[0]["outcome"]) == (1, "cancelled")
    assert world.running == set()


def test_falsify_prints_plan_checks_and_evidence(quarterdeck: Quarterdeck, world: World) -> None:
    said = quarterdeck("kettle boil kitchen/red --celsius 101 --mode falsify --output table --no-color")
    assert "  boil kitchen/red to 101\n" in said.out
    assert "○ water boils at 100: 101 were asked for" in said.out
    assert "● budget: nothing stands against it" in said.out
    assert world.done == []


def test_trace_is_printed_on_stderr(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("kettle boil kitchen/red --yes --trace --trace-id abc")
    assert "trace: abc\n" in said.err
    assert said.items[0]["trace"] == "abc"


def test_list_tells_ages_units_unknowns_and_tags(quarterdeck: Quarterdeck) -> None:
    item = next(item for item in quarterdeck("kettle list").items if item["id"] == "kitchen/blue")
    assert item["celsius"] is None
    assert 0 <= item["age_s"] < 60
    assert (item["name"], item["source"], item["state"], item["fault"]) == ("blue", "kitchen", "up", None)


def test_what_cannot_be_read_because_of_us_is_an_error_and_what_is_down_is_not(
    quarterdeck: Quarterdeck, world: World
) -> None:
    world.dead["office"] = Unreachable("no route")
    assert (quarterdeck("kettle list").code, quarterdeck("kettle list").object["errors"]) == (0, [])
    world.dead["office"] = ConfigurationError("the key is wrong", where="office")
    said = quarterdeck("kettle list")
    assert said.code == 3
    assert said.object["errors"] == [{"source": "office", "backend": "galley", "fault": "office: the key is wrong"}]
    assert [item["id"] for item in said.items] == ["kitchen/red", "kitchen/blue"]
    table = quarterdeck("kettle list --output table")
    assert (table.code, "office: the key is wrong" in table.err) == (3, True)


def test_a_target_of_a_source_that_does_not_answer_is_missing_and_not_a_mistake(
    quarterdeck: Quarterdeck, world: World
) -> None:
    world.dead["office"] = Unreachable("no route")
    said = quarterdeck("kettle boil office/red --yes")
    assert said.code == 1
    assert "office: no route" in said.err


def test_only_the_sources_that_are_needed_are_contacted(quarterdeck: Quarterdeck, world: World) -> None:
    quarterdeck("kettle boil office/red --yes")
    assert world.watched == {"office"}
    world.watched.clear()
    quarterdeck("kettle list --on @prod")
    assert world.watched == {"kitchen"}


def test_views_print_rows_text_and_streams(quarterdeck: Quarterdeck, world: World) -> None:
    assert quarterdeck("kettle inside blue").items == [
        {"target": "kitchen/blue", "what": "leaf"},
        {"target": "kitchen/blue", "what": "\x1b[31mbug"},
    ]
    table = quarterdeck("kettle inside blue --output table")
    assert table.out == "WHAT\nleaf\n[31mbug\n"
    assert quarterdeck("kettle manual blue --output table").out == "Fill.\n]0;titleBoil.\n"
    assert quarterdeck("kettle whistle blue --lines 2 --output table").out == "blue 0\nblue 1\n"
    sung = quarterdeck("kettle whistle red --lines 2").items
    assert sorted(item["line"] for item in sung) == ["red 0", "red 0", "red 1", "red 1"]
    world.broken.add("kitchen/red")
    partly = quarterdeck("kettle inside red")
    assert partly.code == 3
    assert [item["target"] for item in partly.items] == ["office/red", "office/red"]
    assert partly.object["errors"][0]["fault"] == "the lid is locked"


def test_several_targets_that_say_the_same_are_folded_failures_first(quarterdeck: Quarterdeck, world: World) -> None:
    world.told = {"office/red": ["other", "!and a complaint"]}
    world.broken.add("kitchen/blue")
    said = quarterdeck("kettle", "say", "*", "--output", "table", "--no-color", "--", "hello")
    assert said.code == 3
    heads = [line for line in said.out.splitlines() if line.startswith("──")]
    assert heads[0].startswith("── kitchen/blue: failed, exit 3: it leaks ──")
    assert [head.split(" ─")[0] for head in heads[1:]] == ["── kitchen/red", "── office/red"]
    assert "other\nand" in said.out.replace("!", "")
    assert "kitchen/red │ hello" in said.err
    assert "3: 2 done, 1 failed" in said.err
    world.broken.clear()
    world.told.clear()
    same = quarterdeck("kettle", "say", "*", "--output", "table", "--no-color", "--", "hello")
    assert same.out.splitlines()[0].startswith("── kitchen/blue, kitchen/red, office/red (3) ──")
    assert same.out.splitlines()[1:] == ["hello"]


def test_one_target_has_our_streams(quarterdeck: Quarterdeck, world: World) -> None:
    world.told = {"kitchen/red": ["a", "!b"]}
    said = quarterdeck("kettle", "say", "kitchen/red", "--output", "table", "--", "x")
    assert (said.code, said.out, said.err) == (0, "a\n", "!b\n")
    world.broken.add("kitchen/red")
    failed = quarterdeck("kettle", "say", "kitchen/red", "--output", "table", "--", "x")
    assert (failed.code, failed.out) == (1, "a\n")
    assert "quarterdeck: kitchen/red: failed, exit 3: it leaks" in failed.err


def test_what_follows_the_dashes_is_not_ours(quarterdeck: Quarterdeck) -> None:
    said = quarterdeck("kettle", "say", "kitchen/red", "--", "--help", "--yes", "--", "x")
    assert said.items[0]["stdout"] == "--help --yes -- x\n"


def test_a_secret_that_nobody_can_be_asked_for_is_missed(
    quarterdeck: Quarterdeck, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.front.find_terminal", lambda: None)
    said = quarterdeck("kettle lock kitchen/red")
    assert said.code == 1
    assert "'--pin' is needed" in said.err
    given = quarterdeck("kettle lock kitchen/red --pin 73519264")
    assert given.items[0]["message"] == "locked with 8 digits"
    assert "73519264" not in json.dumps(quarterdeck("witness query --output json").object)


def test_a_defect_shows_a_sentence_and_the_log_file(
    quarterdeck: Quarterdeck, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("app.cli.look.choose", broken)
    said = quarterdeck("kettle list")
    assert said.code == 1
    assert "Traceback" not in said.err
    log = home / "quarterdeck" / "state" / "log" / "quarterdeck.log"
    assert str(log) in said.err
    assert "ZeroDivisionError: oops" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_hostile_name_draws_nothing_and_stays_one_json_string(quarterdeck: Quarterdeck, world: World) -> None:
    world.galleys["kitchen"]["\x1b]0;x\x07[@click=app.quit]\u202e"] = 1.0
    table = quarterdeck("kettle list --output table")
    assert "\x1b" not in table.out
    assert "\u202e" not in table.out
    assert "]0;x[@click=app.quit]" in table.out
    listed = quarterdeck("kettle list")
    assert listed.out.isascii()
    assert "\x1b" not in listed.out
    assert any(item["name"].endswith("\u202e") for item in listed.items)


def test_unknown_figures_are_null_even_where_a_backend_says_nan(quarterdeck: Quarterdeck, world: World) -> None:
    world.galleys["kitchen"]["odd"] = float("nan")
    odd = next(item for item in quarterdeck("kettle list").items if item["name"] == "odd")
    assert odd["celsius"] is None


def test_an_empty_pane_says_what_would_fill_it(quarterdeck: Quarterdeck, world: World) -> None:
    world.galleys.clear()
    world.mugs.clear()
    assert quarterdeck("kettle list --output table").out == "No kettles are plugged in.\nn makes one\n"
    assert quarterdeck("kettle list").object == {"items": [], "errors": []}


def test_open_intents_are_listed_as_jobs(quarterdeck: Quarterdeck) -> None:
    quarterdeck("kettle descale kitchen/red --no-wait")
    assert quarterdeck("job list").object == {"items": [], "errors": []}
    assert "Nothing is open" in quarterdeck("job list --output table").out


def test_an_option_that_belongs_to_the_program_cannot_be_a_verbs(modules: Path, quarterdeck: Quarterdeck) -> None:
    from tests.cli.test_promise import BACKEND, KIND

    (modules / "toaster.py").write_text(KIND.replace("minutes", "why"))
    (modules / "pantry.py").write_text(BACKEND)
    said = quarterdeck("toaster toast old --yes", parts=(KETTLES, Part("toaster:KIND", "pantry:Pantry")))
    assert said.code != 0
    assert "'--why' of 'toaster toast' means something else everywhere" in said.err


def test_a_view_that_fails_everywhere_exits_1(quarterdeck: Quarterdeck, world: World) -> None:
    world.broken.add("kitchen/red")
    said = quarterdeck("kettle inside kitchen/red")
    assert (said.code, said.items) == (1, [])
