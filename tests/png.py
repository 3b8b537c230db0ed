"""Small pictures: a PNG of few colours written again with a palette, a third of the size; standard library only."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def shrink(path: Path) -> None:
    """Write an 8-bit RGB or RGBA picture again, in place: its most frequent colours, and for others the nearest."""
    width, height, pixels = _read(path.read_bytes())
    counted = Counter(pixels)
    chosen = [colour for colour, _ in counted.most_common(255)]
    place = {colour: number for number, colour in enumerate(chosen)}
    for colour in counted.keys() - place.keys():
        apart = [sum((a - b) ** 2 for a, b in zip(colour, one, strict=True)) for one in chosen]
        place[colour] = apart.index(min(apart))
    indexed = bytes(place[colour] for colour in pixels)
    rows = b"".join(b"\0" + indexed[width * y : width * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = b"".join(bytes(colour) for colour in chosen)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    path.write_bytes(_SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _read(data: bytes) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Width, height and the pixels of an 8-bit picture; what is transparent shows white."""
    assert data.startswith(_SIGNATURE)
    at, packed, width, height, size = 8, b"", 0, 0, 4
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IHDR":
            width, height, depth, kind = struct.unpack_from(">IIBB", body)
            assert depth == 8
            size = {2: 3, 6: 4}[kind]
        elif name == b"IDAT":
            packed += body
    raw = zlib.decompress(packed)
    stride = width * size
    before = bytearray(stride)
    pixels: list[tuple[int, int, int]] = []
    for y in range(height):
        start = y * (stride + 1)
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, size)
        alpha = line[3::4] if size == 4 else bytes([255]) * width
        seen = zip(line[0::size], line[1::size], line[2::size], alpha, strict=True)
        pixels += [(r, g, b) if a == 255 else _on_white(r, g, b, a) for r, g, b, a in seen]
        before = line
    return width, height, pixels


def _on_white(r: int, g: int, b: int, a: int) -> tuple[int, int, int]:
    return tuple((one * a + 255 * (255 - a)) // 255 for one in (r, g, b))  # pyright: ignore[reportReturnType]


def _unfiltered(kind: int, line: bytearray, before: bytearray, size: int) -> bytearray:
    """One line of pixels without its filter, as the PNG specification numbers them."""
    for at in range(len(line)) if kind else ():
        left = line[at - size] if at >= size else 0
        up = before[at]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        else:
            corner = before[at - size] if at >= size else 0
            estimate = left + up - corner
            guess = min((left, up, corner), key=lambda one: abs(estimate - one))
        line[at] = (line[at] + guess) & 0xFF
    return line
