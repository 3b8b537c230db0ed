"""Client CPU of ``node exec`` on sixty loopback hosts, beside ``ansible -m raw`` on the same hosts in the same run.

Needs sshd. ansible-core is installed into a folder of its own for the comparison; without it only our figure is told.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import begin, end, figure
from tests.servers.sshd import Sshd

HOSTS = 60
TIMES = 3


def client_cpu(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> tuple[float, str]:
    """CPU seconds of a command and of every child it waited for, and its standard output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, env={**os.environ, **env}, cwd=cwd, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{argv[0]} failed with {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def ansible(folder: Path) -> Path | None:
    """The ansible program in an environment of its own, or ``None`` when it cannot be had."""
    made = subprocess.run([sys.executable, "-m", "venv", str(folder / "ansible")], check=False)
    pip = folder / "ansible" / "bin" / "pip"
    if made.returncode != 0:
        return None
    got = subprocess.run([str(pip), "install", "--quiet", "ansible-core"], capture_output=True, check=False)
    program = folder / "ansible" / "bin" / "ansible"
    return program if got.returncode == 0 and program.exists() else None


def main() -> None:
    """Run both, three times each, and compare the least of each."""
    begin(f"node exec on {HOSTS} loopback hosts, client CPU, start-up included")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sshd").mkdir(mode=0o700)
        server = Sshd(folder / "sshd", options={"MaxStartups": "200"}, wide=True)
        server.start()
        try:
            hosts = server.hosts(HOSTS)
            server.trust(hosts)
            nodes = "".join(
                f"  n{number}: {{ssh: {{host: {host}, port: {server.port}, user: {server.user}, "
                f"identity: {server.client_key}}}}}\n"
                for number, host in enumerate(hosts, 1)
            )
            config = server.defaults().config
            (folder / "hosts.yaml").write_text(
                f"version: 1\ndefaults:\n  ssh: {{known_hosts: {server.known_hosts}, config: {config}}}\n"
                f"nodes:\n{nodes}"
            )
            root = Path(__file__).resolve().parent.parent
            env = {"QUARTERDECK_HOME": str(folder / "home")}
            ours: list[float] = []
            argv = [sys.executable, str(root / "quarterdeck.py"), "node", "exec", "n*", "--yes"]
            argv += ["--hosts", str(folder / "hosts.yaml"), "--output", "json", "--parallel", "20", "--", "uname", "-a"]
            for _ in range(TIMES):
                seconds, said = client_cpu(argv, env, folder)
                items = json.loads(said)["items"]
                assert len(items) == HOSTS, len(items)
                assert all(item["stdout"].startswith("Linux") for item in items)
                ours.append(seconds)
            program = ansible(folder)
            figure("quarterdeck node exec, least of three", min(ours), "CPU s")
            if program is None:
                sys.exit("ansible-core could not be installed: nothing to compare with")
            inventory = "".join(
                f"n{number} ansible_host={host} ansible_port={server.port} ansible_user={server.user} "
                f"ansible_ssh_private_key_file={server.client_key}\n"
                for number, host in enumerate(hosts, 1)
            )
            (folder / "inventory.ini").write_text(inventory)
            (folder / "ansible.cfg").write_text(
                "[defaults]\nhost_key_checking = False\nforks = 10\n"
                f"[ssh_connection]\nssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=5s"
                f" -o UserKnownHostsFile={server.known_hosts}\ncontrol_path_dir = {folder}/cp\n"
            )
            theirs: list[float] = []
            argv = [str(program), "-i", "inventory.ini", "all", "-m", "raw", "-a", "uname -a"]
            for _ in range(TIMES):
                env = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
                seconds, said = client_cpu(argv, env, folder)
                assert said.count("rc=0") == HOSTS, said[-2000:]
                theirs.append(seconds)
            figure("ansible -m raw, least of three", min(theirs), "CPU s")
            held = figure("ours as a share of ansible's", min(ours) / min(theirs), "", 0.1)
        finally:
            server.stop()
    end(held)


if __name__ == "__main__":
    main()
