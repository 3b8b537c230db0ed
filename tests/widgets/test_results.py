"""What came of many targets, what is known of one, and what an operator does not want to hear of."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from app.column import Cell, Section, bar_text
from app.fleet import Mood
from app.fold import fold
from app.job import Ended, Outcome
from backends.kinds.node import KIND
from tests.widgets.demo import NOW, node, one_reading
from widgets.job_lines import outcome_lines
from widgets.page import plain
from widgets.sections import arranged
from widgets.summary import Summing
from widgets.view_state import ViewState


def outcome(ident: str, code: int, said: str, ended: Ended = Ended.DONE) -> Outcome:
    """One host's answer to a command."""
    return Outcome(id=ident, verb="node exec", outcome=ended, exit_code=code, data={"stdout": said})


HOSTS = (
    outcome("a", 0, "Debian\n"),
    outcome("b", 3, "boom\n", Ended.FAILED),
    outcome("c", 0, "Debian\n"),
    outcome("d", 1, "boom\n", Ended.FAILED),
    outcome("e", 0, "Alpine\n"),
    outcome("f", 3, "boom\n", Ended.FAILED),
)


def test_failures_come_first_and_what_said_the_same_is_one() -> None:
    folds = fold(HOSTS)
    assert [(one.exit_code, one.ids) for one in folds] == [(3, ["b", "f"]), (1, ["d"]), (0, ["a", "c"]), (0, ["e"])]


def test_every_host_and_exit_code_stands_in_the_result() -> None:
    lines = [plain(line).strip() for line in outcome_lines(HOSTS, 80) if line]
    assert lines == [
        "! 2 × failed, exit 3   b, f", "boom",
        "! failed, exit 1   d", "boom",
        "✓ 2 × done   a, c", "Debian",
        "✓ done   e", "Alpine",
    ]  # fmt: skip


def test_the_names_of_many_hosts_are_all_there() -> None:
    many = [outcome(f"host{number}", 0, "same") for number in range(60)]
    text = " ".join(plain(line) for line in outcome_lines(many, 80))
    assert all(f"host{number}" in text for number in range(60))
    assert all(cell_len(plain(line)) <= 80 for line in outcome_lines(many, 80))


def test_checks_that_differ_are_not_folded() -> None:
    held = [{"check": "disk", "held": ident == "a", "evidence": ident} for ident in "ab"]
    tried = [Outcome(id=str(c["evidence"]), verb="v", outcome=Ended.DONE, data={"checks": [c]}) for c in held]
    assert len(fold(tried)) == 2


def sections() -> list[Section]:
    """Bars in groups, a broad table, and a section of which nothing is known."""
    cores = "   ".join(f"{bar_text(0.1 * n, 6)} {n * 10:3d} %" for n in range(4))
    broad = tuple(Cell("x" * 40) for _ in range(3))
    return [
        Section("pi", (("state", Cell("● up")),)),
        Section("CPU", (("core 0-3", Cell(cores)),)),
        Section("Memory", (("memory", Cell("–")), ("swap", Cell("–  –")))),
        Section("GPUs", (), ("A", "B", "C"), (broad,)),
    ]


def test_sections_stand_side_by_side_and_bars_stay_whole() -> None:
    for width in (30, 60, 79, 119, 199):
        lines = [plain(line) for line in arranged(sections(), width, lambda figure, count: ())]
        text = "\n".join(lines)
        assert all(f"{bar_text(0.1 * n, 6)} {n * 10:3d} %" in text for n in range(4)), width
        assert "Nothing is known of: memory." in text
        assert max(cell_len(line) for line in lines if "xxx" not in line and "  B  " not in line) <= width
    wide = [plain(line) for line in arranged(sections(), 119, lambda figure, count: ())]
    assert "PI" in wide[0]
    assert "CPU" in wide[0]


def test_a_muted_node_raises_no_alarm_and_looks_muted() -> None:
    for state in ("up", "down", "stale", "unknown"):
        bad = replace(node("pi"), state=state, fault="no answer", muted_until=2e9, muted_why="new disk")
        assert KIND.mood(replace(bad, muted_until=None)) is not Mood.MUTED
        assert KIND.mood(bad) is Mood.MUTED
        fleet = one_reading((bad, node("hp")))
        summary = Summing(KIND).sum(fleet, NOW, 9)
        assert summary.worst_mood is Mood.UP
        assert not [one for one in summary.worst if one.worry.score >= 100]
        view = ViewState(KIND)
        view.take(fleet, NOW)
        view.set_faults_only(True, NOW)
        assert view.order == []
        note = next(column.cell(bad).text for column in KIND.columns if column.title == "NOTE")
        assert note == "muted: new disk, no answer"
