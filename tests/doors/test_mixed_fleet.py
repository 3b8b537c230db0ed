"""One hosts.yaml with a cluster, a node with libvirt and a node with an engine: one list, one command, one way up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.root import call
from app.fleet import Ref
from tests.doors import doors
from tests.servers.dockerd import Dockerd
from tests.servers.fakepve import Pve
from tests.servers.libvirt import Libvirtd
from tests.servers.sshd import Sshd, StartSshd
from tests.waiting import eventually
from widgets.kind_pane import KindPane

pytestmark = [
    pytest.mark.real("fakepve"),
    pytest.mark.real("libvirtd"),
    pytest.mark.real("dockerd"),
    pytest.mark.real("sshd"),
]


@pytest.fixture
def fleet(
    pve: Pve, libvirt: Libvirtd, engine: Dockerd, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A hosts.yaml: a cluster on the node ``hp``, which has libvirt too; its guest ``web1`` has an engine."""
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    disk = {"memory": 1024, "cores": 1, "scsi0": "local-lvm:vm-101-disk-0,size=4G"}
    pve.add_vm(101, "web1", status="running", config=disk)
    pve.add_vm(102, "web2", config=disk | {"scsi0": "local-lvm:vm-102-disk-0,size=4G"})
    libvirt.domain("one", start=False)
    libvirt.domain("two words", start=False)
    engine.run("app")
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"defaults: {{ssh: {{known_hosts: {sshd.known_hosts}, config: {sshd.defaults().config}}}}}\n"
        f"proxmox:\n  lab: {{url: '{pve.url}', token: '{pve.token}', fingerprint: '{pve.fingerprint}',"
        " node_map: {pve1: hp}}\n"
        "nodes:\n"
        f"  hp:\n    ssh: {{host: {sshd.host}, port: {sshd.port}, identity: {sshd.client_key}}}\n"
        f"    libvirt: '{libvirt.uri}'\n    docker: false\n"
        f"  web1: {{local: true, docker: '{engine.url}', libvirt: false}}\n"
    )
    file.chmod(0o600)
    return file


