"""systemd units and the journal, with programs that answer as the real ones were recorded."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from app.errors import BadAnswer, ConfigurationError, Unsupported
from app.inventory.model import Sudo
from app.plan import Risk
from app.verb import Stream
from backends.node_verbs import journal, services
from backends.node_verbs.lines import CommandLines
from backends.node_verbs.services import Service, parse_services
from tests.node_verbs.bench import Bench
from tests.node_verbs.test_local_link import group_is_empty
from tests.reports import run_plan
from tests.waiting import eventually

UNITS = """\
● apache2.service                        not-found inactive dead    apache2.service
  cron.service                           loaded    active   running Regular background program processing daemon
  getty@tty1.service                     loaded    active   running Getty on tty1
* nginx.service                          loaded    failed   failed  A [@click=app.quit] server
  dev-disk-by\\x2duuid.service           loaded    inactive dead    odd name
  broken line
@files
cron.service enabled enabled
getty@.service enabled enabled
nginx.service disabled enabled
"""
SYSTEMCTL = """\
case "$*" in
  list-units*) cat "$HOME/units" ;;
  list-unit-files*) ;;
  show*) echo "LoadState=$(cat "$HOME/load")"
    printf 'ActiveState=active\\nSubState=running\\nUnitFileState=enabled\\n' ;;
  *) echo "$BECAME $*" >> "$HOME/done" ;;
esac"""


@pytest.fixture
def systemd(bench: Bench, home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A node that runs systemd."""
    bench.program("systemctl", SYSTEMCTL)
    (home / "units").write_text(UNITS)
    (home / "load").write_text("loaded")
    for name in ("_LIST", "_SHOW"):
        text: str = getattr(services, name)
        monkeypatch.setattr(services, name, text.replace("/run/systemd/system", str(home)))
    return bench


def test_units_are_read_failed_ones_first() -> None:
    assert [(s.unit, s.active, s.sub, s.enabled) for s in parse_services(UNITS)] == [
        ("nginx.service", "failed", "failed", "disabled"),
        ("apache2.service", "inactive", "dead", None),
        ("cron.service", "active", "running", "enabled"),
        ("dev-disk-by\\x2duuid.service", "inactive", "dead", None),
        ("getty@tty1.service", "active", "running", "enabled"),
    ]
    assert parse_services(UNITS)[0].description == "A [@click=app.quit] server"


async def test_services_are_listed_with_what_can_be_done(systemd: Bench) -> None:
    rows = await systemd.verbs.services(systemd.here)
    assert rows.note == "5 services, 1 failed"
    assert {(action.verb, action.arguments.get("action")) for action in rows.actions} == {
        ("service", "start"), ("service", "stop"), ("service", "restart"), ("service", "enable"),
        ("service", "disable"), ("journal", None),
    }  # fmt: skip
    failed = await systemd.verbs.services(systemd.here, failed=True)
    assert [one.unit for one in failed.items] == ["nginx.service"]
    assert isinstance(failed.items[0], Service)
    assert all(column.cell(one).text for one in rows.items for column in rows.columns)


async def test_a_unit_is_steered_with_the_command_shown(systemd: Bench, home: Path) -> None:
    systemd.ordinary_user(Sudo.NOPASSWD)
    plan = await systemd.verbs.service(systemd.here, "restart", "nginx.service")
    assert plan.steps[0].text == "sudo -n -- systemctl restart -- nginx.service"
    assert plan.notes == ("nginx.service is active (running), enabled",)
    assert plan.risk is None
    (result,) = await run_plan(plan)
    assert result.exit_code == 0
    assert (home / "done").read_text() == "root restart -- nginx.service\n"


async def test_opposites_can_be_taken_back(systemd: Bench) -> None:
    plan = await systemd.verbs.service(systemd.here, "stop", r"a\x2db@1.service")
    assert plan.steps[0].text == r"systemctl stop -- 'a\x2db@1.service'"
    assert plan.steps[0].undo == r"systemctl start -- 'a\x2db@1.service'"


