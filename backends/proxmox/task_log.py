"""Reading a task's log as it grows: every line once, bounded, with what was left out counted."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from app.column import unescaped
from backends.proxmox.client import Client
from backends.proxmox.upid import Upid

PAGE = 500
"""Lines asked for at once."""
MOST = 1000
"""New lines that one look passes on; of more than these the beginning is left out."""
WIDEST = 1000
"""Characters of a line that are kept."""
_LAST = 20
_EMPTY = "no content"
_PERCENT = re.compile(
    r"\((?P<a>\d{1,3}(?:\.\d+)?)\s?%\)|^INFO:\s+(?P<b>\d{1,3})%|^progress (?P<c>\d{1,3}(?:\.\d+)?)%|"
    r"progression: (?P<d>\d{1,3}(?:\.\d+)?) ?%|\b(?P<e>\d{1,3}(?:\.\d+)?) ?% (?:complete|done)"
)


class TaskLog:
    """One task's log as far as it was read."""

    def __init__(self, client: Client, upid: Upid) -> None:
        self._client = client
        self._path = upid.path("log")
        self.read = 0
        """Lines behind us, those left out as well."""
        self.left_out = 0
        self.behind = False
        """The last look did not reach the end of the log."""
        self.last: deque[str] = deque(maxlen=_LAST)
        """The newest lines, cleaned."""
        self.warnings: deque[str] = deque(maxlen=3)
        """The newest that warn."""

    async def more(self) -> list[str]:
        """The lines that have come since, cleaned; a line in place of those left out says how many they were."""
        new: list[str] = []
        self.behind = True
        while len(new) < MOST:
            page = await self._client.list(self._path, start=self.read, limit=PAGE)
            lines = [_line(row) for row in page.rows]
            if not self.read and lines == [_EMPTY]:
                # What Proxmox writes in place of an empty list; the first real line takes its number.
                self.behind = False
                break
            total = page.total
            if total is not None and total - self.read > MOST:
                skipped = total - self.read - PAGE
                self.left_out += skipped
                self.read += skipped
                new.append(f"… {skipped} lines of its log are left out")
                continue
            self.read += len(lines)
            new += lines
            if len(lines) < PAGE or (total is not None and self.read >= total):
                self.behind = False
                break
        self.last += new
        self.warnings += [line for line in new if line.startswith(("WARN", "warning:", "WARNING"))]
        return new


def percent_of(line: str) -> float | None:
    """How far a task is by one line of its log, 0 to 100; ``None`` for a line that does not say."""
    found = _PERCENT.search(line)
    if found is None:
        return None
    share = float(next(text for text in found.groups() if text is not None))
    return share if share <= 100 else None


def _line(row: Mapping[str, Any]) -> str:
    text = row.get("t")
    line = unescaped(text if isinstance(text, str) else "")
    return line if len(line) <= WIDEST else f"{line[:WIDEST]}…"
