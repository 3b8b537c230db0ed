"""Daemons with guests for the tests of this folder."""

from __future__ import annotations

from tests.servers.libvirt import libvirt, libvirt_at, libvirt_of_session
from tests.servers.sshd import sshd, sshd_at

__all__ = ["libvirt", "libvirt_at", "libvirt_of_session", "sshd", "sshd_at"]
