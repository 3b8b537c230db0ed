"""Verifying: each way to break a chain is found at its first place and called by its name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import WitnessError
from app.witness import Witness
from app.witness.archive import archive_sealed
from app.witness.checkpoint import FILE, PRIVATE, PUBLIC, sign, stored
from app.witness.entry import decode, encode
from app.witness.segments import segments
from app.witness.verify import Fault, Verdict, copies, verify
from tests.witness.logs import HOST, NAME, OPERATOR, build, draft, put_lines, stored_lines


def rewritten(lines: list[bytes], start: int) -> list[bytes]:
    """The same entries from index ``start`` on, with other messages and every hash computed anew."""
    kept = lines[:start]
    previous = decode(lines[start - 1]).hash if start else "0" * 64
    for line in lines[start:]:
        entry = decode(line)
        new, previous = encode(
            draft(message=f"forged {entry.seq}"),
            seq=entry.seq,
            time=entry.time,
            operator=entry.operator,
            host=entry.host,
            prev_hash=previous,
        )
        kept.append(new)
    return kept


def signed(chain: Path) -> None:
    """Put a checkpoint at the chain's present end."""
    last = decode(stored_lines(chain)[-1])
    sign(chain, origin=NAME, size=last.seq, head=last.hash)


def broken(found: Verdict) -> tuple[int, Fault]:
    assert found.first_break is not None
    return found.first_break.seq, found.first_break.kind


def edit(lines: list[bytes], old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[4]
    lines[4] = lines[4].replace(old, new)
    return lines


BREAKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], tuple[int, Fault]]] = {
    "a changed message": (lambda lines: edit(lines, b"note 4", b"note 5"), (5, Fault.CONTENT)),
    "a changed time": (lambda lines: edit(lines, b'"time":"2', b'"time":"1'), (5, Fault.CONTENT)),
    "a changed number": (lambda lines: edit(lines, b'"seq":5', b'"seq":6'), (5, Fault.CONTENT)),
    "a changed cost": (lambda lines: edit(lines, b'"cost":null', b'"cost":{} '), (5, Fault.CONTENT)),
    "one more blank": (lambda lines: edit(lines, b'"cost":null', b'"cost": null'), (5, Fault.CONTENT)),
    "garbage in the middle": (lambda lines: [*lines[:4], b"rubbish\n", *lines[4:]], (5, Fault.CONTENT)),
    "an empty line": (lambda lines: [*lines[:4], b"\n", *lines[4:]], (5, Fault.CONTENT)),
    "a line cut short": (lambda lines: [*lines[:4], lines[4][:90] + b"\n", *lines[5:]], (5, Fault.CONTENT)),
    "a hash in capitals": (lambda lines: [*lines[:4], lines[4][:-67] + lines[4][-67:].upper()], (5, Fault.CONTENT)),
    "an entry taken out": (lambda lines: lines[:4] + lines[5:], (5, Fault.GAP)),
    "the first taken out": (lambda lines: lines[1:], (1, Fault.GAP)),
    "an entry twice": (lambda lines: [*lines[:5], lines[4], *lines[5:]], (6, Fault.GAP)),
    "two entries swapped": (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], (5, Fault.GAP)),
    "a forged entry with its own hash": (lambda lines: [*rewritten(lines, 4)[:5], *lines[5:]], (6, Fault.LINK)),
    "a forged first entry": (lambda lines: [*rewritten(lines, 0)[:1], *lines[1:]], (2, Fault.LINK)),
    "a tail cut off": (lambda lines: lines[:7], (8, Fault.TRUNCATED)),
    "a tail cut off in a line": (lambda lines: [*lines[:7], lines[7][:50]], (8, Fault.TRUNCATED)),
    "everything cut off": (lambda _: [], (1, Fault.TRUNCATED)),
    "everything rewritten from the middle": (lambda lines: rewritten(lines, 4), (10, Fault.SIGNATURE)),
    "two breaks": (lambda lines: edit(lines, b"note 4", b"note 5")[:7], (5, Fault.CONTENT)),
}


