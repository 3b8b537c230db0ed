"""A definition written in Python: a file that puts a ``Definition`` under the name ``DEFINITION``.

It is run, and so only where nobody but the operator could have written it.
"""

from __future__ import annotations

import os
import runpy
import stat
from pathlib import Path

from app.column import clean
from app.errors import ConfigurationError
from backends.projects.definition import Definition
from backends.projects.reading import checked

NAME = "DEFINITION"


def from_code(path: Path) -> Definition:
    """The definition that a Python file makes; blocks. Raises ConfigurationError for anything else."""
    where = str(path)
    try:
        info = path.stat()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror or error}", where=where) from None
    if not stat.S_ISREG(info.st_mode):
        raise ConfigurationError("a file is expected, this is something else", where=where)
    if info.st_uid != os.getuid() or info.st_mode & 0o022:
        raise ConfigurationError(
            "code is run only where it belongs to you and nobody else may write it",
            where=where,
            todo=f"chown and chmod go-w {where}",
        )
    try:
        found: object = runpy.run_path(where).get(NAME)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"its code fails: {type(error).__name__}: {clean(str(error))}", where=where) from None
    if not isinstance(found, Definition):
        raise ConfigurationError(f"it puts no Definition under the name {NAME}", where=where)
    return checked(found, where)
