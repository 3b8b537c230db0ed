"""A thousand guests in three clusters: how soon a list is on screen, what reading costs a cluster, and fail-over.

The whole console on a pseudo-terminal before three servers in a process of their own, which answer as Proxmox VE does
and note the moment of each answer. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from benchmarks.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
CLUSTERS = ("lab", "dc", "edge")
GUESTS = 1000
NODES = 4
LISTS = 24
"""Lists that are timed, of one cluster after the other."""
INTERVAL_S = 10.0
"""Between two lists of a cluster, as it is where nothing else is configured."""
QUIET_S = 125.0
MINUTE_S = 59.9
"""A minute, less what a request may take on its way: answers are what is noted."""


class Cluster:
    """What one server tells; every list of it has other figures, and a name that says which list it is."""

    def __init__(self, name: str, first: int, count: int) -> None:
        self.name = name
        self.lists = 0
        self._random = random.Random(name)
        self._vmids = range(100, 100 + count)
        self._first = first

    def resources(self) -> list[dict[str, Any]]:
        """All rows, one in twenty of them with other figures than before."""
        self.lists += 1
        rows = [self._guest(number, vmid) for number, vmid in enumerate(self._vmids)]
        rows += [
            {
                "type": "node", "id": f"node/pve{n}", "node": f"pve{n}", "status": "online", "cpu": 0.1, "maxcpu": 32,
                "mem": 1 << 36, "maxmem": 1 << 38, "disk": 1 << 34, "maxdisk": 1 << 36, "uptime": 900_000, "level": "",
            }
            for n in range(1, NODES + 1)
        ]  # fmt: skip
        rows += [
            {
                "type": "storage", "id": f"storage/pve{n}/{storage}", "node": f"pve{n}", "storage": storage,
                "status": "available", "disk": 1 << 38, "maxdisk": 1 << 40, "plugintype": kind, "content": content,
                "shared": int(storage == "nas"),
            }
            for n in range(1, NODES + 1)
            for storage, kind, content in (
                ("local", "dir", "backup,iso,vztmpl"), ("local-lvm", "lvmthin", "images"), ("nas", "nfs", "backup")
            )
        ]  # fmt: skip
        return rows

    def _guest(self, number: int, vmid: int) -> dict[str, Any]:
        moving = number % 20 == self.lists % 20
        # The first of a cluster stands near the top of the pane, and a tag of it says which list is on the screen.
        name, tag = f"guest-{self._first + number:04}", "prod;web"
        if number == 0:
            name, tag = f"aa-{self.name}", f"{self.name}-{self.lists:04}"
        return {
            "type": "qemu", "id": f"qemu/{vmid}", "vmid": vmid, "name": name, "node": f"pve{number % NODES + 1}",
            "status": "running", "template": 0, "cpu": self._random.random() if moving else 0.03, "maxcpu": 4,
            "mem": 1 << 31, "maxmem": 1 << 32, "disk": 0, "maxdisk": 1 << 35, "uptime": 500_000 + 10 * self.lists,
            "netin": 1_000_000 * self.lists, "netout": 500_000 * self.lists, "diskread": 0, "diskwrite": 4096,
            "tags": tag,
        }  # fmt: skip


async def serve(clusters: list[Cluster]) -> None:
    """Serve each at a port of its own, and the first at a second one as well; a line of input stops the first port."""

    def at(cluster: Cluster, door: str) -> Any:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    path = head.split(b" ", 2)[1].decode().partition("?")[0].removeprefix("/api2/json")
                    body = json.dumps({"data": answer(cluster, path)}).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n")
                    writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                    await writer.drain()
                    note = {"at": time.monotonic(), "door": door, "path": path, "list": cluster.lists}
                    print(json.dumps(note), flush=True)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        return talk

    doors = [(one, one.name) for one in clusters] + [(clusters[0], "second")]
    servers = [await asyncio.start_server(at(one, door), "127.0.0.1", 0) for one, door in doors]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    if await lines.readline():
        servers[0].close()
        print(json.dumps({"at": time.monotonic(), "door": "stopped", "path": "", "list": 0}), flush=True)
        await lines.readline()


def answer(cluster: Cluster, path: str) -> Any:
    """The data of one answer."""
    if path == "/cluster/resources":
        return cluster.resources()
    if path == "/cluster/status":
        return [{"type": "cluster", "quorate": 1, "name": cluster.name, "nodes": NODES}]
    if path == "/access/permissions":
        return {"/": {"VM.Audit": 1, "Sys.Audit": 1, "Datastore.Allocate": 1, "VM.Backup": 1}}
    return []


class Servers:
    """The servers' process, and what it noted."""

    def __init__(self, process: subprocess.Popen[bytes], notes: Path) -> None:
        self._process = process
        self._notes = notes
        while not self._lines():
            time.sleep(0.02)
        self.ports: list[int] = json.loads(self._lines()[0])

    def _lines(self) -> list[str]:
        return [line for line in self._notes.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def noted(self, door: str = "", since: float = 0.0) -> list[dict[str, Any]]:
        """The answers of one door since a moment, oldest first."""
        told = [json.loads(line) for line in self._lines()[1:]]
        return [one for one in told if door in ("", one["door"]) and one["at"] >= since]

    def stop_first(self) -> float:
        """Close the first door; returns when."""
        cast("IO[bytes]", self._process.stdin).write(b"\n")
        cast("IO[bytes]", self._process.stdin).flush()
        while not (told := self.noted("stopped")):
            time.sleep(0.02)
        return float(told[0]["at"])


@contextmanager
def servers(folder: Path) -> Generator[Servers]:
    """The three clusters, until the end."""
    notes = folder / "notes"
    with notes.open("wb") as out:
        process = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=out, cwd=ROOT)
    try:
        yield Servers(process, notes)
    finally:
        process.kill()
        process.wait(timeout=10)
        cast("IO[bytes]", process.stdin).close()


