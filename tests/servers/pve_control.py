"""What a test may tell a running Proxmox peer: each public method of ``Control`` is one command of the channel."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

from tests.servers.pve_base import certificates, shapes
from tests.servers.pve_schema import Schema
from tests.servers.strict_pve import Strict


class Peer(Strict):
    """The peer with all its parts."""


class Control:
    """One peer and its certificate; arguments and results are plain JSON."""

    def __init__(self, schema: Schema, folder: Path, *, scale: float, release: str) -> None:
        self.pve: Any = Peer(schema, host="127.0.0.1", port=0)
        self.pve.time_scale = scale
        self.pve.release_version = release
        self.pve.version = {"8.4": "8.4.14", "9.1": "9.1.5"}[release]
        self.folder = folder
        self._pair: tuple[str, str] = ("", "")
        self._der = b""

    # -- its life

    async def start(self) -> dict[str, Any]:
        """Listen (again), at the address it had before."""
        if not self._der:
            self._certify()
        await self.pve.start(*self._pair)
        return self._facts()

    async def stop(self) -> None:
        """Away; what it holds is still there."""
        await self.pve.stop()

    async def new_certificate(self) -> dict[str, Any]:
        """Listen with another certificate at the same address."""
        await self.stop()
        self._der = b""
        return await self.start()

    def _certify(self) -> None:
        folder = self.folder / secrets.token_hex(4)
        folder.mkdir(parents=True)
        certificate, key, self._der = certificates.make_cert(str(folder), hosts=(self.pve.host,))
        self._pair = (certificate, key)

    def _facts(self) -> dict[str, Any]:
        digest = hashlib.sha256(self._der).hexdigest().upper()
        fingerprint = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
        return {"url": self.pve.url, "host": self.pve.host, "ca": self._pair[0], "fingerprint": fingerprint}

    # -- what it has seen

    async def requests(self) -> list[dict[str, Any]]:
        """Every request, oldest first: method, path, query, and the values of its body."""
        return list(self.pve.seen)

    async def violations(self) -> list[dict[str, Any]]:
        """Those that broke the schema."""
        return list(self.pve.violations)

    async def forget(self) -> None:
        """Forget the requests seen and the violations."""
        self.pve.seen.clear()
        self.pve.violations.clear()

    # -- who may do what

    async def token(self, name: str, privileges: list[list[str]] | None) -> str:
        """A token and its rights (``[path, privilege…]`` each, all of them where None); returns its secret."""
        secret = secrets.token_hex(16)
        self.pve.apitokens[name] = secret
        for path, *granted in privileges if privileges is not None else [["/", *shapes.PRIVILEGES]]:
            self.pve.grant(name, path, *granted)
        return secret

    async def grant(self, name: str, path: str, privileges: list[str]) -> None:
        """More rights for a user or token."""
        self.pve.grant(name, path, *privileges)

    async def revoke(self, name: str) -> None:
        """No rights any more."""
        self.pve.acl.pop(name, None)

    # -- what it holds

    async def add_vm(self, vmid: int, name: str, **options: Any) -> None:
        """A virtual machine; ``options`` are fakepve's and the attributes of its machine."""
        made = {
            key: options.pop(key) for key in ("node", "status", "config", "template", "lock", "pool") if key in options
        }
        vm = self.pve.add_vm(vmid, name, **made)
        for key, value in options.items():
            setattr(vm, key, value)

    async def set(self, name: str, value: Any) -> None:
        """An attribute of the peer: time_scale, late, older, pretends …"""
        assert hasattr(self.pve, name), name
        setattr(self.pve, name, value)
