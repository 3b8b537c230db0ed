"""Templates that hosts.yaml declares: made from an image, found again, gone on with, or refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.errors import Refused, Unsupported
from app.inventory.model import Sudo
from app.job import Outcome
from backends.proxmox import snippets
from backends.proxmox.verbs.build import BuildVerbs
from backends.proxmox.verbs.template_image import file_name
from backends.ssh.link import SshLink
from tests.proxmox import acting
from tests.proxmox.acting import Lab
from tests.servers.fakepve import Pve
from tests.servers.sshd import StartSshd, sshd_at
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")
__all__ = ["sshd_at"]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPk1DwJZ0cJ2Yw4u0bqLxg0T8Vb4Xx8G5pTq1Wn3R7zE ops@hp"
URL = "https://cloud.example.org/noble/noble-server-cloudimg-amd64.img"
SUM = "0123456789ab" + "c" * 52
IMAGE = "import/noble-server-cloudimg-amd64-0123456789ab.qcow2"
AGENT_MACHINE = f"""templates:
  agent-machine:
    vmid: 100
    image: {URL}
    checksum: {SUM}
    storage: local-lvm
    cores: 4
    memory: 4G
    disk: 20G
    user: ops
    ssh_keys: ["{KEY}"]
    packages: [git, tmux]
    run: ["useradd -m agent", "echo ready > /etc/motd"]
    tags: [agent]
    notes: where agents work
    timeout: 60
"""
PLAIN = f"""templates:
  plain:
    vmid: 105
    image: {URL}
    agent: false
"""
DONE = {"exec": {"cloud-init status --wait": {"exited": True, "exitcode": 0, "out-data": "status: done"}}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are kept apart a hundredth of the time."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    monkeypatch.setattr(BuildVerbs, "look_pause", staticmethod(pause))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine, which is the Proxmox node pve1 here, keeps snippets: a ``pvesm`` that tells their paths."""
    programs, kept = tmp_path / "bin", tmp_path / "storage"
    programs.mkdir()
    pvesm = programs / "pvesm"
    pvesm.write_text(f'#!/bin/sh\n[ "$1" = path ] && echo "{kept}/${{2#local:}}"\n', encoding="utf-8")
    pvesm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return kept / "snippets"


@asynccontextmanager
async def opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pve: Pve, more: str, *, mapped: bool = True
) -> AsyncGenerator[Lab]:
    """A deck whose cluster declares templates; ``mapped``: its node is this machine."""
    write = acting.written

    def written(*arguments: object, **options: object) -> Path:
        path = write(*arguments, **options)  # pyright: ignore[reportArgumentType]
        path.write_text(path.read_text(encoding="utf-8") + "nodes:\n  here: {local: true}\n", encoding="utf-8")
        return path

    with monkeypatch.context() as patch:
        patch.setattr(acting, "written", written)
        said = f"node_map: {{pve1: here}}\n{more}" if mapped else more
        async with acting.opened(folder, monkeypatch, pve, more=said) as lab:
            yield lab


async def built(lab: Lab, pve: Pve, vmid: int, agent: Mapping[str, object]) -> Outcome:
    """Build it; its agent answers once it runs, as if it had been installed by then."""

    def runs() -> bool:
        return pve.has_guest(vmid) and pve.guest(vmid)["status"] == "running"

    work = asyncio.create_task(lab.one("build", name="agent-machine"))
    await eventually(lambda: work.done() or runs(), within=30)
    if not work.done():
        pve.set_guest(vmid, agent=agent)
    return await asyncio.wait_for(work, 60)


