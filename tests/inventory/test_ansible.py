"""Ansible inventories, INI and YAML: what hosts.yaml takes over from them, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.inventory import InvalidInventory, Inventory, load, validate
from app.inventory.model import SshEntry, Sudo
from tests.inventory.conftest import Write

INI = """\
# a comment
lone ansible_host=192.0.2.9 ; not a comment of Ansible's, but a word
[web]
web[01:03] ansible_user=www
web04:2222 ansible_host=192.0.2.4   # why not

[db]
db-[a:b].example ansible_connection=ssh ansible_ssh_private_key_file="~/keys/d b"

[prod:children]
web
db

[prod:vars]
ansible_user = deploy
ansible_port=22

[all:vars]
ansible_become=yes
"""

YAML = """\
all:
  vars: {ansible_become: true}
  hosts:
    lone: {ansible_host: 192.0.2.9}
  children:
    prod:
      vars: {ansible_user: deploy, ansible_port: 22}
      children:
        web:
          hosts:
            web[01:03]: {ansible_user: www}
            web04: {ansible_host: 192.0.2.4, ansible_port: 2222}
        db:
          hosts:
            db-[a:b].example:
              ansible_ssh_private_key_file: ~/keys/d b
              secret: !vault |
                $ANSIBLE_VAULT;1.1;AES256
