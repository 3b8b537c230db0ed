"""The probes' scripts on a host that is made up of files: busybox and nothing else, as on a router."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.link import Probe
from backends.probes.facts import FACTS
from backends.probes.filesystems import LOCAL, NETWORK
from backends.probes.gpu import GPUS
from backends.probes.node import SLOW
from backends.probes.packages import UPDATES
from backends.probes.pi import THROTTLING
from backends.probes.restart import RESTART
from backends.probes.systemd import FAILED_UNITS
from backends.probes.temperatures import TEMPERATURES
from tests.sampling.shells import SHELLS, bare_host, shell_argv


class Host:
    """A root folder to put files into, and its shell."""

    def __init__(self, folder: Path) -> None:
        self._argv = bare_host(folder, tools=("sh", "cat", "grep"))
        self.root = folder / "root"
        self.functions = ""
        """Shell functions in place of programs that busybox has itself and would run instead of ours."""

    def put(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def program(self, name: str, text: str) -> None:
        """A program that is a shell script."""
        self.put(f"/bin/{name}", f"#!/bin/sh\n{text}\n")
        (self.root / "bin" / name).chmod(0o755)

    def ask(self, probe: Probe[Any]) -> Any:
        script = f"T=; PATH=/bin; export LC_ALL=C; exec 2>/dev/null; {self.functions}\n{probe.script}"
        said = subprocess.run([*self._argv, script], capture_output=True, timeout=20, check=False)
        return probe.parse(said.stdout)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_bare_host_cannot_tell_and_says_so(host: Host) -> None:
    for probe in (TEMPERATURES, GPUS, FAILED_UNITS, THROTTLING, UPDATES, RESTART):
        assert host.ask(probe) is None, probe.name


def test_facts_of_a_board(host: Host) -> None:
    host.put("/etc/os-release", 'NAME="OpenWrt"\nPRETTY_NAME="OpenWrt 23.05.3"\n')
    host.put("/proc/device-tree/model", "TP-Link Archer C7 v2\0")

    facts = host.ask(FACTS)

    assert (facts.os, facts.model) == ("OpenWrt 23.05.3", "TP-Link Archer C7 v2")


def test_sensors(host: Host) -> None:
    hwmon = "/sys/class/hwmon/hwmon0"
    host.put(f"{hwmon}/name", "coretemp\n")
    host.put(f"{hwmon}/temp1_input", "52000\n")
    host.put(f"{hwmon}/temp1_label", "Package id 0\n")
    host.put(f"{hwmon}/temp1_crit", "100000\n")
    zone = "/sys/class/thermal/thermal_zone0"
    host.put(f"{zone}/type", "soc-thermal\n")
    host.put(f"{zone}/temp", "48312\n")
    host.put(f"{zone}/trip_point_0_type", "passive\n")
    host.put(f"{zone}/trip_point_0_temp", "85000\n")
    host.put(f"{zone}/trip_point_1_type", "critical\n")
    host.put(f"{zone}/trip_point_1_temp", "110000\n")

    found = host.ask(TEMPERATURES)

    assert [(one.label, one.celsius, one.critical_celsius) for one in found] == [
        ("coretemp Package id 0", 52.0, 100.0),
        ("soc-thermal", 48.3, 110.0),
    ]


MOUNTS = r"""/dev/root / ext4 rw 0 0
proc /proc proc rw 0 0
tmpfs /tmp tmpfs rw 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw 0 0
/dev/sda1 /srv/a\040b xfs rw 0 0
overlay /var/lib/docker/overlay2/abc/merged overlay rw 0 0
/dev/loop3 /snap/core/1 squashfs ro 0 0
nas:/export /mnt/nas nfs4 rw 0 0
//nas/share /mnt/share cifs rw 0 0
"""


def test_df_is_asked_for_own_storage_and_the_network_apart(host: Host) -> None:
    host.put("/proc/mounts", MOUNTS)
    host.functions = (
        'df() { echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; shift 2; n=0\n'
        'for m; do n=$((n+1)); echo "dev$n 1000 500 500 50% $m"; done; }'
    )

    assert [(one.mount, one.type) for one in host.ask(LOCAL)] == [("/", "ext4"), ("/srv/a b", "xfs")]
    assert [(one.mount, one.type) for one in host.ask(NETWORK)] == [("/mnt/nas", "nfs4"), ("/mnt/share", "cifs")]


def test_without_proc_mounts_df_is_asked_for_what_is_local(host: Host) -> None:
    host.functions = 'df() { [ "$3" = -l ] && printf "Filesystem a b c d e\\n/dev/ada0 100 10 90 10%% /\\n"; }'

    assert [one.mount for one in host.ask(LOCAL)] == ["/"]
    assert host.ask(NETWORK) is None


def test_failed_units_only_where_systemd_runs_and_answers(host: Host) -> None:
    host.program("systemctl", "echo 'x.service loaded failed failed It broke'")
    assert host.ask(FAILED_UNITS) is None
    host.put("/run/systemd/system/.keep", "")
    assert host.ask(FAILED_UNITS) == ("x.service",)
    host.program("systemctl", "exit 1")
    assert host.ask(FAILED_UNITS) is None


def test_updates_by_each_package_manager(host: Host) -> None:
    host.program("apk", 'case "$*" in *"list -u"*) echo "a-2 x {a} (MIT) [upgradable from: a-1]";; *) exit 1;; esac')
    assert host.ask(UPDATES).pending == 1
    host.program("apk", 'case "$*" in *version*) echo "a-1 < a-2"; echo "b-1 < b-2";; *) exit 1;; esac')
    assert host.ask(UPDATES).pending == 2
    host.program(
        "dnf", 'case "$*" in *security*) echo "a.x 2 u"; exit 100;; *) echo "a.x 2 u"; echo "b.x 2 u"; exit 100;; esac'
    )
    assert (host.ask(UPDATES).pending, host.ask(UPDATES).security) == (2, 1)
    host.program("dnf", "echo 'Error: cache is empty'; exit 1")
    assert host.ask(UPDATES) is None
    host.program("apt-get", "echo 'Inst a [1] (2 Debian-Security:12/stable-security [amd64])'; echo 'Conf a'")
    assert (host.ask(UPDATES).pending, host.ask(UPDATES).security) == (1, 1)
    host.program("apt-get", "echo 'E: broken'; exit 100")
    assert host.ask(UPDATES) is None


def test_a_pi_by_file_and_by_program(host: Host) -> None:
    host.program("vcgencmd", "echo throttled=0x50005")
    assert host.ask(THROTTLING).now == ("under-voltage", "throttled")
    host.put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
    assert host.ask(THROTTLING).now == ()
    assert host.ask(THROTTLING).occurred == ("under-voltage", "throttled")


def test_gpus_by_nvidia_smi(host: Host) -> None:
    host.program(
        "nvidia-smi",
        'case "$*" in *query-gpu*) echo "0, GPU-a, 5, 10, 100, 40, [N/A], [N/A], Tesla, X";;\n'
        '*) echo "GPU-a, 7, 9, p";; esac',
    )

    (gpu,) = host.ask(GPUS)

    assert (gpu.name, gpu.util_percent, gpu.power_watts) == ("Tesla, X", 5.0, None)
    assert [(one.pid, one.name) for one in gpu.processes] == [(7, "p")]


def test_restart_by_flag_and_by_program(host: Host) -> None:
    host.program("needs-restarting", "echo 'Reboot should not be necessary.'")
    assert host.ask(RESTART) is False
    host.program("needs-restarting", "echo 'Reboot is required to fully utilize these updates.'; exit 1")
    assert host.ask(RESTART) is True
    host.program("needs-restarting", "exit 1")
    assert host.ask(RESTART) is None
    host.put("/run/reboot-required", "")
    assert host.ask(RESTART) is True


@pytest.mark.parametrize("shell_name", SHELLS)
@pytest.mark.parametrize("probe", SLOW, ids=lambda probe: probe.name)
def test_every_script_runs_here_under_every_shell_without_a_word_of_complaint(
    probe: Probe[Any], shell_name: str, tmp_path: Path
) -> None:
    argv, env = shell_argv(shell_name, tmp_path)
    if probe is UPDATES:
        pytest.skip("asks the real package manager, which takes its time; covered by the made-up ones")

    said = subprocess.run([*argv, f"T=; {probe.script}"], env=env, capture_output=True, timeout=30, check=False)

    assert b"syntax" not in said.stderr.lower()
    assert b"not found" not in said.stderr
    probe.parse(said.stdout)
