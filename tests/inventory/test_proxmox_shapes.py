"""``proxmox`` of hosts.yaml: what becomes of it, and that each mistake has its place and faults its cluster only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import Missing
from app.inventory import load
from app.inventory.loading import read
from app.inventory.model import InvalidInventory, Inventory
from app.inventory.shapes import json_schema
from backends.proxmox.cluster import Network, Rule, Template, cluster_of, clusters_of
from tests.inventory.conftest import Mistakes, Write

PRINT = ":".join(["AB"] * 32)
FULL = f"""\
nodes:
  hp: {{ssh: hp}}
proxmox:
  lab:
    url: https://10.0.1.10:8006/
    urls: [https://10.0.1.11:8006, "https://[2001:db8::7]:8006/api2/json"]
    token: ${{PVE_TOKEN}}
    fingerprint: [{PRINT.lower()}, {"cd" * 32}]
    node_map: {{pve1: hp}}
    interval: 30
    parallel: 2
    tags: [prod]
    templates:
      hub:
        vmid: 101
        image: https://cloud-images.example.org/noble.img
        checksum: sha256:{"AF" * 32}
        node: pve1
        storage: local-lvm
        bridge: vmbr0
        cores: 2
        memory: 4G
        disk: 20G
        user: ops
        ssh_keys: [file:~/.ssh/id_ed25519.pub, ssh-ed25519 AAAA me]
        packages: [docker.io, python3]
        run: [systemctl enable --now docker]
        ip: 10.20.0.5/24,10.20.0.1
        tags: [hub]
        notes: made by the console
        snippets: local
        timeout: 600
      small: {{vmid: 100, image: "local:import/x.qcow2", memory: 512, agent: false}}
    networks:
      machines:
        bridge: vmbr1
        cidr: 10.20.0.0/24
        guests: ["agent-*"]
        policy_in: drop
        policy_out: REJECT
        rules:
          - {{action: accept, direction: out, proto: tcp, dport: 443, dest: 10.20.0.1}}
          - {{action: accept, direction: in, proto: tcp, dport: "22,8000:8010", source: "+trusted,10.0.0.0/8"}}
          - {{action: drop, direction: in, comment: the rest}}
  old:
    urls: [https://pve.example.org]
    user: root
    password: file:secret
    ca: ca.pem
"""


def test_a_cluster_with_everything(write: Write) -> None:
    path = write(FULL)
    inventory = load(path)
    assert inventory.mistakes == ()
    lab, old = clusters_of(inventory)
    assert lab.urls == ("https://10.0.1.10:8006", "https://10.0.1.11:8006", "https://[2001:db8::7]:8006")
    assert (lab.token, lab.user, lab.password, lab.login) == ("${PVE_TOKEN}", None, None, None)
    assert lab.fingerprints == (PRINT, ":".join(["CD"] * 32))
    assert dict(lab.node_map) == {"pve1": "hp"}
    assert (lab.interval, lab.parallel, lab.tags, lab.ca, lab.fault) == (30.0, 2, {"prod"}, None, None)
    assert lab.templates["hub"] == Template(
        name="hub",
        vmid=101,
        image="https://cloud-images.example.org/noble.img",
        checksum="af" * 32,
        node="pve1",
        storage="local-lvm",
        bridge="vmbr0",
        cores=2,
        memory_mib=4096,
        disk_mib=20480,
        user="ops",
        ssh_keys=("file:~/.ssh/id_ed25519.pub", "ssh-ed25519 AAAA me"),
        packages=("docker.io", "python3"),
        run=("systemctl enable --now docker",),
        ip="10.20.0.5/24,gw=10.20.0.1",
        agent=True,
        tags=("hub",),
        notes="made by the console",
        snippets="local",
        timeout=600,
    )
    small = Template(name="small", vmid=100, image="local:import/x.qcow2", memory_mib=512, agent=False)
    assert lab.templates["small"] == small
    assert lab.networks["machines"] == Network(
        name="machines",
        bridge="vmbr1",
        cidr="10.20.0.0/24",
        guests=("agent-*",),
        policy_in="DROP",
        policy_out="REJECT",
        rules=(
            Rule(action="ACCEPT", direction="out", proto="tcp", dport="443", dest="10.20.0.1"),
            Rule(action="ACCEPT", direction="in", proto="tcp", dport="22,8000:8010", source="+trusted,10.0.0.0/8"),
            Rule(action="DROP", direction="in", comment="the rest"),
        ),
    )
    assert (old.urls, old.login, old.password) == (("https://pve.example.org",), "root@pam", "file:secret")
    assert (old.ca, old.interval, old.parallel) == (path.parent / "ca.pem", 10.0, 1)
    assert clusters_of(load(path)) == (lab, old), "a kept inventory says the same"


def test_what_stands_in_a_repr_is_no_secret(write: Write) -> None:
    path = write("proxmox: {lab: {url: 'https://1.2.3.4', user: root, password: hunter2}}\n")
    path.chmod(0o600)
    (lab,) = clusters_of(load(path))
    assert lab.password == "hunter2"
    assert "hunter2" not in repr(lab)


def test_a_file_without_nodes_has_none(write: Write) -> None:
    inventory = load(write("proxmox: {lab: {url: 'https://1.2.3.4', token: '${T}'}}\n"))
    assert dict(inventory.nodes) == {}
    assert inventory.mistakes == ()
    assert [one.name for one in clusters_of(inventory)] == ["lab"]
    assert clusters_of(Inventory()) == ()


@pytest.mark.parametrize("said", ["root@pve", "root, realm: pve", "root@pve, realm: pve"])
def test_a_user_says_its_realm_or_has_it_beside_it(write: Write, said: str) -> None:
    (lab,) = clusters_of(load(write(f"proxmox: {{lab: {{url: 'https://1.2.3.4', user: {said}, password: ask}}}}\n")))
    assert (lab.fault, lab.login, lab.password) == (None, "root@pve", None)


def test_one_cluster_by_its_name(write: Write) -> None:
    inventory = load(write("proxmox: {lab: {url: 'https://1.2.3.4', token: '${T}'}}\n"))
    assert cluster_of(inventory, "lab").name == "lab"
    with pytest.raises(Missing, match="the nearest is lab"):
        cluster_of(inventory, "labb")


GOOD = "url: https://1.2.3.4, token: '${T}'"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("[]", "'lab' must be a mapping of keys and values"),
        ("{token: '${T}'}", "nothing says where 'lab' is: url: https://10.0.1.10:8006"),
        ("{url: https://1.2.3.4}", "nothing says how to log in to 'lab': token: ${PVE_TOKEN}, or user, password"),
        ("{url: https://1.2.3.4, realm: pve}", "nothing says how to log in to 'lab'"),
        ("{url: https://1.2.3.4, user: root}", "'password' is missing beside 'user'"),
        ("{url: https://1.2.3.4, password: '${P}'}", "'user' is missing beside 'password'"),
        (f"{{{GOOD}, user: root}}", "both token and user: one login is used"),
        (f"{{{GOOD}, password: '${{P}}'}}", "both token and password: one login is used"),
        ("{url: https://1.2.3.4, user: root@pam, realm: pve, password: '${P}'}", "'realm': the user's own is 'pam'"),
        ("{url: https://1.2.3.4, user: 'a b', password: '${P}'}", "'user': 'a b': not a user: it reads root@pam"),
        ("{url: https://1.2.3.4, user: root, realm: 1, password: '${P}'}", "'realm' must be a text"),
        ("{url: https://1.2.3.4, user: root, realm: '-', password: '${P}'}", "not a realm: it reads pam, pve"),
        ("{url: https://1.2.3.4, token: ''}", "'token' must not be empty"),
        ("{url: https://1.2.3.4, token: '${T'}", "'token': an environment variable reads ${NAME}"),
        ("{url: https://1.2.3.4, token: 'root@pam=${T}'}", "'token': a token reads USER@REALM!TOKENID=SECRET"),
        ("{url: https://1.2.3.4, token: ask}", "'token': a token reads USER@REALM!TOKENID=SECRET"),
        ("{url: https://1.2.3.4, token: 'file:'}", "'token': file: names nothing"),
        ("{url: https://1.2.3.4, token: 'root@pam!t=cmd:pass'}", "file: and cmd: stand for the whole text"),
        ("{url: http://1.2.3.4:8006, token: '${T}'}", "a token is not sent in the clear: it begins with https://"),
        ("{url: 10.0.0.1, token: '${T}'}", "'url': '10.0.0.1': not a URL: it reads https://10.0.1.10:8006"),
        ("{url: 'https://1.2.3.4:x', token: '${T}'}", "not a URL"),
        ("{url: 'https://1.2.3.4:0', token: '${T}'}", "0 is no port"),
        ("{url: 'https://1.2.3.4/x', token: '${T}'}", "only scheme, host and port stand here"),
        ("{url: 'https://a:b@1.2.3.4', token: '${T}'}", "'url': no login stands in a URL"),
        ("{urls: https://1.2.3.4, token: '${T}'}", "'urls' must be a list"),
        ("{urls: [], token: '${T}'}", "nothing says where 'lab' is"),
        (f"{{{GOOD}, fingerprint: 'AA:BB'}}", "a SHA-256 fingerprint has 32 bytes, this has 2"),
        (f"{{{GOOD}, fingerprint: '{'aa' * 20}'}}", "this has 20, as SHA-1 has; SHA-256 is wanted"),
        (f"{{{GOOD}, fingerprint: xyz}}", "not a fingerprint: it reads AA:BB:…"),
        (f"{{{GOOD}, fingerprint: []}}", "'fingerprint': names nothing"),
        (f"{{{GOOD}, fingerprint: {{}}}}", "'fingerprint' must be a text or a list"),
        (f"{{{GOOD}, fingerprnt: x}}", "unknown key 'fingerprnt' (nearest valid name: fingerprint)"),
        (f"{{{GOOD}, node_map: {{pve1: hpp}}}}", "no node is called 'hpp' (nearest valid name: hp)"),
        (f"{{{GOOD}, node_map: {{pve1: hp, pve2: hp}}}}", "'hp' is pve1 already: a node is one machine"),
        (f"{{{GOOD}, node_map: {{'a b': hp}}}}", "'a b': not the name of a Proxmox node"),
        (f"{{{GOOD}, interval: 1}}", "'interval' must be at least 2, not '1'"),
        (f"{{{GOOD}, interval: fast}}", "'interval' must be a number, not 'fast'"),
        (f"{{{GOOD}, parallel: 0}}", "'parallel' must be at least 1, not '0'"),
        (f"{{{GOOD}, tags: prod}}", "'tags' must be a list"),
        (f"{{{GOOD}, ca: ''}}", "'ca' must not be empty"),
    ],
)
def test_a_mistake_faults_its_cluster_only(write: Write, entry: str, said: str) -> None:
    path = write(
        f"nodes: {{hp: {{ssh: hp}}}}\nproxmox:\n  lab: {entry}\n  good: {{url: https://1.2.3.5, token: '${{T}}'}}\n"
    )
    (mistake,) = read(path).mistakes
    assert said in str(mistake)
    assert (mistake.cluster, mistake.node, mistake.line, mistake.warning) == ("lab", None, 3, False)
    inventory = load(path)
    lab, good = clusters_of(inventory)
    assert (lab.fault, lab.urls, lab.token) == (str(mistake), (), None), "a cluster with a mistake is not contacted"
    assert (good.fault, good.urls) == (None, ("https://1.2.3.5",))
    assert inventory.nodes["hp"].fault is None


TEMPLATE = "vmid: 101, image: 'https://x.org/a.img'"


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        ("[]", "'templates' must be a mapping"),
        ("{hub: {}}", "'vmid' is missing"),
        ("{hub: {vmid: 99, image: 'https://x.org/a.img'}}", "'vmid' must be at least 100, not '99'"),
        ("{hub: {vmid: '101', image: 'https://x.org/a.img'}}", "'vmid' must be a whole number"),
        ("{hub: {vmid: 101, image: noble.img}}", "neither the URL of an image nor one on a storage"),
        ("{hub: {vmid: 101, image: 'local:iso/x.img'}}", "makes disks of a storage's imports alone"),
        ("{hub: {vmid: 101, image: 'local:import/x.ova'}}", "makes disks of a storage's imports alone"),
        ("{hub: {vmid: 101, image: 'https://x.org'}}", "neither the URL of an image nor one on a storage"),
        ("{hub: {vmid: 101, image: 'https://a:b@x.org/a'}}", "'image': no login stands in a URL"),
        ("{hub: {vmid: 101, image: 'http://x.org/a.img'}}", "an image that comes in the clear needs a checksum"),
        (f"{{hub_1: {{{TEMPLATE}}}}}", "'hub_1': a guest's name holds letters, digits, - and ., as a host's does"),
        (f"{{hub: {{{TEMPLATE}}}, two: {{{TEMPLATE}}}}}", "'hub' has the vmid 101 already"),
        (f"{{hub: {{{TEMPLATE}, checksum: abc}}}}", "a SHA-256 checksum has 64 hexadecimal digits"),
        (f"{{hub: {{{TEMPLATE}, memory: 4X}}}}", "'memory': '4X': not a size: it reads 4096 (MiB), 512M, 20G or 1T"),
        (f"{{hub: {{{TEMPLATE}, disk: 0}}}}", "'disk': '0': not a size"),
        (f"{{hub: {{{TEMPLATE}, disk: true}}}}", "'disk' must be a text"),
        (f"{{hub: {{{TEMPLATE}, cores: 0}}}}", "'cores' must be at least 1"),
        (f"{{hub: {{{TEMPLATE}, node: 'a/b'}}}}", "not the name of a Proxmox node"),
        (f"{{hub: {{{TEMPLATE}, storage: '../x'}}}}", "not the name of a storage, such as local-lvm"),
        (f"{{hub: {{{TEMPLATE}, bridge: 'vmbr0,tag=1'}}}}", "not the name of a bridge, such as vmbr0"),
        (f"{{hub: {{{TEMPLATE}, user: 'a b'}}}}", "not the name of a login"),
        (f"{{hub: {{{TEMPLATE}, ssh_keys: [x]}}}}", "not a public key: it reads ssh-ed25519 AAAA…"),
        (
            f"{{hub: {{{TEMPLATE}, ssh_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----']}}}}",
            "a private key: the public one",
        ),
        (f"{{hub: {{{TEMPLATE}, ssh_keys: ['file:']}}}}", "'ssh_keys': file: names nothing"),
        (f"{{hub: {{{TEMPLATE}, packages: ['a;b']}}}}", "not the name of a package"),
        (f"{{hub: {{{TEMPLATE}, run: ['']}}}}", "'run' must not be empty"),
        (f'{{hub: {{{TEMPLATE}, run: ["a\\nb"]}}}}', "a command is one line"),
        (f"{{hub: {{{TEMPLATE}, ip: 10.0.0.5}}}}", "neither dhcp nor an address with its prefix"),
        (f"{{hub: {{{TEMPLATE}, ip: '10.0.0.5/24,gw=x'}}}}", "the gateway is no address"),
        (f"{{hub: {{{TEMPLATE}, ip: '10.0.0.5/24,gw=10.1.0.1'}}}}", "the gateway is outside of 10.0.0.0/24"),
        (f"{{hub: {{{TEMPLATE}, agent: 'yes'}}}}", "'agent' must be true or false"),
        (f"{{hub: {{{TEMPLATE}, tags: ['a b']}}}}", "a guest's tag holds a-z, 0-9, _, -, + and ."),
        (f"{{hub: {{{TEMPLATE}, timeout: 1}}}}", "'timeout' must be at least 10"),
        (f"{{hub: {{{TEMPLATE}, memroy: 1}}}}", "unknown key 'memroy' (nearest valid name: memory)"),
    ],
)
def test_mistakes_of_templates(mistakes: Mistakes, templates: str, said: str) -> None:
    (mistake,) = mistakes(f"proxmox:\n  lab: {{{GOOD}, templates: {templates}}}\n")[:1]
    assert said in mistake


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("{}", "'bridge' is missing"),
        ("{bridge: vmbr1, cidr: 10.0.0.5/24}", "an address, not a network: the network is 10.0.0.0/24"),
        ("{bridge: vmbr1, cidr: x}", "not a network: it reads 10.20.0.0/24"),
        ("{bridge: vmbr1, policy_in: block}", "'policy_in' must be one of accept, drop, reject"),
        ("{bridge: vmbr1, guests: web}", "'guests' must be a list"),
        ("{bridge: vmbr1, guests: ['']}", "'guests' must not be empty"),
        ("{bridge: vmbr1, rules: [{direction: in}]}", "'action' is missing"),
        ("{bridge: vmbr1, rules: [{action: allow, direction: in}]}", "'action' must be one of accept, drop"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: inn}]}", "must be in or out, not 'inn' (nearest"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, dport: 22}]}", "'dport' needs proto: tcp or udp"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, proto: tcp, dport: 70000}]}", "from 0 to 65535"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, proto: tcp, dport: '9:8'}]}", "the lower end"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, proto: tcp, dport: '2-3'}]}", "not ports: it reads"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, source: '1.2.3'}]}", "neither an address, a network"),
        ("{bridge: vmbr1, rules: [{action: drop, direction: in, srce: x}]}", "(nearest valid name: source)"),
        (
            "{bridge: vmbr1, rules: [{action: drop, direction: in}, {action: accept, direction: in, proto: icmp}]}",
            "warning: never reached: rule 1 of this network takes everything that goes in",
        ),
    ],
)
def test_mistakes_of_networks(mistakes: Mistakes, network: str, said: str) -> None:
    (mistake,) = mistakes(f"proxmox:\n  lab: {{{GOOD}, networks: {{net: {network}}}}}\n")
    assert said in mistake


def test_a_cluster_and_a_node_cannot_share_a_name(write: Write) -> None:
    (path := write(f"import: [{{ansible: i.ini}}]\nproxmox:\n  lab: {{{GOOD}}}\n")).with_name("i.ini").write_text(
        "lab\n"
    )
    (mistake,) = read(path).mistakes
    assert str(mistake) == f"{path}:3:3: a node is called 'lab' too: 'lab/101' would mean two guests"
    assert load(path).nodes["lab"].fault is None


def test_what_is_wrong_with_all_of_it_is_said_once_and_stops(mistakes: Mistakes, write: Write) -> None:
    assert mistakes("proxmox: [x]\n") == ["1:10: 'proxmox' must be a mapping of keys and values"]
    with pytest.raises(InvalidInventory):
        load(write("proxmox: [x]\n"))
    assert mistakes("proxmox:\n") == []
    assert len(mistakes("proxmox: {lab: {}}\n")) == 2, "where it is, and how to log in"
    assert mistakes("nodes: {a: {ssh: a, proxmox: {}}}\nlibvirt: false\n") == [
        "1:21: 'proxmox' stands at the top, not in a node",
        "2:1: 'libvirt' stands in a node, not at the top",
    ]


def test_syntax_that_repeats_a_key_faults_the_cluster_it_is_in(write: Write) -> None:
    path = write("nodes: {hp: {ssh: hp}}\nproxmox:\n  lab:\n    url: https://1.2.3.4\n    url: https://x\n")
    inventory = load(path)
    assert {one.cluster for one in inventory.mistakes} == {"lab"}
    assert inventory.nodes["hp"].fault is None


def test_warnings_fault_nothing(write: Write) -> None:
    path = write(
        f"proxmox:\n  a: {{url: https://1.2.3.4, token: '${{T}}', ca: x, fingerprint: {PRINT}}}\n"
        "  b: {url: https://1.2.3.4/, token: '${T}'}\n"
    )
    inventory = load(path)
    assert [str(one).removeprefix(f"{path}:") for one in inventory.mistakes] == [
        "2:44: warning: ca is not looked at: with a fingerprint nothing else counts",
        "3:12: warning: 'a' has this URL too: its guests are listed twice",
    ]
    assert [one.fault for one in clusters_of(inventory)] == [None, None]


def test_a_tunnel_on_this_machine_may_be_in_the_clear(mistakes: Mistakes) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert mistakes(f"proxmox: {{lab: {{url: 'http://{host}:8006', token: '${{T}}'}}}}\n") == []


def test_rules_reach_clusters_by_name_and_tag(write: Write, mistakes: Mistakes) -> None:
    text = f"proxmox: {{lab: {{{GOOD}, tags: [prod]}}, bad: {{tags: [edge], x: 1}}}}\n"
    rules = "rules: {read_only: [lab, 'lab/101', '@prod', '@edge', bad], type_name: [labb]}\n"
    assert mistakes(text + rules)[-1:] == [
        "2:73: warning: no node, group or tag is called 'labb' (nearest valid name: lab)"
    ]
    inventory = load(write(text))
    assert dict(inventory.clusters) == {"lab": {"prod"}, "bad": {"edge"}}
    assert clusters_of(inventory)[1].tags == {"edge"}, "tags of a cluster with mistakes still put it under their rules"


def test_only_what_is_changed_has_to_be_watched_anew(write: Write) -> None:
    before = {one.name: one.identity for one in clusters_of(load(write(FULL)))}
    moved = FULL.replace("proxmox:", "# a line\nproxmox:")
    for text in (moved, FULL.replace("memory: 4G", "memory: 8G"), FULL.replace("vmbr1", "vmbr2")):
        assert {one.name: one.identity for one in clusters_of(load(write(text)))} == before
    for old, new in (("${PVE_TOKEN}", "${OTHER}"), ("interval: 30", "interval: 31"), ("10.0.1.11", "10.0.1.12")):
        after = {one.name: one.identity for one in clusters_of(load(write(FULL.replace(old, new))))}
        assert after["lab"] != before["lab"]
        assert after["old"] == before["old"]


def test_the_typed_values_cost_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; import backends.proxmox.cluster, backends.libvirt.declared, app.inventory.secrets;"
        "print([name for name in ('pydantic', 'yaml', 'httpx', 'asyncssh') if name in sys.modules])"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_schema_for_editors_knows_clusters() -> None:
    schema = json_schema()
    assert {"Cluster", "Template", "Network", "Rule"} <= schema["$defs"].keys()
    assert "Cluster" in str(schema["properties"]["proxmox"])
    memory = schema["$defs"]["Template"]["properties"]["memory"]
    assert {"integer", "string"} <= {one["type"] for arm in memory["anyOf"] for one in arm.get("anyOf", [arm])}
