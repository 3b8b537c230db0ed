"""Files into real containers and out of them: whole or not at all, and nowhere else."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadAnswer
from app.job import Ended, Job
from backends.docker.unpacking import unpacked
from tests.docker.pier import Harbour, harbour
from tests.servers.dockerd import Dockerd
from tests.servers.sshd import Sshd
from tests.waiting import eventually

real = pytest.mark.real("dockerd")


@pytest.fixture
async def port(engine: Dockerd) -> AsyncIterator[Harbour]:
    """A deck over an engine with one container, ``web``."""
    engine.run("web")
    async with harbour(engine) as one:
        yield one


async def says(port: Harbour, line: str, name: str = "web") -> str:
    done = await port.do("exec", name, command=(line,))
    assert done.outcome is Ended.DONE, done
    return str(done.data["stdout"])


@real
async def test_a_file_goes_in_and_comes_out(port: Harbour, tmp_path: Path) -> None:
    source = tmp_path / "it's a [file].txt"
    source.write_bytes(b"hello" * 100_000)
    source.chmod(0o640)
    done = await port.do("put", "web", path=source)
    assert done.message == f"488KB copied to /tmp/{source.name}"
    assert await says(port, "ls -A /tmp; stat -c '%a %u %s' /tmp/*.txt") == f"{source.name}\n640 0 500000\n"
    out = tmp_path / "out"
    out.mkdir()
    got = await port.do("get", "web", path=f"/tmp/{source.name}", to=out)
    final = out / "pi_web" / source.name
    assert got.data["path"] == str(final)
    assert final.read_bytes() == source.read_bytes()
    assert final.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in final.parent.iterdir()] == [source.name]


@real
async def test_an_overwritten_file_keeps_its_owner_and_is_asked_for(port: Harbour, tmp_path: Path) -> None:
    await says(port, "echo old > /data/conf; chown 77:88 /data/conf; ln -s /data /link")
    source = tmp_path / "new"
    source.write_text("new\n")
    done = await port.do("put", "web", path=source, to="/link/conf")
    assert done.outcome is Ended.DONE
    assert await says(port, "cat /data/conf; stat -c '%u %g' /data/conf; ls -A /data") == "new\n77 88\nconf\n"
    assert port.front.questions[-2].plan.loses == ("pi/web:/data/conf (4B), overwritten",)


@real
async def test_a_folder_is_merged(port: Harbour, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "a").write_text("new")
    (tree / "b").write_text("b")
    (tree / "link").symlink_to("deep/a")
    await says(port, "mkdir -p /data/tree/deep; echo old > /data/tree/deep/a; echo kept > /data/tree/kept")
    assert (await port.do("put", "web", path=tree, to="/data/")).outcome is Ended.DONE
    listed = await says(port, "cd /data; find . -type f -o -type l | sort; cat tree/link tree/kept")
    assert listed == "./tree/b\n./tree/deep/a\n./tree/kept\n./tree/link\nnewkept\n"
    here = tmp_path / "here"
    (here / "pi_web" / "tree").mkdir(parents=True)
    (here / "pi_web" / "tree" / "mine").write_text("mine")
    got = await port.do("get", "web", path="/data/tree", to=here)
    assert got.outcome is Ended.DONE, got
    final = here / "pi_web" / "tree"
    assert sorted(p.name for p in final.iterdir()) == ["b", "deep", "kept", "link", "mine"]
    assert (final / "link").readlink() == Path("deep/a")
    assert (final / "deep" / "a").read_text() == "new"


@real
async def test_links_out_of_the_folder_and_devices_are_left_out_and_said(port: Harbour, tmp_path: Path) -> None:
    await says(port, "mkdir /data/x; cd /data/x; ln -s /etc/passwd p; ln -s ../../y q; mkfifo f; echo in > in")
    got = await port.do("get", "web", path="/data/x", to=tmp_path)
    assert got.outcome is Ended.FAILED
    assert "3 left out" in got.message
    assert [p.name for p in (tmp_path / "pi_web" / "x").iterdir()] == ["in"]


@real
async def test_a_stopped_container_takes_and_gives(port: Harbour, engine: Dockerd, tmp_path: Path) -> None:
    engine.client.stop("web", timeout=0)
    source = tmp_path / "f"
    source.write_text("in")
    done = await port.do("put", "web", path=source, to="/data/")
    assert done.outcome is Ended.DONE
    assert ".part stays there, empty" in done.message
    got = await port.do("get", "web", path="/data/f", to=tmp_path / "back")
    assert got.outcome is Ended.DONE
    assert (tmp_path / "back").read_text() == "in"


@real
async def test_a_broken_transfer_leaves_the_old_file(port: Harbour, tmp_path: Path) -> None:
    await says(port, "echo old > /data/big")
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(3 << 30)
    jobs: list[Job] = []
    order = port.order("put", "web", path=source, to="/data/")
    work = asyncio.create_task(port.deck.perform(order, started=jobs.append))
    await eventually(lambda: jobs and jobs[0].running[0].done > 4 << 20, within=20)
    jobs[0].cancel()
    (done,) = await asyncio.wait_for(work, 30)
    assert done.outcome is Ended.CANCELLED
    assert await says(port, "cat /data/big; ls -A /data") == "old\nbig\n"


@real
async def test_a_cancelled_get_leaves_nothing_here(port: Harbour, tmp_path: Path) -> None:
    await says(port, "truncate -s 3G /data/big")
    jobs: list[Job] = []
    order = port.order("get", "web", path="/data/big", to=tmp_path / "big")
    work = asyncio.create_task(port.deck.perform(order, started=jobs.append))
    await eventually(lambda: jobs and jobs[0].running[0].done > 4 << 20, within=20)
    jobs[0].cancel()
    assert (await asyncio.wait_for(work, 30))[0].outcome is Ended.CANCELLED
    assert [p.name for p in tmp_path.iterdir() if "big" in p.name] == []


@real
async def test_a_full_disk_there_says_so(port: Harbour, engine: Dockerd, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    try:
        engine.run("full", host={"binds": {str(folder): {"bind": "/full", "mode": "rw"}}})
        await port.sees("full")
        source = tmp_path / "large"
        source.write_bytes(b"x" * 1_000_000)
        done = await port.do("put", "full", path=source, to="/full/")
        assert done.outcome is Ended.FAILED
        assert "no space left on device" in done.message
        assert await says(port, "ls -A /full", "full") == ""
        engine.client.remove_container("full", force=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@real
@pytest.mark.parametrize(
    ("verb", "arguments", "words", "code"),
    [
        ("get", {"path": "/nowhere"}, "no such file or folder in the container", 1),
        ("get", {"path": "/"}, "no name of its own", 2),
        ("get", {"path": "/data/fifo"}, "something else", 4),
        ("get", {"path": "/proc/version"}, "engine does not see /proc", 4),
        ("put", {"path": Path("/etc/hostname"), "to": "/memory/x"}, "engine does not see /memory", 4),
        ("get", {"path": ""}, "empty path", 2),
        ("put", {"path": Path("/nowhere")}, "no such file or folder here", 1),
        ("put", {"path": Path("/dev/null")}, "neither a file nor a folder", 1),
        ("put", {"path": Path("/etc/hostname"), "to": "/nowhere/"}, "not there", 1),
        ("put", {"path": Path("/etc/hostname"), "to": "/etc/passwd/x"}, "a file", 1),
        ("put", {"path": Path("/etc/hostname"), "to": "~/x"}, "no home folder", 2),
    ],
)
async def test_what_cannot_be_copied_is_said(
    port: Harbour, engine: Dockerd, verb: str, arguments: dict[str, Any], words: str, code: int
) -> None:
    engine.run("odd", "mkfifo /data/fifo; exec sleep 100000", host={"tmpfs": {"/memory": "size=64k"}})
    await port.sees("odd")
    await eventually(lambda: "exec" not in str(engine.client.top("odd")))
    done = await port.do(verb, "odd", **arguments)
    assert words in done.message
    assert done.exit_code == code
    assert port.front.questions == []


@real
async def test_over_ssh(engine: Dockerd, sshd: Sshd, tmp_path: Path) -> None:
    engine.run("web")
    source = tmp_path / "f"
    source.write_bytes(os.urandom(2_000_000))
    async with harbour(engine, sshd) as port:
        assert (await port.do("put", "web", path=source, to="/data/")).outcome is Ended.DONE
        got = await port.do("get", "web", path="/data/f", to=tmp_path / "back")
        assert got.outcome is Ended.DONE
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


# -- streams of a hostile engine


def stream(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    raw.seek(0)
    return raw


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def take(raw: io.BytesIO, final: Path) -> Any:
    return unpacked(raw, final, overwrite=False, progress=lambda done: None, stopped=lambda: False)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "d/../../x", "other", ""])
def test_names_that_lie_elsewhere_end_it(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "to"
    final = folder / "d"
    with pytest.raises(BadAnswer):
        take(stream((entry("d", tarfile.DIRTYPE), b""), (entry(name), b"x")), final)
    assert list(folder.iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "to"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    raw = stream(
        (entry("d", tarfile.DIRTYPE), b""),
        (entry("d/l", tarfile.SYMTYPE, "../../outside"), b""),
        (entry("d/s", tarfile.SYMTYPE, "."), b""),
        (entry("d/l/evil"), b"x"),
        (entry("d/h", tarfile.LNKTYPE, "d/s"), b""),
        (entry("d/setuid"), b"x"),
    )
    done = take(raw, tmp_path / "d")
    assert list(outside.iterdir()) == []
    assert (tmp_path / "d" / "l" / "evil").read_text() == "x"
    assert len(done.left_out) == 2


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    whole = stream((entry("f"), b"x" * 5000)).getvalue()
    with pytest.raises(BadAnswer, match="no whole archive"):
        take(io.BytesIO(whole[:3000]), tmp_path / "f")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]
