"""Control groups and processes as files, in the kernel's own formats, for hosts that cannot be had here.

Contents were written after the kernel's ``cgroup-v1/*.rst``, ``cgroup-v2.rst`` and proc(5); the v1 ones look as they
do on the machine the other tests run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

V1_UNLIMITED = "9223372036854771712"


@dataclass(frozen=True, kw_only=True)
class Group:
    """One container's counters."""

    cpu_ns: int = 1_234_567_000
    mem: int = 50 << 20
    limit: int | None = None
    inactive_file: int = 8 << 20
    pids: int = 7
    read: int = 4096
    written: int = 8192
    received: int = 1000
    sent: int = 2000
    pid: int = 4242


def write(path: Path, text: str) -> None:
    """A file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Tree:
    """``/sys/fs/cgroup`` and ``/proc`` of one host below a folder."""

    def __init__(self, folder: Path, version: int) -> None:
        self.root = folder / "cgroup"
        self.proc = folder / "proc"
        self.version = version
        self.uptime(1000.0)
        if version == 2:
            write(self.root / "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")

    def uptime(self, seconds: float) -> None:
        """The host's clock."""
        write(self.proc / "uptime", f"{seconds:.2f} {seconds * 3.7:.2f}\n")

    def put(self, path: str, group: Group, *, procs_in: str = "") -> None:
        """A container's group at a path below the root; its processes may be in a group below it."""
        (self._put_v2 if self.version == 2 else self._put_v1)(path, group, procs_in)
        self._put_net(group)

    def _put_v1(self, path: str, group: Group, procs_in: str) -> None:
        write(self.root / "cpuacct" / path / "cpuacct.usage", f"{group.cpu_ns}\n")
        write(self.root / "cpuacct" / path / procs_in / "cgroup.procs", f"{group.pid}\n{group.pid + 1}\n")
        memory = self.root / "memory" / path
        write(memory / "memory.usage_in_bytes", f"{group.mem}\n")
        write(memory / "memory.limit_in_bytes", f"{group.limit or V1_UNLIMITED}\n")
        names = ("cache", "rss", "mapped_file", "pgfault", "inactive_anon", "active_anon")
        lines = [f"{name} 81920" for name in names] + ["inactive_file 4096", "active_file 0", "unevictable 0"]
        lines += [f"hierarchical_memory_limit {group.limit or V1_UNLIMITED}"]
        lines += [f"total_{name} 81920" for name in names]
        lines += [f"total_inactive_file {group.inactive_file}", "total_active_file 0", "total_unevictable 0"]
        write(memory / "memory.stat", "\n".join(lines) + "\n")
        write(self.root / "pids" / path / "pids.current", f"{group.pids}\n")
        devices = [("8:0", group.read - 1024, group.written), ("253:1", 1024, 0)]
        blocks = "".join(
            f"{device} Read {read}\n{device} Write {written}\n{device} Sync {written}\n{device} Async {read}\n"
            f"{device} Discard 0\n{device} Total {read + written}\n"
            for device, read, written in devices
        )
        write(
            self.root / "blkio" / path / "blkio.throttle.io_service_bytes",
            f"{blocks}Total {group.read + group.written}\n",
        )

    def _put_v2(self, path: str, group: Group, procs_in: str) -> None:
        folder = self.root / path
        usec = group.cpu_ns // 1000
        write(
            folder / "cpu.stat",
            f"usage_usec {usec}\nuser_usec {usec - 5}\nsystem_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        )
        write(folder / "memory.current", f"{group.mem}\n")
        write(folder / "memory.max", f"{group.limit or 'max'}\n")
        write(
            folder / "memory.stat",
            f"anon 1228800\nfile 9000000\nkernel_stack 49152\nslab 204800\ninactive_anon 1200128\nactive_anon 20480\n"
            f"inactive_file {group.inactive_file}\nactive_file 3244032\nunevictable 0\nworkingset_refault_file 0\n",
        )
        write(folder / "pids.current", f"{group.pids}\n")
        write(
            folder / "io.stat",
            f"8:0 rbytes={group.read - 1024} wbytes={group.written} rios=2 wios=2 dbytes=77 dios=1\n"
            "253:1 rbytes=1024 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
        )
        if procs_in:
            write(folder / "cgroup.procs", "")
        write(folder / procs_in / "cgroup.procs", f"{group.pid}\n{group.pid + 1}\n")

    def _put_net(self, group: Group) -> None:
        write(
            self.proc / str(group.pid) / "net" / "dev",
            "Inter-|   Receive                                                |  Transmit\n"
            " face |bytes    packets errs drop fifo frame compressed multicast|"
            "bytes    packets errs drop fifo colls carrier compressed\n"
            "    lo: 99999999    100    0    0    0     0          0         0 99999999    100    0    0    0     0"
            "       0          0\n"
            f"  eth0: {group.received - 10:7d}       9    0    0    0     0          0         0 {group.sent:8d}"
            "      12    0    0    0     0       0          0\n"
            # Old kernels leave no blank behind the colon.
            "  eth1:     10       1    0    0    0     0          0         0        0       0    0    0    0     0"
            "       0          0\n".replace("eth1:     10", "eth1:10"),
        )
