"""Rates out of counters: by the host's own clock, and never negative or absurd."""

from __future__ import annotations

from typing import Any

import pytest

from backends.probes.proc import Cpu
from backends.rates import Rates, flow, rates, share


def answers(uptime: float | None, busy: int = 0, whole: int = 0, rx: int = 0, **more: Any) -> dict[str, Any]:
    cpu = Cpu((busy, whole), ((busy, whole), (busy // 2, whole)), (b"cpu0", b"cpu1"))
    return {"uptime": uptime, "cpu": cpu, "net": {b"eth0": (rx, 2 * rx)}, "disks": {b"sda": (rx, 0)}, **more}


def test_two_samples_make_rates() -> None:
    got = rates(answers(100.0, 50, 1000, 1000), answers(102.0, 100, 1200, 5000))

    assert got == Rates(25.0, (25.0, 12.5), (2000, 4000), (2000, 0))


def test_samples_too_close_together_say_nothing_new() -> None:
    assert rates(answers(100.0), answers(100.0)) is None
    assert rates(answers(100.0), answers(100.02, 5, 10, 9)) is None


def test_a_restart_makes_everything_unknown_for_one_tick() -> None:
    before, after = answers(90_000.0, 500_000, 9_000_000, 10**12), answers(3.0, 10, 300, 5000)

    assert rates(before, after) == Rates(core_percents=(None, None))
    assert rates(after, answers(5.0, 20, 500, 7000)) == Rates(5.0, (5.0, 2.5), (1000, 2000), (1000, 0))


def test_a_counter_that_wraps_is_unknown_and_no_other_is() -> None:
    got = rates(answers(100.0, 50, 1000, 4_294_967_000), answers(102.0, 100, 1200, 300))

    assert got is not None
    assert got.net == (None, None)
    assert got.cpu_percent == 25.0


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((0, 0), (0, 0), None),
        ((10, 100), (5, 200), None),
        ((10, 100), (20, 90), None),
        ((10, 100), (300, 200), None),
        ((10, 100), (10, 200), 0.0),
        ((10, 100), (110, 200), 100.0),
    ],
)
def test_a_share_is_between_nothing_and_all_or_unknown(
    before: tuple[int, int], now: tuple[int, int], expected: float | None
) -> None:
    assert share(before, now) == expected


def test_devices_that_come_and_go_are_no_traffic() -> None:
    before, now = {b"eth0": (100, 100), b"usb0": (9, 9)}, {b"eth0": (300, 200), b"wlan0": (10**9, 10**9)}

    assert flow(before, now, 2.0) == (100, 50)
    assert flow({b"a": (1, 1)}, {b"b": (2, 2)}, 1.0) == (None, None)
    assert flow({}, {}, 1.0) == (None, None)


def test_a_core_that_was_switched_off_leaves_the_others_unknown_for_one_tick() -> None:
    before, now = answers(100.0, 50, 1000), answers(102.0, 100, 1200)
    now["cpu"] = Cpu((100, 1200), ((100, 1200),), (b"cpu0",))

    got = rates(before, now)

    assert got is not None
    assert got.cpu_percent == 25.0
    assert got.core_percents == (None,)


def test_a_host_that_cannot_tell_has_no_rates() -> None:
    nothing: dict[str, Any] = {"uptime": None, "cpu": None, "net": None, "disks": None}

    assert rates(nothing, nothing) == Rates()
    assert rates({"uptime": 1.0}, {"uptime": 2.0}) == Rates()
