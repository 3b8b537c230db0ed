"""``quarterdeck container logs`` as a program, on a real engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.log_reading import ended
from tests.servers.dockerd import Dockerd
from tests.waiting import eventually

pytestmark = pytest.mark.real("dockerd")
PROGRAM = [sys.executable, str(Path(__file__).parents[2] / "quarterdeck.py")]


@pytest.fixture
def hosts(tmp_path: Path, engine: Dockerd) -> Path:
    """A fleet of this machine with the private engine."""
    path = tmp_path / "hosts.yaml"
    path.write_text(f"nodes:\n  pi: {{local: true, docker: 'unix://{engine.socket}'}}\n")
    return path


def command(hosts: Path, *words: str) -> list[str]:
    return [*PROGRAM, "--hosts", str(hosts), "container", "logs", *words]


def ran(hosts: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(hosts, *words), capture_output=True, text=True, timeout=60, check=False)


async def test_lines_of_several_are_signed_and_those_of_one_are_not(engine: Dockerd, hosts: Path) -> None:
    engine.run("web", "printf '\\033[32mgreen\\033[0m\\ttea\\n'; echo GET /; echo '[@click=app.quit]'")
    await eventually(ended(engine, "web"))
    # An engine stamps two pipes in either order, and as late as it reads them.
    engine.run("api", "echo oops >&2; sleep 1; echo GET /x")
    await eventually(ended(engine, "api"))
    alone = ran(hosts, "pi/web", "--output", "table")
    assert alone.stdout.splitlines() == ["green   tea", "GET /", "[@click=app.quit]"]
    assert alone.returncode == 0
    both = ran(hosts, "pi/web,pi/api", "--grep", "GET|oops", "--timestamps", "--output", "table")
    lines = [re.fullmatch(r"(\d{4}-\d\d-\d\dT\S+\.\d{3}[+-]\d\d:\d\d) (.*)", one) for one in both.stdout.splitlines()]
    assert [one[2] for one in lines if one] == ["pi/web │ GET /", "pi/api │ oops", "pi/api │ GET /x"]
    assert "\x1b" not in both.stdout
    said = json.loads(ran(hosts, "pi/*", "--lines", "1").stdout)
    assert said["errors"] == []
    assert {(item["target"], item["line"], item["error"]) for item in said["items"]} == {
        ("pi/web", "[@click=app.quit]", False),
        ("pi/api", "GET /x", False),
    }


async def test_wrong_options_end_with_2_and_the_reason(engine: Dockerd, hosts: Path) -> None:
    engine.run("web")
    for words, reason in (
        (("--grep", "(oops"), "missing ), unterminated subpattern at character 1"),
        (("--since", "soon"), "'soon' is no time"),
        (("--lines", "-5"), "no number of lines"),
    ):
        done = ran(hosts, "pi/web", *words)
        assert done.returncode == 2, done
        assert reason in done.stderr + done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGPIPE])
async def test_following_ends_well(engine: Dockerd, hosts: Path, number: signal.Signals) -> None:
    engine.run("web", "while :; do echo line; usleep 20000; done")
    with subprocess.Popen(
        command(hosts, "pi/web", "--follow", "--output", "table"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert os.read(child.stdout.fileno(), 5) == b"line\n"
        if number is signal.SIGINT:
            child.send_signal(number)
        else:
            child.stdout.close()
        code = child.wait(20)
        words = child.stderr.read().decode()
        assert code == (130 if number is signal.SIGINT else 0), words
        assert "Traceback" not in words
