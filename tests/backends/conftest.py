"""Real hosts for the backends: OpenSSH servers on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.servers import sshd as servers
from tests.servers.sshd import Sshd, StartSshd

any_sshd_at = servers.sshd_at

_NO_START_UP_FILES = {"SetEnv": "SHLVL=1"}
"""bash reads ~/.bashrc for a command that sshd starts, unless it believes that another shell is around it.

What stands there is nobody's business in a test, and it may wait for locks that a killed session left behind.
"""


@pytest.fixture
def sshd_at(any_sshd_at: StartSshd) -> StartSshd:
    """Start servers whose login shells read no start-up files."""

    def start(
        *, kinds: Sequence[str] = ("ed25519",), options: Mapping[str, str] | None = None, wide: bool = False
    ) -> Sshd:
        return any_sshd_at(kinds=kinds, options={**_NO_START_UP_FILES, **(options or {})}, wide=wide)

    return start


@pytest.fixture
def sshd(sshd_at: StartSshd) -> Sshd:
    """One server with defaults."""
    return sshd_at()
