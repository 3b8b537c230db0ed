"""Real servers for the doors."""

from __future__ import annotations

from tests.servers.dockerd import engine, engine_of_session
from tests.servers.fakepve import pve, pve_at, pve_process
from tests.servers.libvirt import libvirt, libvirt_of_session
from tests.servers.sshd import sshd, sshd_at

__all__ = [
    "engine",
    "engine_of_session",
    "libvirt",
    "libvirt_of_session",
    "pve",
    "pve_at",
    "pve_process",
    "sshd",
    "sshd_at",
]
