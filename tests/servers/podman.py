"""A private Podman with its Docker-compatible socket: the other engine there is.

Its containers have no network, so that it needs no packet filter and no plug-ins.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need

PROGRAM = shutil.which("podman") or ""
IMAGE = "localhost/bb:latest"
"""The image it has: a static busybox."""


class Podman:
    """One running service; made by ``podman``.

    ``socket``   its Unix socket
    ``client``   a docker-py ``APIClient`` of it
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "podman.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Any = None

    @property
    def url(self) -> str:
        """As ``DOCKER_HOST`` has it."""
        return f"unix://{self.socket}"

    @property
    def client(self) -> Any:  # docker-py is typed too partially to be checked strictly
        """A client that does not outlive the service."""
        import docker

        if self._client is None:
            self._client = docker.APIClient(base_url=self.url, version="1.41", timeout=60)
        return self._client

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = self.folder / "containers.conf"
        # Where limits may not be raised the defaults would be refused.
        settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
        runtime = shutil.which("runc") or "/usr/sbin/runc"
        options = {
            "root": self.folder / "root",
            "runroot": self.folder / "run",
            "tmpdir": self.folder / "tmp",
            "events-backend": "file",
            "cgroup-manager": "cgroupfs",
            "runtime": runtime,
        }
        argv = [PROGRAM, *(f"--{name}={value}" for name, value in options.items())]
        environment = {**os.environ, "CONTAINERS_CONF": str(settings), "HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "system", "service", "--time=0", self.url],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, f"podman ended: {self.log()}"
            assert time.monotonic() < deadline, f"podman does not answer: {self.log()}"
            time.sleep(0.05)
        self._make_image()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(5)
            probe.connect(str(self.socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(100)
        return False

    def _make_image(self) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "run"):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            tar.add(next(p for p in ("/bin/busybox", "/usr/bin/busybox") if Path(p).exists()), arcname="bin/busybox")
            for name in ("sh", "sleep", "true"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        self.client.import_image_from_data(archive.getvalue(), repository=IMAGE.partition(":")[0], tag="latest")

    def run(self, name: str, command: str = "sleep 100000", **more: Any) -> str:
        """Create and start a container; ``host`` goes to docker-py's host configuration. Returns its id."""
        host = self.client.create_host_config(network_mode="none", **more.pop("host", {}))
        made = self.client.create_container(IMAGE, command=["sh", "-c", command], name=name, host_config=host, **more)
        self.client.start(made["Id"])
        return str(made["Id"])

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        with contextlib.suppress(Exception):
            for one in self.client.containers(all=True):
                self.client.remove_container(one["Id"], force=True)
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]


@pytest.fixture
def podman() -> Iterator[Podman]:
    """An engine that is not Docker, with nothing but ``IMAGE`` on it."""
    need(PROGRAM, "podman")
    made = Podman(Path(tempfile.mkdtemp(prefix="qd-podman-")))
    try:
        made.start()
        yield made
    finally:
        made.remove()