async def test_an_agent_machine_from_a_url(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path
) -> None:
    async with opened(tmp_path, monkeypatch, pve, AGENT_MACHINE) as lab:
        work = asyncio.create_task(built(lab, pve, 100, DONE))
        await eventually(lambda: pve.has_guest(100) and pve.guest(100)["status"] == "running", within=30)
        wanted = (node / "quarterdeck-agent-machine.yaml").read_text(encoding="utf-8")
        making = pve.guest(100)["config"]
        outcome = await work
        plan = lab.witnessed()[0].plan or ()
        again = await lab.one("build", name="agent-machine")
    assert (str(outcome.outcome), outcome.exit_code) == ("done", 0), outcome.message
    assert "template agent-machine (lab/100) is there" in outcome.message
    assert making["cicustom"] == "vendor=local:snippets/quarterdeck-agent-machine.yaml"
    assert making["description"].startswith("quarterdeck builds agent-machine: made")
    head, _, body = wanted.partition("\n")
    said = json.loads(body)
    assert head == "#cloud-config"
    assert said["packages"] == ["qemu-guest-agent", "git", "tmux"]
    assert said["runcmd"][0] == "set -e"
    assert said["runcmd"][-2:] == ["useradd -m agent", "echo ready > /etc/motd"]

    guest = pve.guest(100)
    config = guest["config"]
    assert (guest["name"], guest["template"], guest["status"]) == ("agent-machine", True, "stopped")
    assert (str(config["cores"]), str(config["memory"]), config["ciuser"]) == ("4", "4096", "ops")
    assert unquote(config["sshkeys"]) == KEY
    assert (config["tags"], config["description"]) == ("agent", "where agents work")
    assert "cicustom" not in config
    assert config["scsi0"].startswith("local-lvm:base-100-disk-0")
    assert "size=20G" in config["scsi0"]
    assert (config["serial0"], config["agent"], config["ipconfig0"]) == ("socket", "1", "ip=dhcp")
    (fetched,) = pve.requests("POST", "/download-url")
    assert fetched["values"]["checksum-algorithm"] == "sha256"
    assert fetched["values"]["checksum"] == SUM
    assert IMAGE in pve.volumes("local")
    ran = [one[1]["command"] for one in guest["agent_requests"] if one[0] == "exec"]
    assert ran[0] == ["cloud-init", "status", "--wait"]
    assert "machine-id" in ran[-1][-1]
    assert not list(node.iterdir())
    assert KEY not in "".join(plan)
    assert again.exit_code == 0
    assert "is there already" in again.message


