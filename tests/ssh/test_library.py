"""Importing asyncssh runs no compiler and asks for an installed library as usual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backends.ssh import library

ROOT = Path(__file__).parents[2]


def test_no_compiler_is_run() -> None:
    script = (
        "import ctypes.util, sys\n"
        "started = []\n"
        "sys.addaudithook(lambda event, said: started.append(said[0]) if event == 'subprocess.Popen' else None)\n"
        "before = ctypes.util.find_library\n"
        "from backends.ssh.library import import_asyncssh\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    list(pool.map(lambda _: import_asyncssh(), range(8)))\n"
        "assert 'asyncssh' in sys.modules\n"
        "assert ctypes.util.find_library is before\n"
        "print(*started)\n"
    )
    if not library.CACHE.exists():
        pytest.skip("this system's linker keeps no cache")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"/sbin/ldconfig"}


def test_what_is_installed_is_found_as_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    cache.write_bytes(b"\0libnettle.so.8\0")
    monkeypatch.setattr(library, "CACHE", cache)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    asked: list[str] = []
    find = library._quick(lambda name: asked.append(name) or f"found {name}")  # pyright: ignore[reportPrivateUsage]
    assert (find("nettle"), find("oqs")) == ("found nettle", None)
    monkeypatch.setattr(library, "CACHE", tmp_path / "none")
    assert find("oqs") == "found oqs"
    assert asked == ["nettle", "oqs"]
