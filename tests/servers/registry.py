"""A private image registry on loopback: real pulls, real digests, real refusals.

Use the ``registry`` fixture (open to everybody) or ``registry_at`` (starts more, with a password where wanted)::

    from tests.servers.registry import Registry, StartRegistry, registry, registry_at     # in the folder's conftest.py

    @pytest.mark.real("docker-registry")
    @pytest.mark.real("dockerd")
    def test_x(engine: Dockerd, registry: Registry) -> None:
        digest = registry.push(engine, "app:1", version="1")      # busybox with a label; the engine keeps nothing
        engine.client.pull(registry.name("app"), tag="1")
        registry.push(engine, "app:1", version="2")               # the same tag means another image now

    def test_locked(registry_at: StartRegistry) -> None:
        locked = registry_at(account=True)                        # ``locked.account`` is (user, password)

Dockerd takes every address of 127.0.0.0/8 for a registry without TLS, so that nothing is to be configured.

``registry.name("app:1")``          what an engine calls it: ``127.0.0.1:PORT/app:1``
``registry.push(engine, name, **labels)``   a runnable image under that name; returns its digest
``registry.publish(name, *layers)`` an image of the given layers' bytes, without any engine; returns its digest
``registry.digest(name)``           what the tag means now
``registry.lose_layer(name, n)``    the layer's bytes are gone: pulls fail in the middle
``registry.stop()``, ``.start()``   away and back, on the same port, with the same images
``with registry.held(after) as it`` another port of the same registry whose answers stop after so many bytes:
                                    pulls of ``it.name("app:1")`` hang until ``it.release()``
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import platform
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Generator, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from tests.conftest import need
from tests.servers.dockerd import Dockerd

PROGRAM = shutil.which("docker-registry") or ""
"""Where the registry is; empty where it is not installed."""

ACCOUNT = ("captain", "p:'ß \"$(w)` \\e")
"""Who gets into a locked registry; the password is one that quoting mistakes would break."""
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


class Registry:
    """One running registry; made by ``registry`` and ``registry_at``."""

    def __init__(self, folder: Path, account: tuple[str, str] | None = None) -> None:
        self.folder = folder
        self.account = account
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, the first part of its images' names."""
        return f"127.0.0.1:{self.port}"

    def name(self, image: str) -> str:
        """What an engine calls an image of this registry."""
        return f"{self.host}/{image}"

    # -- its life

    def start(self) -> None:
        """Start it and wait until it answers; on the port it had before, where it had one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}", "relativeurls": True},
        }
        if self.account is not None:
            (self.folder / "htpasswd").write_text(f"{self.account[0]}:{_bcrypt(self.account[1])}\n")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        (self.folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        log = self.folder / "log"
        with log.open("wb") as out:
            argv = [PROGRAM, "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + 20
        while (found := _LISTENING.search(log.read_text(errors="replace"))) is None:
            assert self._process.poll() is None, f"docker-registry ended: {self.log()}"
            assert time.monotonic() < deadline, f"docker-registry does not listen: {self.log()}"
            time.sleep(0.01)
        self.port = int(found[1])

    def stop(self) -> None:
        """End it; what it held is still there."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=10)

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    # -- what it holds

    def push(self, engine: Dockerd, name: str, **labels: str) -> str:
        """Put an image of busybox there under ``repository:tag``; returns its digest, ``sha256:…``.

        Pushed by the engine under a name of its own and renamed here: what the engine holds under this name stays.
        """
        repository, tag = _parts(name)
        passing = f"{self.name(repository)}:passing-{uuid.uuid4().hex[:12]}"
        engine.busybox(passing, **labels)
        auth = None
        if self.account is not None:
            auth = {"username": self.account[0], "password": self.account[1], "serveraddress": self.host}
        said: list[dict[str, Any]] = list(engine.client.push(passing, stream=True, decode=True, auth_config=auth))
        engine.client.remove_image(passing, force=True)
        failed = [one["error"] for one in said if "error" in one]
        assert not failed, failed
        manifest = self._manifest(repository, passing.rpartition(":")[2])
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": _MANIFEST})
        return _digest(manifest)

    def publish(self, name: str, *layers: bytes, **labels: str) -> str:
        """Put an image there whose layers are one file each, ``/0``, ``/1`` …; returns its digest."""
        repository, tag = _parts(name)
        packed: list[dict[str, Any]] = []
        plain: list[str] = []
        for number, content in enumerate(layers or (b"x",)):
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                entry = tarfile.TarInfo(str(number))
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            plain.append(_digest(archive.getvalue()))
            blob = gzip.compress(archive.getvalue(), 1, mtime=0)
            packed.append(self._upload(repository, blob, "application/vnd.docker.image.rootfs.diff.tar.gzip"))
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Labels": labels, "Cmd": ["/0"]},
            "rootfs": {"type": "layers", "diff_ids": plain},
            "history": [{"created_by": f"layer {n}"} for n in range(len(plain))],
        }
        described = self._upload(
            repository, json.dumps(config).encode(), "application/vnd.docker.container.image.v1+json"
        )
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": packed}
        ).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": _MANIFEST})
        return _digest(manifest)

    def digest(self, name: str) -> str:
        """What the tag means now."""
        return _digest(self._manifest(*_parts(name)))

    def lose_layer(self, name: str, number: int = 0) -> str:
        """Delete the bytes of a layer and keep its name: pulling it fails half-way. Returns its digest.

        An engine that has the layer does not ask for it: all that ``push`` makes have one in common, those of
        ``publish`` have their own.
        """
        layer: str = json.loads(self._manifest(*_parts(name)))["layers"][number]["digest"]
        sha = layer.removeprefix("sha256:")
        shutil.rmtree(self.folder / "data/docker/registry/v2/blobs/sha256" / sha[:2] / sha)
        return layer

    @contextlib.contextmanager
    def held(self, after: int) -> Generator[Held]:
        """A second door to it whose answers stop after ``after`` bytes of one connection, until released."""
        door = Held(self.port, after)
        try:
            yield door
        finally:
            door.close()

    def _manifest(self, repository: str, tag: str) -> bytes:
        return self._ask("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST})[0]

    def _upload(self, repository: str, blob: bytes, media: str) -> dict[str, Any]:
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/")[1]["Location"]
        mark = "&" if "?" in place else "?"
        self._ask("PUT", f"{place}{mark}digest={_digest(blob)}", blob, {"Content-Type": "application/octet-stream"})
        return {"mediaType": media, "size": len(blob), "digest": _digest(blob)}

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        request = urllib.request.Request(f"http://{self.host}{path}", data=body, headers=headers or {}, method=method)
        if self.account is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(self.account).encode()).decode())
        with cast("HTTPResponse", urllib.request.urlopen(request, timeout=20)) as answer:
            return answer.read(), dict(answer.headers.items())


