"""A node's row as answers come: what is unknown stays unknown, what did not move stays the same object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.inventory.model import Inventory, NodeEntry, PingEntry, SshDefaults, SshEntry, Sudo
from app.link import LinkCost, Sample
from backends.kinds.node import Filesystem, Throttling
from backends.node_rows import NodeRow, sources
from backends.probes.facts import Facts
from backends.probes.packages import Updates
from backends.probes.proc import Cpu, Load, Memory

ENTRY = NodeEntry(name="pi", ssh=SshEntry(host="pi.local"), tags=frozenset({"edge"}), sudo=Sudo.NOPASSWD)


def cheap(uptime: float, busy: int, whole: int, **more: Any) -> dict[str, Any]:
    return {
        "uptime": uptime,
        "cpu": Cpu((busy, whole), ((busy, whole),), (b"cpu0",)),
        "memory": Memory(1000, 400, 0, 0),
        "load": Load(0.5, 0.4, 0.3),
        "net": {b"eth0": (int(uptime) * 10, 0)},
        "disks": {b"sda": (0, 0)},
        **more,
    }


def disk(mount: str) -> Filesystem:
    return Filesystem(mount=mount, device=mount, type="ext4", total_bytes=100, used_bytes=50, used_percent=50.0)


def test_before_any_answer_everything_is_unknown() -> None:
    row = NodeRow(ENTRY).row

    assert (row.id, row.name, row.source, row.state, row.fault) == ("pi", "pi", "pi", "unknown", None)
    assert row.tags == {"edge"}
    assert row.sudo == "nopasswd"
    assert (row.cpu_percent, row.mem_used_bytes, row.filesystems, row.failed_units, row.uptime_s) == (None,) * 5


def test_configured_thresholds_and_rates_reach_the_row() -> None:
    entry = replace(ENTRY, thresholds={"cpu": (1, 2), "memory": (3, 4), "disk": (5, 6)}, rate={"per_hour": 0.004})

    row = NodeRow(entry).row

    assert (row.cpu_limits, row.mem_limits, row.disk_limits, row.rate_per_hour) == ((1, 2), (3, 4), (5, 6), 0.004)


def test_the_first_answer_has_no_rates_and_the_second_has() -> None:
    row = NodeRow(ENTRY)

    assert row.fold(Sample(1.0, cheap(100.0, 10, 100)), address="pi:22")
    assert (row.row.state, row.row.cpu_percent, row.row.net_rx_bytes_per_s, row.rated) == ("up", None, None, False)
    assert (row.row.mem_used_bytes, row.row.mem_total_bytes, row.row.load_1, row.row.uptime_s) == (600, 1000, 0.5, 100)
    assert row.row.address == "pi:22"

    assert row.fold(Sample(3.0, cheap(102.0, 60, 300)), address="pi:22")
    assert (row.row.cpu_percent, row.row.core_percents, row.row.net_rx_bytes_per_s) == (25.0, (25.0,), 10)
    assert row.rated


def test_figures_that_did_not_move_leave_the_same_row() -> None:
    row = NodeRow(ENTRY)
    for step in range(3):
        row.fold(
            Sample(step, cheap(100.0 + 2 * step, 10 * step, 100 * step), latency_ms=5.0), address="a", cost=LinkCost()
        )
    before = row.row

    assert not row.fold(Sample(9, cheap(106.0, 30, 300), latency_ms=99.0), address="a", cost=LinkCost(bytes_in=10))
    assert row.row is before

    assert row.fold(Sample(9, cheap(199.0, 930, 9300), latency_ms=7.0), address="a", cost=LinkCost(bytes_in=20))
    assert (row.row.uptime_s, row.row.latency_ms) == (199.0, 7.0)
    assert dict(row.row.console_cost)["bytes_in"] == 20


def test_costly_answers_stay_until_the_next_and_have_an_age_of_their_own() -> None:
    row = NodeRow(ENTRY)
    facts = Facts("pi4", "Debian", "6.6", "aarch64", 4, "Raspberry Pi 4")
    throttled = Throttling(now=("throttled",), occurred=())
    costly = {
        "facts": facts,
        "filesystems": (disk("/"),),
        "network_filesystems": (disk("/mnt"),),
        "updates": Updates(7, 2),
        "restart": True,
        "failed_units": ("x.service",),
        "throttling": throttled,
        "gpus": None,
        "temperatures": None,
    }
    row.fold(Sample(5.0, {**cheap(1.0, 1, 1), **costly}))
    row.fold(Sample(50.0, cheap(46.0, 2, 9)))

    got = row.row
    assert (got.hostname, got.os, got.kernel, got.arch, got.cores, got.model) == (
        "pi4", "Debian", "6.6", "aarch64", 4, "Raspberry Pi 4",
    )  # fmt: skip
    assert [one.mount for one in got.filesystems or ()] == ["/", "/mnt"]
    assert (got.updates_pending, got.updates_security, got.restart_needed) == (7, 2, True)
    assert (got.failed_units, got.throttling, got.gpus, got.temperatures) == (("x.service",), throttled, None, None)
    assert got.slow_at == 5.0
    assert row.heard == 9


def test_a_probes_fault_stands_on_the_row_until_it_answers_again() -> None:
    row = NodeRow(ENTRY)
    row.fold(Sample(1.0, cheap(1.0, 1, 1), {"gpus": "NVIDIA-SMI has failed"}))
    row.fold(Sample(2.0, cheap(3.0, 2, 9)))
    assert (row.row.state, row.row.fault) == ("up", "gpus: NVIDIA-SMI has failed")

    row.fold(Sample(3.0, cheap(5.0, 3, 19, gpus=())))
    assert row.row.fault is None


def test_an_unreadable_cheap_figure_is_unknown_and_named() -> None:
    row = NodeRow(ENTRY)
    row.fold(Sample(1.0, cheap(1.0, 1, 1)))
    answers = cheap(3.0, 2, 9)
    del answers["cpu"]

    row.fold(Sample(2.0, answers, {"cpu": "garbage"}))

    assert (row.row.cpu_percent, row.row.core_percents, row.row.fault) == (None, (), "cpu: garbage")
    assert row.row.net_rx_bytes_per_s == 10
    row.fold(Sample(3.0, cheap(5.0, 5, 19)))
    assert (row.row.cpu_percent, row.row.fault) == (None, None)  # one more sample is needed for a rate


def test_a_system_without_proc_is_up_and_tells_nothing() -> None:
    row = NodeRow(ENTRY)
    nothing: dict[str, Any] = dict.fromkeys(("uptime", "cpu", "memory", "load", "net", "disks"))
    row.fold(Sample(1.0, nothing))
    row.fold(Sample(3.0, nothing))

    got = row.row
    assert (got.state, got.fault, got.cpu_percent, got.mem_total_bytes, got.swap_total_bytes, got.load_1) == (
        "up", None, None, None, None, None,
    )  # fmt: skip
    assert row.rated


@pytest.mark.parametrize("state", ["down", "unknown"])
def test_what_cannot_be_reached_tells_no_figures(state: str) -> None:
    row = NodeRow(ENTRY)
    row.fold(Sample(1.0, cheap(100.0, 10, 100, facts=Facts("pi4", "D", "k", "a", 4, None))))
    row.fold(Sample(3.0, cheap(102.0, 60, 300)))

    assert row.becomes(state, "no route to host")
    assert not row.becomes(state, "no route to host")

    assert (row.row.state, row.row.fault) == (state, "no route to host")
    assert (row.row.cpu_percent, row.row.mem_used_bytes, row.row.uptime_s, row.row.load_1) == (None,) * 4
    assert row.row.hostname == "pi4"
    row.fold(Sample(99.0, cheap(4.0, 1, 2)))
    assert (row.row.state, row.row.cpu_percent) == ("up", None)


def test_mutes_show_and_end() -> None:
    row = NodeRow(ENTRY)
    row.fold(Sample(1.0, cheap(1.0, 1, 1)), muted=(2e9, "new disk"))
    assert (row.row.muted_until, row.row.muted_why) == (2e9, "new disk")
    row.fold(Sample(2.0, cheap(1.0, 1, 1)))
    assert (row.row.muted_until, row.row.muted_why) == (None, None)


def test_each_way_has_its_sources_and_fingerprints_follow_the_configuration() -> None:
    entries = (
        NodeEntry(name="here", local=True),
        ENTRY,
        NodeEntry(name="tv", ping=PingEntry(host="192.0.2.7")),
        NodeEntry(name="broken", fault="unknown key"),
    )
    hosts = Inventory(nodes={entry.name: entry for entry in entries})

    assert [one.name for one in sources("local", hosts, "local")] == ["here"]
    assert [one.name for one in sources("ssh", hosts, "ssh")] == ["pi", "broken"]
    assert [one.name for one in sources("ping", hosts, "ping")] == ["tv"]
    (pi, _) = sources("ssh", hosts, "ssh")
    same = Inventory(nodes={entry.name: replace(entry) for entry in entries})
    assert sources("ssh", same, "ssh")[0] == pi
    moved = Inventory(nodes={**hosts.nodes, "pi": replace(ENTRY, routes=("192.0.2.9",))})
    assert sources("ssh", moved, "ssh")[0] != pi
    other = Inventory(nodes=hosts.nodes, ssh=SshDefaults(user="ops"))
    assert sources("ssh", other, "ssh")[0] != pi
    assert sources("local", other, "local") == sources("local", hosts, "local")
