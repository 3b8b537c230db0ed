"""A private OpenSSH server on loopback: real hosts for tests, as many as wanted.

Use the ``sshd`` fixture (one server with defaults) or ``sshd_at`` (a function that starts more, with options)::

    from tests.servers.sshd import Sshd, sshd, sshd_at      # in the folder's conftest.py

    @pytest.mark.real("sshd")
    async def test_x(sshd: Sshd) -> None:
        link = SshLink("pi", sshd.entry(), sshd.defaults())

    def test_limits(sshd_at: StartSshd) -> None:
        server = sshd_at(options={"MaxSessions": "1"})

All addresses of 127.0.1.0/24 are the same server: ``sshd.hosts(60)`` are sixty hosts. Everyone is the Unix user that
runs the tests (``sshd.user``), who gets in with ``sshd.client_key`` and nothing else. What was started is gone after
the test, commands of its sessions included.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from app.inventory.model import SshDefaults, SshEntry
from tests.conftest import need

PROGRAM = shutil.which("sshd") or next((p for p in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if Path(p).exists()), "")
"""Where sshd is, empty where it is not installed; it must be started by its absolute path."""


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "", *, pem: bool = False) -> Path:
    """Make a key pair; returns the private key's path. ``kind``: ed25519, ecdsa, rsa; ``pem``: not for ed25519."""
    extra = [*(["-b", "2048"] if kind == "rsa" else []), *(["-m", "PEM"] if pem else [])]
    argv = ["ssh-keygen", "-q", "-t", kind, *extra, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, timeout=30)
    return path


