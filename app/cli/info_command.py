"""``quarterdeck info``: every path in use and the versions of what does the work, for a bug report or a puzzled moment.

Versions come from the installed packages' metadata; none of the heavy libraries is imported.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click

from app.cli.config_commands import as_json, hosts, write_json, write_table

PACKAGES = ("textual", "asyncssh", "psutil", "click", "pydantic", "pyyaml", "cryptography")
ABSENT = "not installed"


@click.command("info")
@click.pass_context
def info(context: click.Context) -> None:
    """Print every path in use and the versions of what does the work."""
    rows = [*_paths(hosts(context)), *_versions()]
    if as_json(context):
        write_json([{"id": key, "name": key, "value": value, "note": note or None} for key, value, note in rows])
    else:
        write_table(rows)


def _paths(given: Path | None) -> Iterator[tuple[str, str, str]]:
    from app.inventory.find import find
    from app.paths import Paths

    found, paths = find(given), Paths.find()
    path = found.path.absolute() if found.path else None
    note = found.how if path is None or path.exists() else f"{found.how}; there is no such file"
    yield "hosts", str(path or "none"), note
    for skipped in found.skipped:
        file, _, reason = skipped.partition(": ")
        yield "hosts not used", file, reason
    for name, folder in (
        ("config", paths.config),
        ("state", paths.state),
        ("cache", paths.cache),
        ("log", paths.log),
    ):
        yield name, str(folder), "" if folder.exists() else "made when first written to"


def _versions() -> Iterator[tuple[str, str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    from quarterdeck import __version__

    yield "quarterdeck", __version__, str(Path(__file__).resolve().parents[2])
    yield "python", platform.python_version(), platform.python_implementation()
    yield "system", f"{platform.system()} {platform.release()}", platform.machine()
    for name in PACKAGES:
        try:
            yield name, version(name), ""
        except PackageNotFoundError:
            yield name, ABSENT, ""
    yield "openssh", _openssh(), ""


def _openssh() -> str:
    """The version of the operator's own ``ssh``, which resolves ssh_config and opens shells."""
    try:
        said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, errors="replace", timeout=5, check=False)
    except FileNotFoundError:
        return ABSENT
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    found = re.match(r"OpenSSH_(\S+?),?\s", said.stderr + " ")
    return found.group(1) if found else "unknown"
