"""The decoder against what a broken or hostile host may say: whole answers or one BadAnswer, never anything else."""

from __future__ import annotations

import random

import pytest

from app.errors import BadAnswer
from backends.sampling.frames import Answer, Decoder, Tick, packed, unpacked

NONCE = "00112233445566778899aabbccddeeff"
HEAD = b"#" + NONCE.encode()
MARK = b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
HELLO = b"\n" + HEAD + b"h" + MARK + b"\n"
NAMES = HEAD + b"c\n" + HEAD + b"n/a\n" + HEAD + b"n/b\n"


def tick(number: int, *files: bytes) -> bytes:
    """One tick's answer as the program prints it."""
    body = b"".join(data + MARK + b"\n" for data in files)
    return HEAD + b"t%d\n" % number + body + HEAD + b"e%d\n" % number


def script(slot: int, *pieces: bytes) -> bytes:
    """One script's answer as the program prints it."""
    said = b"".join(HEAD + b"~%d\n" % slot + piece + HEAD + b"|\n" for piece in pieces)
    return said + HEAD + b".%d\n" % slot


def decoded(stream: bytes, step: int | None = None, largest: int = 4 << 20) -> list[Tick | Answer]:
    """The stream, fed in pieces of ``step`` bytes."""
    decoder = Decoder(NONCE, largest)
    step = step or len(stream)
    return [one for at in range(0, len(stream), step) for one in decoder.feed(stream[at : at + step])]


GOOD = HELLO + NAMES + tick(1, b"one\n", b"two") + script(2, b"x" * 2048, b"rest") + tick(2, b"", b"#\n")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 33, 34, 35, 100, None])
def test_an_answer_is_the_same_however_it_is_cut(step: int | None) -> None:
    assert decoded(GOOD, step) == [
        Tick(1, {"/a": b"one\n", "/b": b"two"}),
        Answer(2, b"x" * 2048 + b"rest"),
        Tick(2, {"/b": b"#\n"}),
    ]


def test_a_banner_before_the_first_record_is_skipped() -> None:
    banner = b"Welcome to \x1b[1mhost\x1b[0m\r\n#0011 not it\nLast login: never\n" * 50

    assert decoded(banner + GOOD, 13) == decoded(GOOD)


def test_a_script_may_answer_in_the_middle_of_a_file() -> None:
    whole = tick(1, b"one\n", b"two")
    at = whole.index(b"ne\n")

    (answer, got) = decoded(HELLO + NAMES + whole[:at] + script(0, b"hi") + whole[at:])

    assert answer == Answer(0, b"hi")
    assert got == Tick(1, {"/a": b"one\n", "/b": b"two"})


def test_what_looks_like_a_record_without_the_nonce_is_a_files_content() -> None:
    evil = b"#t9\n#" + NONCE[:-1].encode() + b"xe9\n[@click=app.quit]\x1b]0;pwned\x07\0\0\n"

    assert decoded(HELLO + NAMES + tick(1, evil, b"x")) == [Tick(1, {"/a": evil, "/b": b"x"})]


def test_files_separated_by_records_where_there_is_no_boot_id() -> None:
    sep = HEAD + b"m\n"
    stream = b"\n" + HEAD + b"h\n" + NAMES + HEAD + b"t1\n" + b"one\n" + sep + sep + HEAD + b"e1\n"

    assert decoded(stream, 5) == [Tick(1, {"/a": b"one\n"})]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (NAMES, "beginning"),
        (HELLO + HELLO, "cannot hold"),
        (HELLO + NAMES + tick(1, b"x"), "1 files instead of 2"),
        (HELLO + NAMES + tick(1, b"x", b"y", b"z"), "3 files instead of 2"),
        (HELLO + NAMES + HEAD + b"t1\n" + HEAD + b"e2\n", "another tick"),
        (HELLO + NAMES + HEAD + b"t1\n" + HEAD + b"t2\n", "torn"),
        (HELLO + NAMES + HEAD + b"e1\n", "another tick"),
        (HELLO + HEAD + b"~1\n" + HEAD + b"t1\n", "torn"),
        (HELLO + HEAD + b"t-1\n", "without a number"),
        (HELLO + HEAD + b"t" + b"9" * 40 + b"\n", "without a number"),
        (HELLO + HEAD + b"q\n", "cannot hold"),
        (HELLO + HEAD + b"t1" + b"x" * 10_000, "no end"),
        (b"\n" + HEAD + b"h" + b"m" * 100 + b"\n", "boot id"),
        (b"\n" + HEAD + b"hm\n", "boot id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_program_cannot_say_is_a_bad_answer(stream: bytes, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        decoded(stream)
    with pytest.raises(BadAnswer, match=words):
        decoded(stream, 1)


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * 200_000,
        b"motd\n" * 40_000,
        HELLO + NAMES + HEAD + b"t1\n" + b"\0" * 200_000,
        HELLO + HEAD + b"~1\n" + b"y" * 200_000,
        HELLO + (HEAD + b"~1\n" + b"y" * 2048 + HEAD + b"|\n") * 100,
    ],
    ids=["noise", "lines", "tick", "script", "pieces"],
)
def test_what_has_no_end_is_refused_while_it_comes(stream: bytes) -> None:
    with pytest.raises(BadAnswer):
        decoded(stream, 4096, largest=100_000)


def test_a_line_of_a_megabyte_is_taken_in_once() -> None:
    line = b"z" * (1 << 20)

    assert decoded(HELLO + NAMES + tick(1, line, b""), 32768) == [Tick(1, {"/a": line})]


def test_any_damage_is_an_answer_or_a_bad_answer() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        stream = bytearray(GOOD)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(stream))
            match chance.randrange(3):
                case 0:
                    stream[at] = chance.randrange(256)
                case 1:
                    del stream[at : at + chance.randint(1, 80)]
                case _:
                    stream[at:at] = chance.choice([HEAD, HEAD + b"e1\n", MARK + b"\n", b"\0", HELLO])
        try:
            assert isinstance(decoded(bytes(stream), chance.choice([None, 7, 64])), list)
        except BadAnswer:
            continue


def test_several_files_travel_as_one_answer() -> None:
    files = {"/a b": b"1\0\n", "/\udcff": b"", "/c": b"x" * 5000}

    assert unpacked(packed(files)) == files
    assert unpacked(b"") == {}


@pytest.mark.parametrize("answer", [b"x", b"/a\0", b"/a\0x\0", b"/a\0005\0abc", b"/a\0-1\0abc"])
def test_files_that_are_not_packed_are_refused(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        unpacked(answer)
