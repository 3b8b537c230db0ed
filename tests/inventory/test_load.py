"""What an inventory holds once hosts.yaml has been read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.inventory import InvalidInventory, load
from app.inventory.model import PingEntry, SshEntry, Sudo
from backends.proxmox.cluster import clusters_of
from tests.inventory.conftest import Write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ops@pi.local:22", SshEntry(host="pi.local", port=22, user="ops")),
        ("pi", SshEntry(host="pi")),
        ("pi:2222", SshEntry(host="pi", port=2222)),
        ("'[::1]:22'", SshEntry(host="::1", port=22)),
        ("'ops@[fe80::1%eth0]'", SshEntry(host="fe80::1%eth0", user="ops")),
        ("'2001:db8::7'", SshEntry(host="2001:db8::7")),
        ("ssh://me@corp@host:22", SshEntry(host="host", port=22, user="me@corp")),
        ("{user: root}", SshEntry(host="n", user="root")),
        ("{host: h, port: 22, identity: /k}", SshEntry(host="h", port=22, identity=("/k",))),
        ("{host: h, identity: [/k, /l], proxy_jump: j}", SshEntry(host="h", identity=("/k", "/l"), proxy_jump="j")),
        ("{host: h, password: ask, passphrase: ask}", SshEntry(host="h", password="ask", passphrase="ask")),
    ],
)
def test_every_form_of_ssh(text: str, expected: SshEntry, write: Write) -> None:
    node = load(write(f"nodes:\n  n: {{ssh: {text}}}\n")).nodes["n"]
    assert node.fault is None
    assert node.ssh == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", PingEntry(method="icmp", host="n")),
        ("{tcp: 443}", PingEntry(method="tcp", host="n", port=443)),
        ("{host: 192.0.2.1}", PingEntry(method="icmp", host="192.0.2.1")),
    ],
)
def test_every_form_of_ping(text: str, expected: PingEntry, write: Write) -> None:
    assert load(write(f"nodes:\n  n: {{ping: {text}}}\n")).nodes["n"].ping == expected


def test_a_node_overrides_the_defaults_part_by_part(write: Write) -> None:
    inventory = load(
        write(
            "defaults: {interval: 5, thresholds: {cpu: [1, 2]}, ssh: {user: ops, connect_timeout: 3}}\n"
            "nodes:\n"
            "  a: {ssh: a}\n"
            "  b: {ssh: b, interval: 7, sudo: ask, thresholds: {disk: [3, 4]}, rate: {per_hour: 1}}\n"
        )
    )
    a, b = inventory.nodes["a"], inventory.nodes["b"]
    assert (a.interval, a.sudo, dict(a.rate)) == (5.0, Sudo.NONE, {})
    assert (b.interval, b.sudo, dict(b.rate)) == (7.0, Sudo.ASK, {"per_hour": 1.0})
    assert (a.thresholds["cpu"], a.thresholds["disk"], a.thresholds["memory"]) == ((1, 2), (80, 92), (80, 95))
    assert (b.thresholds["cpu"], b.thresholds["disk"]) == ((1, 2), (3, 4))
    assert (inventory.ssh.user, inventory.ssh.connect_timeout, inventory.interval) == ("ops", 3.0, 5.0)


def test_one_bad_node_stops_nobody_else_and_says_what_is_wrong(write: Write) -> None:
    path = write(
        "nodes:\n  a: {ssh: a}\n  b: {ssh: {port: 0, prt: 1}, tags: [prod]}\n  c: {local: true}\ngroups: {g: [b]}\n"
    )
    inventory = load(path)
    assert [node.name for node in inventory] == ["a", "b", "c"]
    assert [node.name for node in inventory if node.fault is None] == ["a", "c"]
    fault = inventory.nodes["b"].fault or ""
    assert f"{path}:3:19: 'port' must be at least 1" in fault
    assert f"{path}:3:22: unknown key 'prt'" in fault
    assert inventory.nodes["b"].ssh is None
    assert inventory.nodes["b"].tags == {"prod", "g"}, "its tags still put it under their rules"


def test_a_node_defined_twice_is_faulty(write: Write) -> None:
    inventory = load(write("nodes:\n  a: {ssh: a}\n  a: {ssh: b}\n  c: {local: true}\n"))
    assert "second time" in (inventory.nodes["a"].fault or "")
    assert inventory.nodes["c"].fault is None


@pytest.mark.parametrize("text", ["rules: {readonly: ['@prod']}", "ruels: {}", "rules: [x]", "groups: {prod: [pii]}"])
def test_a_mistake_that_could_disarm_a_rule_stops_the_load(text: str, write: Write) -> None:
    with pytest.raises(InvalidInventory) as caught:
        load(write(f"nodes: {{pi: {{ssh: pi}}}}\n{text}\n"))
    assert len(caught.value.mistakes) == 1


def test_an_invalid_inventory_lists_all_its_mistakes(write: Write) -> None:
    path = write("theme: 5\nkeys: {A: b}\nnodes: {pi: {ssh: -x}}\n")
    with pytest.raises(InvalidInventory) as caught:
        load(path)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        f"{path}:{p}" for p in ("1:8", "2:8", "3:19")
    ]


def test_groups_become_tags_and_take_globs_and_tags(write: Write) -> None:
    inventory = load(
        write(
            "nodes:\n  n1: {ssh: a}\n  n2: {ssh: b, tags: [arm]}\n  pi: {ssh: c, tags: [arm]}\n"
            "groups: {ns: ['n*'], arms: ['@arm', n1]}\n"
        )
    )
    assert dict(inventory.groups) == {"ns": ("n1", "n2"), "arms": ("n2", "pi", "n1")}
    assert inventory.nodes["n2"].tags == {"arm", "ns", "arms"}


def test_names_that_yaml_takes_for_something_else_stay_names(write: Write) -> None:
    inventory = load(write("nodes:\n  no: {ssh: on}\n  007: {ssh: x, tags: [2024-01-01]}\n  1.5: {ssh: x}\n"))
    assert list(inventory.nodes) == ["no", "007", "1.5"]
    assert inventory.nodes["no"].ssh == SshEntry(host="on")
    assert inventory.nodes["007"].tags == {"2024-01-01"}


def test_what_belongs_to_other_backends_is_kept_as_it_stands(write: Write) -> None:
    cluster = "{url: 'https://10.0.1.10:8006/', token: '${PVE_TOKEN}', interval: 30}"
    inventory = load(write(f"nodes: {{pi: {{ssh: pi, libvirt: qemu:///session}}}}\nproxmox: {{lab: {cluster}}}\n"))
    assert inventory.nodes["pi"].extra == {"libvirt": "qemu:///session"}
    lab = {"url": "https://10.0.1.10:8006/", "token": "${PVE_TOKEN}", "interval": 30}
    assert inventory.extra == {"proxmox": {"lab": lab}}


def test_relative_paths_begin_at_the_file(write: Write, home: Path) -> None:
    path = write(
        "defaults: {ssh: {known_hosts: kh, config: ~/c}}\nnodes: {a: {ssh: {identity: [k, /abs, '%d/x', ~/y]}}}\n"
    )
    inventory = load(path)
    assert (inventory.ssh.known_hosts, inventory.ssh.config) == (path.parent / "kh", home / "c")
    node = inventory.nodes["a"]
    assert node.ssh is not None
    assert node.ssh.identity == (str(path.parent / "k"), "/abs", "%d/x", str(home / "y"))


def test_the_shipped_tutorial_is_the_zero_configuration_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped, built_in = load(Path(__file__).parents[2] / "hosts.yaml"), load()
    assert shipped.mistakes == ()
    assert dict(shipped.nodes) == dict(built_in.nodes)
    assert (shipped.ssh, shipped.rules, shipped.wallboard, shipped.theme) == (
        built_in.ssh,
        built_in.rules,
        built_in.wallboard,
        built_in.theme,
    )


def test_the_examples_of_the_tutorial_are_valid(tmp_path: Path) -> None:
    head, mark, body = (Path(__file__).parents[2] / "hosts.yaml").read_text().partition("\nversion: 1\n")
    # An example is a comment that is YAML: a key in lower case and a colon. Sentences begin with a capital letter.
    text = head + mark + re.sub(r"(?m)^( *)# ( *[a-z_]+:(?: |$))", r"\1\2", body)
    (tmp_path / "inventory.ini").write_text("n1\n")
    path = tmp_path / "hosts.yaml"
    path.write_text(text)
    inventory = load(path)
    assert {"here", "hp", "pi", "nas", "printer", "router", "n1"} == set(inventory.nodes)
    assert [str(mistake) for mistake in inventory.mistakes if not mistake.warning] == []
    assert inventory.rules.read_only == ("@prod",)
    assert inventory.keys == {"node.reboot": "f9"}
    assert inventory.ssh.user == "ops"
    assert inventory.nodes["pi"].extra["libvirt"] == "qemu:///system"
    (lab,) = clusters_of(inventory)
    assert (lab.token, lab.node_map["pve1"], lab.templates["hub"].vmid) == ("${PVE_TOKEN}", "hp", 101)
    assert lab.networks["machines"].bridge == "vmbr1"