def said(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """A command's exit code and what it told as JSON."""
    capsys.readouterr()
    code = call(["--hosts", str(file), "--output", "json", *words])
    out = capsys.readouterr().out
    return code, json.loads(out)


def ids(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in told["items"]}


def ended(told: dict[str, Any]) -> dict[str, object]:
    return {name: one["outcome"] for name, one in ids(told).items()}


def snapshots(libvirt: Libvirtd, name: str) -> list[str]:
    return libvirt.virsh("snapshot-list", libvirt.uuids()[name], "--name").stdout.split()


def test_one_list_and_one_command_for_guests_of_both(
    fleet: Path, pve: Pve, libvirt: Libvirtd, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(capsys, fleet, "vm", "list")
    assert (code, told["errors"]) == (0, [])
    assert set(ids(told)) == {"lab/101", "lab/102", "hp/one", "hp/two words"}

    code, told = said(capsys, fleet, "vm", "snapshot", "lab/*,hp/*", "--name", "night")
    assert (code, set(ended(told).values())) == (0, {"done"}), told
    assert snapshots(libvirt, "one") == snapshots(libvirt, "two words") == ["night"]

    code, told = said(capsys, fleet, "--yes", "vm", "checkpoint", "lab/*,hp/*", "--name", "monday")
    assert (code, set(ended(told).values())) == (0, {"done"}), told
    code, told = said(capsys, fleet, "vm", "checkpoints")
    (monday,) = told["items"]
    assert (monday["name"], monday["guests"], monday["of"]) == ("monday", 4, 4)
    assert set(monday["members"].split()) >= {"lab/101", "lab/102", "hp/one"}
    assert "'hp/two words'" in monday["members"]
    assert monday["taken_at"] is not None

    why = ("--yes", "--why", "because")
    code, told = said(capsys, fleet, *why, "vm", "rollback", "lab/*,hp/*", "--name", "monday")
    assert (code, set(ended(told).values())) == (0, {"done"}), told


def test_a_group_over_both_is_done_whole_or_not_begun(
    fleet: Path, pve: Pve, libvirt: Libvirtd, capsys: pytest.CaptureFixture[str]
) -> None:
    libvirt.virsh("snapshot-create-as", libvirt.uuids()["one"], "monday")
    changed = len([one for one in pve.requests() if one["method"] != "GET"])
    code, told = said(capsys, fleet, "--yes", "vm", "checkpoint", "lab/*,hp/*", "--name", "monday")
    assert code == 4, told
    assert set(ended(told).values()) == {"refused"}
    assert len(ids(told)) == 4
    assert "not without the others" in str(ids(told)["lab/101"]["message"])
    assert "hp/one" in str(ids(told)["lab/101"]["message"])
    assert snapshots(libvirt, "two words") == []
    assert len([one for one in pve.requests() if one["method"] != "GET"]) == changed

    # A verb for each of them does what it can, and its exit code says that it was not all.
    code, told = said(capsys, fleet, "vm", "snapshot", "lab/*,hp/*", "--name", "monday")
    assert code == 3
    assert ended(told) == {"hp/one": "refused", "hp/two words": "done", "lab/101": "done", "lab/102": "done"}


def test_one_that_is_away_does_not_silence_the_other(
    fleet: Path, pve: Pve, libvirt: Libvirtd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, fleet, "--yes", "vm", "checkpoint", "lab/*,hp/*", "--name", "monday")[0] == 0
    fleet.write_text(fleet.read_text().replace(str(libvirt.uri), f"{libvirt.uri}-away"))
    _, told = said(capsys, fleet, "vm", "list")
    assert {"lab/101", "lab/102"} <= set(ids(told))
    _, told = said(capsys, fleet, "vm", "checkpoints")
    assert [one["guests"] for one in told["items"]] == [2]


async def test_from_a_container_to_the_hypervisor_and_the_node_it_is(fleet: Path) -> None:
    async with doors.console(doors.hosts(fleet)(), ("web1/app",), "container", size=(120, 36)) as it:

        def at(ref: Ref) -> bool:
            place = it.console.place
            return isinstance(place, KindPane) and place.cursor_ref == ref

        chain = [Ref("node", "web1"), Ref("vm", "lab/101"), Ref("hypervisor", "lab/pve1"), Ref("node", "hp")]
        await it.until(lambda: all(it.deck.feed.fleet.find(ref) for ref in chain), "rows of the whole chain")
        await it.until(
            lambda: getattr(it.deck.feed.fleet.find(chain[1]), "runs_as", None) == chain[0], "a guest that is a node"
        )
        assert at(Ref("container", "web1/app"))
        for ref in chain:
            await it.press("J")
            await it.until(lambda ref=ref: at(ref), f"{ref}; {it.toasts()} {it.screen()}")
        # And of libvirt: from its guest to the node it runs on.
        await it.press("3")
        await it.until(lambda: it.deck.feed.fleet.find(Ref("vm", "hp/one")) is not None, "guests of libvirt")
        place = it.console.place
        assert isinstance(place, KindPane)
        await it.until(lambda: place.table.go_to(Ref("vm", "hp/one")), it.screen())
        assert "lab/101" in it.screen()
        assert "two words" in it.screen()
        await it.press("J")
        await it.until(lambda: at(Ref("node", "hp")), it.screen())


async def test_a_libvirt_that_hangs_delays_no_other_row(
    fleet: Path, libvirt: Libvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.libvirt.session.ANSWER_S", 3600.0)
    libvirt.pause()
    try:
        async with doors.console(doors.hosts(fleet)(), ("lab/101", "lab/102"), "vm", size=(120, 36)) as it:
            await it.until(lambda: "web2" in it.screen(), it.screen())
            for ref in (Ref("node", "hp"), Ref("container", "web1/app")):
                await it.until(lambda ref=ref: it.deck.feed.fleet.find(ref) is not None, str(ref))
            assert it.deck.feed.fleet.find(Ref("vm", "hp/one")) is None
            libvirt.resume()
            await it.until(lambda: it.deck.feed.fleet.find(Ref("vm", "hp/one")) is not None, "it answers again")
    finally:
        libvirt.resume()


@pytest.mark.parametrize(
    "options",
    [
        {"MaxSessions": "4"},
        {"MaxSessions": "4", "AllowStreamLocalForwarding": "no", "AllowTcpForwarding": "no"},
        {"MaxSessions": "2"},
        {"MaxSessions": "1"},
    ],
    ids=["four", "four, nothing forwarded", "two", "one"],
)
async def test_the_sampler_libvirt_an_engine_and_its_stacks_share_a_node(
    options: dict[str, str], libvirt: Libvirtd, engine: Dockerd, sshd_at: StartSshd, tmp_path: Path
) -> None:
    """All rows of one node are there and stay there, with four channels and where the server allows fewer."""
    server = sshd_at(options=options)
    libvirt.domain("one", start=False)
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "app"}
    engine.run("shop-app-1", labels=labels | {"com.docker.compose.project.working_dir": str(tmp_path)})
    file = tmp_path / "hosts.yaml"
    file.write_text(
        f"defaults: {{ssh: {{known_hosts: {server.known_hosts}, config: {server.defaults().config}}}}}\n"
        f"nodes:\n  hp:\n    ssh: {{host: {server.host}, port: {server.port}, identity: {server.client_key}}}\n"
        f"    libvirt: '{libvirt.uri}'\n    docker: '{engine.url}'\n"
    )
    file.chmod(0o600)
    deck = doors.hosts(file)()
    try:
        deck.feed.configure(deck.inventory)
        fleet = lambda: deck.feed.fleet  # noqa: E731
        for ref in (Ref("vm", "hp/one"), Ref("container", "hp/shop-app-1"), Ref("stack", "hp/shop"), Ref("node", "hp")):
            await eventually(lambda ref=ref: fleet().find(ref) is not None, 90, str(ref))
        await eventually(lambda: getattr(fleet().find(Ref("node", "hp")), "state", "") == "up", 60)
        libvirt.virsh("start", "one")
        await eventually(lambda: getattr(fleet().find(Ref("vm", "hp/one")), "state", "") == "running", 90)
        engine.run("late")
        await eventually(lambda: fleet().find(Ref("container", "hp/late")) is not None, 90)
        link = deck.context.links.of("hp")
        if options["MaxSessions"] == "4":
            assert link.cost.connects == 1
            assert getattr(link, "note", None) is None, "four channels are enough"
    finally:
        await deck.close()
