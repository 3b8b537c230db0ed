"""How the small program that puts a terminal and a container together is called."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).parents[1] / "terminal_child.py"


def terminal_argv(
    what: str,
    socket: Path,
    container: str,
    shown: str,
    command: Sequence[str] = (),
    user: str | None = None,
    *,
    tty: bool = True,
    stdin: bool = True,
) -> list[str]:
    """The command line of a terminal on a container: ``what`` is ``exec`` or ``attach``, ``shown`` its name.

    Isolated and without site packages: it needs the standard library only and starts in a third of the time.
    """
    asked: dict[str, Any] = {"container": container, "name": shown, "tty": tty, "stdin": stdin}
    if what == "exec":
        asked |= {"command": list(command), "user": user or ""}
    return [sys.executable, "-I", "-S", str(_PROGRAM), what, str(socket), json.dumps(asked)]
