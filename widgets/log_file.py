"""A log as it is shown, written into a new file of the operator's."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from widgets.log_buffer import Kept


def save(name: str, lines: Iterable[Kept], *, timestamps: bool, origins: bool, folders: Sequence[Path]) -> Path:
    """Write lines into the first of the folders where that is possible; nobody else may read the file.

    A file that is there stays as it is: another name is taken. Raises OSError where no folder takes it.
    """
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "log"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    text = "".join(f"{_said(line, timestamps=timestamps, origins=origins)}\n" for line in lines)
    error: OSError | None = None
    for folder in folders:
        for number in range(1, 100):
            path = folder / (f"{word}-{stamp}.log" if number == 1 else f"{word}-{stamp}-{number}.log")
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            except FileExistsError as problem:
                error = problem
                continue
            except OSError as problem:
                error = problem
                break
            try:
                with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                    file.write(text)
            except OSError as problem:
                error = problem
                path.unlink(missing_ok=True)
                break
            return path
    raise error or FileNotFoundError("no folder to write to")


def _said(line: Kept, *, timestamps: bool, origins: bool) -> str:
    front = ""
    if timestamps and line.at is not None:
        front = f"{datetime.fromtimestamp(line.at).astimezone().isoformat(timespec='milliseconds')} "
    return f"{front}{line.origin} │ {line.text}" if origins else f"{front}{line.text}"


__all__ = ["save"]
