"""Both compose programs, each as the only one of a host: what a login there finds on its PATH.

``v2`` is the plugin of the docker program, ``v1`` is docker-compose 1.29, and a host may have neither::

    from tests.servers.compose import Composes, composes      # in the folder's conftest.py

    def test_x(composes: Composes) -> None:
        os.environ["PATH"] = composes.path("v2")      # on this machine
        sshd_at(options=composes.options("v1"))       # on hosts of a server of the test's own

Version 2 is looked for in ``QUARTERDECK_COMPOSE_V2`` (the program), where ``.ci/compose-v2`` puts it, and among the
plugins of the operator who runs the tests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests.conftest import need

Version = Literal["v1", "v2", "none"]

_HOME = Path("~").expanduser()
"""Of the operator who runs the tests: the tests themselves get another one each."""
_PLUGINS = (
    *([Path(os.environ["QUARTERDECK_COMPOSE_V2"])] if os.environ.get("QUARTERDECK_COMPOSE_V2") else []),
    Path("/usr/local/lib/docker/cli-plugins/docker-compose"),
    Path("/usr/libexec/docker/cli-plugins/docker-compose"),
    Path("/usr/lib/docker/cli-plugins/docker-compose"),
    _HOME / ".docker/cli-plugins/docker-compose",
)
V2 = next((path for path in _PLUGINS if path.is_file()), None)
V1 = shutil.which("docker-compose") or ""
DOCKER = next((p for p in ("/usr/bin/docker", "/usr/local/bin/docker") if Path(p).exists()), shutil.which("docker"))
_HIDDEN = ("docker", "docker-compose", "podman", "podman-compose")
_FOLDERS = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")


class Composes:
    """Folders of programs, made when they are first wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def programs(self, version: Version, *, without: Sequence[str] = ()) -> Path:
        """A folder with everything of this system but compose and ``without``, and the compose that is wanted."""
        made = self._folder / "-".join([version, *without])
        if made.is_dir():
            return made
        if version == "v1":
            need(V1, "docker-compose 1.29")
        elif version == "v2":
            need(V2 is not None and DOCKER, "docker compose v2 (.ci/compose-v2 fetches it)")
        made.mkdir(parents=True)
        for folder in _FOLDERS:
            for program in Path(folder).iterdir():
                link = made / program.name
                if program.name not in (*_HIDDEN, *without) and not link.is_symlink():
                    link.symlink_to(program)
        if version == "v1":
            (made / "docker-compose").symlink_to(V1)
        elif version == "v2":
            assert DOCKER
            (made / "docker").symlink_to(DOCKER)
        return made

    def config(self) -> Path:
        """A folder for ``DOCKER_CONFIG`` with the plugin; where version 2 is not wanted there is no docker program."""
        plugins = self._folder / "config" / "cli-plugins"
        if V2 is not None and not plugins.is_dir():
            plugins.mkdir(parents=True)
            (plugins / "docker-compose").symlink_to(V2)
        return plugins.parent

    def path(self, version: Version, *, without: Sequence[str] = ()) -> str:
        """The PATH of a host that has this compose only."""
        return str(self.programs(version, without=without))

    def environment(self, version: Version, *, without: Sequence[str] = ()) -> dict[str, str]:
        """What a login on such a host has in its environment."""
        return {"PATH": self.path(version, without=without), "DOCKER_CONFIG": str(self.config())}

    def options(self, version: Version, home: Path, *, without: Sequence[str] = ()) -> dict[str, str]:
        """Options of an sshd whose logins find this compose only; ``home`` is their home folder."""
        settings = {"HOME": str(home), **self.environment(version, without=without)}
        return {"SetEnv": " ".join(f"{name}={value}" for name, value in settings.items())}


@pytest.fixture
def composes(tmp_path: Path) -> Composes:
    """The compose programs of this machine; a test that wants one that is not there is skipped, or fails."""
    return Composes(tmp_path / "composes")
