"""What containers use, from the counters of their control groups: read by the node's sampler, not asked of the engine.

One ``awk`` reads all containers of a host and says one short line for each. It is the one process that a look costs
the host, however many containers there are: the shell that is forked for it becomes it. For 100 containers a look is
5 KB once in ``EVERY_S`` and some 12 ms of the host's time. The tick's own ``cat`` would send whole files at every tick:
150 KB for 100 containers, as ``memory.stat`` and ``net/dev`` are mostly other things, or 13 KB for CPU time, memory and
processes alone, with the page cache in them. The containers are found by globs, so that nothing is sent to the host
when one comes or goes.

Figures are those of ``docker stats`` (``docker/cli``, ``cli/command/container/stats_helpers.go``), save that CPU time
is divided by the host's own uptime and not by the sum of its cores: a share of one core, 100 × cores at most.

================  ========================================  ======================================================
figure            control groups v1                         v2
================  ========================================  ======================================================
CPU               ``cpuacct.usage``, ns                     ``usage_usec`` of ``cpu.stat``, µs
memory            ``memory.usage_in_bytes`` less            ``memory.current`` less ``inactive_file``
                  ``total_inactive_file``                   of ``memory.stat``
limit             ``memory.limit_in_bytes``                 ``memory.max``
processes         ``pids.current``                          ``pids.current``
blocks            ``blkio.throttle.io_service_bytes``       ``rbytes``, ``wbytes`` of ``io.stat``
network           ``/proc/PID/net/dev`` of a process of it, without the loopback
================  ========================================  ======================================================

Formats: the kernel's ``cgroup-v1/*.rst`` and ``cgroup-v2.rst``, proc(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import BadAnswer
from app.link import Probe, Tier
from backends.rates import SHORTEST_S
from backends.sampling.script import AWK_RECORDS

EVERY_S = 5.0
"""Seconds between two looks."""
_ID = 16
"""So much of a container's id stands in an answer."""
# The driver of the engine and its kind decide where the groups are: docker/ID and libpod_parent/libpod-ID (cgroupfs),
# system.slice/docker-ID.scope and machine.slice/libpod-ID.scope (systemd), below user.slice where there is no root,
# PARENT/ID where a parent was chosen. What else matches a glob has no 64 digits and is passed over. A v1 group without
# a limit says the largest number of pages, which is no figure to send.
_GLOBS = (
    "/*/[0-9a-f][0-9a-f][0-9a-f][0-9a-f]*",
    "/*/docker-*",
    "/*/*.slice/docker-*",
    "/*/libpod-*",
    "/*/*.slice/libpod-*",
    "/libpod_parent/*/libpod-*",
    "/user.slice/user-*/user@*/*/docker-*",
    "/user.slice/user-*/user@*/*/libpod-*",
    "/user.slice/user-*/user@*/*/*/libpod-*",
)

_AWK = r"""
function line(f,  l) { if ((getline l < f) < 1) l = "-"; close(f); return l }
function tell(p,  n, q, a, f, l, k, cpu, mem, top, idle, pids, rd, wr, rx, tx, pid) {
  n = p; sub(/.*\//, "", n); sub(/^(docker|libpod)-/, "", n); sub(/\.scope$/, "", n);
  if (length(n) != 64 || n !~ /^[0-9a-f]+$/) return;
  q = substr(p, length(r) + 1); idle = rd = wr = rx = tx = "-";
  if (v == 2) {
    split(line(p "/cpu.stat"), a, " "); cpu = a[1] == "usage_usec" ? a[2] : "-";
    mem = line(p "/memory.current"); top = line(p "/memory.max"); pids = line(p "/pids.current");
    f = p "/memory.stat"; k = "inactive_file";
  } else {
    cpu = line(p "/cpuacct.usage"); mem = line(g "/memory" q "/memory.usage_in_bytes");
    top = line(g "/memory" q "/memory.limit_in_bytes"); pids = line(g "/pids" q "/pids.current");
    f = g "/memory" q "/memory.stat"; k = "total_inactive_file";
  }
  if (length(top) > 18) top = "-";
  if (mem != "-") { while ((getline l < f) > 0) if (index(l, k " ") == 1) { idle = substr(l, length(k) + 2); break }
    close(f) }
  if (v == 2) f = p "/io.stat";
  else { f = g "/blkio" q "/blkio.throttle.io_service_bytes_recursive";
    if ((getline l < f) < 0) f = g "/blkio" q "/blkio.throttle.io_service_bytes"; else close(f) }
  while ((k = (getline l < f)) >= 0) {
    rd += 0; wr += 0; if (k == 0) break;
    if (v == 2) { if (match(l, /rbytes=[0-9]+/)) rd += substr(l, RSTART + 7, RLENGTH - 7);
      if (match(l, /wbytes=[0-9]+/)) wr += substr(l, RSTART + 7, RLENGTH - 7) }
    else { split(l, a, " "); if (a[2] == "Read") rd += a[3]; if (a[2] == "Write") wr += a[3] }
  }
  close(f);
  pid = line(p "/cgroup.procs");
  if (pid == "-") pid = line(p "/container/cgroup.procs");
  if (pid == "-") pid = line(p "/init.scope/cgroup.procs");
  f = proc "/" pid "/net/dev";
  if (pid > 0) while ((k = (getline l < f)) >= 0) {
    rx += 0; tx += 0; if (k == 0) break;
    if (l !~ /:/ || l ~ /^ *lo:/) continue;
    sub(/^[^:]*:/, "", l); split(l, a, " "); rx += a[1]; tx += a[9];
  }
  close(f);
  say(substr(n, 1, 16) " " cpu " " mem " " top " " idle " " pids \
    " " whole(rd) " " whole(wr) " " whole(rx) " " whole(tx));
}
function whole(x) { return x == "-" ? x : sprintf("%.0f", x) }
BEGIN { say("cgroup " v " " line(proc "/uptime")); for (i = 1; i < ARGC; i++) tell(ARGV[i]); said_all() }
"""

