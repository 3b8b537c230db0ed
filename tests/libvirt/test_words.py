"""What virsh writes, read: answers and records in pieces of any size, states, errors, definitions, hostile ones too."""

from __future__ import annotations

import random

import pytest

from app.errors import BadAnswer, Busy, ConfigurationError, Denied, Missing, QuarterdeckError, Refused, Unsupported
from backends.libvirt import answers
from backends.libvirt.definition import definition, kept
from backends.libvirt.failures import NoLibvirt, classified
from backends.libvirt.framing import Answers
from backends.libvirt.rows import GuestRows
from backends.libvirt.verbs.base import guest_name, quoted, snapshot_name
from backends.libvirt.verbs.storage import size_bytes

NONCE = "0123456789abcdef0123456789abcdef"
UUID = "4edcbcae-0c94-4915-b1b9-433458308ce1"

WITH_READLINE = (
    f'\n#{NONCE}h\nvirsh # list\none\ntwo\nvirsh # echo "@0123456789abcdef""0123456789abcdef 1"\n'
    f"@{NONCE} 1virsh # \r<stats -long\nthree\n  x=#{NONCE}!event 'lifecycle' for domain 'a': Started Booted\n1\n"
    f'virsh # echo "@0123456789abcdef""0123456789abcdef 2"\n@{NONCE} 2virsh # '
).encode()
WITHOUT_READLINE = (
    f"\n#{NONCE}h\nvirsh # one\ntwo\nvirsh # @{NONCE} 1virsh # three\n  x=#{NONCE}!event 'lifecycle' for domain 'a': "
    f"Started Booted\n1\nvirsh # @{NONCE} 2virsh # "
).encode()


@pytest.mark.parametrize("whole", [WITH_READLINE, WITHOUT_READLINE], ids=["readline", "plain"])
@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size_make_the_same_answers(whole: bytes, seed: int) -> None:
    chance = random.Random(seed)
    taken = Answers(NONCE)
    records: list[tuple[str, str]] = []
    told: list[tuple[int, str]] = []
    at = 0
    while at < len(whole):
        size = chance.randint(1, 1 + 12 * seed)
        more, done = taken.feed(whole[at : at + size])
        records += more
        told += done
        at += size
    assert told == [(1, "one\ntwo"), (2, "three\n  x=1")]
    assert records == [("h", ""), ("!", "event 'lifecycle' for domain 'a': Started Booted")]


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.libvirt.framing.LARGEST", 1000)
    taken = Answers(NONCE)
    for _ in range(10):
        taken.feed(b"x" * 100)
    with pytest.raises(BadAnswer):
        taken.feed(b"x")


def test_a_list_is_read_or_refused() -> None:
    assert answers.uuids(f"{UUID} a b\n\n") == {"a b": UUID}
    for wrong in ("nonsense", f"{UUID}", f"{UUID[:-1]} x", "<html>"):
        with pytest.raises(BadAnswer):
            answers.uuids(wrong)


@pytest.mark.parametrize(
    ("code", "reason", "state", "lock", "fault"),
    [
        (1, 1, "running", None, False),
        (3, 1, "paused", None, False),
        (3, 5, "paused", None, True),
        (3, 3, "paused", "save", False),
        (5, 0, "stopped", None, False),
        (6, 0, "stopped", None, True),
        (7, 0, "suspended", None, False),
        (99, 0, "unknown", None, False),
    ],
)
def test_states_are_told_apart(code: int, reason: int, state: str, lock: str | None, fault: bool) -> None:
    (found,) = answers.stats(f"Domain: 'it's'\n  state.state={code}\n  state.reason={reason}\n", 0.0).values()
    assert (found.state, found.lock, found.fault is not None) == (state, lock, fault)


def test_a_guest_that_tells_of_its_memory_is_believed_while_that_is_new() -> None:
    told = (
        "Domain: 'a'\n  state.state=1\n  balloon.current=4096\n  balloon.maximum=8192\n  balloon.available=4000\n"
        "  balloon.usable=3000\n  balloon.last-update=1000\n  balloon.rss=9999\n"
    )
    assert answers.stats(told, 1010.0)["a"].mem_used_bytes == 1000 << 10
    assert answers.stats(told, 9000.0)["a"].mem_used_bytes is None
    assert answers.stats(told, 1010.0)["a"].mem_total_bytes == 4096 << 10


