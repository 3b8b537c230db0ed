"""What others wait for is found by a node's own sampler, and whoever waits for it costs nothing meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.backend import Backend, Context, Emit, Source
from app.errors import BadAnswer
from app.feed import Feed
from app.fleet import Reading, Ref
from app.inventory.model import Inventory, NodeEntry
from backends import found as module
from backends.found import DOCKER, LIBVIRT, LOOKED_FOR, PODMAN, PROBE, VIRSH, found, looking, parse_found
from backends.kinds.node import KIND, Node
from backends.sampling import sampler as sampling
from tests.backends.watching import context, inventory
from tests.sampling.shells import SHELLS, shell_argv
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually

WITHIN_S = 30.0


class Seeker(Backend):
    """A backend that tells of one row where there is a thing."""

    nouns = ("node",)

    def __init__(self, context: Context, name: str = "seeker", thing: str = DOCKER) -> None:
        super().__init__(context)
        self.name = name  # type: ignore[misc]
        self.thing = thing
        self.begun = 0

    def sources(self, inventory: Inventory) -> Sequence[Source]:
        return [Source(self.name, node, 2.0, self.nouns) for node in inventory.nodes]

    async def watch(self, source: Source, emit: Emit, nudge: asyncio.Event) -> None:
        self.begun += 1
        await self.context.shared(found).wait_for(source.name, (self.thing,), emit, nudge)
        row = Node(id=f"{source.name}/{self.name}", name=self.thing, source=source.name, state="up")
        now = self.context.clock()
        emit(Reading(backend=self.name, source=source.name, items=(row,), taken_at=now, interval=2.0))
        await asyncio.Event().wait()


@dataclass
class Seeking:
    """A feed of seekers, and what it has to say."""

    feed: Feed
    context: Context
    seekers: list[Seeker] = field(default_factory=list[Seeker])

    def tasks(self) -> list[str]:
        return sorted(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("watch "))

    def fault(self) -> str | None:
        """Why one of the sources cannot be read."""
        return next((one.fault for one in (*self.feed.silent(), *self.feed.faults())), None)

    def row(self, name: str = "seeker", node: str = "pi") -> object:
        return self.feed.fleet.find(Ref("node", f"{node}/{name}"))

    @property
    def asleep(self) -> bool:
        """Everybody knows what is there, and waits for something else."""
        known = self.context.shared(found).of("pi")
        return known is not None and known.fault is None and not self.tasks()


@contextlib.asynccontextmanager
async def seeking(hosts: Inventory, state: Path, *things: str, one_shot: bool = False) -> AsyncGenerator[Seeking]:
    around = context(hosts, state, one_shot=one_shot)
    seekers = [
        Seeker(around, "seeker" if not n else f"seeker{n}", thing) for n, thing in enumerate(things or (DOCKER,))
    ]
    feed = Feed(seekers, {"node": KIND})
    feed.configure(hosts)
    try:
        yield Seeking(feed, around, seekers)
    finally:
        await feed.close()
        await around.links.close()


def hundredth(low: float, high: float) -> float:
    return 0.01


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the engine's socket of a node is looked for, hourly; a path short enough for a socket."""
    folder = tempfile.TemporaryDirectory(prefix="found")
    path = Path(folder.name) / "docker.sock"
    tests = {**LOOKED_FOR, DOCKER: f"[ -S '{path}' ]", VIRSH: "true"}
    monkeypatch.setattr(module, "PROBE", looking(tests, 3600.0))
    monkeypatch.setattr(module, "LINGER_S", 0.3)
    monkeypatch.setattr(sampling.random, "uniform", hundredth)
    yield path
    folder.cleanup()


