"""``witness:`` of hosts.yaml: what it becomes, and what can be wrong with it."""

from __future__ import annotations

import pytest

from app.inventory import load
from app.inventory.model import NodeCopy, WitnessCopies
from tests.inventory.conftest import Mistakes, Write

NODES = "nodes:\n  hp: {ssh: hp}\n  tap: {ping: true}\n  here: {local: true}\n"

CASES: dict[str, tuple[str, str]] = {
    "an unknown key": ("witness: {checkpoints: 5}\n", "5:11: unknown key 'checkpoints'"),
    "an unknown key of a copy": (
        "witness: {copy: [{node: hp, path: x}]}\n",
        "5:29: unknown key 'path'",
    ),
    "a copy that is no list": (
        "witness: {copy: journald}\n",
        "5:17: 'copy' must be a list, such as [one, two], not 'journald'",
    ),
    "a misspelt journald": (
        "witness: {copy: [jurnald]}\n",
        "5:18: 'copy' must be journald, not 'jurnald' (nearest valid name: journald)",
    ),
    "a copy without a node": ("witness: {copy: [{dir: x}]}\n", "5:18: 'node' is missing"),
    "no such node": (
        "witness: {copy: [journald, {node: ph}]}\n",
        "5:35: no node is called 'ph' (nearest valid name: hp)",
    ),
    "a node without a login": (
        "witness: {copy: [{node: tap}]}\n",
        "5:25: 'tap' is only checked, so nothing can be copied there",
    ),
    "this machine": (
        "witness: {copy: [{node: here}]}\n",
        "5:25: warning: 'here' is this machine: a copy proves something only where the log's owner cannot reach it",
    ),
    "never": ("witness: {checkpoint_every: 0}\n", "5:29: 'checkpoint_every' must be at least 1, not '0'"),
    "a folder of two lines": (
        'witness: {copy: [{node: hp, dir: "a\\nb"}]}\n',
        "5:34: 'dir': 'a b': a folder's name holds no control characters",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_has_a_place_and_the_nearest_name(case: str, mistakes: Mistakes) -> None:
    text, expected = CASES[case]
    found = mistakes(NODES + text)
    assert any(one.startswith(expected) for one in found), found


def test_it_becomes_settings(write: Write) -> None:
    text = (
        "witness: {checkpoint_every: 50, copy: [journald, {node: hp, dir: ~/w}, {node: hp, dir: /var/w}, {node: hp}]}\n"
    )
    assert load(write(NODES + text)).witness == WitnessCopies(
        every=50,
        journald=True,
        nodes=(NodeCopy(node="hp", folder="w"), NodeCopy(node="hp", folder="/var/w"), NodeCopy(node="hp")),
    )


def test_without_it_nothing_is_copied(write: Write) -> None:
    assert load(write(NODES)).witness == WitnessCopies(every=1000, journald=False, nodes=())
