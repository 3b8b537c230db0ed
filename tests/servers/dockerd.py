"""A private Docker engine: real containers, networks and volumes, none of them on the machine's own engine.

Use the ``engine`` fixture (one per test process, swept empty before each test) or ``engine_at`` (an engine of the
test's own, for those that stop and restart it)::

    from tests.servers.dockerd import Dockerd, engine, engine_at, engine_of_session      # in the folder's conftest.py

    @pytest.mark.real("dockerd")
    def test_x(engine: Dockerd) -> None:
        engine.run("web", "sleep 1000", labels={"a": "b"})

``BUSYBOX`` is an image with a static busybox and nothing else; there is no registry behind it. Engines of several test
processes live side by side: each has its own folders, bridge and address pool, and no packet filter rules (ports are
published by the engine's proxy).
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need

PROGRAM = shutil.which("dockerd") or next(
    (p for p in ("/usr/sbin/dockerd", "/usr/bin/dockerd") if Path(p).exists()), ""
)
BUSYBOX = "bb:1"
"""The image every engine here has."""


def _number() -> int:
    """The first of the sixteen numbers that are this process's own, beside other workers and other runs."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    run = int(os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid():x}")[-6:], 16)
    return 16 * (run % 50 * 4 + worker % 4)


def _die_with_us() -> None:
    """In the child: end when the test process does, also where that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Dockerd:
    """One running engine; made by ``engine`` and ``engine_at``.

    ``socket``   its Unix socket
    ``client``   a docker-py ``APIClient`` of it
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.number = number
        self.socket = folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Any = None

    @property
    def url(self) -> str:
        """As ``DOCKER_HOST`` has it."""
        return f"unix://{self.socket}"

    @property
    def client(self) -> Any:  # docker-py is typed too partially to be checked strictly
        """A client that does not outlive the engine."""
        import docker

        if self._client is None:
            self._client = docker.APIClient(base_url=self.url, version="auto", timeout=60)
        return self._client

    # -- its life

    def start(self) -> None:
        """Start it and wait until it answers; what it held is still there."""
        bridge = f"qdt{self.number}"
        subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=False, capture_output=True)
        subprocess.run(
            ["ip", "addr", "add", f"10.{160 + self.number // 256}.{self.number % 256}.1/24", "dev", bridge],
            check=False,
            capture_output=True,
        )
        subprocess.run(["ip", "link", "set", bridge, "up"], check=False, capture_output=True)
        self._forwarding("-D")
        self._forwarding("-I")
        options = {
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "host": self.url,
            "pidfile": self.folder / "pid",
            "config-file": self.folder / "none.json",
            "bridge": bridge,
            "default-address-pool": f"base={self._pool},size=26",
            "iptables": "false",
            "ip6tables": "false",
            "ip-masq": "false",
            "ip-forward": "false",
            "shutdown-timeout": "2",
        }
        argv = [PROGRAM, *(f"--{name}={value}" for name, value in options.items())]
        (self.folder / "none.json").write_text("{}")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdout=log, stderr=log, start_new_session=True, preexec_fn=_die_with_us
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"dockerd ended: {self.log()}"
            assert time.monotonic() < deadline, f"dockerd does not answer: {self.log()}"
            time.sleep(0.05)

    @property
    def _pool(self) -> str:
        return f"10.{self.number // 32}.{8 * (self.number % 32)}.0/21"

    def _forwarding(self, how: str) -> None:
        """Let its containers reach each other where the machine forwards nothing, as one with a Docker of its own does.

        ``-I`` puts the rule in, ``-D`` takes it away.
        """
        rule = ["FORWARD", "-s", self._pool, "-d", self._pool, "-j", "ACCEPT"]
        if shutil.which("iptables"):
            subprocess.run(["iptables", how, *rule], check=False, capture_output=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(5)
            probe.connect(str(self.socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(100)
        return False

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def stop(self) -> None:
        """Stop it as its own administrator would: containers end."""
        self._close_client()
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._kill(process)

    def kill(self) -> None:
        """As if it crashed; its containers' shims live on until it is back."""
        self._close_client()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=10)
            # Its containerd dies with it; where nobody reaps that, the next one would wait for it by this file.
            (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        if self._process is not None and self._answers():  # docker-py leaves a socket where nobody listens
            with contextlib.suppress(Exception):
                self.sweep()
        self.stop()
        subprocess.run(["ip", "link", "del", f"qdt{self.number}"], check=False, capture_output=True)
        self._forwarding("-D")
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    # -- what it holds

    def busybox(self, name: str = BUSYBOX, *, command: Sequence[str] = ("/bin/sh",), **labels: str) -> str:
        """Make an image of busybox under a name; different labels make different images. Returns its id."""
        program = next(p for p in ("/bin/busybox", "/usr/bin/busybox") if Path(p).exists())
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "run", "root", "data"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                tar.addfile(entry)
            tar.add(program, arcname="bin/busybox")
            listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
            for applet in sorted({*listed.stdout.split()} - {"busybox"}):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for path, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
                entry = tarfile.TarInfo(path)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
        repository, _, tag = name.rpartition(":")
        changes = [f"CMD {json.dumps(list(command))}", *(f"LABEL {k}={json.dumps(v)}" for k, v in labels.items())]
        said = self.client.import_image_from_data(archive.getvalue(), repository=repository, tag=tag, changes=changes)
        return str(json.loads(said.splitlines()[-1])["status"])

    def run(self, name: str, command: str = "sleep 100000", *, image: str = BUSYBOX, **more: Any) -> str:
        """Create and start a container; ``more`` goes to docker-py's ``create_container``. Returns its id."""
        host = self.client.create_host_config(init=True, **more.pop("host", {}))
        made = self.client.create_container(
            image, command=["sh", "-c", command], name=name, host_config=host, stop_signal="SIGKILL", **more
        )
        self.client.start(made["Id"])
        return str(made["Id"])

    def sweep(self) -> None:
        """Remove every container, network and volume, and every image but ``BUSYBOX``."""
        client = self.client
        for one in client.containers(all=True):
            with contextlib.suppress(Exception):
                client.remove_container(one["Id"], force=True, v=True)
        for one in client.networks():
            if one["Name"] not in ("bridge", "host", "none"):
                with contextlib.suppress(Exception):
                    client.remove_network(one["Id"])
        volumes: list[dict[str, Any]] = client.volumes()["Volumes"] or []
        for one in volumes:
            with contextlib.suppress(Exception):
                client.remove_volume(one["Name"], force=True)
        images: list[dict[str, Any]] = client.images(all=True)
        for one in images:
            tags: list[str] = one["RepoTags"] or []
            rest = [tag for tag in tags if tag not in ("<none>:<none>", BUSYBOX)]
            for name in rest or ([] if BUSYBOX in tags else [one["Id"]]):
                with contextlib.suppress(Exception):
                    client.remove_image(name, force=True)


def _made(number: int) -> Dockerd:
    need("dockerd", PROGRAM)
    # Not under pytest's folders: paths of Unix sockets are short.
    made = Dockerd(Path(tempfile.mkdtemp(prefix="qd-docker-")), number)
    try:
        made.start()
        made.busybox()
    except BaseException:
        made.remove()
        raise
    return made


@contextlib.contextmanager
def started(number: int = 4000) -> Generator[Dockerd]:
    """An engine outside of tests, for benchmarks."""
    made = _made(number)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def engine_of_session() -> Iterator[Dockerd]:
    """The engine of this test process, as the last test left it."""
    made = _made(_number())
    yield made
    made.remove()


@pytest.fixture
def engine(engine_of_session: Dockerd) -> Dockerd:
    """An engine with nothing but ``BUSYBOX`` on it."""
    engine_of_session.sweep()
    return engine_of_session


StartDockerd = Callable[[], Dockerd]


@pytest.fixture
def engine_at() -> Iterator[StartDockerd]:
    """Starts engines of the test's own: to be stopped, killed and started again."""
    running: list[Dockerd] = []

    def start() -> Dockerd:
        made = _made(_number() + 1 + len(running))
        running.append(made)
        return made

    yield start
    for one in running:
        one.remove()
