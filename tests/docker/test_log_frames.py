"""Log streams as bytes: torn anywhere, without end, and such as no engine would send."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from app.errors import BadAnswer, ConfigurationError
from backends.docker.log_bytes import Seam
from backends.docker.log_frames import LONGEST, PIECE, Frames, Said
from backends.docker.log_times import moment, said_to_engine, stamp, stamp_of

T1 = b"2026-01-31T08:00:00.123456789Z "
T2 = b"2026-01-31T08:00:01.000000000Z "


def frame(data: bytes, kind: int = 1) -> bytes:
    return bytes((kind, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def read(data: bytes, *, tty: bool = False, cuts: int = 0, seed: int = 0) -> list[Said]:
    """Lines of a stream that came in so many more pieces."""
    frames = Frames(tty=tty)
    places = sorted(random.Random(seed).choices(range(len(data) + 1), k=cuts))
    said: list[Said] = []
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        said += frames.feed(data[begin:end])
    return [*said, *frames.end()]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tty", [False, True])
def test_lines_torn_anywhere_are_whole(tty: bool, seed: int) -> None:
    whole = [T1 + "grün € 😀\n".encode(), T2 + b"second\r\n", T2 + b"\n", T2 + b"last"]
    data = b"".join(whole if tty else [frame(part) for part in whole])
    lines = read(data, tty=tty, cuts=12, seed=seed)
    assert [line.text for line in lines] == ["grün € 😀", "second", "", "last"]
    assert [line.at for line in lines] == [stamp(T1[:-1]), *[stamp(T2[:-1])] * 3]


def test_the_two_streams_are_cut_into_lines_each_for_itself() -> None:
    data = frame(T1 + b"be") + frame(T2 + b"oops\n", 2) + frame(T1 + b"gun\n")
    assert [(line.text, line.error) for line in read(data)] == [("oops", True), ("begun", False)]


def test_pieces_without_an_end_of_line_end_where_another_moment_begins() -> None:
    data = frame(T1 + b"x" * PIECE) + frame(T1 + b"yz") + frame(T2 + b"next\n")
    assert [line.text for line in read(data)] == ["x" * PIECE + "yz", "next"]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    for tty in (False, True):
        parts = [T1 + b"a" * PIECE] * 200
        data = b"".join(parts if tty else [frame(part) for part in parts])
        tail = b"\n" + T2 + b"next\n"
        lines = read(data + (tail if tty else frame(b"\n") + frame(T2 + b"next\n")), tty=tty, cuts=50)
        assert [len(line.text) for line in lines][1:] == [4]
        assert PIECE < len(lines[0].text) <= LONGEST


def test_bytes_that_are_no_text_and_lines_without_a_moment_are_shown() -> None:
    data = frame(T1 + b"\xff\xfe\n") + frame(b"no moment\n") + frame(b"2026-99-99Tx y\n")
    assert [line.text for line in read(data)] == ["\ufffd\ufffd", "no moment", "2026-99-99Tx y"]


def test_what_is_no_log_is_refused() -> None:
    for data in (b"HTTP/1.1 200 OK\r\n\r\n", b"\x01\0\0\0\xff\xff\xff\xff", b"\x09\0\0\0\0\0\0\x01x"):
        with pytest.raises(BadAnswer):
            Frames(tty=False).feed(data)


def test_a_seam_loses_and_doubles_nothing() -> None:
    seam = Seam()
    assert seam.begin() is None
    first = [Said(f"n{n}", (100, n * 1_000_000), False) for n in range(5)]
    assert seam.join(first) == first
    assert seam.begin() == "100.002000000"
    again = [*first[2:], Said("late", (100, 3_500_000), True), Said("n5", (101, 0), False)]
    assert [said.text for said in seam.join(again)] == ["late", "n5"]
    assert not seam.gap
    seam.begin()
    seam.join([Said("n99", (200, 0), False)])
    assert seam.gap


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0.5)],
)
def test_how_long_ago(said: str, seconds: float) -> None:
    assert abs(moment(said, now=1_800_000_000.0) - (1_800_000_000.0 - seconds)) < 0.001


def test_moments_as_they_are_written() -> None:
    assert moment("1769846400.5") == 1769846400.5
    assert moment("2026-01-31T08:00:00Z") == datetime(2026, 1, 31, 8, tzinfo=UTC).timestamp()
    assert moment("2026-01-31T08:00:00.25+02:00") == datetime(2026, 1, 31, 6, tzinfo=UTC).timestamp() + 0.25
    naive = datetime(2026, 1, 31, 8)  # noqa: DTZ001 - local time is what is meant
    assert moment("2026-01-31 08:00") == moment("2026-01-31T08:00") == naive.astimezone().timestamp()
    before = datetime.now().astimezone().date()
    today = datetime.fromtimestamp(moment("08:30")).astimezone()
    assert (today.hour, today.minute) == (8, 30)
    assert today.date() in {before, datetime.now().astimezone().date()}


@pytest.mark.parametrize(
    "said", ["", " ", "ten", "10", "10 minutes", "9" * 400 + "d", "2026-13-01", "1960-01-01", "-5m"]
)
def test_what_is_no_time_is_refused_in_words(said: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        moment(said, where="--since")


def test_stamps_of_engines() -> None:
    assert stamp(b"2026-01-31T08:00:00.123456789Z") == (1769846400, 123456789)
    assert stamp(b"2026-01-31T10:00:00.5+02:00") == (1769846400, 500000000)
    assert stamp(b"2026-01-31T08:00:00Z") == (1769846400, 0)
    for wrong in (b"", b"x" * 40, b"2026-01-31T08:00:00", b"2026-01-31T08:00:00.12x4Z", b"2026-01-31T08:00:00+xx:yy"):
        assert stamp(wrong) is None
    assert said_to_engine(stamp_of(12.5)) == "12.500000000"
