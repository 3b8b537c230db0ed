"""What rows are called beside rows of other nodes, and what the line of keys names first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.column import Cell, Section, Worry
from app.fleet import Mood
from app.kind import full_name
from backends.kinds.container import KIND, Container
from tests.widgets.demo import NOW, node, one_reading
from widgets.page import plain
from widgets.pane import KeyHint, hints_in_order
from widgets.sections import arranged
from widgets.summary import Summing, Worst, name_room


def container(name: str = "shop-worker-1", where: str = "hp", **more: object) -> Container:
    """A container that loops."""
    fields: dict[str, object] = {
        "id": f"{where}/{name}",
        "name": name,
        "source": where,
        "state": "running",
        "container_id": "ab" * 32,
        "image": "worker:1",
        "service": "worker",
        "looping": True,
        "restarts_per_hour": 14.0,
    }
    return Container(**(fields | more))  # pyright: ignore[reportArgumentType]


def worst(*rows: Any) -> tuple[Worst, ...]:
    """The rows as a tile would name them."""
    return Summing(KIND).sum(one_reading(rows), NOW, 20).worst


def test_a_row_is_called_with_its_node_unless_it_is_one() -> None:
    assert full_name(container()) == "hp/shop-worker-1"
    assert full_name(node("hp")) == "hp"
    assert full_name(replace(container(), id="other")) == "shop-worker-1"


def test_equal_names_on_several_nodes_are_told_apart_and_the_worst_comes_first() -> None:
    calm: dict[str, Any] = {"looping": False, "health": "unhealthy"}
    found = worst(container(where="pi", **calm), container(where="hp"), container(where="ws", looping=False))
    assert [(one.called(), one.worry.text) for one in found] == [
        ("hp/shop-worker-1", "restarts 14/h"),
        ("pi/shop-worker-1", "unhealthy"),
    ]


def test_where_the_name_has_no_room_its_service_stands_for_it() -> None:
    (one,) = worst(container())
    assert one.called(16) == "hp/shop-worker-1"
    assert one.called(15) == "hp/worker"
    (bare,) = worst(container(service=None))
    assert bare.called(10) == "hp/shop-worker-1"


def test_names_have_the_room_that_the_words_leave_and_take_some_from_long_words() -> None:
    (one,) = worst(container())
    assert name_room((one,), 54, 19) == 16
    assert name_room((one,), 32, 19) == 16
    long_words = Worst(container("n" * 60), Mood.DOWN, Worry(150, "w" * 80))
    assert name_room((long_words,), 54, 19) == 24
    assert name_room((long_words,), 30, 19) == 11
    assert name_room((), 54, 19) == 8


def test_names_from_outside_are_made_safe() -> None:
    (one,) = worst(container("a\x1b[2Jb"))
    assert "\x1b" not in one.called()


def test_what_is_needed_most_stands_first_in_the_line_of_keys() -> None:
    verbs = tuple(KeyHint(label[0], label) for label in ("start", "stop", "restart"))
    frame = tuple(KeyHint(label[0], label) for label in ("mark", "describe", "help"))

    def labels(*foremost: str) -> list[str]:
        return [hint.label for hint in hints_in_order(verbs, frame, foremost)]

    assert labels() == ["start", "stop", "restart", "mark", "describe", "help"]
    assert labels("restart", "describe", "nothing") == ["restart", "describe", "mark", "help", "start", "stop"]


def test_labels_that_are_too_long_for_a_column_keep_their_end() -> None:
    labels = Section("Labels", (("com.docker.compose.project.working_dir", Cell("/srv")), ("a", Cell("b"))))
    short = Section("Settings", (("user", Cell("ops")),))
    lines = [plain(line) for line in arranged((short, labels), 58, lambda figure, count: [])]
    assert any(line.startswith("   user  ops") for line in lines), "one long label moves no other section"
    assert any("…" in line and line.split()[0].endswith("project.working_dir") for line in lines)
    assert any(line.split() == ["a", "b"] for line in lines)
