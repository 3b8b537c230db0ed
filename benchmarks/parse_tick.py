"""What one tick of one host costs the console: taking the frame apart, parsing it, rates, and the row."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.inventory.model import NodeEntry, SshEntry
from app.link import Sample
from backends.node_rows import NodeRow
from backends.probes.proc import FAST
from backends.sampling.frames import Decoder, Tick
from benchmarks.report import begin, end, figure

TICKS = 4000
NONCE = "ab" * 16
BOUND_US = 300.0
"""500 hosts at 2 s are 250 ticks a second: so much each is 7.5 % of a core, under a third of the console's budget."""


def frames() -> list[bytes]:
    """Ticks of this machine's own files, with counters that move."""
    head = b"#" + NONCE.encode()
    mark = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    files = [(probe.files[0], Path(probe.files[0]).read_bytes()) for probe in FAST]
    made = [b"\n" + head + b"h" + mark + head + b"c\n" + b"".join(head + b"n%s\n" % n.encode() for n, _ in files)]
    for number in range(1, TICKS + 1):
        body = b"".join((b"%d.00 1.0\n" % (number * 2) if n == "/proc/uptime" else d) + mark for n, d in files)
        made.append(head + b"t%d\n" % number + body + head + b"e%d\n" % number)
    return made


def main() -> None:
    """Run the stages of one host's ticks in a row, one after the other."""
    begin(f"{TICKS} ticks of one host")
    stream = frames()
    decoder, row = Decoder(NONCE), NodeRow(NodeEntry(name="x", ssh=SshEntry(host="x")))
    spent = {"frame": 0.0, "parse": 0.0, "row": 0.0}
    clock = time.perf_counter
    for number, data in enumerate(stream):
        began = clock()
        ticks = decoder.feed(data)
        framed = clock()
        for tick in ticks:
            assert isinstance(tick, Tick)
            answers: dict[str, Any] = {probe.name: probe.parse(tick.files[probe.files[0]]) for probe in FAST}
            parsed = clock()
            row.fold(Sample(float(number), answers, latency_ms=1.0), address="x:22")
            spent["frame"] += framed - began
            spent["parse"] += parsed - framed
            spent["row"] += clock() - parsed
    each = {name: 1e6 * seconds / TICKS for name, seconds in spent.items()}
    print(f"bytes a tick: {len(stream[1])}")
    for name, microseconds in each.items():
        figure(name, microseconds, "µs a tick")
    held = figure("all of it", sum(each.values()), "µs a tick", BOUND_US)
    figure("500 hosts at 2 s", sum(each.values()) * 250 / 1e4, "% of a core")
    end(held)


if __name__ == "__main__":
    main()