@pytest.mark.parametrize("how", BREAKS)
def test_the_first_break_is_found_and_named(tmp_path: Path, how: str) -> None:
    change, expected = BREAKS[how]
    chain = build(tmp_path, 10)
    signed(chain)
    assert verify(chain).first_break is None
    put_lines(chain, change(stored_lines(chain)))
    found = verify(chain)
    assert broken(found) == expected
    assert found.entries == expected[0] - 1


def test_a_whole_chain_says_what_it_rests_on(tmp_path: Path) -> None:
    chain = build(tmp_path, 5)
    assert "no checkpoint" in verify(chain).notes[0]
    signed(chain)
    found = verify(chain)
    assert (found.entries, found.checkpoints, found.covered, found.notes) == (5, 1, 5, ())
    build(tmp_path, 2)
    assert "last 2 entries" in verify(chain).notes[0]


@pytest.mark.parametrize(
    ("field", "value"), [("size", 9), ("head", "f" * 64), ("time", "2020-01-01T00:00:00Z"), ("origin", "eve@hp")]
)
def test_a_changed_checkpoint_is_a_broken_signature(tmp_path: Path, field: str, value: object) -> None:
    chain = build(tmp_path, 10)
    signed(chain)
    values = json.loads((chain / FILE).read_text())
    (chain / FILE).write_text(json.dumps({**values, field: value}, separators=(",", ":")) + "\n")
    assert broken(verify(chain))[1] is Fault.SIGNATURE


@pytest.mark.parametrize("line", ["rubbish", "[1]", "{}", '{"origin":1}'])
def test_a_checkpoint_that_is_none_is_a_broken_signature(tmp_path: Path, line: str) -> None:
    chain = build(tmp_path, 3)
    (chain / FILE).write_text(line + "\n")
    assert broken(verify(chain)) == (4, Fault.SIGNATURE)


def test_another_key_is_a_broken_signature(tmp_path: Path) -> None:
    chain = build(tmp_path, 3)
    signed(chain)
    other = build(tmp_path / "other", 1)
    signed(other)
    (chain / PUBLIC).write_bytes((other / PUBLIC).read_bytes())
    assert broken(verify(chain)) == (3, Fault.SIGNATURE)
    (chain / PUBLIC).unlink()
    assert broken(verify(chain)) == (3, Fault.SIGNATURE)


def test_a_full_rewrite_passes_here_and_fails_against_an_outside_copy(tmp_path: Path) -> None:
    chain = build(tmp_path, 10)
    signed(chain)
    copy = tmp_path / "copy"
    copy.write_bytes((chain / FILE).read_bytes())
    (chain / FILE).unlink()
    put_lines(chain, rewritten(stored_lines(chain), 0))
    signed(chain)
    assert verify(chain).first_break is None
    assert broken(verify(chain, copies(copy))) == (10, Fault.SIGNATURE)
    put_lines(chain, stored_lines(chain)[:3])
    (chain / FILE).unlink()
    signed(chain)
    assert broken(verify(chain, copies(copy))) == (4, Fault.TRUNCATED)


@pytest.mark.parametrize("text", ["", "rubbish\n", "{}\n"])
def test_a_copy_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "copy").write_text(text)
    with pytest.raises(WitnessError, match="not a copy"):
        copies(tmp_path / "copy")
    with pytest.raises(WitnessError, match="no such file"):
        copies(tmp_path / "nothing")


def archived(tmp_path: Path) -> tuple[Path, list[Path]]:
    """A chain of 20 entries in several segments, and the files of all but the last."""
    chain = build(tmp_path, 20, segment_bytes=2000)
    archive_sealed(chain)
    assert verify(chain).entries == 20
    return chain, [segment.path for segment in segments(chain)[:-1]]


