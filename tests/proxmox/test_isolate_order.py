"""The order in which a firewall is changed: at no moment is anything open or closed that is not to be."""

from __future__ import annotations

import random
from itertools import product

import pytest

from backends.proxmox.cluster import Network, Rule
from backends.proxmox.isolation import Card, Change, Line, Standing, changes, declared, filtered, line_of, standing

BRIDGE = "vmbr1"
CARD = Card("net0", "virtio=AA,bridge=vmbr1", BRIDGE, filtered=False)
FILTERED = Card("net0", "virtio=AA,bridge=vmbr1,firewall=1", BRIDGE, filtered=True)


def rule(action: str, port: str | None = None, source: str | None = None) -> Rule:
    """A rule for what comes in."""
    return Rule(action=action, direction="in", proto="tcp" if port else None, dport=port, source=source)  # pyright: ignore[reportArgumentType]


def network(*rules: Rule, policy: str = "DROP") -> Network:
    return Network(name="machines", bridge=BRIDGE, rules=rules, policy_in=policy, policy_out="ACCEPT")  # pyright: ignore[reportArgumentType]


def verdict(now: Standing, port: str, source: str) -> str:
    """What a packet that comes in meets with."""
    if not (now.enabled and all(card.filtered for card in now.cards)):
        return "ACCEPT"
    for line in now.lines:
        said = line.params
        if line.on and said.get("dport", port) == port and said.get("source", source) == source:
            return said["action"]
    return now.policy_in


def kinds(found: tuple[Change, ...]) -> list[str]:
    return [one.what for one in found]


def test_a_bare_guest_gets_rules_then_the_firewall_then_its_card() -> None:
    now = Standing(cards=(CARD,))
    wanted = network(rule("ACCEPT", "22"), rule("DROP"), policy="ACCEPT")
    found = changes(now, wanted)
    assert kinds(found) == ["insert", "switch on", "insert", "move", "switch on", "options", "card"]
    end = found[-1].after
    assert end.lines == tuple(declared(one) for one in wanted.rules)
    assert (end.enabled, end.policy_in, end.cards) == (True, "ACCEPT", (FILTERED,))
    assert changes(end, wanted) == ()


def test_a_drop_above_an_allow_is_put_right_by_one_move() -> None:
    wanted = network(rule("ACCEPT", "22"), rule("DROP"))
    lines = tuple(reversed([declared(one) for one in wanted.rules]))
    found = changes(Standing(lines, enabled=True, cards=(FILTERED,)), wanted)
    assert kinds(found) == ["move"]
    assert (found[0].position, found[0].params) == (1, {"moveto": 0})


def test_what_is_not_declared_goes_last_and_what_is_switched_off_stays() -> None:
    wanted = network(rule("ACCEPT", "22"))
    parked = Line(declared(rule("ACCEPT", "80")).said, on=False)
    other = declared(rule("ACCEPT", "443"))
    now = Standing((other, parked, declared(wanted.rules[0])), enabled=True, cards=(FILTERED,))
    found = changes(now, wanted)
    assert kinds(found) == ["move", "remove"]
    assert found[-1].after.lines == (declared(wanted.rules[0]), parked)


def test_a_rule_left_switched_off_by_a_run_that_broke_is_used() -> None:
    wanted = network(rule("ACCEPT", "22"), rule("ACCEPT", "80"), rule("DROP"))
    first = changes(Standing(cards=(CARD,)), wanted)
    for broken in first:
        again = changes(broken.after, wanted)
        assert kinds(again).count("remove") == 0
        assert not again or again[-1].after == first[-1].after


@pytest.mark.parametrize("seed", range(300))
def test_every_packet_meets_with_the_old_or_the_new_at_every_moment(seed: int) -> None:
    chance = random.Random(seed)
    ports, sources = ("22", "80"), ("a", "b")
    every = [
        rule(action, port, source)
        for action, port, source in product(("ACCEPT", "DROP"), (None, *ports), (None, *sources))
    ]
    wanted = network(*chance.sample(every, chance.randint(0, 5)), policy=chance.choice(("DROP", "ACCEPT")))
    lines = [
        Line(declared(one).said, on=chance.random() < 0.8) for one in chance.choices(every, k=chance.randint(0, 6))
    ]
    lines += [Line(declared(one).said, on=chance.random() < 0.8) for one in wanted.rules if chance.random() < 0.5]
    chance.shuffle(lines)
    card = chance.choice((CARD, FILTERED))
    start = Standing(tuple(lines), chance.random() < 0.6, chance.choice(("DROP", "ACCEPT")), "ACCEPT", (card,))
    found = changes(start, wanted)
    end = found[-1].after if found else start
    assert [line for line in end.lines if line.on] == [declared(one) for one in wanted.rules]
    assert (end.enabled, end.policy_in, end.cards) == (True, wanted.policy_in, (FILTERED,))
    for port, source in product(ports, sources):
        may = {verdict(start, port, source), verdict(end, port, source)}
        for change in found:
            assert verdict(change.after, port, source) in may, (change.what, change.words, port, source)
    before = start
    for change in found:
        assert change.before == before
        before = change.after


def test_the_api_is_read_as_it_comes() -> None:
    row = {
        "pos": 0,
        "type": "in",
        "action": "ACCEPT",
        "enable": 1,
        "proto": "tcp",
        "dport": 22,
        "digest": "x",
        "ipversion": 4,
    }
    other = {"pos": "1", "type": "group", "action": "web", "enable": "0", "comment": "theirs\n"}
    seen = standing(
        [other, row], {}, {"net0": "virtio=AA,bridge=vmbr1,tag=5", "net1": "virtio=BB,bridge=vmbr0,firewall=1"}
    )
    assert seen.lines[0] == line_of(row) == declared(Rule(action="ACCEPT", direction="in", proto="tcp", dport="22"))
    assert (seen.lines[1].on, seen.lines[1].params["comment"]) == (False, "theirs")
    assert (seen.enabled, seen.policy_in, seen.policy_out) == (False, "DROP", "ACCEPT")
    assert [(card.key, card.bridge, card.filtered) for card in seen.cards] == [
        ("net0", "vmbr1", False),
        ("net1", "vmbr0", True),
    ]
    assert filtered("virtio=AA,firewall=0,bridge=vmbr1") == "virtio=AA,bridge=vmbr1,firewall=1"