async def test_stopping_the_way_in_is_worse(systemd: Bench) -> None:
    plan = await systemd.verbs.service(systemd.here, "stop", "ssh")
    assert plan.risk is Risk.DESTROYS
    assert "ssh" in plan.loses[0]
    assert (await systemd.verbs.service(systemd.here, "restart", "ssh")).risk is None


async def test_a_unit_nobody_knows_does_not_hold(systemd: Bench, home: Path) -> None:
    (home / "load").write_text("not-found")
    plan = await systemd.verbs.service(systemd.here, "start", "nope")
    assert [held for _, held, _ in plan.preconditions] == [False]


@pytest.mark.parametrize("unit", ["", "a b", "x;reboot", "$(id)", "a\nb", "a'b", "../x", "ä.service", "x" * 256, "*"])
async def test_what_is_no_unit_reaches_no_shell(systemd: Bench, home: Path, unit: str) -> None:
    with pytest.raises(ConfigurationError, match="no name of a unit"):
        await systemd.verbs.service(systemd.here, "start", unit)
    if unit:
        with pytest.raises(ConfigurationError, match="no name of a unit"):
            await systemd.verbs.journal(systemd.here, unit=unit)
    assert not (home / "done").exists()


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="this machine runs systemd")
async def test_without_systemd_it_says_so(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="does not run systemd"):
        await bench.verbs.services(bench.here)
    with pytest.raises(Unsupported, match="does not run systemd"):
        await bench.verbs.service(bench.here, "start", "x")


async def test_a_systemctl_that_fails_is_said(systemd: Bench) -> None:
    systemd.program("systemctl", "echo 'Failed to connect to bus: Host is down' >&2; exit 1")
    with pytest.raises(BadAnswer, match="Host is down"):
        await systemd.verbs.services(systemd.here)


JOURNALCTL = """\
case "$1" in --version) echo 'systemd 252'; cat "$HOME/features"; exit ;; esac
echo "$*" > "$HOME/argv"; cat "$HOME/lines"
case " $* " in *" -f "*) echo $$ > "$HOME/pid"; exec sleep 300 ;; esac"""