@contextlib.contextmanager
def listening(path: Path) -> Generator[None]:
    """A socket in the file system."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
        yield
    path.unlink()


def pi(server: Sshd) -> Inventory:
    return inventory(NodeEntry(name="pi", ssh=server.entry(), interval=0.1), ssh=server.defaults())


def test_an_answer_is_read_whole_or_not_at_all() -> None:
    assert parse_found(b"docker\nvirsh\n.\n") == {DOCKER, VIRSH}
    assert parse_found(b".\n") == frozenset()
    assert parse_found(b"docker\n.\n") is parse_found(b"docker\n.\n"), "many nodes, few objects"
    assert parse_found(b"\xff docker surprise\n.\n") == {DOCKER}
    for torn in (b"", b"docker\n", b"docker\n.x"):
        with pytest.raises(BadAnswer):
            parse_found(torn)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_real_script_runs_under_every_shell(shell: str, tmp_path: Path) -> None:
    argv, env = shell_argv(shell, tmp_path)
    done = subprocess.run([*argv, PROBE.script], env=env, capture_output=True, timeout=20, check=False)
    there = parse_found(done.stdout)
    assert (DOCKER in there) == Path("/var/run/docker.sock").is_socket()
    assert (PODMAN in there) == Path("/run/podman/podman.sock").is_socket()
    sockets = (Path("/var/run/libvirt") / name for name in ("libvirt-sock", "virtqemud-sock"))
    assert (LIBVIRT in there) == any(path.is_socket() for path in sockets)
    assert done.stderr == b""


@pytest.mark.real("sshd")
async def test_whoever_waits_sleeps_until_what_is_waited_for_is_there(sshd: Sshd, place: Path, tmp_path: Path) -> None:
    async with seeking(pi(sshd), tmp_path, DOCKER, DOCKER, LIBVIRT) as it:
        await eventually(lambda: it.asleep, WITHIN_S)
        assert it.tasks() == []
        assert it.feed.fleet.readings == {}
        assert await it.feed.first(0.1) == (), "nobody is waited for"
        with listening(place):
            it.feed.nudge("seeker", "pi")
            await eventually(lambda: it.row("seeker") and it.row("seeker1"), WITHIN_S, "one look is everybody's")
            await eventually(lambda: it.tasks() == ["watch seeker/pi", "watch seeker1/pi"], WITHIN_S)
            assert it.row("seeker2") is None


@pytest.mark.real("sshd")
async def test_it_is_noticed_without_a_nudge(
    sshd: Sshd, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE", looking({DOCKER: f"[ -S '{place}' ]"}, 0.3))
    async with seeking(pi(sshd), tmp_path) as it:
        await eventually(lambda: it.asleep, WITHIN_S)
        begun = it.seekers[0].begun
        heard: list[object] = []
        end = it.context.links.subscribe("pi", (module.PROBE,), lambda sample: heard.extend(sample.answers))
        await eventually(lambda: len(heard) > 3, WITHIN_S, "it is looked again and again")
        end()
        assert it.seekers[0].begun == begun, "nobody is woken for no news"
        with listening(place):
            await eventually(it.row, WITHIN_S)


@pytest.mark.real("sshd")
async def test_a_node_that_does_not_answer_is_a_fault_and_absence_again_when_it_does(
    sshd: Sshd, place: Path, tmp_path: Path
) -> None:
    async with seeking(pi(sshd), tmp_path) as it:
        await eventually(lambda: it.asleep, WITHIN_S)
        sshd.kill()
        await eventually(it.fault, WITHIN_S)
        assert [one.fault for one in it.feed.fleet.readings.values()] == [it.fault()]
        assert it.feed.unread("node")
        assert it.tasks() == []
        sshd.start()
        await eventually(lambda: it.asleep, WITHIN_S)
        await eventually(lambda: it.feed.fleet.readings == {}, WITHIN_S, "the fault is gone with what it stood for")
        assert it.fault() is None


@pytest.mark.real("sshd")
async def test_where_no_sampler_runs_one_has_to_look_for_himself(
    sshd_at: StartSshd, place: Path, tmp_path: Path
) -> None:
    server = sshd_at(options={"ForceCommand": "/bin/false"})
    async with seeking(pi(server), tmp_path) as it:
        await eventually(it.row, WITHIN_S, "nobody can say that there is none")


@pytest.mark.real("sshd")
async def test_a_node_nobody_waits_for_is_looked_at_no_longer(sshd: Sshd, place: Path, tmp_path: Path) -> None:
    with listening(place):
        async with seeking(pi(sshd), tmp_path) as it:
            await eventually(it.row, WITHIN_S)
            finder = it.context.shared(found)
            await eventually(lambda: finder.of("pi") is None, WITHIN_S)


async def test_this_machine_and_command_lines_look_for_themselves(place: Path, tmp_path: Path) -> None:
    here = inventory(NodeEntry(name="here", local=True))
    async with seeking(here, tmp_path) as it:
        await eventually(lambda: it.row(node="here"), WITHIN_S)
    far = inventory(NodeEntry(name="pi", ssh=None))
    async with seeking(far, tmp_path, one_shot=True) as it:
        await eventually(it.row, WITHIN_S)
