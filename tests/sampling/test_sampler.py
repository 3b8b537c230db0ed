"""The sampler over real shells: pace, subscribers, slow probes, and every way a session can fail."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.errors import BadAnswer, Denied, QuarterdeckError, Unreachable
from app.link import Probe, Sample, Tier
from backends.probes.proc import FAST
from backends.sampling import sampler as module
from backends.sampling.frames import unpacked
from backends.sampling.sampler import Sampler
from tests.sampling.shells import ShellChannel, ShellLink
from tests.waiting import eventually

Start = Callable[..., Sampler]


@pytest.fixture
async def start(shell: ShellLink) -> AsyncIterator[Start]:
    """Make a sampler over the shell; all of them are stopped, and their processes gone, after the test."""
    made: list[Sampler] = []

    def start(interval: float = 0.05, one_shot: bool = False) -> Sampler:
        one = Sampler(lambda: shell, interval=interval, one_shot=one_shot)
        made.append(one)
        return one

    yield start
    for one in made:
        await one.close()
    for channel in shell.channels:
        await channel.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts and ticks in hundredths of what they are."""
    monkeypatch.setattr(module, "FIRST_GAP_S", 0.02)
    monkeypatch.setattr(module.random, "uniform", hundredth)


def hundredth(low: float, high: float) -> float:
    return 0.01


def whole(low: float, high: float) -> float:
    return 1.0


def probe(name: str, text: str, tier: Tier = Tier.SLOW, every: float = 1000.0) -> Probe[str]:
    return Probe(name, tier, lambda raw: raw.decode().strip(), script=text, every=every)


async def test_figures_come_again_and_again(start: Start) -> None:
    heard: list[Sample] = []
    start().subscribe(FAST, heard.append)

    await eventually(lambda: len(heard) >= 3)

    assert all(sample.fault is None and not sample.faults for sample in heard)
    assert heard[0].answers["uptime"] < heard[2].answers["uptime"]
    assert all((sample.latency_ms or 0) > 0 for sample in heard)
    assert heard[0].answers["memory"].total > 0


async def test_several_files_reach_their_parser_packed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a1").write_text("one")
    (tmp_path / "a2").write_text("two")
    (tmp_path / "b").write_text("three")
    heard: list[Sample] = []
    start().subscribe(
        [
            Probe("globbed", Tier.FAST, unpacked, (f"{tmp_path}/a*",)),
            Probe("both", Tier.FAST, unpacked, (f"{tmp_path}/b", f"{tmp_path}/a[2]")),
            Probe("none", Tier.FAST, unpacked, (f"{tmp_path}/c*",)),
        ],
        heard.append,
    )

    await eventually(lambda: heard)

    assert heard[0].answers["globbed"] == {f"{tmp_path}/a1": b"one", f"{tmp_path}/a2": b"two"}
    assert heard[0].answers["both"] == {f"{tmp_path}/b": b"three", f"{tmp_path}/a2": b"two"}
    assert heard[0].answers["none"] is None


async def test_subscribers_share_a_channel_and_hear_of_their_own(start: Start, shell: ShellLink) -> None:
    one: list[Sample] = []
    two: list[Sample] = []
    sampler = start()
    sampler.subscribe(FAST[:1], one.append)
    await eventually(lambda: one)

    end = sampler.subscribe([FAST[0], FAST[2], probe("late", "echo yes")], two.append)
    await eventually(lambda: any("late" in sample.answers for sample in two))

    assert len(shell.channels) == 1
    assert all(set(sample.answers) <= {"uptime"} for sample in one)
    assert any("memory" in sample.answers for sample in two)
    end()
    count = len(two)
    before = len(one)
    await eventually(lambda: len(one) > before + 2)
    assert len(two) == count
    assert not sampler.idle


