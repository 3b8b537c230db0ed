"""A lightweight SSH server that is many hosts: every address of 127.0.0.0/8 it is reached by answers as one.

It speaks the sampler's protocol from memory (files of this machine, counters moved by the clock) instead of running
a shell per host, so that hundreds of hosts fit beside the console on one machine. Whatever this machine has, they have
neither a container engine nor libvirt: each backend that looks for such by itself has a source there, and finds
nothing. Anything else that is asked of it is answered with exit code 127.

Run as ``python -m benchmarks.pretend_hosts PORT KEYFILE AUTHORIZED [still]``; with ``still`` nothing but the uptime
moves.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncssh

from backends.found import PROBE, looking
from tests.servers.sshd import keygen

BEGAN = time.monotonic()
STILL = "still" in sys.argv


def moving(name: str, data: bytes, seed: int) -> bytes:
    """One file with the counters that the figures are worked out from moved on by the clock."""
    passed = int((time.monotonic() - BEGAN) * 100)
    if name == "/proc/uptime":
        return b"%.2f %.2f\n" % (90000 + seed + passed / 100, 80000 + passed / 120)
    if name == "/proc/stat":
        busy = 0 if STILL else passed * (10 + seed % 60) // 100
        head = b"cpu  %d 0 %d %d 0 0 0 0 0 0\n" % (9000 + busy, 900 + busy // 4, 900000 + 2 * passed - busy)
        half = b"%d 0 %d %d 0 0 0 0 0 0\n" % (4500 + busy // 2, 450 + busy // 8, 450000 + passed - busy // 2)
        return head + b"cpu0 " + half + b"cpu1 " + half + b"intr 0\nctxt 1\nbtime 1\nprocesses 1\n"
    return data


class PretendHosts:
    """The server as a child process, with keys and a hosts.yaml of its own; use as a context."""

    def __init__(self, folder: Path, count: int, *, still: bool = False) -> None:
        self.folder = folder
        self.count = count
        self.still = still
        self.hosts_file = folder / "hosts.yaml"
        self._child: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        for name in ("host", "client"):
            keygen(folder / name)
        key = (folder / "host.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.*]:{self.port} {key}")
        (folder / "empty").touch()
        nodes = "".join(
            f"  n{number:03}: {{ssh: {{host: 127.9.{number // 200}.{number % 200 + 1}, port: {self.port}, "
            f"user: ops, identity: {folder / 'client'}}}}}\n"
            for number in range(count)
        )
        self.hosts_file.write_text(
            f"version: 1\ndefaults:\n  ssh: {{known_hosts: {folder / 'known_hosts'}, config: {folder / 'empty'}}}\n"
            f"nodes:\n{nodes}"
        )

    def start(self) -> None:
        """Start the server and wait until it listens."""
        argv = [sys.executable, "-m", "benchmarks.pretend_hosts", str(self.port)]
        argv += [str(self.folder / "host"), str(self.folder / "client.pub"), *(["still"] if self.still else [])]
        root = Path(__file__).resolve().parent.parent
        self._child = subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """End the server and every connection at once."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def __enter__(self) -> PretendHosts:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class Hosts:
    """The files of this machine, read once, handed out by all hosts."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._answers: dict[bytes, asyncio.Task[bytes]] = {}
        self.boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

    def expand(self, patterns: list[str]) -> list[str]:
        """The files that a list of patterns names."""
        names: list[str] = []
        for pattern in patterns:
            for name in sorted(str(path) for path in Path("/").glob(pattern.lstrip("/"))):
                if name not in self.files:
                    try:
                        self.files[name] = Path(name).read_bytes()
                    except OSError:
                        continue
                names.append(name)
        return names

    async def answer(self, script: bytes) -> bytes:
        """What this machine says to a script; run once, told by all hosts."""
        if script not in self._answers:
            self._answers[script] = asyncio.create_task(self._run(script))
        return await self._answers[script]

    @staticmethod
    async def _run(script: bytes) -> bytes:
        text = script.decode().replace("\x1f", "\n")
        if text == PROBE.script:
            text = looking({}).script
        text = f"T=; {text}"
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec("sh", "-c", text, stdout=pipe, stdin=asyncio.subprocess.DEVNULL)
        said, _ = await child.communicate()
        return said


HOSTS = Hosts()


async def answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """One session: the sampler's program as far as a console can tell."""
    if "IFS= read -r N" not in (process.command or ""):
        process.exit(127)
        return
    address = process.get_extra_info("sockname")[0]
    seed = sum(int(part) for part in address.split("."))
    nonce = (await process.stdin.readline()).strip()
    names: list[str] = []
    told = False
    process.stdout.write(b"\n#%sh%s\n" % (nonce, HOSTS.boot_id))
    while line := await process.stdin.readline():
        word, _, rest = line.strip().partition(b" ")
        if word == b"f":
            names, told = HOSTS.expand(rest.decode().split()), False
        elif word == b"s":
            slot, _, script = rest.partition(b" ")
            said = await HOSTS.answer(script)
            pieces = [said[at : at + 2048] for at in range(0, len(said), 2048)]
            parts = [b"#%s~%s\n%s#%s|\n" % (nonce, slot, piece, nonce) for piece in pieces]
            process.stdout.write(b"".join(parts) + b"#%s.%s\n" % (nonce, slot))
        elif word == b"t":
            parts: list[bytes] = []
            if not told:
                parts.append(b"#%sc\n" % nonce)
                parts.extend(b"#%sn%s\n" % (nonce, name.encode()) for name in names)
                told = True
            parts.append(b"#%st%s\n" % (nonce, rest))
            for name in names:
                parts.append(moving(name, HOSTS.files[name], seed))
                parts.append(HOSTS.boot_id + b"\n")
            parts.append(b"#%se%s\n" % (nonce, rest))
            process.stdout.write(b"".join(parts))
    process.exit(0)


async def serve(port: int, key: str, authorized: str) -> None:
    """Answer on every loopback address until ended."""
    server = await asyncssh.listen(
        "0.0.0.0",
        port,
        server_host_keys=[key],
        authorized_client_keys=authorized,
        process_factory=answer,
        encoding=None,
        backlog=1024,
        compression_algs=None,
    )
    print("ready", flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
