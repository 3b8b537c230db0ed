"""What an operator can get wrong in hosts.yaml, each with its place, its key and the nearest valid name."""

from __future__ import annotations

import pytest

from tests.inventory.conftest import Mistakes

NODES = "nodes:\n  pi: {ssh: pi}\n"

CASES: dict[str, tuple[str, str]] = {
    "unknown key at the top": (NODES + "grops: {}\n", "3:1: unknown key 'grops' (nearest valid name: groups)"),
    "unknown key in a node": (
        "nodes:\n  pi: {ssh: pi, tag: [a]}\n",
        "2:17: unknown key 'tag' (nearest valid name: tags)",
    ),
    "unknown key in ssh": (
        "nodes:\n  pi:\n    ssh:\n      host: pi\n      prot: 22\n",
        "5:7: unknown key 'prot' (nearest valid name: port)",
    ),
    "unknown key in defaults": (
        "defaults: {ssh: {usr: x}}\n" + NODES,
        "1:18: unknown key 'usr' (nearest valid name: user)",
    ),
    "unknown key in rules": (
        "rules: {readonly: ['@a']}\n" + NODES,
        "1:9: unknown key 'readonly' (nearest valid name: read_only)",
    ),
    "unknown threshold": (
        "defaults: {thresholds: {mem: [1, 2]}}\n" + NODES,
        "1:25: unknown key 'mem' (nearest valid name: memory)",
    ),
    "a key like nothing": (NODES + "xyzzy: 1\n", "3:1: unknown key 'xyzzy'"),
    "yes for true": (
        "nodes:\n  pi: {local: yes}\n",
        "2:15: 'local' must be true or false, not 'yes' (nearest valid name: true)",
    ),
    "a number for a text": (
        "nodes:\n  pi: {ssh: {host: pi, user: 12}}\n",
        "2:30: 'user' must be a text (a number or true needs quotes to be one), not '12'",
    ),
    "a text for a number": (
        "defaults: {interval: fast}\n" + NODES,
        "1:22: 'interval' must be a number, not 'fast'",
    ),
    "true for a number": ("defaults: {interval: true}\n" + NODES, "1:22: 'interval' must be a number, not 'true'"),
    "a text for a list": (
        "nodes:\n  pi: {ssh: pi, tags: arm}\n",
        "2:23: 'tags' must be a list, such as [one, two], not 'arm'",
    ),
    "a list for a mapping": ("nodes: [pi]\n", "1:8: 'nodes' must be a mapping of keys and values"),
    "a node that is a text": (
        "nodes: {pi: pi.local}\n",
        "1:13: 'pi' must be a mapping of keys and values, not 'pi.local'",
    ),
    "ssh that is a list": ("nodes: {pi: {ssh: [a]}}\n", "1:19: 'ssh' must be a text or a mapping"),
    "ssh that is true": ("nodes: {pi: {ssh: true}}\n", "1:19: 'ssh' must be a text or a mapping, not 'true'"),
    "a bad choice": (
        "nodes:\n  pi: {ssh: pi, sudo: nopass}\n",
        "2:23: 'sudo' must be one of none, nopasswd, ask, not 'nopass' (nearest valid name: nopasswd)",
    ),
    "a bad choice in rules": (
        "rules: {require_why: nevr}\n" + NODES,
        "1:22: 'require_why' must be one of never, destroys, disrupts, always, not 'nevr' (nearest valid name: never)",
    ),
    "another version": ("version: 2\n" + NODES, "1:10: 'version' must be 1, not '2'"),
    "port too high": ("nodes:\n  pi: {ssh: {port: 65536}}\n", "2:20: 'port' must be at most 65535, not '65536'"),
    "port zero": ("nodes:\n  pi: {ssh: {port: 0}}\n", "2:20: 'port' must be at least 1, not '0'"),
    "port in words": ("nodes:\n  pi: {ssh: {port: ssh}}\n", "2:20: 'port' must be a whole number, not 'ssh'"),
    "port in the address": (
        "nodes:\n  pi: {ssh: 'pi:99999'}\n",
        "2:13: 'ssh': 'pi:99999': a port is a number from 1 to 65535",
    ),
    "port in the host": (
        "nodes:\n  pi: {ssh: {host: 'pi:22'}}\n",
        "2:20: 'host': 'pi:22': a host holds no port; it stands behind a colon in user@host:port or under port",
    ),
    "host like an option": (
        "nodes:\n  pi: {ssh: -oProxyCommand=x}\n",
        "2:13: 'ssh': '-oProxyCommand=x': a host must not begin with a dash",
    ),
    "host with shell characters": (
        "nodes:\n  pi: {ssh: 'a;reboot'}\n",
        "2:13: 'ssh': 'a;reboot': a host must not hold blanks or any of / @ [ ] and the shell's special characters",
    ),
    "bad jump host": (
        "nodes:\n  pi: {ssh: {proxy_jump: 'a,b:0'}}\n",
        "2:26: 'proxy_jump': 'a,b:0': a port is a number from 1 to 65535",
    ),
    "bad route": (
        "nodes:\n  pi: {ssh: pi, routes: [ok, '[::1']}\n",
        "2:30: 'routes': '[::1': the bracket of the IPv6 address is not closed",
    ),
    "node twice": (
        "nodes:\n  pi: {ssh: a}\n  pi: {ssh: b}\n",
        "3:3: 'pi' stands here a second time; it is in line 2 already",
    ),
    "key twice at the top": (
        NODES + "theme: a\ntheme: b\n",
        "4:1: 'theme' stands here a second time; it is in line 3 already",
    ),
    "key twice in a node": (
        "nodes:\n  pi: {ssh: a, sudo: ask, ssh: b}\n",
        "2:27: 'ssh' stands here a second time; it is in line 2 already",
    ),
    "local and ssh": (
        "nodes:\n  pi: {local: true, ssh: pi}\n",
        "2:21: both local and ssh: a node is reached in one way",
    ),
    "ssh and ping": ("nodes:\n  pi: {ssh: pi, ping: true}\n", "2:17: both ssh and ping: a node is reached in one way"),
    "no way to reach it": (
        "nodes:\n  pi:\n",
        "2:3: nothing says how 'pi' is reached: local: true, ssh: user@host or ping: true",
    ),
    "routes without ssh": (
        "nodes:\n  pi: {ping: true, routes: [a]}\n",
        "2:20: routes are other addresses of ssh, which is not there",
    ),
    "group of unknown nodes": (
        NODES + "groups: {lab: [pi, pj]}\n",
        "3:20: no node is called 'pj' (nearest valid name: pi)",
    ),
    "group of an unknown tag": (NODES + "groups: {lab: ['@arm']}\n", "3:16: no node has the tag 'arm'"),
    "group member of many parts": (
        NODES + "groups: {lab: ['pi,!hp']}\n",
        "3:16: 'pi,!hp': a member is one node, a glob of nodes or an @tag",
    ),
    "malformed group": (
        NODES + "groups: {a b: [pi]}\n",
        "3:10: 'a b': a name is made of letters, digits, dots, dashes and underscores, and begins with none of . -",
    ),
    "malformed node": (
        "nodes:\n  a/b: {ssh: x}\n",
        "2:3: 'a/b': a name is made of letters, digits, dots, dashes and underscores, and begins with none of . -",
    ),
    "rule of an unknown tag": (
        "nodes:\n  pi: {ssh: pi, tags: [prod]}\nrules: {read_only: ['@prd']}\n",
        "3:21: warning: no node has the tag 'prd' (nearest valid name: @prod)",
    ),
    "rule of an unknown group": (
        NODES + "groups: {lab: [pi]}\nrules: {type_name: [lap]}\n",
        "4:21: warning: no node, group or tag is called 'lap' (nearest valid name: @lab)",
    ),
    "empty rule": (NODES + "rules: {read_only: [',']}\n", "3:21: the pattern is empty and reaches nothing"),
    "malformed id of a key": (
        NODES + "keys: {Node Reboot: f9}\n",
        "3:8: 'Node Reboot': malformed id: it reads noun.verb, such as node.reboot",
    ),
    "id and key the wrong way round": (
        NODES + "keys: {f9: node.reboot}\n",
        "3:12: 'f9': 'node.reboot': not a key: it reads f9, R or ctrl+r, several separated by commas",
    ),
    "thresholds out of order": (
        "defaults: {thresholds: {cpu: [90, 70]}}\n" + NODES,
        "1:30: 'cpu': out of order: the warning comes first and must not be above the critical value",
    ),
    "one threshold": (
        "defaults: {thresholds: {cpu: [90]}}\n" + NODES,
        "1:30: 'cpu' must be two numbers: [warning, critical]",
    ),
    "threshold above 100": (
        "nodes:\n  pi: {ssh: pi, thresholds: {cpu: [90, 101]}}\n",
        "2:40: 'cpu' must be at most 100, not '101'",
    ),
    "interval too short": ("defaults: {interval: 0.01}\n" + NODES, "1:22: 'interval' must be at least 0.2, not '0.01'"),
    "endless number": ("defaults: {interval: 1e999}\n" + NODES, "1:22: 'interval' must be a finite number, not 'inf'"),
    "malformed rate": (
        "nodes:\n  pi: {ssh: pi, rate: {hourly: 1}}\n",
        "2:24: 'hourly': a rate is called per_something, such as per_hour",
    ),
    "negative rate": (
        "nodes:\n  pi: {ssh: pi, rate: {per_hour: -1}}\n",
        "2:34: 'per_hour' must be at least 0, not '-1'",
    ),
    "import of nothing": (
        NODES + "import: [{}]\n",
        "3:10: 'ansible' is missing",
    ),
    "missing import": (
        NODES + "import: [{ansible: no.ini}]\n",
        "3:20: 'no.ini': cannot import it: no such file",
    ),
    "empty file": ("", "1:1: warning: the file is empty: an inventory without nodes"),
    "only comments": ("# nothing\n", "1:1: warning: the file is empty: an inventory without nodes"),
    "a list at the top": (
        "- pi\n",
        "1:1: a mapping is expected at the top, such as nodes: {here: {local: true}}",
    ),
    "a word at the top": (
        "pi\n",
        "1:1: a mapping is expected at the top, such as nodes: {here: {local: true}}",
    ),
    "tabs": ("nodes:\n\tpi: {ssh: pi}\n", "2:1: a tab stands where only spaces may indent"),
    "unquoted tag": (NODES + "rules: {read_only: [@prod]}\n", "3:21: a text that begins with @ needs quotes"),
    "bracket not closed": (
        "nodes: {pi: {ssh: pi}\nkeys: {}\n",
        "2:1: a bracket, brace or comma is missing or stands here by mistake",
    ),
    "quote not closed": (
        "nodes:\n  pi: {ssh: 'pi}\n",
        "3:1: the file ends in the middle of something: a quote is not closed",
    ),
    "two documents": (NODES + "---\nnodes: {}\n", "3:1: a second document begins here; only one is read"),
    "alias without anchor": (
        "nodes:\n  pi: *base\n",
        "2:7: this alias has no anchor; a text that begins with * needs quotes",
    ),
    "alias inside itself": (
        "nodes: &all\n  pi: *all\n",
        "1:8: this alias stands inside the very thing it points at",
    ),
    "YAML tag": (
        "nodes:\n  pi: {ssh: !!python/object:os.system x}\n",
        "2:13: YAML tags (a word that begins with !) mean nothing here",
    ),
    "control character": (
        "nodes:\n  pi: {ssh: 'a\x1b[2J'}\n",
        "2:15: the control character U+001B stands here",
    ),
    "a mapping as a key": (
        "nodes: {? {a: b} : {ssh: x}}\n",
        "1:11: a key must be a single word, not a list or mapping",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_mistake_has_its_place_and_words(name: str, mistakes: Mistakes) -> None:
    text, expected = CASES[name]
    assert expected in mistakes(text)


def test_all_mistakes_are_reported_at_once_in_the_order_of_their_places(mistakes: Mistakes) -> None:
    found = mistakes(
        "nodes:\n"
        "  a: {ssh: {prt: 1, port: 70000}}\n"
        "  b: {local: on, sudo: yes}\n"
        "  b: {ssh: x}\n"
        "  c:\n"
        "groups: {g: [z], h: {}}\n"
        "keys: {A: f9}\n"
        "bogus: 1\n"
    )
    places = [tuple(int(number) for number in line.split(":")[:2]) for line in found]
    assert [line for line, _ in places] == [2, 2, 3, 3, 4, 5, 6, 7, 8]
    assert places == sorted(places)


def test_a_key_like_nothing_keeps_no_other_mistake_back(mistakes: Mistakes) -> None:
    assert mistakes(NODES + "xyzzy: 1\ngroups: {g: [pj]}\nrules: {read_only: ['@prod']}\n") == [
        "3:1: unknown key 'xyzzy'",
        "4:14: no node is called 'pj' (nearest valid name: pi)",
        "5:21: warning: no node has the tag 'prod'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "nodes: {pi: {ssh: {host: pi, password: hunter2}}}\n",
        "nodes: {pi: {ssh: {host: pi, passphrase: hunter2}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: 'hunter2', pasword: hunter2}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: [hunter2]}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: *hunter2}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: !hunter2 x}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: @hunter2}}}\n",
        "nodes: {pi: {ssh: {host: pi, password: 'hunter2}}}\n",
        "nodes: {pi: {ssh: pi, password: hunter2}}\n",
    ],
)
def test_a_password_in_the_file_is_a_mistake_that_does_not_repeat_it(text: str, mistakes: Mistakes) -> None:
    found = mistakes(text)
    assert found
    assert not any("hunter2" in line for line in found)


def test_a_value_in_a_message_cannot_reach_the_terminal(mistakes: Mistakes) -> None:
    found = mistakes('nodes: {pi: {ssh: pi, sudo: "a\\e[2Jb\\u202Ec"}}\n')
    assert found == ["1:29: 'sudo' must be one of none, nopasswd, ask, not 'a[2Jbc'"]


def test_valid_shapes_have_no_mistakes(mistakes: Mistakes) -> None:
    assert mistakes(
        "version: 1\n"
        "defaults:\n"
        "  ssh: {user: ops, connect_timeout: 10, known_hosts: ~/.ssh/known_hosts, config: ~/.ssh/config}\n"
        "  interval: 2\n"
        "  thresholds: {cpu: [70, 90], memory: [80, 95], disk: [80, 92]}\n"
        "nodes:\n"
        "  here: {local: true}\n"
        "  pi:\n"
        "    ssh: ops@pi.local:22\n"
        "    routes: [pi.local, 100.64.0.7]\n"
        "    tags: [arm, edge]\n"
        "    sudo: nopasswd\n"
        "    rate: {per_hour: 0.004}\n"
        "  hp: {ssh: {host: hp, identity: [a, b], proxy_jump: 'ops@j:22,k', password: ask, passphrase: ask}}\n"
        "  v6: {ssh: '[::1]:22', docker: unix:///x}\n"
        "  router: {ping: {tcp: 443, host: 192.0.2.1}}\n"
        "  no: {ping: true}\n"
        "groups: {lab: [pi, hp], racks: ['v*', '@edge']}\n"
        "rules: {read_only: ['@prod', '@lab'], type_name: ['@arm'], require_why: destroys}\n"
        "keys: {node.reboot: f9, node.shell: 'ctrl+s,S'}\n"
        "theme: quarterdeck-dark\n"
        "wallboard: {rotate: 15, panes: [overview, nodes]}\n"
        "proxmox: {lab2: {url: 'https://10.0.1.10:8006', token: '${PVE_TOKEN}'}}\n"
    ) == ["19:21: warning: no node has the tag 'prod'"]


def test_merged_mappings_are_understood(mistakes: Mistakes) -> None:
    assert mistakes("nodes:\n  a: &a {ssh: x, sudo: ask}\n  b: {<<: *a, ssh: y}\n") == []