async def test_the_last_one_to_leave_stops_it(start: Start, shell: ShellLink) -> None:
    heard: list[Sample] = []
    sampler = start()
    end = sampler.subscribe(FAST, heard.append)
    await eventually(lambda: heard)

    end()
    end()

    assert sampler.idle
    await shell.channels[0].ended()


async def test_closing_waits_for_a_channel_that_is_being_closed(
    start: Start, shell: ShellLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Sample] = []
    sampler = start()
    end = sampler.subscribe(FAST, heard.append)
    await eventually(lambda: heard)
    close, steps, go = ShellChannel.close, list[str](), asyncio.Event()

    async def slowly(self: ShellChannel) -> None:
        steps.append("begun")
        await go.wait()
        await close(self)
        steps.append("done")

    monkeypatch.setattr(ShellChannel, "close", slowly)
    end()
    await eventually(lambda: steps)
    closing = asyncio.create_task(sampler.close())
    await eventually(lambda: closing.get_stack(), what="it waits")
    go.set()
    await closing

    assert steps == ["begun", "done"]


async def test_a_hanging_script_is_told_and_stops_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.sampling.slots.PATIENCE_S", 0.2)
    heard: list[Sample] = []
    start().subscribe([*FAST, probe("hangs", "sleep 555"), probe("quick", "echo 1")], heard.append)

    await eventually(lambda: any("hangs" in sample.faults for sample in heard))

    before = len(heard)
    await eventually(lambda: len(heard) > before + 3)
    assert any(sample.answers.get("quick") == "1" for sample in heard)
    assert all(sample.answers["cpu"] is not None for sample in heard)
    assert sum("hangs" in sample.faults for sample in heard) == 1


async def test_one_script_begins_per_tick(start: Start, shell: ShellLink) -> None:
    heard: list[Sample] = []
    start().subscribe([probe(str(number), f"echo {number}") for number in range(4)], heard.append)

    await eventually(lambda: sum(len(sample.answers) for sample in heard) == 4)

    assert all(written.count(b"\ns ") + written.startswith(b"s ") <= 1 for written in shell.channels[0].written)


async def test_a_one_shot_look_takes_two_samples_quickly_and_asks_everything(start: Start) -> None:
    heard: list[Sample] = []
    probes = [probe(str(number), f"echo {number}") for number in range(6)]
    start(interval=60.0, one_shot=True).subscribe([*FAST, *probes], heard.append)

    await eventually(lambda: sum(len(sample.answers) for sample in heard) >= 6 + 2 * len(FAST))


async def test_a_parser_that_fails_is_a_fault_of_its_probe_alone(start: Start) -> None:
    def refuses(raw: bytes) -> None:
        raise BadAnswer("no such thing")

    def trips(raw: bytes) -> None:
        raise IndexError(raw)

    heard: list[Sample] = []
    bad = Probe("refuses", Tier.FAST, refuses, ("/proc/stat",)), Probe("trips", Tier.SLOW, trips, script="echo x")
    start().subscribe([*FAST, *bad], heard.append)

    await eventually(lambda: any("trips" in sample.faults for sample in heard))

    assert heard[0].faults["refuses"] == "no such thing"
    assert heard[0].answers["uptime"] > 0


async def test_a_subscriber_that_fails_is_its_own_trouble(start: Start) -> None:
    def fails(sample: Sample) -> None:
        raise RuntimeError("defect")

    heard: list[Sample] = []
    sampler = start()
    sampler.subscribe(FAST, fails)
    sampler.subscribe(FAST, heard.append)

    await eventually(lambda: len(heard) > 2)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("while :; do echo garbage; done", "without end"),
        ("printf 'no\\n'; exit 1", "ended"),
        ("IFS= read -r n; printf '#%st1\\n' $n; cat", "beginning"),
        ("IFS= read -r n; printf '#%sh\\n#%st7\\n#%se7\\n' $n $n $n; cat", "not asked"),
        ("IFS= read -r n; printf '#%sh\\n#%sn/x\\n#%st1\\n#%se1\\n' $n $n $n $n; cat", "files instead of"),
        ("head -c 9000000 /dev/zero; cat", "without end"),
    ],
)
async def test_a_host_that_says_what_it_cannot_is_a_fault_and_is_tried_again(
    start: Start, shell: ShellLink, says: str, words: str
) -> None:
    shell.command = f"sh -c {shlex.quote(says)}"
    heard: list[Sample] = []
    start().subscribe(FAST, heard.append)

    await eventually(lambda: len(heard) > 1)

    assert all(isinstance(sample.fault, QuarterdeckError) for sample in heard)
    assert words in str(heard[0].fault)
    shell.command = None
    await eventually(lambda: heard[-1].fault is None, what="it comes back by itself")