def free_port(host: str = "127.0.1.1") -> int:
    """A port of an address of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Sshd:
    """One running server; made by ``sshd`` and ``sshd_at``.

    ``host``, ``port``, ``user``   where and as whom to log in
    ``client_key``                 the private key that is let in
    ``host_keys``                  kind -> private host key
    ``known_hosts``                a file that knows this server under every name given to ``trust``
    ``folder``                     a private folder for whatever a test needs
    """

    def __init__(
        self,
        folder: Path,
        *,
        kinds: Sequence[str] = ("ed25519",),
        options: Mapping[str, str] | None = None,
        wide: bool = False,
    ) -> None:
        self.folder = folder
        self.host = "127.0.1.1"
        self.port = 0
        self.user = getpass.getuser()
        self.options = dict(options or {})
        self.wide = wide
        self.client_key = keygen(folder / "client_key")
        self.host_keys = {kind: keygen(folder / f"host_{kind}", kind) for kind in kinds}
        self.authorized_keys = folder / "authorized_keys"
        self.authorized_keys.write_text(self.client_key.with_suffix(".pub").read_text())
        self.known_hosts = folder / "known_hosts"
        self.log_path = folder / "sshd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, psutil.Process] = {}

    # -- what a test needs to reach it

    def hosts(self, count: int) -> list[str]:
        """``count`` addresses of this server, the first is ``host``; more than 15 need ``wide=True``."""
        assert self.wide or count <= 15, "start the server with wide=True"
        return [f"127.0.1.{n}" for n in range(1, count + 1)]

    def public_key(self, kind: str = "ed25519") -> str:
        """The host key as ``type base64``."""
        return " ".join(self.host_keys[kind].with_suffix(".pub").read_text().split()[:2])

    def known_hosts_line(self, host: str | None = None, kind: str | None = None) -> str:
        """A known_hosts line for one address and one kind of key (the first by default), without a line end."""
        chosen = kind or next(iter(self.host_keys))
        return f"[{host or self.host}]:{self.port} {self.public_key(chosen)}"

    def trust(self, hosts: Iterable[str] | None = None) -> Path:
        """Write ``known_hosts`` so that it knows these addresses (all of ``hosts(15)`` or 250 by default)."""
        names = list(hosts) if hosts is not None else self.hosts(250 if self.wide else 15)
        lines = [self.known_hosts_line(name, kind) for name in names for kind in self.host_keys]
        self.known_hosts.write_text("".join(f"{line}\n" for line in lines))
        return self.known_hosts

    def write_config(self, aliases: Mapping[str, str] | None = None, extra: str = "") -> Path:
        """Write an ssh_config for ``ssh -F``: alias -> address, then ``extra`` as it stands; returns its path."""
        blocks = [
            f"Host {alias}\n  HostName {address}\n  Port {self.port}\n" for alias, address in (aliases or {}).items()
        ]
        common = (
            f"Host *\n  User {self.user}\n  IdentityFile {self.client_key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        )
        path = self.folder / "ssh_config"
        path.write_text("\n".join([*blocks, extra, common]))
        return path

    def entry(self, host: str | None = None) -> SshEntry:
        """A node entry that reaches this server at one of its addresses."""
        return SshEntry(host=host or self.host, port=self.port, user=self.user, identity=(str(self.client_key),))

    def defaults(self, connect_timeout: float = 10.0) -> SshDefaults:
        """``defaults.ssh`` that trusts this server and reads no ssh_config but an empty one."""
        empty = self.folder / "empty_config"
        empty.touch()
        return SshDefaults(connect_timeout=connect_timeout, known_hosts=self.known_hosts, config=empty)

    # -- its life

    def start(self) -> None:
        """Start it and wait until it speaks; keeps its port when started again."""
        for _ in range(5):
            port = self.port or free_port(self.host)
            if self._listen(port):
                self.port = port
                return
            assert not self.port, f"sshd did not come back: {self.log()}"
        raise AssertionError(f"sshd does not start: {self.log()}")

    def kill(self) -> None:
        """As if the machine died: the server and all its connections end at once, without a word."""
        self._signal(signal.SIGKILL, self._own())
        self._reap()

    def pause(self) -> None:
        """As if the machine hung: connections stay open and nothing answers, until ``resume``."""
        self._signal(signal.SIGSTOP, self._own())

    def resume(self) -> None:
        """End of ``pause``."""
        self._signal(signal.SIGCONT, self._own())

    def restart(self, **options: str) -> None:
        """End it with all connections and start it on the same port, with more options: ``MaxSessions="1"``."""
        self.kill()
        self.options |= options
        self.start()

    def drop(self) -> None:
        """End all connections and go on listening."""
        self._signal(signal.SIGKILL, [p for p in self._own() if self._process is None or p.pid != self._process.pid])

    def stop(self) -> None:
        """End it and whatever its sessions left behind."""
        self.resume()
        for process in self._tree():
            self._seen[process.pid] = process
        self._signal(signal.SIGKILL, list(self._seen.values()))
        self._reap()

    # -- what it saw

    def log(self) -> str:
        """Everything it logged, at level VERBOSE."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def connects(self) -> int:
        """How many TCP connections it took since the first start."""
        return self.log().count("Connection from ")

    def _listen(self, port: int) -> bool:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        listen = ["0.0.0.0"] if self.wide else self.hosts(15)  # sshd takes at most 16 addresses
        home = self.folder / "home"  # no start-up files of whoever runs the tests
        home.mkdir(exist_ok=True)
        settings = {
            "SetEnv": f"HOME={home}",
            "Port": str(port),
            "AuthorizedKeysFile": str(self.authorized_keys),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "UseDNS": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "yes",
            "Subsystem": "sftp internal-sftp",
            "LogLevel": "VERBOSE",
            **self.options,
        }
        lines = [f"{key} {value}" for key, value in settings.items() if value]
        lines += [f"ListenAddress {address}" for address in listen]
        lines += [f"HostKey {path}" for path in self.host_keys.values()]
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        argv = [PROGRAM, "-D", "-f", str(config), "-E", str(self.log_path)]
        before = self.log().count(" listening on ")
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.log().count(" listening on ") - before < len(listen):  # another server may have that port
                time.sleep(0.01)
                continue
            with contextlib.suppress(OSError), socket.create_connection((self.host, port), 1) as probe:
                if probe.recv(4) == b"SSH-":
                    return True
            time.sleep(0.01)
        self._reap()
        return False

    def _tree(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        try:
            master = psutil.Process(self._process.pid)
            found = [master, *master.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        self._seen.update({process.pid: process for process in found})
        return found

    def _own(self) -> list[psutil.Process]:
        own: list[psutil.Process] = []
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                if process.name().startswith("sshd"):
                    own.append(process)
        return own

    def _signal(self, number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def _reap(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class StartSshd(Protocol):
    """What ``sshd_at`` gives: starts a server that is stopped after the test."""

    def __call__(
        self, *, kinds: Sequence[str] = ("ed25519",), options: Mapping[str, str] | None = None, wide: bool = False
    ) -> Sshd:
        """``kinds`` of host keys, further ``sshd_config`` options, ``wide`` for more than 15 addresses."""
        ...


@pytest.fixture
def sshd_at(tmp_path: Path) -> Iterator[StartSshd]:
    """Start servers with options of the test's choice; each is trusted in its own ``known_hosts``."""
    need(PROGRAM and shutil.which("ssh-keygen"), "sshd")
    stops: list[Callable[[], None]] = []

    def start(
        *, kinds: Sequence[str] = ("ed25519",), options: Mapping[str, str] | None = None, wide: bool = False
    ) -> Sshd:
        folder = tmp_path / f"sshd{len(stops)}"
        folder.mkdir(mode=0o700)
        server = Sshd(folder, kinds=kinds, options=options, wide=wide)
        stops.append(server.stop)
        server.start()
        server.trust()
        return server

    yield start
    for stop in reversed(stops):
        stop()


@pytest.fixture
def sshd(sshd_at: StartSshd) -> Sshd:
    """One server with defaults."""
    return sshd_at()