async def test_an_image_that_is_there_is_not_fetched_again_and_a_plain_template_never_runs(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pve.add_volume(
        "local", "import/noble-server-cloudimg-amd64.qcow2", content="import", size=600 << 20, format="qcow2"
    )
    async with opened(tmp_path, monkeypatch, pve, PLAIN, mapped=False) as lab:
        outcome = await lab.one("build", name="plain")
        calls = lab.called()
    assert outcome.exit_code == 0, outcome.message
    assert calls == [
        "POST /nodes/pve1/qemu",
        "POST /nodes/pve1/qemu/105/template",
        "PUT /nodes/pve1/qemu/105/config",
    ]
    guest = pve.guest(105)
    assert guest["template"] is True
    assert "description" not in guest["config"]
    assert "agent" not in guest["config"]


async def test_commands_that_fail_at_the_first_boot_are_told_and_a_second_run_goes_on(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path
) -> None:
    broken = {
        "exec": {
            "cloud-init status --wait": {"exited": True, "exitcode": 1, "out-data": "status: error"},
            "cloud-init status --long": {"exited": True, "exitcode": 1, "out-data": "detail:\n('scripts_user', boom)"},
        }
    }
    async with opened(tmp_path, monkeypatch, pve, AGENT_MACHINE) as lab:
        outcome = await built(lab, pve, 100, broken)
        assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
        assert "('scripts_user', boom)" in outcome.message
        assert "quarterdeck vm destroy lab/100 --stop" in outcome.message
        assert pve.guest(100)["template"] is False
        pve.set_guest(100, agent=DONE)  # somebody put it right in there
        pve.forget()
        again = await lab.one("build", name="agent-machine")
        notes = lab.front.questions[-1].plan.notes
        calls = lab.called()
    assert again.exit_code == 0, again.message
    assert any("is half made" in note for note in notes)
    assert "POST /nodes/pve1/qemu" not in calls
    assert pve.guest(100)["template"] is True


async def test_what_has_the_number_or_the_name_is_never_touched(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, PLAIN, mapped=False) as lab:
        said: list[str] = []
        for name, options in (
            ("web", {}),
            ("other", {"template": True}),
            ("plain", {}),
            ("plain", {"config": {"description": "quarterdeck builds hub: made"}}),
        ):
            pve.add_vm(105, name, **options)
            outcome = await lab.one("build", name="plain")
            assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
            said.append(outcome.message)
            pve.remove_guest(105)
        pve.add_vm(105, "plain", lock="create")
        half = await lab.one("build", name="plain")
        assert lab.called() == []
    assert "lab/105 is the guest 'web'" in said[0]
    assert "lab/105 is the template 'other'" in said[1]
    assert "quarterdeck vm template lab/105" in said[2]
    assert "is no template" in said[3]
    assert "qm unlock 105 && qm destroy 105" in half.message


async def test_what_it_needs_and_has_not_is_told_before_anything_is_made(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, AGENT_MACHINE, mapped=False) as lab:
        unmapped = await lab.one("build", name="agent-machine")
        unknown = await lab.one("build", name="agent-machin")
        pve.set_storage("local", content="iso,vztmpl,backup")
        nowhere = await lab.one("build", name="agent-machine")
        assert lab.called() == []
    assert (str(unmapped.outcome), unmapped.exit_code) == ("refused", 4)
    assert "node_map: {pve1: NAME}" in unmapped.message
    assert "the nearest is agent-machine" in unknown.message
    assert "pvesm set local" in nowhere.message


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("local:import/gone.qcow2", "has no image"),
        ("https://cloud.example.org/debian.qcow2.xz", "is packed"),
    ],
)
async def test_an_image_that_cannot_be_used_is_refused(
    image: str, words: str, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = PLAIN.replace(URL, image)
    async with opened(tmp_path, monkeypatch, pve, more, mapped=False) as lab:
        outcome = await lab.one("build", name="plain")
        assert lab.called() == []
    assert outcome.exit_code != 0
    assert words in outcome.message


async def test_a_cluster_that_is_only_read_gets_no_template(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "tags: [prod]\n" + PLAIN + "rules_of_file"
    write = acting.written

    def written(*arguments: object, **options: object) -> Path:
        path = write(*arguments, **options)  # pyright: ignore[reportArgumentType]
        said = path.read_text(encoding="utf-8").replace("    rules_of_file", 'rules: {read_only: ["@prod"]}')
        path.write_text(said, encoding="utf-8")
        return path

    monkeypatch.setattr(acting, "written", written)
    async with acting.opened(tmp_path, monkeypatch, pve, more=more) as lab:
        outcome = await lab.one("build", name="plain")
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert "read-only" in outcome.message


async def test_falsifying_asks_whether_the_image_can_be_had(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, PLAIN, mapped=False) as lab:
        outcome = await lab.one("build", name="plain", mode="falsify")
        assert lab.called() == []
    assert outcome.exit_code == 0, outcome.message
    assert pve.requests("GET", "/query-url-metadata")


async def test_an_agent_that_never_answers_ends_in_time_and_says_what_to_do(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path
) -> None:
    more = AGENT_MACHINE.replace("timeout: 60", "timeout: 10")
    ticks = iter(range(0, 10**6, 5))
    async with opened(tmp_path, monkeypatch, pve, more) as lab:
        loop = asyncio.get_running_loop()
        began = loop.time()

        class Hasty:
            """A clock that the building reads; each look takes five seconds by it."""

            def time(self) -> float:
                return began + next(ticks)

        monkeypatch.setattr("backends.proxmox.verbs.building.asyncio", _Asyncio(Hasty()))
        outcome = await lab.one("build", name="agent-machine")
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", 1)
    assert "waited 10 s for its agent to answer" in outcome.message
    assert "quarterdeck vm console lab/100" in outcome.message


class _Asyncio:
    """asyncio with another clock."""

    def __init__(self, loop: object) -> None:
        self.get_running_loop = lambda: loop
        self.sleep = asyncio.sleep


def notes(pve: Pve, vmid: int) -> str:
    """What is noted of a guest."""
    return str(pve.guest(vmid)["config"].get("description"))


async def test_without_an_agent_it_switches_itself_off(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path
) -> None:
    more = PLAIN + "    packages: [nginx]\n    timeout: 60\n"
    async with opened(tmp_path, monkeypatch, pve, more) as lab:
        work = asyncio.create_task(lab.one("build", name="plain"))
        await eventually(lambda: pve.has_guest(105) and "booted" in notes(pve, 105), within=30)
        said = json.loads((node / "quarterdeck-plain.yaml").read_text(encoding="utf-8").partition("\n")[2])
        pve.set_guest(105, status="stopped")
        outcome = await asyncio.wait_for(work, 60)
    assert outcome.exit_code == 0, outcome.message
    assert said["power_state"]["mode"] == "poweroff"
    assert "machine-id" in said["runcmd"][-1]
    assert said["packages"] == ["nginx"]
    assert pve.guest(105)["template"] is True
    assert pve.requests("POST", "/agent/") == []


@pytest.mark.parametrize(
    ("stage", "status", "is_template", "expected"),
    [
        ("made", "running", False, ["status/shutdown", "template", "config"]),
        ("cleaned", "running", False, ["status/shutdown", "template", "config"]),
        ("cleaned", "stopped", False, ["template", "config"]),
        ("cleaned", "stopped", True, ["config"]),
    ],
)
async def test_a_run_that_was_killed_is_gone_on_with_from_where_it_was(
    stage: str,
    status: str,
    is_template: bool,
    expected: list[str],
    pve: Pve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    node: Path,
) -> None:
    config = {
        "description": f"quarterdeck builds agent-machine: {stage}",
        "agent": "1",
        "cicustom": "vendor=local:snippets/quarterdeck-agent-machine.yaml",
        "scsi0": "local-lvm:vm-100-disk-0,size=20G",
    }
    pve.add_vm(100, "agent-machine", status=status, config=config, template=is_template, agent=DONE)
    async with opened(tmp_path, monkeypatch, pve, AGENT_MACHINE) as lab:
        outcome = await lab.one("build", name="agent-machine")
        calls = [one.rpartition("/qemu/100/")[2] for one in lab.called() if "/agent/" not in one]
    assert outcome.exit_code == 0, outcome.message
    guest = pve.guest(100)
    assert guest["template"] is True
    assert (guest["config"]["description"], "cicustom" in guest["config"]) == ("where agents work", False)
    # Marking that it was cleaned is a change of its configuration too.
    assert calls == (["config"] if stage == "made" else []) + expected


async def test_over_ssh_as_a_user_with_sudo_the_snippet_lands_and_goes(tmp_path: Path, sshd_at: StartSshd) -> None:
    programs, kept = tmp_path / "bin", tmp_path / "storage"
    programs.mkdir()
    for name, script in (
        ("pvesm", f'[ "$1" = path ] && echo "{kept}/a b/${{2#local:}}"'),
        ("sudo", f'echo "$@" >> {tmp_path}/sudo; [ "$1" = -n ] && [ "$2" = -- ] && shift 2 && exec "$@"'),
        ("id", "echo 1000"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    server = sshd_at(options={"SetEnv": f"HOME={tmp_path} PATH={programs}:/usr/bin:/bin"})
    link = SshLink("hp", server.entry(), server.defaults())
    place = kept / "a b" / "snippets" / "x.yaml"
    volume = snippets.volume("local", "x.yaml")
    try:
        await snippets.run(link, snippets.writing(volume), Sudo.NOPASSWD, content="#cloud-config\n'it'\n")
        assert place.read_text(encoding="utf-8") == "#cloud-config\n'it'\n"
        await snippets.run(link, snippets.removing(volume), Sudo.NOPASSWD)
        assert not place.exists()
        assert (tmp_path / "sudo").read_text(encoding="utf-8").count("-- sh -c path=") == 2
        (programs / "pvesm").unlink()
        with pytest.raises(Unsupported, match="no pvesm"):
            await snippets.run(link, snippets.writing(volume), Sudo.NOPASSWD, content="")
        (programs / "sudo").write_text("#!/bin/sh\necho sudo: a password is required >&2; exit 1\n", encoding="utf-8")
        with pytest.raises(Refused, match="a password is required"):
            await snippets.run(link, snippets.writing(volume), Sudo.NOPASSWD, content="")
    finally:
        await link.close()


@pytest.mark.parametrize(
    ("url", "checksum", "expected"),
    [
        (URL, None, "noble-server-cloudimg-amd64.qcow2"),
        (URL, SUM, "noble-server-cloudimg-amd64-0123456789ab.qcow2"),
        ("https://x.org/debian-12-genericcloud-amd64.qcow2?mirror=1", None, "debian-12-genericcloud-amd64.qcow2"),
        ("https://x.org/a/Fedora%20Cloud;rm.RAW", None, "Fedora-Cloud-rm.raw"),
        ("https://x.org/download", None, "download.qcow2"),
        ("https://x.org/..%2f..%2fetc%2fpasswd", None, "passwd.qcow2"),
    ],
)
def test_what_an_image_is_called_on_a_storage(url: str, checksum: str | None, expected: str) -> None:
    assert file_name(url, checksum, where="hub") == expected