async def test_hostile_figures_are_faults_of_the_row(start: Start, shell: ShellLink) -> None:
    evil = "\\033]0;pwned\\007[@click=app.quit]x[/]\\0\\n"
    says = (
        f"IFS= read -r n; printf '#%sh\\n#%sc\\n#%sn/proc/stat\\n#%st1\\n{evil}#%sm\\n#%se1\\n' $n $n $n $n $n $n; cat"
    )
    shell.command = f"sh -c {shlex.quote(says)}"
    heard: list[Sample] = []
    start(interval=9.0).subscribe(FAST, heard.append)

    await eventually(lambda: heard)

    assert heard[0].fault is None
    assert heard[0].faults == {"cpu": "/proc/stat has no line of all cores"}
    assert heard[0].answers["memory"] is None


async def test_a_channel_that_dies_is_replaced_with_nobodys_help(start: Start, shell: ShellLink) -> None:
    heard: list[Sample] = []
    start().subscribe(FAST, heard.append)
    await eventually(lambda: heard)

    await shell.channels[0].close()

    await eventually(lambda: any(isinstance(sample.fault, Unreachable) for sample in heard))
    await eventually(lambda: heard[-1].fault is None)
    assert len(shell.channels) == 2


async def test_a_host_that_stops_answering_is_never_asked_twice(
    start: Start, shell: ShellLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sampler, "_patience", 0.4)
    shell.command = "exec sh -c 'IFS= read -r n; printf \"#%sh\\n\" $n; sleep 60'"
    heard: list[Sample] = []
    start().subscribe(FAST, heard.append)

    await eventually(lambda: heard)

    assert "no answer for" in str(heard[0].fault)
    assert b"".join(shell.channels[0].written).count(b"\nt ") == 1
    assert shell.closed == 0  # it had said hello, so its connection is not given up


async def test_a_connection_over_which_not_even_a_hello_comes_is_given_up(
    start: Start, shell: ShellLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sampler, "_patience", 0.2)
    shell.command = "exec sleep 60"
    heard: list[Sample] = []
    start().subscribe(FAST, heard.append)

    await eventually(lambda: heard)

    assert shell.closed == 1


async def test_a_refusal_is_tried_again_slowly_and_at_once_when_nudged(
    start: Start, shell: ShellLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.random, "uniform", whole)
    shell.down = Denied("wrong key")
    heard: list[Sample] = []
    sampler = start()
    sampler.subscribe(FAST, heard.append)
    await eventually(lambda: heard)
    assert isinstance(heard[0].fault, Denied)
    with pytest.raises(AssertionError):
        await eventually(lambda: len(heard) > 1, within=0.3)

    shell.down = None
    sampler.nudge()

    await eventually(lambda: heard[-1].fault is None)


async def test_failures_wait_longer_each_time(start: Start, shell: ShellLink, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def remembered(self: Sampler, seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(module.random, "uniform", whole)
    monkeypatch.setattr(Sampler, "_sleep", remembered)
    shell.down = Unreachable("nobody there")
    start().subscribe(FAST, lambda sample: None)

    await eventually(lambda: len(waits) > 7)

    assert waits[:8] == [1, 2, 4, 8, 16, 32, 32, 32]
