"""What virsh writes on a session's channel, taken apart: answers, and what it tells unasked."""

from __future__ import annotations

import re

from app.errors import BadAnswer

LARGEST = 16 << 20
"""Bytes one answer may have."""
_PROMPT = re.compile(r"\s*virsh [#>] ")
_LAST_PROMPT = re.compile(r"virsh [#>] ([^\n]*\n)?\Z")


class Answers:
    """Tells apart the answers to numbered command lines and records that come between them, also in their middle."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._record = re.compile(rb"#%s([!hp])([^\n]*)\n" % nonce.encode())
        self._head = f"#{nonce}".encode()
        self._mark = re.compile(rb"@%s (\d+)(?=[^\d])" % nonce.encode())
        self._left = b""
        self._tail = b""

    def line(self, command: str, number: int) -> str:
        """What is written for a command: itself, and the mark that its answer ends with.

        The mark is written in two halves, as some builds of virsh write out what they read.
        """
        half = len(self._nonce) // 2
        return f'{command}\necho "@{self._nonce[:half]}""{self._nonce[half:]} {number}"\n'

    def feed(self, data: bytes) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
        """Take bytes; returns the records (letter, text) and the answers (number, text) that became whole.

        Raises BadAnswer for an answer without end.
        """
        whole = self._tail + data
        at = whole.rfind(b"#")
        half = at >= 0 and b"\n" not in whole[at:] and self._head.startswith(whole[at : at + len(self._head)])
        whole, self._tail = (whole[:at], whole[at:]) if half else (whole, b"")
        records = [(m[1].decode(), m[2].decode("utf-8", "replace")) for m in self._record.finditer(whole)]
        self._left += self._record.sub(b"", whole)
        if len(self._left) + len(self._tail) > LARGEST:
            raise BadAnswer(f"virsh's answer is longer than {LARGEST >> 20} MiB")
        answers: list[tuple[int, str]] = []
        while (mark := self._mark.search(self._left)) is not None:
            text = self._left[: mark.start()].decode("utf-8", "replace")
            self._left = self._left[mark.end() :]
            answers.append((int(mark[1]), _bare(text)))
        return records, answers

    @property
    def rest(self) -> str:
        """What came and belongs to no answer: it may say why it ended."""
        return self._left.decode("utf-8", "replace")


def _bare(text: str) -> str:
    """An answer without the prompts around it and without the command lines that some builds of virsh write out.

    What such a build writes out is one line, and not always the line it was given: readline scrolls long ones.
    """
    first, last = _PROMPT.match(text), _LAST_PROMPT.search(text)
    if last is not None:
        text = text[: last.start()]
    if first is not None:
        text = text[first.end() :]
        if last is not None and last[1]:
            text = text.partition("\n")[2]
    return text.strip("\n")
