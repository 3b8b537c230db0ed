"""What is read from control groups: v1 and v2, every place an engine puts them, under each shell and awk there is."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import BadAnswer
from backends.docker.usage import Counters, Look, Usage, parse, script, usage
from backends.sampling.frames import Answer, Decoder
from tests.conftest import need
from tests.docker.trees import Group, Tree

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4

PLACES = {
    "docker, cgroupfs": f"docker/{ID}",
    "docker, systemd": f"system.slice/docker-{ID}.scope",
    "docker in a slice of its own": f"shop.slice/docker-{ID}.scope",
    "docker in nested slices": f"shop.slice/shop-front.slice/docker-{ID}.scope",
    "docker below a parent of its own": f"shop/{ID}",
    "docker without root": f"user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
    "podman, systemd": f"machine.slice/libpod-{ID}.scope",
    "podman, cgroupfs": f"libpod_parent/libpod-{ID}",
    "podman in a pod": f"machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope",
    "podman without root": f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
}
SHELLS = (("dash", "mawk"), ("busybox sh", "busybox"))


def look(tree: Tree, folder: Path, shell: str = "dash", awk: str = "mawk") -> Look | None:
    """Run the script as the sampler would, on a host with that shell and that awk."""
    return parse(answer(tree, folder, shell, awk))


def answer(tree: Tree, folder: Path, shell: str = "dash", awk: str = "mawk") -> bytes:
    """What the script says, taken out of its records."""
    program = shutil.which(awk)
    need(program and shutil.which(shell.split()[0]), awk)
    assert program is not None
    tools = folder / f"tools-{awk}"
    if not tools.exists():
        tools.mkdir()
        (tools / "awk").symlink_to(program)
    argv = [*shell.split(), "-c", script(root=str(tree.root), proc=str(tree.proc))]
    # As in the sampler's program: one language, nonce and slot.
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "LC_ALL": "C", "N": "ab" * 16, "n": "3"}
    done = subprocess.run(argv, capture_output=True, env=env, timeout=20, check=False)
    assert not done.stderr, done.stderr
    (one,) = Decoder("ab" * 16).feed(b"#%bh\n%b" % (b"ab" * 16, done.stdout))
    assert isinstance(one, Answer)
    assert one.slot == 3
    return one.data


@pytest.mark.parametrize(("shell", "awk"), SHELLS)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("place", PLACES)
def test_every_counter_is_found(tmp_path: Path, version: int, place: str, shell: str, awk: str) -> None:
    tree = Tree(tmp_path, version)
    tree.put(PLACES[place], Group(limit=64 << 20))
    one = look(tree, tmp_path, shell, awk)
    assert one is not None
    assert one.uptime_s == 1000.0
    found = one.of(ID)
    assert found is not None
    assert found == Counters(
        cpu_s=1.234567,
        mem_used_bytes=42 << 20,
        mem_limit_bytes=64 << 20,
        pids=7,
        read_bytes=4096,
        written_bytes=8192,
        received_bytes=1000,
        sent_bytes=2000,
    )
    assert list(one.counters) == [ID[:16]]


@pytest.mark.parametrize("version", [1, 2])
def test_no_limit_is_no_figure(tmp_path: Path, version: int) -> None:
    tree = Tree(tmp_path, version)
    tree.put(f"docker/{ID}", Group(limit=None))
    seen = look(tree, tmp_path)
    assert seen is not None
    assert seen.counters[ID[:16]].mem_limit_bytes is None


@pytest.mark.parametrize("version", [1, 2])
def test_large_counters_keep_every_digit(tmp_path: Path, version: int) -> None:
    tree = Tree(tmp_path, version)
    large = 9_007_199_254_740_000
    tree.put(f"docker/{ID}", Group(cpu_ns=large * 100, read=large, written=large - 1, received=large, sent=large))
    seen = look(tree, tmp_path)
    assert seen is not None
    found = seen.counters[ID[:16]]
    assert (found.read_bytes, found.written_bytes, found.received_bytes) == (large, large - 1, large)
    assert found.cpu_s is not None
    assert abs(found.cpu_s - large / 1e7) < 1


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_kernel_does_not_count_is_unknown(tmp_path: Path, version: int) -> None:
    """A Raspberry Pi boots without the memory controller."""
    tree = Tree(tmp_path, version)
    tree.put(f"docker/{ID}", Group())
    if version == 1:
        for controller in ("memory", "blkio", "pids"):
            shutil.rmtree(tree.root / controller)
    else:
        for path in tree.root.glob("docker/*/*"):
            if path.name.startswith(("memory.", "io.", "pids.")):
                path.unlink()
    shutil.rmtree(tree.proc / "4242")
    seen = look(tree, tmp_path)
    assert seen is not None
    assert seen.counters[ID[:16]] == Counters(cpu_s=1.234567)


def test_nothing_read_or_written_yet_is_zero(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 2)
    tree.put(f"docker/{ID}", Group())
    (tree.root / "docker" / ID / "io.stat").write_text("")
    seen = look(tree, tmp_path)
    assert seen is not None
    found = seen.counters[ID[:16]]
    assert (found.read_bytes, found.written_bytes) == (0, 0)


@pytest.mark.parametrize("below", ["container", "init.scope"])
def test_processes_in_a_group_below_are_found(tmp_path: Path, below: str) -> None:
    """crun puts them into ``container``, systemd in a container into ``init.scope``."""
    tree = Tree(tmp_path, 2)
    tree.put(f"machine.slice/libpod-{ID}.scope", Group(), procs_in=below)
    seen = look(tree, tmp_path)
    assert seen is not None
    assert seen.counters[ID[:16]].received_bytes == 1000


@pytest.mark.parametrize("version", [1, 2])
def test_other_groups_are_passed_over(tmp_path: Path, version: int) -> None:
    tree = Tree(tmp_path, version)
    for place in ("system.slice/docker.service", f"machine.slice/libpod-conmon-{ID}.scope", "docker/abcd", "kube/dead"):
        tree.put(place, Group())
    seen = look(tree, tmp_path)
    assert seen is not None
    assert not seen.counters
    assert seen.of(ID) is None


def test_many_containers_are_one_line_each(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 2)
    for number in range(100):
        tree.put(f"docker/{number:04x}{ID[4:]}", Group(pid=5000 + number))
    said = answer(tree, tmp_path)
    seen = parse(said)
    assert seen is not None
    assert len(seen.counters) == 100
    assert len(said) < 9000


def test_a_host_without_control_groups_says_so(tmp_path: Path) -> None:
    tree = Tree(tmp_path, 1)
    assert look(tree, tmp_path) == Look(1000.0, {})
    shutil.rmtree(tree.proc)
    assert look(tree, tmp_path) is None


@pytest.mark.parametrize(
    "said",
    [
        b"cgroup 1",
        b"cgroup 1 soon",
        b"cgroup 1 1.0 2.0\n0123456789abcdef 1 2 3",
        b"0123456789abcdef 1 2 3 4 5 6 7 8 9",
        b"cgroup 2 1.0 2.0\n0123456789abcdef 1e9 2 3 4 5 6 7 8 9",
        b"cgroup 2 1.0 2.0\n0123456789abcdef -1 2 3 4 5 6 7 8 9",
        b"cgroup 2 1.0 2.0\n0123456789abcdef " + b"9" * 30 + b" 2 3 4 5 6 7 8 9",
        "cgroup 2 1.0\n0123456789abcdef ١ 2 3 4 5 6 7 8 9".encode(),
    ],
)
def test_what_cannot_be_read_is_a_bad_answer(said: bytes) -> None:
    with pytest.raises(BadAnswer):
        parse(said)


def test_no_answer_is_none() -> None:
    assert parse(b"") is None


BASE = Counters(
    cpu_s=10.0, mem_used_bytes=100, pids=3, read_bytes=0, written_bytes=500, received_bytes=1000, sent_bytes=2000
)


def test_rates_are_per_second_of_the_hosts_own_time() -> None:
    later = replace(BASE, cpu_s=25.0, read_bytes=5000, written_bytes=1500, received_bytes=1000, sent_bytes=12_000)
    assert usage(BASE, later, 10.0) == Usage(
        cpu_percent=150.0,
        mem_used_bytes=100,
        pids=3,
        net_rx_bytes_per_s=0,
        net_tx_bytes_per_s=1000,
        block_read_bytes_per_s=500,
        block_write_bytes_per_s=100,
    )


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_no_rates_where_no_time_went_by(seconds: float) -> None:
    assert usage(BASE, BASE, seconds) == Usage(mem_used_bytes=100, pids=3)


def test_no_rates_without_an_earlier_look_or_after_a_counter_went_back() -> None:
    assert usage(None, BASE, 10.0) == Usage(mem_used_bytes=100, pids=3)
    assert usage(replace(BASE, cpu_s=99.0), BASE, 10.0).cpu_percent is None
