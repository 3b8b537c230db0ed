"""The real program in a process of its own: streams, signals, what it loads, and how soon it answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "quarterdeck.py")]


def run(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the program without a terminal."""
    return subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )


def loaded(*words: str) -> set[str]:
    """The modules that a command line has imported by its end."""
    script = (
        "import json, os, sys\nos._exit = sys.exit\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv = {['quarterdeck', *words]!r}\n"
        "from app.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


HEAVY = {"textual", "rich", "asyncssh", "cryptography", "docker", "pydantic", "yaml", "psutil", "asyncio"}


def backends(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("backends.") and not name.startswith("backends.kinds")}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["node", "--help"],
        ["node", "exec", "--help"],
        ["container", "--help"],
        ["stack", "up", "--help"],
        ["nod"],
        ["node", "xec"],
    ],
)
def test_help_and_mistakes_load_no_backend_and_nothing_heavy(words: list[str]) -> None:
    modules = loaded(*words)
    assert modules & HEAVY == set()
    assert backends(modules) == set()


def test_the_version_loads_next_to_nothing() -> None:
    modules = loaded("--version")
    assert modules & (HEAVY | {"click", "dataclasses"}) == set()
    assert {name for name in modules if name.startswith("app.")} == {"app.cli"}


def test_an_action_loads_no_screen_and_no_library_it_does_not_need() -> None:
    modules = loaded("node", "exec", "here", "--yes", "--", "true")
    assert modules & {"textual", "rich", "docker", "httpx"} == set()


def test_version_and_help_go_to_stdout_and_exit_0() -> None:
    for words in (["--version"], ["--help"], ["node", "--help"], ["node", "exec", "-h"]):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_without_a_noun_and_a_terminal_there_is_advice_instead_of_a_console() -> None:
    for words in ([], ["wallboard"], ["--demo"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "needs a terminal" in done.stderr
        assert "--output json" in done.stderr


def test_stdout_holds_one_json_object_and_stderr_the_rest() -> None:
    done = run("node", "list", "--demo", "--nodes", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["items"]) == 3
    refused = run("node", "reboot", "pi1", "--demo", "--nodes", "3")
    assert refused.returncode == 4
    assert json.loads(refused.stdout)["items"][0]["outcome"] == "refused"


def test_a_reader_that_goes_away_is_no_fault() -> None:
    program = f"{sys.executable} {ROOT / 'quarterdeck.py'}"
    script = f"{program} node list --demo --nodes 2000 | head -c 10; echo; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_prints_the_outcome_witnesses_it_and_exits_130(number: signal.Signals, home: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "node", "exec", "here", "--yes", "--", "echo started; sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    chain = home / "quarterdeck" / "state" / "witness"
    deadline = time.monotonic() + 30
    while not any(b'"phase":"step"' in file.read_bytes() for file in chain.glob("*/*.jsonl")):
        assert time.monotonic() < deadline, process.communicate(timeout=5)
        time.sleep(0.02)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"{number.name}: cancelling" in err
    item = json.loads(out)["items"][0]
    assert (item["id"], item["outcome"], item["exit_code"]) == ("here", "cancelled", 130)
    entries = json.loads(run("witness", "query", "--verb", "exec").stdout)["items"]
    assert [entry["outcome"] for entry in entries if entry["phase"] == "outcome"] == ["cancelled"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(closed: str) -> None:
    script = f"{' '.join(PROGRAM)} node exec here --yes -- true {closed}"
    assert subprocess.run(["sh", "-c", script], capture_output=True, timeout=60, check=False).returncode == 0
    console = subprocess.run(
        ["sh", "-c", f"{' '.join(PROGRAM)} {closed}"], capture_output=True, timeout=60, check=False
    )
    assert console.returncode == 2


def test_the_trace_ties_the_entries_of_one_command_line() -> None:
    done = run("node", "exec", "here", "--yes", "--trace-id", "t-9", "--", "true")
    assert done.returncode == 0
    entries = json.loads(run("witness", "query").stdout)["items"]
    assert {entry["trace"] for entry in entries} == {"t-9"}
    tree = run("witness", "trace", "t-9", "--output", "table")
    assert (tree.returncode, "node exec" in tree.stdout) == (0, True)
