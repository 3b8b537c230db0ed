"""The servers and links that the tests of the SSH link use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.inventory.model import SshDefaults, SshEntry
from backends.ssh.link import SshLink
from tests.servers.sshd import Sshd, sshd, sshd_at

__all__ = ["MakeLink", "link", "make_link", "sshd", "sshd_at"]


class MakeLink:
    """Makes links that are closed after the test."""

    def __init__(self) -> None:
        self.made: list[SshLink] = []

    def __call__(self, entry: SshEntry, defaults: SshDefaults, **options: Any) -> SshLink:
        """A link to a node called ``pi``."""
        made = SshLink("pi", entry, defaults, **options)
        self.made.append(made)
        return made

    def to(self, server: Sshd, host: str | None = None, **options: Any) -> SshLink:
        """A link to one address of a server."""
        return self(server.entry(host), server.defaults(), **options)


@pytest.fixture
async def make_link() -> AsyncIterator[MakeLink]:
    """Make links; each is closed at the end."""
    maker = MakeLink()
    yield maker
    for made in maker.made:
        await made.close()


@pytest.fixture
def link(sshd: Sshd, make_link: MakeLink) -> SshLink:
    """A link to a server with defaults."""
    return make_link.to(sshd)
