"""``quarterdeck info``: every path in use, the clusters, and the versions of what does the work, for a puzzled moment.

Versions come from the installed packages' metadata; none of the heavy libraries is imported unless clusters are
configured, and nobody is asked.
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
_PROXMOX = re.compile(rb"^[\"']?proxmox[\"']?\s*:|^\{", re.MULTILINE)
"""Of a hosts.yaml that may name clusters."""


@click.command("info")
@click.pass_context
def info(context: click.Context) -> None:
    """Print every path in use, where clusters are asked, and the versions of what does the work."""
    given = hosts(context)
    rows = [*_paths(given), *_clusters(given), *_versions()]
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


def _clusters(given: Path | None) -> Iterator[tuple[str, str, str]]:
    """Where each cluster is asked, in order, how often, and how it is known; a file that cannot be read has none."""
    from app.inventory.find import find

    path = find(given).path
    try:
        if path is None or not _PROXMOX.search(path.read_bytes()):
            return
    except OSError:
        return
    from app.cli import cluster_text
    from app.errors import ConfigurationError
    from app.inventory import load
    from app.paths import Paths

    try:
        found = cluster_text.clusters(load(given), Paths.find().state)
    except ConfigurationError:
        return
    for one in found:
        how = f"every {one['interval']:g} s; {one['login']}: {one['secret']}; verified by {one['verified_by']}"
        yield f"cluster {one['name']}", ", ".join(one["urls"]) or "none", one["fault"] or how


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
