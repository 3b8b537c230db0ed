"""``node upgrade``: listings as recorded from apt, dnf and apk, and the commands that would run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app.errors import BadAnswer, Unsupported
from app.inventory.model import Sudo
from backends.node_verbs.packages import apt_progress
from backends.node_verbs.pending import held_back, parse_apk, parse_apt, parse_dnf
from tests.node_verbs.bench import Bench
from tests.reports import RecordingReport, run_plan

APT = """\
Reading package lists...
Building dependency tree...
The following packages have been kept back:
  linux-image-amd64
The following packages will be upgraded:
  libssl3 openssl
2 upgraded, 0 newly installed, 0 to remove and 1 not upgraded.
Inst libssl3 [3.0.11-1~deb12u2] (3.0.13-1~deb12u1 Debian-Security:12/stable-security [amd64]) []
Inst openssl [3.0.11-1~deb12u2] (3.0.13-1~deb12u1 Debian-Security:12/stable-security [amd64])
Inst linux-image-6.1.0-18-amd64 (6.1.76-1 Debian:12.5/stable [amd64])
Conf libssl3 (3.0.13-1~deb12u1 Debian-Security:12/stable-security [amd64])
"""
DNF = """\

NetworkManager.x86_64          1:1.44.2-1.fc39          updates
kernel-core.x86_64             6.6.9-200.fc39           updates
vim-minimal.x86_64             2:9.1.016-1.fc39         updates
Obsoleting Packages
old.x86_64                     1-1                      updates
"""
RPM = "NetworkManager.x86_64 1.44.0-1.fc39\nvim-minimal.x86_64 9.0.2190-1.fc39\n"
APK = """\
Installed:                                Available:
busybox-1.36.1-r2                       < 1.36.1-r5
ca-certificates-bundle-20230506-r0      < 20240226-r0
py3-foo-bar-1.0_rc1-r0                  < 1.0-r0
"""


def test_apt_listings_are_read() -> None:
    assert [str(one) for one in parse_apt(APT)] == [
        "libssl3 3.0.11-1~deb12u2 → 3.0.13-1~deb12u1",
        "openssl 3.0.11-1~deb12u2 → 3.0.13-1~deb12u1",
        "linux-image-6.1.0-18-amd64 6.1.76-1 (new)",
    ]
    assert held_back(APT) == 1


def test_dnf_listings_are_read_with_what_is_installed() -> None:
    assert [str(one) for one in parse_dnf(f"{DNF}@installed\n{RPM}")] == [
        "NetworkManager.x86_64 1.44.0-1.fc39 → 1.44.2-1.fc39",
        "kernel-core.x86_64 6.6.9-200.fc39 (new)",
        "vim-minimal.x86_64 9.0.2190-1.fc39 → 9.1.016-1.fc39",
    ]


def test_apk_listings_are_read() -> None:
    assert [str(one) for one in parse_apk(APK)] == [
        "busybox 1.36.1-r2 → 1.36.1-r5",
        "ca-certificates-bundle 20230506-r0 → 20240226-r0",
        "py3-foo-bar 1.0_rc1-r0 → 1.0-r0",
    ]


def pretend(bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path, **listings: str) -> None:
    """Only these package managers are on the node; they print their listing and note what else they are told."""
    for tool in ("sh", "cat", "id", "printf", "env", "echo", "rpm", "sudo"):
        found = shutil.which(tool)
        if found and not (bench.programs / tool).exists():
            (bench.programs / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(bench.programs))
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    for manager, listing in listings.items():
        program = {"apt": "apt-get"}.get(manager, manager)
        (home / manager).write_text(listing)
        bench.program(
            program,
            f'case "$*" in -s*|*check-update*|version*) cat "{home}/{manager}" ;;'
            f' *) echo "$BECAME $DEBIAN_FRONTEND {program} $*" >> "{home}/done" ;; esac',
        )


async def test_apt_upgrades_with_everything_shown_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    pretend(bench, monkeypatch, home, apt=APT)
    plan = await bench.verbs.upgrade(bench.here)
    assert [step.text for step in plan.steps] == [
        "DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold -o APT::Status-Fd=1 upgrade"
    ]
    assert plan.steps[0].lane == "packages@pi"
    assert plan.notes == (
        "pi: 3 packages",
        "pi: libssl3 3.0.11-1~deb12u2 → 3.0.13-1~deb12u1",
        "pi: openssl 3.0.11-1~deb12u2 → 3.0.13-1~deb12u1",
        "pi: linux-image-6.1.0-18-amd64 6.1.76-1 (new)",
        "pi: 1 more are held back by apt",
        "pi: the kernel changes; it runs from the next restart on",
    )
    (result,) = await run_plan(plan)
    assert result.exit_code == 0
    assert (home / "done").read_text() == (
        " noninteractive apt-get -y -o Dpkg::Options::=--force-confold -o APT::Status-Fd=1 upgrade\n"
    )


async def test_sudo_stands_before_it(bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    bench.ordinary_user(Sudo.NOPASSWD)
    pretend(bench, monkeypatch, home, apt=APT)
    plan = await bench.verbs.upgrade(bench.here)
    assert plan.steps[0].text.startswith("sudo -n -- env DEBIAN_FRONTEND=noninteractive apt-get -y ")
    await run_plan(plan)
    assert (home / "done").read_text().startswith("root noninteractive apt-get -y")
    bench.ordinary_user(Sudo.ASK, "pw")
    plan = await bench.verbs.upgrade(bench.here)
    assert plan.steps[0].text.startswith(
        "sudo -S -p '' -- sh -c 'exec </dev/null; DEBIAN_FRONTEND=noninteractive apt-get -y "
    )
    assert "sudo asks for your password there" in plan.notes


@pytest.mark.parametrize(
    ("manager", "listing", "upgrade", "refresh"),
    [
        ("dnf", DNF, "dnf -y upgrade", "dnf -y makecache --refresh"),
        ("apk", APK, "apk upgrade", "apk update"),
    ],
)
async def test_dnf_and_apk_upgrade(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path, manager: str, listing: str, upgrade: str, refresh: str
) -> None:
    pretend(bench, monkeypatch, home, **{manager: listing})
    plan = await bench.verbs.upgrade(bench.here, refresh=True)
    assert [(step.text, step.name, step.after) for step in plan.steps] == [
        (refresh, "refresh", ()),
        (upgrade, "upgrade", ("refresh",)),
    ]
    await run_plan(plan)
    assert [line.strip() for line in (home / "done").read_text().splitlines()] == [
        refresh,
        upgrade,
    ]


async def test_nothing_pending_is_a_plan_without_steps(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    pretend(bench, monkeypatch, home, apk="Installed:      Available:\n")
    plan = await bench.verbs.upgrade(bench.here)
    assert plan.steps == ()
    assert "nothing is pending" in plan.notes[0]


async def test_a_manager_that_cannot_list_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    pretend(bench, monkeypatch, home, dnf="")
    bench.program("dnf", "echo 'Error: Failed to download metadata' >&2; exit 1")
    with pytest.raises(BadAnswer, match=r"Failed to download metadata.*--refresh"):
        await bench.verbs.upgrade(bench.here)


async def test_a_node_without_one_is_unsupported(bench: Bench, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    pretend(bench, monkeypatch, home)
    with pytest.raises(Unsupported, match="none of apt, dnf and apk"):
        await bench.verbs.upgrade(bench.here)


@pytest.mark.skipif(shutil.which("apt-get") is None or os.geteuid() != 0, reason="no apt here")
async def test_the_real_apt_can_be_asked(bench: Bench) -> None:
    plan = await bench.verbs.upgrade(bench.here)
    assert bool(plan.steps) is ("nothing is pending" not in plan.notes[0])


def test_progress_is_what_apt_measured_and_its_lines_are_taken_out() -> None:
    report = RecordingReport()
    through = apt_progress(report)
    pieces = [
        "Get:1 http://x openssl\ndlsta",
        "tus:1:33.3333:Retrieving file 1 of 3\ndlstatus:2:66.6:Retrieving",
        " file 2 of 3\n(Reading database ... 5%",
        ")\npmstatus:dpkg-exec:40.0000:Running dpkg\nUnpacking\npmstatus:libssl3:",
        "90:Installed\npm",
        "x",
        "",
    ]
    shown = "".join(through(piece) for piece in pieces)
    assert report.steps == [
        (33.3333, 100, "% downloaded"),
        (66.6, 100, "% downloaded"),
        (40.0, 100, "% installed"),
        (90.0, 100, "% installed"),
    ]
    assert shown == "Get:1 http://x openssl\n(Reading database ... 5%)\nUnpacking\npmx"
