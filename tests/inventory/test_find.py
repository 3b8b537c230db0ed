"""Which hosts.yaml is used, and where everything else lives."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.inventory import load
from app.inventory.find import find
from app.paths import Paths, private_folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("nodes: {}\n")
    path.chmod(0o644)
    return path


def test_the_order_is_option_environment_config_folder_current_folder(
    here: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find().path is None
    current = put(here / "hosts.yaml")
    assert find().path == current
    own = put(Paths.find().hosts)
    assert find().path == own
    named = put(home / "named.yaml")
    monkeypatch.setenv("QUARTERDECK_HOSTS", "~/named.yaml")
    assert find().path == named
    assert find(here / "other.yaml").path == here / "other.yaml"


def test_a_file_of_somebody_else_in_the_current_folder_is_not_used(here: Path) -> None:
    path = put(here / "hosts.yaml")
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, 12345)
    found = find()
    assert found.path is None
    assert "not yours" in found.skipped[0]
    assert [node.name for node in load()] == ["here"]


def test_a_link_of_somebody_else_to_a_file_of_mine_is_not_used(here: Path, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a link away")
    (here / "hosts.yaml").symlink_to(put(tmp_path / "mine.yaml"))
    assert find().path is not None
    os.lchown(here / "hosts.yaml", 12345, 12345)
    assert find().path is None


def test_a_file_that_everybody_may_write_is_not_used(here: Path) -> None:
    path = put(here / "hosts.yaml")
    path.chmod(0o666)
    found = find()
    assert found.path is None
    assert "everybody may write it" in found.skipped[0]
    assert find(path).path == path, "named, it is used"


def test_the_current_folders_link_to_nowhere_is_not_used(here: Path) -> None:
    (here / "hosts.yaml").symlink_to("nowhere")
    assert find().path is None


def test_xdg_folders(tmp_path: Path) -> None:
    env = {"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "relative"}
    paths = Paths.find(env)
    assert paths.config == Path("/h/.config/quarterdeck")
    assert paths.hosts == Path("/h/.config/quarterdeck/hosts.yaml")
    assert paths.state == Path("/s/quarterdeck")
    assert paths.cache == Path("/h/.cache/quarterdeck"), "a relative folder is ignored, as XDG demands"
    assert paths.log == Path("/s/quarterdeck/log")


def test_one_variable_moves_everything() -> None:
    paths = Paths.find({"HOME": "/h", "QUARTERDECK_HOME": "~/q", "XDG_STATE_HOME": "/s"})
    folders = (paths.config, paths.state, paths.cache, paths.log)
    assert all(folder.is_relative_to("/h/q") for folder in folders)
    assert len(set(folders)) == 4


def test_without_a_home_the_user_database_is_asked() -> None:
    assert Paths.find({}).config.is_absolute()


def test_new_folders_are_private_and_old_ones_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    made = private_folder(tmp_path / "a" / "b")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, made.parent, made)] == [0o755, 0o700, 0o700]
    assert private_folder(made) == made
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "file")
