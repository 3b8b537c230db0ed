"""Kept inventories: the same answer as reading, only while it would be the same, and only from a file of our own."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

from app.inventory import kept, loading
from app.paths import Paths

HOSTS = """\
version: 1
nodes:
  pi: {ssh: ops@pi.local, tags: [edge], rate: {per_hour: 0.1}}
  wrong: {sssh: x}
rules: {read_only: ["@edge"]}
import: [{ansible: inventory.ini}]
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A hosts.yaml with a mistake and an import."""
    (tmp_path / "inventory.ini").write_text("[web]\nw1 ansible_host=192.0.2.1\n")
    path = tmp_path / "hosts.yaml"
    path.write_text(HOSTS)
    return path


def places() -> list[Path]:
    """What is kept."""
    return list((Paths.find().cache / "inventory").glob("*"))


def never(path: Path | None = None) -> object:
    """Stands in for reading where nothing must be read."""
    raise AssertionError("the files were read again")


def test_the_second_answer_is_the_first_without_reading(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.load(hosts)
    assert {"pi", "wrong", "w1"} <= set(first.nodes)
    monkeypatch.setattr(loading, "load", never)
    again = kept.load(hosts)
    assert again == first
    assert again.mistakes == first.mistakes
    assert (again.trusted, again.digests) == (first.trusted, first.digests)
    with pytest.raises(TypeError):
        again.nodes["x"] = again.nodes["pi"]  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("name", ["hosts.yaml", "inventory.ini"])
def test_a_changed_file_is_read_even_where_size_and_time_stay(hosts: Path, name: str) -> None:
    kept.load(hosts)
    path = hosts.parent / name
    before = path.stat()
    path.write_text(path.read_text().replace("pi.local", "pj.local").replace("192.0.2.1", "192.0.2.9"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept.load(hosts) == loading.load(hosts)


def test_a_kept_file_that_others_may_write_is_not_opened(hosts: Path) -> None:
    kept.load(hosts)
    (place,) = places()
    marker = hosts.parent / "owned"
    place.write_bytes(pickle.dumps(_Trap(str(marker))))
    place.chmod(0o622)
    assert "pi" in kept.load(hosts).nodes
    place.parent.chmod(0o777)
    place.write_bytes(pickle.dumps(_Trap(str(marker))))
    place.chmod(0o600)
    assert "pi" in kept.load(hosts).nodes
    assert not marker.exists()


class _Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (Path(self.path), "x")  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("junk", [b"", b"\x80\x05garbage", pickle.dumps("another thing")])
def test_a_broken_kept_file_is_replaced(hosts: Path, junk: bytes) -> None:
    first = kept.load(hosts)
    (place,) = places()
    place.write_bytes(junk)
    assert kept.load(hosts) == first
    assert len(place.read_bytes()) > 500


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(hosts: Path) -> None:
    cache = Paths.find().cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file stands in the way")
    assert "pi" in kept.load(hosts).nodes


def test_what_is_kept_is_private_and_bounded(hosts: Path) -> None:
    for number in range(25):
        other = hosts.parent / f"h{number}.yaml"
        other.write_text(HOSTS)
        kept.load(other)
    assert len(places()) == 20
    assert all(place.stat().st_mode & 0o777 == 0o600 for place in places())
    assert places()[0].parent.stat().st_mode & 0o777 == 0o700


def test_a_kept_inventory_needs_neither_pydantic_nor_yaml(hosts: Path) -> None:
    import subprocess

    kept.load(hosts)
    code = (
        "import sys; from pathlib import Path; from app.inventory import load; "
        f"load(Path({str(hosts)!r})); "
        "print(','.join(m for m in ('pydantic', 'yaml') if m in sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    # Another folder is another key: the first run there reads, the second does not.
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")