# Nothing here but the last line starts a process.
_SCRIPT = """
g=%(root)s; r=$g; v=2
[ -e $g/cgroup.controllers ] || { v=1; for c in cpuacct cpu,cpuacct memory pids; do r=$g/$c; [ -d $r ] && break; done; }
command -v awk >/dev/null && exec awk -v v=$v -v g=$g -v r=$r -v proc=%(proc)s '%(awk)s' %(globs)s
"""


def script(*, root: str = "/sys/fs/cgroup", proc: str = "/proc") -> str:
    """What the sampler runs for one look; it becomes ``awk``, or answers with nothing where there is none.

    ``root`` and ``proc`` are where control groups and processes are; elsewhere only in tests.
    """
    globs = " ".join(f"$r{glob}" for glob in _GLOBS)
    return _SCRIPT % {"root": root, "proc": proc, "awk": f"{AWK_RECORDS}\n{_AWK.strip()}", "globs": globs}


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one container; ``None`` where the host does not say."""

    cpu_s: float | None = None
    """Seconds of CPU time, of all cores, since it was made."""
    mem_used_bytes: int | None = None
    mem_limit_bytes: int | None = None
    pids: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look told, by the beginning of the containers' ids."""

    uptime_s: float
    """Of the host: its own measure of time between two looks."""
    counters: Mapping[str, Counters]

    def of(self, container_id: str) -> Counters | None:
        """The counters of a container; ``None`` where its group was not found."""
        return self.counters.get(container_id[:_ID])


def parse(answer: bytes) -> Look | None:
    """The look an answer tells of; ``None`` where the host has no ``awk`` or no ``/proc``."""
    lines = [raw.split() for raw in answer.decode("ascii", "replace").splitlines()]
    if not lines:
        return None
    first = lines[0]
    if first[:1] != ["cgroup"] or len(first) < 3:
        raise BadAnswer("control groups are told of without a time")
    if first[2] == "-":
        return None
    try:
        uptime_s = float(first[2])
    except ValueError:
        raise BadAnswer("control groups are told of without a time") from None
    if any(len(fields) != 10 for fields in lines[1:]):
        raise BadAnswer("a line about a control group is unreadable")
    return Look(uptime_s, {fields[0]: _counters(fields, first[1]) for fields in lines[1:]})


def _counters(fields: list[str], version: str) -> Counters:
    cpu, used, limit, idle, pids, read, written, received, sent = (_number(field) for field in fields[1:])
    if used is not None and idle is not None and idle < used:
        used -= idle
    return Counters(
        None if cpu is None else cpu / (1e6 if version == "2" else 1e9),
        used,
        limit or None,
        pids,
        read,
        written,
        received,
        sent,
    )


def _number(field: str) -> int | None:
    """A counter; ``-`` and ``max`` are none. Raises BadAnswer for anything else."""
    if field in ("-", "max"):
        return None
    if not field.isdigit() or len(field) > 20:
        raise BadAnswer("a control group holds something that is no number")
    return int(field)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses now, as its row tells it; ``None`` where it is not known."""

    cpu_percent: float | None = None
    mem_used_bytes: int | None = None
    mem_limit_bytes: int | None = None
    pids: int | None = None
    net_rx_bytes_per_s: float | None = None
    net_tx_bytes_per_s: float | None = None
    block_read_bytes_per_s: float | None = None
    block_write_bytes_per_s: float | None = None


def usage(before: Counters | None, now: Counters, seconds: float) -> Usage:
    """What was used between two looks; rates are unknown without an earlier look and after a counter went back."""

    def rate(old: float | None, new: float | None) -> float | None:
        if old is None or new is None or new < old or seconds < SHORTEST_S:
            return None
        return (new - old) / seconds

    was = before or Counters()
    cpu = rate(was.cpu_s, now.cpu_s)
    flows = (
        rate(was.received_bytes, now.received_bytes),
        rate(was.sent_bytes, now.sent_bytes),
        rate(was.read_bytes, now.read_bytes),
        rate(was.written_bytes, now.written_bytes),
    )
    return Usage(
        None if cpu is None else round(100 * cpu, 1),
        now.mem_used_bytes,
        now.mem_limit_bytes,
        now.pids,
        *(None if flow is None else round(flow) for flow in flows),
    )


def probes(*, one_shot: bool = False) -> tuple[Probe[Look | None], ...]:
    """What a host that runs containers is asked: two looks at the start, as rates need two, then one steadily."""

    def asked(name: str, tier: Tier, after: str = "") -> Probe[Look | None]:
        return Probe(name, tier, parse, script=script(), every=EVERY_S, becomes=True, after=after)

    two = asked("containers_first", Tier.ONCE), asked("containers_second", Tier.ONCE, "containers_first")
    return two if one_shot else (*two, asked("containers", Tier.SLOW, "containers_second"))