"""


def imported(write: Write, text: str, file: str, own: str = "") -> Inventory:
    path = write(f"import: [{{ansible: {file}}}]\n{own}")
    (path.parent / file).write_text(text)
    return load(path)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (INI.replace(" ; not a comment of Ansible's, but a word", ""), "inventory.ini"),
        (INI.replace(" ; not a comment of Ansible's, but a word", ""), "hosts"),
        (YAML, "inventory.yml"),
        ("---\n" + YAML, "hosts"),
        (YAML, "production"),
    ],
)
def test_both_formats_say_the_same(text: str, file: str, write: Write, home: Path) -> None:
    inventory = imported(write, text, file)
    assert inventory.mistakes == ()
    names = ["lone", "web01", "web02", "web03", "web04", "db-a.example", "db-b.example"]
    assert sorted(inventory.nodes) == sorted(names)
    assert all(node.sudo is Sudo.NOPASSWD for node in inventory)
    assert inventory.nodes["lone"].ssh == SshEntry(host="192.0.2.9")
    assert inventory.nodes["lone"].tags == frozenset()
    assert inventory.nodes["web02"].ssh == SshEntry(host="web02", user="www", port=22)
    assert inventory.nodes["web02"].tags == {"web", "prod"}
    assert inventory.nodes["web04"].ssh == SshEntry(host="192.0.2.4", user="deploy", port=2222)
    key = (str(home / "keys/d b"),)
    assert inventory.nodes["db-a.example"].ssh == SshEntry(host="db-a.example", user="deploy", port=22, identity=key)
    assert set(inventory.groups["prod"]) == set(names) - {"lone"}
    assert [path.name for path in inventory.watched] == ["hosts.yaml", file]


def test_what_hosts_yaml_says_wins(write: Write) -> None:
    inventory = imported(
        write,
        "[web]\na ansible_host=192.0.2.1 ansible_user=www ansible_become=true\nb\nc\n",
        "i.ini",
        "nodes:\n  a: {ssh: {user: root}, tags: [mine]}\n  b: {ping: true}\n  c: {sudo: ask}\n"
        "groups: {web: [d], all_of_it: [web]}\n".replace(
            "groups: {web: [d], all_of_it: [web]}\n", "groups: {web: [b]}\n"
        ),
    )
    a, b, c = (inventory.nodes[name] for name in "abc")
    assert a.ssh == SshEntry(host="192.0.2.1", user="root")
    assert (a.sudo, a.tags) == (Sudo.NOPASSWD, {"mine", "web"})
    assert b.ssh is None
    assert b.ping is not None
    assert c.ssh == SshEntry(host="c")
    assert c.sudo is Sudo.ASK
    assert inventory.groups["web"] == ("a", "b", "c")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("ansible_password=s3cret", SshEntry(host="h", password="ask")),
        ("ansible_ssh_common_args='-o ProxyJump=ops@j:22 -C'", SshEntry(host="h", proxy_jump="ops@j:22")),
        ("ansible_ssh_common_args='-J a,b'", SshEntry(host="h", proxy_jump="a,b")),
        ("ansible_ssh_host=x ansible_ssh_port=7 ansible_ssh_user=u", SshEntry(host="x", port=7, user="u")),
    ],
)
def test_variables(variables: str, expected: SshEntry, write: Write) -> None:
    assert imported(write, f"h {variables}\n", "i.ini").nodes["h"].ssh == expected


def test_a_sudo_password_means_asking(write: Write) -> None:
    node = imported(write, "h ansible_become=1 ansible_become_pass=s3cret\n", "i.ini").nodes["h"]
    assert node.sudo is Sudo.ASK


def test_a_local_connection_is_this_machine(write: Write) -> None:
    node = imported(write, "h ansible_connection=local\n", "i.ini").nodes["h"]
    assert (node.local, node.ssh) == (True, None)


def test_a_deeper_group_wins_over_a_shallower_one_and_the_host_over_both(write: Write) -> None:
    text = (
        "[outer:children]\ninner\n[inner]\nx\ny ansible_user=own\n"
        "[outer:vars]\nansible_user=outer\nansible_port=1\n[inner:vars]\nansible_user=inner\n[all:vars]\nansible_port=2\n"
    )
    inventory = imported(write, text, "i.ini")
    assert inventory.nodes["x"].ssh == SshEntry(host="x", user="inner", port=1)
    assert inventory.nodes["y"].ssh == SshEntry(host="y", user="own", port=1)


BAD: dict[str, tuple[str, str]] = {
    "bad port": ("a ansible_port=ssh\n", "i.ini:1:1: a: ansible_port 'ssh': a port is a number from 1 to 65535"),
    "template": ("a ansible_host={{x}}\n", "i.ini:1:1: a: ansible_host is a template, and those are not evaluated"),
    "host like an option": (
        "a ansible_host=-oX\n",
        "i.ini:1:1: a: ansible_host '-oX': a host must not begin with a dash",
    ),
    "no variable": ("a\nb oops\n", "i.ini:2:1: 'oops' is no variable: behind a host stand name=value pairs"),
    "open quote": ("a\nb x='1\n", "i.ini:2:1: a quote is not closed"),
    "unknown section": ("a\n[web:kids]\nb\n", "i.ini:2:1: ':kids' is none of :vars and :children"),
    "unknown child": ("a\n[g:children]\n  nope\n", "i.ini:3:3: no group is called 'nope'"),
    "own child": ("a\n[g:children]\ng\n", "i.ini:3:1: the group 'g' cannot stand below 'g'"),
    "too many": ("a\nb[1:99999999]\n", "i.ini:2:1: more than 20000 hosts"),
    "too many by product": ("a\nb[1:999][1:999]\n", "i.ini:2:1: more than 20000 hosts"),
    "backwards": ("a\nb[9:1]\n", "i.ini:2:1: the range '[9:1]' is empty"),
    "mixed range": ("a\nb[a:9]\n", "i.ini:2:1: '[a:9]' is not a range"),
    "vars": ("a\n[all:vars]\noops\n", "i.ini:3:1: a variable reads name = value"),
    "script": ("#!/bin/sh\necho a\n", "i.ini:1:1: an inventory script is not run; import a file that it has written"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_in_the_imported_file_is_said_at_its_place(name: str, write: Write) -> None:
    text, expected = BAD[name]
    path = write("import: [{ansible: i.ini}]\n")
    (path.parent / "i.ini").write_text(text)
    assert expected in [str(mistake) for mistake in validate(path)]


def test_a_mistake_in_one_imported_host_stops_no_other(write: Write) -> None:
    inventory = imported(write, "a ansible_port=x\nb oops\nc\n", "i.ini")
    assert [node.name for node in inventory if node.fault is None] == ["c"]
    assert "ansible_port 'x'" in (inventory.nodes["a"].fault or "")
    assert len(inventory.mistakes) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe[web]", b"all: [", b"- a\n"])
def test_an_import_of_which_nothing_can_be_read_stops_the_load(content: bytes, write: Write) -> None:
    path = write("import: [{ansible: i.yml}]\nrules: {read_only: ['@web']}\n")
    (path.parent / "i.yml").write_bytes(content)
    with pytest.raises(InvalidInventory, match=r"hosts.yaml:1:20: 'i.yml': nothing could be read of it"):
        load(path)


def test_groups_that_nest_in_a_circle_or_a_lattice_end(write: Write) -> None:
    lattice = "".join(f"[g{n}:children]\ng{n + 1}\nh{n + 1}\n[h{n}:children]\ng{n + 1}\nh{n + 1}\n" for n in range(60))
    text = f"[g60]\nx\n[h60]\ny\n{lattice}[a:children]\nb\n[b:children]\na\n"
    inventory = imported(write, text, "i.ini")
    assert set(inventory.groups["g0"]) == {"x", "y"}


def test_the_inventory_is_never_rewritten(write: Write) -> None:
    path = write("import: [{ansible: i.ini}]\n")
    source = path.parent / "i.ini"
    source.write_text(INI)
    source.chmod(0o444)
    before = source.stat().st_mtime_ns, source.read_bytes()
    validate(path)
    assert (source.stat().st_mtime_ns, source.read_bytes()) == before