def test_hostile_figures_are_no_figures() -> None:
    told = "Domain: 'a'\n  state.state=1\n  vcpu.current=-3\n  cpu.time=1e9\n  block.count=99999999999\n  net.count=x\n"
    found = answers.stats(told, 0.0)["a"]
    assert (found.cores, found.cpu_ns, found.disk_total_bytes, found.net_sent_bytes) == (None, None, None, None)


def test_rates_are_unknown_where_a_counter_went_back() -> None:
    rows = GuestRows("hp")

    def look(ns: int, at: float) -> float | None:
        told = f"Domain: 'a'\n  state.state=1\n  vcpu.current=2\n  cpu.time={ns}\n"
        rows.fold({"a": UUID}, frozenset(), answers.stats(told, 0.0), {}, {}, at)
        return rows.rows[0].cpu_percent

    assert look(0, 100.0) is None
    assert look(1_000_000_000, 101.0) == 50.0
    assert look(1_000_000_000, 101.05) == 50.0
    assert look(5, 102.0) is None
    first = rows.rows
    assert rows.fold({"a": UUID}, frozenset(), {}, {}, {}, 103.0) is False
    assert rows.rows is first


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("error: Failed to connect socket to '/x': No such file or directory", NoLibvirt, "not running"),
        ("sh: 1: virsh: not found", NoLibvirt, "no virsh"),
        ("error: Failed to connect socket to '/x': Permission denied", Denied, "group libvirt"),
        (
            "error: authentication unavailable: no polkit agent available to authenticate action",
            Denied,
            "group libvirt",
        ),
        ("error: failed to get domain 'x'\nerror: Domain not found: no domain with matching uuid", Missing, "gone"),
        ("error: Timed out during operation: cannot acquire state change lock (held by monitor=x)", Busy, "holds"),
        ("error: Guest agent is not responding: QEMU guest agent is not connected", Unsupported, "agent"),
        ("error: Requested operation is not valid: domain is not running", Refused, "not running"),
        ("error: unsupported configuration: internal snapshot for disk vda", Unsupported, "internal"),
        ("error: \x1b[31mwhat\u202e is this", BadAnswer, "what is this"),
    ],
)
def test_errors_are_what_they_mean(text: str, kind: type[QuarterdeckError], word: str) -> None:
    found = classified(text, "hp/web")
    assert type(found) is kind
    assert word in str(found)
    assert "\x1b" not in str(found)


def test_a_definition_is_read_and_one_with_entities_is_not() -> None:
    text = (
        f"<domain><name>a</name><uuid>{UUID}</uuid><metadata><q:guest xmlns:q='urn:quarterdeck:guest'><q:tag>x</q:tag>"
        "<q:tag>[b]</q:tag><q:template/></q:guest></metadata><devices>"
        "<disk type='file' device='disk'><source file='/a'/><target dev='vda'/></disk>"
        "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/><readonly/></disk>"
        "</devices></domain>"
    )
    found = definition(text)
    assert (found.tags, found.template, [disk.own for disk in found.disks]) == (("x",), True, [True, False])
    for wrong in ("", "<domain>", "<html/>", f"<!DOCTYPE x [<!ENTITY a 'b'>]>{text}", "x" * (5 << 20)):
        with pytest.raises(BadAnswer):
            definition(wrong)


def test_what_is_typed_is_checked() -> None:
    for wrong in ("", "-x", "a b", "a/b", "7", "a" * 64, "a\n"):
        with pytest.raises(ConfigurationError):
            guest_name(wrong)
    for wrong in ("", "1a", "a.b", "a;b", "a" * 41):
        with pytest.raises(ConfigurationError):
            snapshot_name(wrong)
    with pytest.raises(ConfigurationError):
        kept(["<x/>"], template=False, protected=False)
    with pytest.raises(ConfigurationError):
        quoted("a\nb")
    assert quoted('a"b\\') == '"a\\"b\\\\"'
    assert (size_bytes("4G"), size_bytes("+1.5G", 1 << 30), size_bytes("512")) == (4 << 30, 5 << 29, 512)
    for wrong in ("", "G", "-1G", "4X", "9" * 12):
        with pytest.raises(ConfigurationError):
            size_bytes(wrong)
