"""The command line: every noun and verb drawn from the kinds; it owns stdout, stderr and the exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line and exit with its code; ``--version`` alone is answered without loading anything."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        from quarterdeck import __version__

        sys.stdout.write(f"quarterdeck {__version__}\n")
        sys.exit(0)
    import gc

    gc.disable()  # what is loaded at the start stays: looking through it for garbage costs a tenth of the start
    from app.cli.root import run

    run(words)