class Held:
    """A port that passes everything on to a registry, and of each answer only the beginning until it is released."""

    def __init__(self, target: int, after: int) -> None:
        self._target = target
        self._after = after
        self._open = threading.Event()
        self._closed = False
        self.stopped = threading.Event()
        """An answer has come to its stop."""
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._begin(self._accept)

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT`` of this door."""
        return f"127.0.0.1:{self.port}"

    def name(self, image: str) -> str:
        """What an engine calls an image behind this door."""
        return f"{self.host}/{image}"

    def release(self) -> None:
        """Let everything through from now on."""
        self._open.set()

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        self._closed = True
        self._open.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        for one in self._sockets:
            one.close()

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target), timeout=20)
            except OSError:
                return
            far.settimeout(None)
            self._sockets += [near, far]
            self._begin(self._up, near, far)
            self._begin(self._down, near, far)

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    def _down(self, near: socket.socket, far: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := far.recv(16384):
                passed += len(data)
                if passed > self._after and not self._open.is_set():
                    self.stopped.set()
                    self._open.wait(60)
                near.sendall(data)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)


def _parts(name: str) -> tuple[str, str]:
    repository, _, tag = name.partition(":")
    return repository, tag or "latest"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _bcrypt(password: str) -> str:
    """As htpasswd -B has it; the C library of every system with login accounts can do it."""
    import ctypes
    import ctypes.util

    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    made: bytes | None = library.crypt(password.encode(), b"$2y$05$abcdefghijklmnopqrstuu")
    assert made is not None, "libcrypt cannot do bcrypt"
    return made.decode()


class StartRegistry(Protocol):
    """Starts a registry of the test's own."""

    def __call__(self, *, account: bool = False) -> Registry:
        """``account``: it lets in ``ACCOUNT`` and nobody else."""
        ...


@pytest.fixture
def registry_at(tmp_path: Path) -> Iterator[StartRegistry]:
    """Starts registries of the test's own."""
    need(PROGRAM, "docker-registry")
    started: list[Registry] = []

    def start(*, account: bool = False) -> Registry:
        made = Registry(tmp_path / f"registry-{len(started)}", ACCOUNT if account else None)
        started.append(made)
        made.start()
        return made

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def registry(registry_at: StartRegistry) -> Registry:
    """A registry that lets everybody in, empty."""
    return registry_at()
