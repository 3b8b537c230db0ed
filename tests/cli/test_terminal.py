"""What an operator at a terminal is shown and asked."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from app.cli.front import Terminal
from tests.cli.test_process import run
from tests.cli.typist import Typist


def test_a_plan_is_shown_and_a_yes_runs_it() -> None:
    with Typist("node", "exec", "here", "--", "echo", "a b") as operator:
        shown = operator.expect("Go on? [y/N, f shows every check] ")
        assert "node exec here" in shown
        assert "echo 'a b'" in shown
        operator.type("y\n")
        assert operator.ends() == 0
        assert "a b\r\n" in operator.seen


def test_anything_else_declines_with_4() -> None:
    with Typist("node", "exec", "here", "--", "echo", "a") as operator:
        operator.expect("Go on?")
        operator.type("\n")
        assert operator.ends() == 4
        assert "declined" in operator.seen


def test_f_shows_every_check_and_changes_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Typist("node", "exec", "here", "--", "touch", str(mark)) as operator:
        operator.expect("Go on?")
        operator.type("f\n")
        assert operator.ends() == 0
        assert "here is still there" in operator.seen
    assert not mark.exists()


def test_what_destroys_wants_its_name_and_a_reason(hosts: Path) -> None:
    with Typist("node", "remove", "here") as operator:
        operator.expect("Type here to go on")
        operator.type("kitchen\n")
        assert operator.ends() == 4
    assert "here: {" in hosts.read_text()
    with Typist("node", "remove", "here") as operator:
        operator.expect("Type here to go on")
        operator.type("here\n")
        operator.expect("Why? ")
        operator.type("sold\n")
        assert operator.ends() == 0
    assert "here: {" not in hosts.read_text()
    entries = json.loads(run("witness", "query", "--verb", "remove").stdout)["items"]
    assert [entry["why"] for entry in entries if entry["phase"] == "intent"] == ["sold"]


def test_a_signal_while_a_question_is_up_ends_with_130() -> None:
    with Typist("node", "exec", "here", "--", "echo", "a") as operator:
        operator.expect("Go on?")
        operator.type("\x03")
        assert operator.ends() == 130


def test_a_shell_has_the_terminal_and_gives_it_back() -> None:
    with Typist("node", "shell", "here", env={"SHELL": "/bin/sh"}) as operator:
        operator.type("test -t 0 && echo it-is-a-$((40 + 2))\n")
        operator.expect("it-is-a-42")
        operator.type("sh -c 'echo asleep-$((40 + 1)); exec sleep 600'\n")
        operator.expect("asleep-41")
        operator.type("\x03")
        operator.type("echo still-$((40 + 3))\n")
        operator.expect("still-43")
        operator.type("exit 0\n")
        assert operator.ends() == 0
        assert operator.echoes


def test_without_a_terminal_on_stdin_nothing_is_asked() -> None:
    with Typist("node", "exec", "here", "--", "echo", "a", stdin=subprocess.DEVNULL) as operator:
        assert operator.ends() == 4
        assert "add --yes" in operator.seen


def test_colours_are_for_terminals_and_can_be_declined() -> None:
    for extra, coloured in ([], True), (["--no-color"], False):
        with Typist("node", "list", "--demo", "--nodes", "3", *extra) as operator:
            assert operator.ends() == 0
            assert ("\x1b[" in operator.seen) is coloured
            assert "NAME" in operator.seen
    with Typist("node", "list", "--demo", "--nodes", "3", env={"NO_COLOR": "1"}) as operator:
        assert operator.ends() == 0
        assert "\x1b[" not in operator.seen


async def test_a_secret_does_not_appear_and_the_terminal_echoes_again() -> None:
    master, slave = os.openpty()
    terminal = Terminal(slave, slave)
    import termios

    asking = asyncio.create_task(terminal.line("password: ", echo=False))
    shown = b""
    while b"password: " not in shown:
        await asyncio.sleep(0)
        shown += os.read(master, 100)
    assert not termios.tcgetattr(slave)[3] & termios.ECHO
    os.write(master, b"hunter2\n")
    assert await asking == "hunter2"
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.set_blocking(master, False)
    assert b"hunter2" not in os.read(master, 1000)
    os.close(master)
    os.close(slave)


async def test_an_interrupted_secret_leaves_an_echoing_terminal() -> None:
    import termios

    from tests.waiting import eventually

    master, slave = os.openpty()
    asking = asyncio.create_task(Terminal(slave, slave).line("password: ", echo=False))
    await eventually(lambda: not termios.tcgetattr(slave)[3] & termios.ECHO)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.close(master)
    os.close(slave)


def test_shells_on_several_come_one_after_another_and_can_be_stopped_between(hosts: Path) -> None:
    hosts.write_text(hosts.read_text().replace("  here:", "  attic: {local: true}\n  barn: {local: true}\n  here:"))
    with Typist("node", "shell", "attic,barn,here", env={"SHELL": "/bin/sh"}) as operator:
        operator.expect("\r\x1b[K── 1 of 3: node shell attic ──")
        operator.type("echo first-$((40 + 1)); exit 0\n")
        operator.expect("── 2 of 3: node shell barn ──  Enter opens it, n stops here: ")
        operator.type("\n")
        operator.type("echo second-$((40 + 2)); exit 0\n")
        operator.expect("── 3 of 3: node shell here ──  Enter opens it, n stops here: ")
        operator.type("n\n")
        assert "first-41" in operator.seen
        assert "second-42" in operator.seen
        assert operator.seen.count("node shell  ") == 1, "progress is drawn while somebody else has the terminal"
        assert operator.ends() == 3
        assert "cancelled" in operator.seen
        assert operator.echoes
