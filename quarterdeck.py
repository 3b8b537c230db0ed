"""Start-up shim: the installed wheel keeps its packages in one private folder, a checkout has them beside this file.

Without it, names as common as ``app`` and ``widgets`` would land in site-packages and shadow other people's modules.
"""

import sys
from pathlib import Path

__version__ = "0.1.0"

_private = Path(__file__).with_name("_quarterdeck")
if _private.is_dir():
    sys.path.insert(0, str(_private))


def main() -> None:
    """Run the command line; the console opens when no noun is given."""
    from app.cli import main as run

    run()


if __name__ == "__main__":
    main()
