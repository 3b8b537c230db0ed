"""Arrows never point back: layers hold, contracts name everything there is, heavy libraries stay where they belong.

What a command line loads by its end is looked at in ``tests/cli/test_process.py``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

AT_HOME: dict[str, tuple[str, ...]] = {
    "textual": ("app/console.py", "widgets/"),
    "rich": ("app/console.py", "widgets/"),
    "asyncssh": ("backends/ssh/",),
    "pydantic": (
        "app/inventory/",
        "backends/compose/hosts.py",
        "backends/docker/hosts.py",
        "backends/libvirt/hosts.py",
        "backends/projects/",
        "backends/proxmox/hosts.py",
    ),
    "pydantic_core": (
        "app/inventory/",
        "backends/docker/hosts.py",
        "backends/libvirt/hosts.py",
        "backends/proxmox/hosts.py",
    ),
    "yaml": ("app/inventory/",),
    "psutil": ("backends/local/", "backends/node_verbs/"),
    "click": ("app/cli/",),
    "cryptography": (),
    "docker": ("backends/docker/client.py",),
    "httpx": ("backends/proxmox/endpoint.py",),
    "websockets": ("backends/proxmox/websocket.py",),
    "platformdirs": (),
}
"""Where a library may be imported at the top of a module; anywhere else it is imported where it is needed."""


def modules(*folders: str) -> Iterator[Path]:
    """Every module of the program."""
    for folder in folders or ("app", "backends", "widgets"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def at_the_top(path: Path) -> Iterator[str]:
    """What a module imports when it is imported itself; not what only the type checker reads."""
    waiting: list[ast.stmt] = list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            yield node.module or ""
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.ClassDef)):
            waiting += [one for one in ast.walk(node) if isinstance(one, (ast.Import, ast.ImportFrom))]


def test_the_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_every_module_of_the_application_but_the_console_is_kept_from_the_screen() -> None:
    named = set(CONTRACTS["only console and widgets know the screen"]["source_modules"])
    there = {f"app.{path.stem}" for path in (ROOT / "app").iterdir() if path.stem[0] not in "_."}
    assert named == (there - {"app.console"}) | {"backends"}


def test_every_backend_is_kept_from_the_widgets() -> None:
    named = set(CONTRACTS["widgets know kinds, not backends"]["forbidden_modules"])
    there = {f"backends.{path.stem}" for path in (ROOT / "backends").iterdir() if path.stem[0] not in "_."}
    assert there - {"backends.kinds"} <= named


@pytest.mark.parametrize("library", AT_HOME)
def test_a_heavy_library_is_imported_at_the_top_only_where_it_is_at_home(library: str) -> None:
    strangers = [
        str(path.relative_to(ROOT))
        for path in modules()
        if any(name.partition(".")[0] == library for name in at_the_top(path))
        and not str(path.relative_to(ROOT)).startswith(AT_HOME[library] or ("nowhere",))
    ]
    assert strangers == []


def test_kinds_import_only_what_they_are_made_of() -> None:
    allowed = {"app.fleet", "app.verb", "app.plan", "app.column", "app.kind", "app.errors", "app"}
    for path in modules("backends/kinds"):
        ours = {name for name in at_the_top(path) if name.partition(".")[0] in ("app", "backends", "widgets")}
        assert {name for name in ours if not name.startswith("backends.kinds")} <= allowed, path


def test_imports_of_a_module_are_seen(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(
        "import textual\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncssh\n"
        "try:\n    import uvloop\nexcept ImportError:\n    pass\ndef late():\n    import yaml\n"
    )
    assert set(at_the_top(sample)) == {"textual", "typing", "uvloop"}
