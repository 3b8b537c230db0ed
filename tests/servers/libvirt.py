"""A private libvirt daemon with real virtual machines, run by QEMU's software emulation: no KVM is needed.

Use the ``libvirt`` fixture (one daemon per test process, swept empty before each test) or ``libvirt_at`` (daemons of
the test's own, to be stopped and started again)::

    from tests.servers.libvirt import Libvirtd, libvirt, libvirt_at, libvirt_of_session    # in the folder's conftest.py

    @pytest.mark.real("libvirtd")
    def test_x(libvirt: Libvirtd) -> None:
        libvirt.domain("web")

It is a daemon of a user's session: that kind keeps all of its folders where ``XDG_*`` say, and needs neither root nor
``virtlogd``. Where the tests run as root it is given another user, as libvirt takes root's for the machine's own. Its
socket stands in ``uri``, so that every ``virsh`` of this machine reaches it, through SSH as well, and nothing else.
A small shell waits beside it and ends what is left when the test process is gone, however that happened.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest

from tests.conftest import need

PROGRAM = shutil.which("libvirtd") or next((p for p in ("/usr/sbin/libvirtd",) if Path(p).exists()), "")
EMULATOR = shutil.which("qemu-system-x86_64") or ""
_USERS = ("libvirt-qemu", "nobody")

# Guests outlive their daemon on purpose; this is what ends them. It waits for the end of its input.
_WATCH = """
read -r _
for f in "$0"/pid "$0"/r/libvirt/qemu/run/*.pid; do kill -9 "$(cat "$f")"; done
rm -rf "$0"
"""

SYSTEM = bytes.fromhex(
    "31c08ed8fcfb"  # xor ax, ax; mov ds, ax; cld; sti
    "ba0206b80001ef"  # mov dx, PM1_EN; mov ax, PWRBTN_EN; out dx, ax
    "be387c"  # mov si, greeting
    "ac84c07406baf803eeebf5"  # print: lodsb; test al, al; jz main; mov dx, COM1; out dx, al; jmp print
    "f4bafd03eca8017405baf803ecee"  # main: hlt; is there a key? then echo it
    "ba0006edf6c40174e9"  # mov dx, PM1_STS; in ax, dx; is the power button pressed? else jmp main
    "ba0406b80020efebe0"  # mov dx, PM1_CNT; mov ax, SLP_EN; out dx, ax; jmp main
)
"""The smallest operating system: greets on the serial terminal, echoes what is typed, and heeds the power button.

It is a boot sector for the machine ``pc``, whose firmware puts the power management registers at 0x600.
"""
GREETING = b"ready\r\n\0"


def boot_sector() -> bytes:
    """The system as the first 512 bytes of a disk."""
    start = SYSTEM.replace(b"\xbe\x38\x7c", b"\xbe" + (0x7C00 + len(SYSTEM)).to_bytes(2, "little"))
    return (start + GREETING).ljust(510, b"\0") + b"\x55\xaa"


def _owner() -> tuple[int, int] | None:
    """Whom the daemon belongs to, ``None`` for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    return 65534, 65534


class Libvirtd:
    """One running daemon; made by ``libvirt`` and ``libvirt_at``.

    ``uri``      what ``virsh -c`` takes to reach it
    ``images``   the folder of its storage pool, which is called ``images``
    """

    def __init__(self) -> None:
        # Not under pytest's folders: paths of Unix sockets are short.
        self.folder = Path(tempfile.mkdtemp(prefix="qd-virt-", dir="/tmp"))
        self.images = self.folder / "images"
        self._owner = _owner()
        self.uri = f"qemu+unix:///session?socket={self.folder}/r/libvirt/libvirt-sock"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("c/libvirt", "r", "k", "d", "images"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "c/libvirt/qemu.conf").write_text('stdio_handler = "file"\nsecurity_driver = "none"\n')
        (self.folder / "c/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\nlog_level = 3\n')
        self.folder.chmod(0o755)
        for path in [self.folder, *self.folder.rglob("*")]:
            if self._owner is not None:
                os.chown(path, *self._owner)
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCH, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    # -- its life

    def start(self) -> None:
        """Start it and wait until it answers; guests it had are still there."""
        environment = {
            "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "c"),
            "XDG_RUNTIME_DIR": str(self.folder / "r"),
            "XDG_CACHE_HOME": str(self.folder / "k"),
            "XDG_DATA_HOME": str(self.folder / "d"),
            "LC_ALL": "C",
        }
        user, group = self._owner or (None, None)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "--pid-file", str(self.folder / "pid")],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 60
        while self.virsh("uri", check=False).returncode:
            assert self._process.poll() is None, f"libvirtd ended: {self.log()}"
            assert time.monotonic() < deadline, f"libvirtd does not answer: {self.log()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as its own administrator would: guests run on."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)

    def kill(self) -> None:
        """As if it crashed; guests run on."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=10)

    def pause(self) -> None:
        """As if it hung: it takes connections and answers nothing, until ``resume``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End of ``pause``."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and its guests, and leave nothing behind."""
        self.resume()
        self.stop()
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    # -- what it holds

    def virsh(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``virsh`` on it; a failure fails the test unless ``check`` is false."""
        done = subprocess.run(
            ["virsh", "-q", "-c", self.uri, *words],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert not check or not done.returncode, f"virsh {words}: {done.stderr}"
        return done

    def domain(
        self,
        name: str,
        *,
        start: bool = True,
        memory_mib: int = 32,
        cores: int = 1,
        disk_mib: int = 16,
        disks: int = 1,
        network: bool = True,
        serial: bool = True,
        system: bool = False,
        extra: str = "",
    ) -> str:
        """Define a guest with qcow2 disks in the pool, and start it; returns its UUID.

        ``system``: its first disk holds ``SYSTEM``; without, its firmware finds nothing to start and sits there.
        ``extra`` is XML among the domain's own elements, such as ``<title>x</title>``.
        """
        devices: list[str] = []
        stem = _stem(name)
        for number in range(disks):
            volume = f"{stem}-{number}.qcow2"
            if system and not number:
                self._bootable(volume, disk_mib)
            else:
                self.virsh("vol-create-as", "images", volume, f"{disk_mib}M", "--format", "qcow2")
            target = f"vd{'abcdefgh'[number]}"
            devices.append(
                f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                f"<source file={quoteattr(str(self.images / volume))}/><target dev='{target}' bus='virtio'/></disk>"
            )
        if network:
            devices.append("<interface type='user'><model type='virtio'/></interface>")
        # Firmware that writes to the serial terminal also takes what is typed there.
        talks = "<bios useserial='yes'/>" if serial and not system else ""
        if serial:
            spoken = self.folder / f"{stem}.serial"
            spoken.unlink(missing_ok=True)
            log = f"<log file={quoteattr(str(spoken))} append='on'/>"
            devices.append(f"<serial type='pty'>{log}</serial><console type='pty'><target type='serial'/></console>")
        xml = (
            f"<domain type='qemu'><name>{escape(name)}</name>{extra}"
            f"<memory unit='MiB'>{memory_mib}</memory><vcpu>{cores}</vcpu>"
            f"<os><type arch='x86_64' machine='pc'>hvm</type>{talks}</os>"
            f"<features><acpi/></features><devices><emulator>{EMULATOR}</emulator>{''.join(devices)}</devices></domain>"
        )
        definition = self.folder / "define.xml"
        definition.write_text(xml)
        self.virsh("define", str(definition))
        uuid = self.uuids()[name]
        if start:
            self.virsh("start", uuid)
        return uuid

    def ready(self, name: str, times: int = 1) -> bool:
        """Whether a guest with ``SYSTEM`` has come up, that many times, and heeds its power button."""
        spoken = self.folder / f"{_stem(name)}.serial"
        return spoken.exists() and spoken.read_bytes().count(GREETING.rstrip(b"\0")) >= times

    def _bootable(self, volume: str, mib: int) -> None:
        raw = self.folder / "system.raw"
        raw.write_bytes(boot_sector().ljust(mib << 20, b"\0"))
        path = self.images / volume
        argv = ["qemu-img", "convert", "-O", "qcow2", str(raw), str(path)]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)
        raw.unlink()
        if self._owner is not None:
            os.chown(path, *self._owner)
        self.virsh("pool-refresh", "images")

    def uuids(self) -> dict[str, str]:
        """The UUID of every guest, by name."""
        lines = self.virsh("list", "--all", "--uuid", "--name").stdout.split("\n")
        found = [line.partition(" ") for line in lines if line.strip()]
        return {name: uuid for uuid, _, name in found}

    def state(self, name: str) -> str:
        """What the daemon says of a guest: ``running``, ``shut off`` …; ``gone`` where there is none."""
        uuid = self.uuids().get(name)
        return self.virsh("domstate", uuid).stdout.strip() if uuid else "gone"

    def volumes(self) -> set[str]:
        """The names of the files in its pool."""
        return {path.name for path in self.images.iterdir()}

    def sweep(self) -> None:
        """Remove every guest and every file of the pool."""
        for uuid in self.uuids().values():
            self.virsh("destroy", uuid, check=False)
            self.virsh(
                "undefine", uuid, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata", check=False
            )
        for path in self.images.iterdir():
            path.unlink()
        pools = self.virsh("pool-list", "--all", "--name").stdout.split()
        if "images" not in pools:
            self.virsh("pool-define-as", "images", "dir", "--target", str(self.images))
        if "images" not in self.virsh("pool-list", "--name").stdout.split():
            self.virsh("pool-start", "images")
        self.virsh("pool-refresh", "images")


def _stem(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _made() -> Libvirtd:
    need(PROGRAM, "libvirtd")
    need(EMULATOR, "qemu-system-x86_64")
    need(shutil.which("virsh"), "virsh")
    made = Libvirtd()
    try:
        made.start()
        made.sweep()
    except BaseException:
        made.remove()
        raise
    return made


@contextlib.contextmanager
def started() -> Generator[Libvirtd]:
    """A daemon outside of tests, for benchmarks."""
    made = _made()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def libvirt_of_session() -> Iterator[Libvirtd]:
    """The daemon of this test process, as the last test left it."""
    made = _made()
    yield made
    made.remove()


@pytest.fixture
def libvirt(libvirt_of_session: Libvirtd) -> Libvirtd:
    """A daemon with an empty storage pool and no guest."""
    libvirt_of_session.sweep()
    return libvirt_of_session


StartLibvirtd = Callable[[], Libvirtd]


@pytest.fixture
def libvirt_at() -> Iterator[StartLibvirtd]:
    """Starts daemons of the test's own: to be stopped, killed and started again."""
    running: list[Libvirtd] = []

    def start() -> Libvirtd:
        made = _made()
        running.append(made)
        return made

    yield start
    for one in running:
        one.remove()