@pytest.fixture
def journald(bench: Bench, home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A node with a journal."""
    bench.program("journalctl", JOURNALCTL)
    (home / "features").write_text("+PAM +PCRE2 -QRENCODE\n")
    (home / "lines").write_text("-- Boot 1 --\n2026-01-31T08:00:00+0000 pi sshd[1]: one\n2026-01-31 pi sshd[1]: two\n")
    monkeypatch.setattr(journal, "_FIND", journal._FIND.replace("/run/log/journal", str(home)))  # pyright: ignore[reportPrivateUsage]
    return bench


async def read(stream: Stream) -> list[str]:
    async with asyncio.timeout(10):
        return [line if isinstance(line, str) else line.text async for line in stream.lines]


async def test_the_journal_is_asked_for_exactly_what_is_wanted(journald: Bench, home: Path) -> None:
    stream = await journald.verbs.journal(
        journald.here, unit="nginx.service", grep="it's $(x)", since="-1 h; reboot", lines=5
    )
    assert stream.title == (
        "SYSTEMD_COLORS=0 journalctl --no-pager -o short-iso --unit=nginx.service '--since=-1 h; reboot'"
        """ '--grep=it'"'"'s $(x)' -n 5"""
    )
    assert (await read(stream))[1:] == [
        "2026-01-31T08:00:00+0000 pi sshd[1]: one",
        "2026-01-31 pi sshd[1]: two",
    ]
    assert (home / "argv").read_text() == (
        "--no-pager -o short-iso --unit=nginx.service --since=-1 h; reboot --grep=it's $(x) -n 5\n"
    )


async def test_a_journal_that_cannot_search_is_searched_here(journald: Bench, home: Path) -> None:
    (home / "features").write_text("-PCRE2\n")
    (home / "lines").write_text("".join(f"line {n} {'Needle' if n % 2 else 'hay'}\n" for n in range(10)))
    stream = await journald.verbs.journal(journald.here, grep="needle$", lines=2)
    assert "--grep" not in stream.title
    assert await read(stream) == ["line 7 Needle", "line 9 Needle"]


async def test_following_ends_when_nobody_reads_on(journald: Bench, home: Path) -> None:
    stream = await journald.verbs.journal(journald.here, follow=True)
    assert isinstance(stream.lines, CommandLines)
    async with aclosing(stream.lines) as lines, asyncio.timeout(10):
        assert await anext(lines) == "-- Boot 1 --"
        await anext(lines)
        await eventually((home / "pid").exists)
    await eventually(lambda: group_is_empty(int((home / "pid").read_text())))
    with pytest.raises(StopAsyncIteration):
        await anext(stream.lines)


async def test_a_reader_that_is_cancelled_ends_the_command(journald: Bench, home: Path) -> None:
    stream = await journald.verbs.journal(journald.here, follow=True)
    task = asyncio.create_task(read(stream))
    await eventually(lambda: (home / "pid").exists() and (home / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: group_is_empty(int((home / "pid").read_text())))


async def test_a_stream_nobody_read_starts_nothing(journald: Bench, home: Path) -> None:
    stream = await journald.verbs.journal(journald.here)
    assert isinstance(stream.lines, CommandLines)
    await stream.lines.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream.lines)
    assert not (home / "argv").exists()


async def test_a_journal_that_fails_is_said(journald: Bench) -> None:
    journald.program("journalctl", '[ "$1" = --version ] || { echo "Failed to parse timestamp: soon"; exit 1; }')
    with pytest.raises(BadAnswer, match="Failed to parse timestamp"):
        await read(await journald.verbs.journal(journald.here, since="soon"))


async def test_long_and_endless_lines_are_bounded(bench: Bench) -> None:
    link = bench.verbs.link_of(bench.here)
    lines = [line async for line in CommandLines(link, "head -c 100000 /dev/zero | tr '\\0' x; printf '\\r\\nend'")]
    assert (max(map(len, lines)), sum(map(len, lines)), lines[-1]) == (16384, 100003, "end")
    flood = CommandLines(link, "seq 1 50000; sleep 0.2")
    await anext(flood)
    await eventually(lambda: len(flood._held) == 20_000)  # pyright: ignore[reportPrivateUsage]
    assert "left out" in await anext(flood)
    await flood.aclose()


async def test_a_plain_log_stands_in_where_there_is_no_journal(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "it's messages"
    log.write_text("a 1\nb 2\na 3\na 4\n")
    monkeypatch.setattr(journal, "FILES", (str(tmp_path / "none"), str(log)))
    monkeypatch.setattr(journal, "_FIND", journal._FIND.replace("/log/journal", "/nowhere"))  # pyright: ignore[reportPrivateUsage]
    assert await read(await bench.verbs.journal(bench.here, lines=2)) == ["a 3", "a 4"]
    assert await read(await bench.verbs.journal(bench.here, grep="^a", lines=2)) == ["a 3", "a 4"]
    assert await read(await bench.verbs.journal(bench.here, grep="^b", lines=2)) == ["b 2"]
    with pytest.raises(Unsupported, match="no journald"):
        await bench.verbs.journal(bench.here, unit="nginx")
    log.unlink()
    bench.program("logread", "echo ring; echo buffer")
    assert await read(await bench.verbs.journal(bench.here)) == ["ring", "buffer"]
    (bench.programs / "logread").unlink()
    if not os.path.exists("/sbin/logread"):  # noqa: PTH110
        with pytest.raises(Unsupported, match="no journald, no readable"):
            await bench.verbs.journal(bench.here)


@pytest.mark.parametrize("options", [{"lines": -1}, {"lines": 10**9}, {"grep": "("}])
async def test_bad_questions_are_said(bench: Bench, options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        await bench.verbs.journal(bench.here, **options)  # pyright: ignore[reportArgumentType]
