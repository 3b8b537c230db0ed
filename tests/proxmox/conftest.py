"""Proxmox peers for the tests of this folder."""

from __future__ import annotations

from tests.servers.fakepve import pve, pve_at, pve_process

__all__ = ["pve", "pve_at", "pve_process"]
