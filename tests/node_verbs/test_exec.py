"""``node exec`` and ``node shell`` on real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import ConfigurationError, Denied, Unsupported
from app.inventory.model import Sudo
from app.plan import Plan
from backends.node_verbs.running import KEPT, TIMED_OUT
from tests.node_verbs.bench import Bench
from tests.node_verbs.test_local_link import group_is_empty
from tests.reports import RecordingReport, run_plan
from tests.waiting import eventually

SECRET = "correct horse'\" $HOME ñ"


def text_of(plan: Plan) -> str:
    return "\n".join(step.text for step in plan.steps)


async def test_one_word_is_a_shell_line_and_several_are_a_program(bench: Bench) -> None:
    line = await bench.verbs.exec_(bench.here, "echo $((1+1)) | tr 2 3")
    words = await bench.verbs.exec_(bench.here, "echo", "$((1+1))", "a  b;'c")
    assert text_of(line) == "echo $((1+1)) | tr 2 3"
    assert text_of(words) == """echo '$((1+1))' 'a  b;'"'"'c'"""
    assert (await run_plan(line))[0].data["stdout"] == "3\n"
    assert (await run_plan(words))[0].data["stdout"] == "$((1+1)) a  b;'c\n"


async def test_output_comes_as_it_is_said_with_the_handle_before_it(bench: Bench) -> None:
    plan = await bench.verbs.exec_(bench.here, "echo one; read -r _ < fifo; echo two >&2; exit 5")
    fifo = await bench.verbs.link_of(bench.here).run("mkfifo fifo")
    assert fifo.exit_code == 0
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text() == "one\n")
    assert report.handles[0].isdecimal()
    assert not task.done()
    await bench.verbs.link_of(bench.here).run("echo > fifo")
    result = await task
    assert result is not None
    assert (result.exit_code, result.message) == (5, "two")
    assert result.data == {"stdout": "one\n", "stderr": "two\n", "truncated": False}


async def test_text_that_is_cut_inside_a_character_is_put_together(bench: Bench) -> None:
    plan = await bench.verbs.exec_(bench.here, r"printf '\303'; sleep 0.1; printf '\244\377x'")
    assert (await run_plan(plan))[0].data["stdout"] == "ä�x"


async def test_kept_output_is_bounded_and_says_so(bench: Bench) -> None:
    plan = await bench.verbs.exec_(bench.here, f"head -c {KEPT + 5} /dev/zero | tr '\\0' x")
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert len(result.data["stdout"]) == KEPT
    assert result.data["truncated"] is True
    assert len(report.text()) == KEPT + 5


async def test_its_time_is_up(bench: Bench) -> None:
    plan = await bench.verbs.exec_(bench.here, "echo early; sleep 60 & wait", timeout=0.4)
    report = RecordingReport()
    (result,) = await run_plan(plan, report)
    assert (result.exit_code, result.data["stdout"]) == (TIMED_OUT, "early\n")
    assert "0.4 s" in result.message
    await eventually(lambda: group_is_empty(int(report.handles[0])))


async def test_cancelling_leaves_no_process(bench: Bench) -> None:
    plan = await bench.verbs.exec_(bench.here, "echo up; (sleep 300; :) & sleep 300")
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text() == "up\n")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: group_is_empty(int(report.handles[0])))


async def test_a_handle_that_cannot_be_witnessed_ends_what_was_started(bench: Bench, home: Path) -> None:
    plan = await bench.verbs.exec_(bench.here, "echo $$ > pid; sleep 300")
    with pytest.raises(OSError, match="full"):
        await plan.steps[0].run(RecordingReport(handle_error=OSError("disk full")))
    if (home / "pid").exists() and (text := (home / "pid").read_text()):
        await eventually(lambda: group_is_empty(int(text)))


@pytest.mark.parametrize(("command", "timeout"), [((), None), ((" ",), None), (("a\0b",), None), (("true",), 0.0)])
async def test_bad_input_is_said(bench: Bench, command: tuple[str, ...], timeout: float | None) -> None:
    with pytest.raises(ConfigurationError):
        await bench.verbs.exec_(bench.here, *command, timeout=timeout)


async def test_root_needs_no_sudo(bench: Bench) -> None:
    bench.program("id", "echo 0")
    plan = await bench.verbs.exec_(bench.here, "whoami", sudo=True)
    assert text_of(plan) == "whoami"


async def test_no_sudo_configured_is_refused_with_what_to_do(bench: Bench) -> None:
    bench.ordinary_user(Sudo.NONE)
    with pytest.raises(Unsupported, match=r"set 'sudo: nopasswd' or 'sudo: ask'.*hosts\.yaml"):
        await bench.verbs.exec_(bench.here, "whoami", sudo=True)


async def test_sudo_without_a_password_stands_in_the_text(bench: Bench) -> None:
    bench.ordinary_user(Sudo.NOPASSWD)
    line = await bench.verbs.exec_(bench.here, "echo $BECAME | cat", sudo=True)
    words = await bench.verbs.exec_(bench.here, "printenv", "BECAME", sudo=True)
    assert text_of(line) == "sudo -n -- sh -c 'echo $BECAME | cat'"
    assert text_of(words) == "sudo -n -- printenv BECAME"
    for plan in (line, words):
        assert (await run_plan(plan))[0].data["stdout"] == "root\n"


async def test_sudo_asks_once_and_the_password_goes_nowhere_else(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, SECRET)
    plan = await bench.verbs.exec_(bench.here, "echo $BECAME; cat; ps -A -o args", sudo=True)
    assert text_of(plan) == "sudo -S -p '' -- sh -c 'exec </dev/null; echo $BECAME; cat; ps -A -o args'"
    assert plan.notes == ("sudo asks for your password there",)
    report = RecordingReport(secrets=[SECRET])
    (result,) = await run_plan(plan, report)
    await run_plan(plan, report)
    assert result.data["stdout"].startswith("root\n")
    assert report.prompts == ["sudo password on pi"]
    assert SECRET not in report.everything() + repr(result) + repr(plan) + (bench.programs / "sudo.log").read_text()


async def test_a_sudo_that_wants_no_password_does_not_hand_it_to_the_command(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, None)
    plan = await bench.verbs.exec_(bench.here, "cat", sudo=True)
    (result,) = await run_plan(plan, RecordingReport(secrets=[SECRET]))
    assert result.data["stdout"] == ""


async def test_a_wrong_password_is_denied_and_asked_again_next_time(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, SECRET)
    plan = await bench.verbs.exec_(bench.here, "echo ran >> ran", sudo=True)
    report = RecordingReport(secrets=["wrong", SECRET])
    with pytest.raises(Denied, match="did not accept") as caught:
        await run_plan(plan, report)
    assert "wrong" not in str(caught.value)
    assert "ran" not in (bench.programs / "sudo.log").read_text()
    assert (await run_plan(plan, report))[0].exit_code == 0


async def test_a_password_that_was_changed_there_is_asked_anew(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, SECRET)
    plan = await bench.verbs.exec_(bench.here, "true", sudo=True)
    report = RecordingReport(secrets=[SECRET, "new one"])
    await run_plan(plan, report)
    (bench.programs / "password").write_text("new one")
    with pytest.raises(Denied, match="no longer"):
        await run_plan(plan, report)
    assert (await run_plan(plan, report))[0].exit_code == 0
    assert len(report.prompts) == 2


async def test_nobody_to_ask_is_denied(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, SECRET)
    plan = await bench.verbs.exec_(bench.here, "true", sudo=True)
    with pytest.raises(Denied):
        await run_plan(plan, RecordingReport())


async def test_several_steps_at_once_ask_once(bench: Bench) -> None:
    bench.ordinary_user(Sudo.ASK, SECRET)
    plan = await bench.verbs.exec_(bench.here, "true", sudo=True)
    report = RecordingReport(secrets=[SECRET])
    results = await asyncio.gather(*(plan.steps[0].run(report) for _ in range(3)))
    assert [one.exit_code for one in results if one] == [0, 0, 0]


async def test_a_cancelled_sudo_is_ended_as_root(bench: Bench) -> None:
    bench.ordinary_user(Sudo.NOPASSWD)
    plan = await bench.verbs.exec_(bench.here, "setsid sh -c 'echo $$; sleep 300; :'; :", sudo=True)
    report = RecordingReport()
    task = asyncio.ensure_future(plan.steps[0].run(report))
    await eventually(lambda: report.text().strip().isdecimal())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "kill -TERM" in (bench.programs / "sudo.log").read_text()
    await eventually(lambda: group_is_empty(int(report.text())), what="a session of its own is ended as well")


async def test_the_shell_gets_the_terminal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/my shell")
    plan = await bench.verbs.shell(bench.here)
    assert text_of(plan) == "'/bin/my shell' -l"
    report = RecordingReport(terminal_code=3)
    (result,) = await run_plan(plan, report)
    assert (result.exit_code, result.message) == (0, "the shell ended with 3")
    assert report.terminals == [["/bin/my shell", "-l"]]
    (lost,) = await run_plan(plan, RecordingReport(terminal_code=255))
    assert lost.exit_code == 255
    with pytest.raises(Unsupported):
        await run_plan(plan, RecordingReport())
