"""Which commands of hosts.yaml the operator has agreed to: digests, kept in a file that is theirs alone.

What is agreed to is one text in one file: a command that was changed, or that stands in another hosts.yaml, is new.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from app.errors import ConfigurationError
from app.paths import private_folder

FILE = "trusted-commands"
"""In the state folder: one digest a line."""
LARGEST = 1 << 20
"""Bytes; a larger file is none of ours."""


def digest(command: str, hosts: Path) -> str:
    """What stands for a command in a hosts.yaml: SHA-256 of both, in hexadecimal."""
    return hashlib.sha256(f"{hosts.resolve()}\0{command}".encode("utf-8", "surrogateescape")).hexdigest()


def trusted(state: Path) -> frozenset[str]:
    """The digests that were agreed to; raises ConfigurationError for a file that somebody else may have written."""
    file = state / FILE
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(file)) from None
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
            raise ConfigurationError(
                "it says which commands are trusted, and somebody else may have written it",
                where=str(file),
                todo="remove it, then trust them anew: quarterdeck config trust",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            text = stream.read(LARGEST).decode("ascii", "replace")
    finally:
        os.close(descriptor)
    return frozenset(line.strip() for line in text.splitlines() if line.strip())


def trust(state: Path, digests: Iterable[str]) -> None:
    """Agree to some more commands; raises ConfigurationError where that cannot be kept."""
    file = state / FILE
    everything = sorted(trusted(state) | set(digests))
    temporary = file.with_name(f"{FILE}.{os.getpid()}")
    try:
        private_folder(state)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write("".join(f"{one}\n" for one in everything))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(file)) from None