def hosts_yaml(folder: Path, ports: list[int]) -> Path:
    """The clusters as an operator writes them down."""
    file = folder / "hosts.yaml"
    lines = ["nodes: {}", "proxmox:"]
    for number, (name, port) in enumerate(zip(CLUSTERS, ports, strict=False)):
        more = f", urls: ['http://127.0.0.1:{ports[3]}']" if number == 0 else ""
        lines.append(
            f"  {name}: {{url: 'http://127.0.0.1:{port}', token: '${{PVE_TOKEN}}', interval: {INTERVAL_S:g}{more}}}"
        )
    file.write_text("\n".join(lines) + "\n")
    return file


def console(home: Path, hosts: Path) -> Terminal:
    """The console before those clusters."""
    argv = [sys.executable, str(ROOT / "quarterdeck.py"), "--hosts", str(hosts)]
    token = "deck@pve!console=00000000-0000-0000-0000-000000000000"
    return Terminal(argv, {"QUARTERDECK_HOME": str(home), "PVE_TOKEN": token}, columns=160, rows=45)


def lists_on_screen(folder: Path, told: Servers) -> list[bool]:
    """From the moment a list was answered to the moment its first row is written to the terminal."""
    taken: list[float] = []
    with console(folder / "one", hosts_yaml(folder, told.ports)) as terminal:
        terminal.read(4)
        terminal.type(":vms\r")
        terminal.read(20, until=lambda written: b"aa-lab" in written)
        terminal.read(4)
        while len(taken) < LISTS:
            name = CLUSTERS[len(taken) % len(CLUSTERS)]
            number = max(one["list"] for one in told.noted(name)) + 1
            mark = f"{name}-{number:04}".encode()
            terminal.written = b""
            terminal.read(1.5 * INTERVAL_S, until=lambda written, mark=mark: mark in written)
            shown = time.monotonic()
            noted = [one["at"] for one in told.noted(name) if one["list"] == number and "resources" in one["path"]]
            if mark in terminal.written and noted:
                taken.append(1000 * (shown - noted[0]))
        figure("memory of the console", terminal.memory_bytes() / 2**20, "MiB")
    figure(
        f"a list of {GUESTS // 3} of {GUESTS} guests, answer to screen, median of {len(taken)}",
        statistics.median(taken),
        "ms",
    )
    figure("the slowest", max(taken), "ms")
    near = sorted(taken)[int(len(taken) * 0.95)]
    return [figure("the slowest but one in twenty", near, "ms", 150)]


def cost_and_failover(folder: Path, told: Servers) -> list[bool]:
    """Requests of each minute while nothing is open, and how soon the second URL is used once the first is gone."""
    held: list[bool] = []
    with console(folder / "two", hosts_yaml(folder, told.ports)) as terminal:
        began = time.monotonic()
        cpu = terminal.cpu_seconds()
        while (left := QUIET_S - (time.monotonic() - began)) > 0:
            terminal.read(left)
        share = 100 * (terminal.cpu_seconds() - cpu) / QUIET_S
        figure(f"CPU over {QUIET_S:.0f} s, the start included", share, "% of a core")
        for name in CLUSTERS:
            moments = [one["at"] for one in told.noted(name, began)]
            most = max(sum(1 for at in moments if first <= at < first + MINUTE_S) for first in moments)
            held.append(figure(f"requests to {name} in its busiest minute", most, "requests", 6))
        others = {one["path"] for one in told.noted("", began)} - {"/cluster/resources"}
        figure("other things that were asked in that time", len(others), "paths")
        stopped = told.stop_first()
        while not (found := told.noted("second", stopped)) and time.monotonic() - stopped < 40:
            terminal.read(0.2)
        after = found[0]["at"] - stopped if found else float("inf")
        held.append(figure("the next URL answers after", after, "s", INTERVAL_S))
    return held


def main() -> None:
    """All measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true", help="be the servers")
    if parser.parse_args().serve:
        share = GUESTS // len(CLUSTERS)
        sizes = [share + (number < GUESTS % len(CLUSTERS)) for number in range(len(CLUSTERS))]
        asyncio.run(
            serve([Cluster(name, 1000 * n, size) for n, (name, size) in enumerate(zip(CLUSTERS, sizes, strict=True))])
        )
        return
    begin(f"{GUESTS} guests in {len(CLUSTERS)} clusters", 5)
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as told:
        held = lists_on_screen(Path(name), told)
        held += cost_and_failover(Path(name), told)
    end(*held)


if __name__ == "__main__":
    main()