def test_a_missing_archive_is_a_gap(tmp_path: Path) -> None:
    chain, files = archived(tmp_path)
    first = segments(chain)[1].first
    files[1].unlink()
    assert broken(verify(chain)) == (first, Fault.GAP)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[:-30],
    "no archive": lambda _: b"rubbish",
    "spoilt inside": lambda data: data[:60] + b"!" * 60,
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_archive_is_broken_content(tmp_path: Path, how: str) -> None:
    chain, files = archived(tmp_path)
    first = segments(chain)[1].first
    files[1].write_bytes(DAMAGES[how](files[1].read_bytes()))
    assert broken(verify(chain)) == (first, Fault.CONTENT)


def test_a_changed_entry_in_an_archive_is_found(tmp_path: Path) -> None:
    chain, files = archived(tmp_path)
    lines = gzip.decompress(files[1].read_bytes())
    files[1].write_bytes(gzip.compress(lines.replace(b"node:pi", b"node:hp")))
    assert broken(verify(chain)) == (segments(chain)[1].first, Fault.CONTENT)


def test_archiving_that_was_cut_short_loses_nothing(tmp_path: Path) -> None:
    chain = build(tmp_path, 20, segment_bytes=2000)
    sealed = segments(chain)[0].path
    (chain / "archive").mkdir(mode=0o700)
    (chain / "archive" / f"{sealed.name}.gz").write_bytes(gzip.compress(sealed.read_bytes()))  # both are there
    (chain / "archive" / f"{segments(chain)[1].path.name}.new").write_bytes(b"half")
    assert verify(chain).entries == 20
    archive_sealed(chain)
    assert verify(chain).entries == 20
    assert [segment.archived for segment in segments(chain)].count(False) == 1


async def test_checkpoints_come_every_so_often_and_at_the_end(tmp_path: Path) -> None:
    log = Witness(tmp_path, operator=OPERATOR, host=HOST, every=4)
    for _ in range(9):
        await log.record(draft())
    await log.close()
    sizes = [each.size for each in stored(log.folder / FILE)[0]]
    assert sizes[-1] == 9
    assert len(sizes) >= 2
    assert (log.folder / PRIVATE).stat().st_mode & 0o777 == 0o600
    key = (log.folder / PRIVATE).read_bytes()
    again = Witness(tmp_path, operator=OPERATOR, host=HOST)
    path = await again.checkpoint()
    await again.close()
    assert path == log.folder / FILE
    assert [each.size for each in stored(path)[0]] == sizes, "nothing new to sign"
    assert (log.folder / PRIVATE).read_bytes() == key


async def test_a_key_that_others_can_read_signs_nothing(tmp_path: Path) -> None:
    chain = build(tmp_path, 1)
    signed(chain)
    (chain / PRIVATE).chmod(0o644)
    log = Witness(tmp_path, operator=OPERATOR, host=HOST)
    await log.record(draft())
    with pytest.raises(WitnessError, match="read by others") as said:
        await log.checkpoint()
    assert "chmod 600" in said.value.todo
    await log.close()
    assert "read by others" in (log.fault or "")


async def test_a_file_that_holds_no_key_is_said_plainly(tmp_path: Path) -> None:
    chain = build(tmp_path, 1)
    (chain / PRIVATE).write_text("rubbish")
    (chain / PRIVATE).chmod(0o600)
    log = Witness(tmp_path, operator=OPERATOR, host=HOST)
    with pytest.raises(WitnessError, match="no Ed25519 key"):
        await log.checkpoint()
    await log.close()


def test_a_torn_checkpoint_is_replaced_by_the_next(tmp_path: Path) -> None:
    chain = build(tmp_path, 3)
    signed(chain)
    with (chain / FILE).open("ab") as file:
        file.write(b'{"origin":"ops')
    assert verify(chain).first_break is None
    build(tmp_path, 1)
    signed(chain)
    assert [each.size for each in stored(chain / FILE)[0]] == [3, 4]
    assert verify(chain).covered == 4
