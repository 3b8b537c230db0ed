"""Copying to and from a node, with names that a shell or a terminal could trip over."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError, Missing, Refused
from app.plan import Plan, Risk
from tests.node_verbs.bench import Bench
from tests.reports import RecordingReport, run_plan

NAMES = ["plain", "a b", "it's", "$(touch x)", "-rf", "new\nline", "`id`", "ümläut", '"q"', "*", "a\\b"]


def holds(plan: Plan) -> bool:
    return all(held for _, held, _ in plan.preconditions)


@pytest.mark.parametrize("name", NAMES)
async def test_files_come_and_go_under_any_name(bench: Bench, tmp_path: Path, home: Path, name: str) -> None:
    here = tmp_path / "from" / name
    here.parent.mkdir()
    here.write_bytes(b"x" * 70_000)
    (home / "in").mkdir()
    plan = await bench.verbs.put(bench.here, here, to="in/")
    assert holds(plan)
    assert plan.loses == ()
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert (home / "in" / name).read_bytes() == here.read_bytes()
    assert result.data == {"bytes": 70_000, "path": f"in/{name}"}
    assert report.steps[-1] == (70_000, 70_000, "B")
    back = await bench.verbs.get(bench.here, f"~/in/{name}", to=tmp_path)
    assert holds(back)
    assert back.risk is None
    await run_plan(back)
    assert (tmp_path / "pi" / name).read_bytes() == here.read_bytes()


async def test_the_text_is_quoted(bench: Bench, tmp_path: Path, home: Path) -> None:
    here = tmp_path / "a b"
    here.write_text("x")
    plan = await bench.verbs.put(bench.here, here, to="/tmp/it's $x")
    assert plan.steps[0].text == f"""put '{here}' 'pi:/tmp/it'"'"'s $x'"""
    (home / "-f").write_text("x")
    back = await bench.verbs.get(bench.here, "-f", to=tmp_path / "got")
    assert back.steps[0].text == f"get pi:-f {tmp_path}/got"


async def test_where_things_land(bench: Bench, tmp_path: Path, home: Path) -> None:
    here = tmp_path / "file"
    here.write_text("x")
    (home / "dir").mkdir()
    for to, final in [
        ("./", "./file"),
        ("dir", "dir/file"),
        ("dir/", "dir/file"),
        ("~", "./file"),
        ("~/other", "other"),
        ("/", "/file"),
    ]:
        plan = await bench.verbs.put(bench.here, here, to=to)
        assert plan.steps[0].text == f"put {here} pi:{final}"
        assert holds(plan)
    for to in ("nowhere/", "nowhere/x", "/no/where/"):
        assert not holds(await bench.verbs.put(bench.here, here, to=to))


async def test_what_is_overwritten_there_is_said(bench: Bench, tmp_path: Path, home: Path) -> None:
    here = tmp_path / "file"
    here.write_text("new")
    (home / "file").write_text("older")
    plan = await bench.verbs.put(bench.here, here)
    assert plan.loses == ("pi:./file (5B), overwritten",)
    await run_plan(plan)
    assert (home / "file").read_text() == "new"


async def test_folders_are_merged_and_never_replaced_by_files(bench: Bench, tmp_path: Path, home: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "sub" / "page").write_text("new")
    (home / "site").mkdir()
    (home / "site" / "kept").write_text("old")
    plan = await bench.verbs.put(bench.here, tmp_path / "site")
    assert plan.loses == ("files of the same names in pi:./site",)
    await run_plan(plan)
    assert (home / "site" / "sub" / "page").read_text() == "new"
    assert (home / "site" / "kept").read_text() == "old"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "site").write_text("a file")
    assert not holds(await bench.verbs.put(bench.here, tmp_path / "other" / "site"))


async def test_nothing_here_is_overwritten_silently(bench: Bench, tmp_path: Path, home: Path) -> None:
    (home / "f").write_text("theirs")
    final = tmp_path / "pi" / "f"
    quiet = await bench.verbs.get(bench.here, "f", to=tmp_path)
    final.parent.mkdir()
    final.write_text("mine")
    with pytest.raises(Refused, match="by now"):
        await run_plan(quiet)
    assert final.read_text() == "mine"
    loud = await bench.verbs.get(bench.here, "f", to=tmp_path)
    assert loud.risk is Risk.DISRUPTS
    assert loud.loses == (f"{final} here (4B), overwritten",)
    await run_plan(loud)
    assert final.read_text() == "theirs"


async def test_the_exact_name_is_for_what_is_no_folder(bench: Bench, tmp_path: Path, home: Path) -> None:
    (home / "f").write_text("theirs")
    plan = await bench.verbs.get(bench.here, "f", to=tmp_path / "renamed")
    await run_plan(plan)
    assert (tmp_path / "renamed").read_text() == "theirs"
    assert not holds(await bench.verbs.get(bench.here, "f", to=tmp_path / "no" / "folder"))


async def test_whole_folders_come_back(bench: Bench, tmp_path: Path, home: Path) -> None:
    (home / "etc" / "d").mkdir(parents=True)
    (home / "etc" / "d" / "x").write_text("1")
    await run_plan(await bench.verbs.get(bench.here, "etc/", to=tmp_path))
    assert (tmp_path / "pi" / "etc" / "d" / "x").read_text() == "1"


@pytest.mark.parametrize("path", ["", "/", "..", "/etc/..", "a/.", "~", "x\0y"])
async def test_paths_that_could_leave_the_folder_are_refused(bench: Bench, path: str) -> None:
    with pytest.raises(ConfigurationError):
        await bench.verbs.get(bench.here, path)


async def test_what_is_not_there_is_missing(bench: Bench, tmp_path: Path, home: Path) -> None:
    with pytest.raises(Missing, match="here"):
        await bench.verbs.put(bench.here, tmp_path / "none")
    with pytest.raises(Missing, match="on the node"):
        await bench.verbs.get(bench.here, "none")
    await bench.verbs.link_of(bench.here).run("mkfifo pipe")
    assert not holds(await bench.verbs.get(bench.here, "pipe", to=tmp_path))
