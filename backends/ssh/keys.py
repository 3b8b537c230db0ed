"""The keys a hop is offered: from the agent, from files, and from files behind a passphrase."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import copy
import importlib.util
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from app.inventory.ssh_config import Resolved
from backends.ssh.prompts import Secrets

_AGENT_SECONDS = 5.0
_TRIES = 3


@dataclass(slots=True)
class Offer:
    """What can be shown to one server, in the order it is shown."""

    pairs: list[asyncssh.SSHKeyPair] = field(default_factory=list[asyncssh.SSHKeyPair])
    names: list[str] = field(default_factory=list[str])
    locked: list[Path] = field(default_factory=list[Path])
    """Files that need a passphrase."""
    notes: list[str] = field(default_factory=list[str])
    """Why something is not among them, in words."""
    agent: asyncssh.SSHAgentClient | None = None

    async def close(self) -> None:
        """Let go of the agent."""
        if self.agent is not None:
            self.agent.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self.agent.wait_closed()
            self.agent = None


_Stamp = tuple[Path, int, int]


class Keyring:
    """Private keys read from files, each once for as long as the file does not change."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._open: dict[_Stamp, list[asyncssh.SSHKeyPair]] = {}
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def offer(self, hop: Resolved) -> Offer:
        """What to offer a hop. The agent's keys that are configured come first, then files, then its other keys."""
        offer = Offer()
        agent_pairs = await self._agent(hop, offer)
        wanted = {blob for path in hop.identity_files if (blob := await asyncio.to_thread(_public, path))}
        matching = [pair for pair in agent_pairs if pair.key_public_data in wanted]
        others = [pair for pair in agent_pairs if pair.key_public_data not in wanted]
        held = {pair.key_public_data for pair in matching}
        files: list[asyncssh.SSHKeyPair] = []
        for path in hop.identity_files:
            for pair in await self._file(path, hop, offer):
                if pair.key_public_data not in held:
                    files.append(pair)
                    offer.names.append(path.name)
        offer.names[:0] = [f"{len(agent_pairs)} of the agent"] if agent_pairs else []
        offer.pairs = [*matching, *files, *([] if hop.identities_only else others)]
        offer.locked = [path for path in offer.locked if _public(path) not in held]
        return offer

    async def _agent(self, hop: Resolved, offer: Offer) -> list[asyncssh.SSHKeyPair]:
        if hop.identity_agent is None or not Path(hop.identity_agent).is_socket():
            return []
        agent = asyncssh.SSHAgentClient(hop.identity_agent)
        offer.agent = agent
        try:
            async with asyncio.timeout(_AGENT_SECONDS):
                return list(await agent.get_keys())
        except (OSError, ValueError, asyncssh.Error) as error:  # TimeoutError is an OSError
            offer.notes.append(f"the agent did not answer ({type(error).__name__})")
            return []

    async def _file(self, path: Path, hop: Resolved, offer: Offer) -> list[asyncssh.SSHKeyPair]:
        async with self._locks[path]:
            stamp = _stamp(path)
            if stamp is None:
                if hop.identities_given and not path.with_name(path.name + ".pub").exists():
                    offer.notes.append(f"{path} is missing")
                return []
            if stamp in self._open:
                return [copy.copy(pair) for pair in self._open[stamp]]
            try:
                pairs = await asyncio.to_thread(_load, path, None)
            except asyncssh.KeyImportError as error:
                if str(error).startswith("Passphrase"):
                    if not _openable(path):
                        offer.notes.append(f"{path} has a passphrase, for which bcrypt is missing here (or: ssh-add)")
                        return []
                    offer.locked.append(path)
                    if not hop.passphrase:
                        offer.notes.append(f"{path} has a passphrase (passphrase: ask, or an agent)")
                elif not _public(path):
                    offer.notes.append(f"{path} is no private key")
                return []
            except OSError as error:
                offer.notes.append(f"{path} cannot be read: {error.strerror}")
                return []
            self._open[stamp] = pairs
            return [copy.copy(pair) for pair in pairs]

    async def unlock(self, path: Path) -> list[asyncssh.SSHKeyPair]:
        """Ask for a file's passphrase until it is right, three times at most; empty when it is not given."""
        what = f"passphrase of {path}"
        async with self._locks[path]:
            stamp = _stamp(path)
            if stamp is None:
                return []
            for attempt in range(_TRIES):
                if stamp in self._open:
                    return [copy.copy(pair) for pair in self._open[stamp]]
                again = "" if attempt == 0 else "That was wrong. "
                passphrase = await self._secrets.get(what, f"{again}Passphrase of {path}")
                if passphrase is None:
                    return []
                try:
                    self._open[stamp] = await asyncio.to_thread(_load, path, passphrase)
                except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError, OSError):
                    self._secrets.wrong(what, passphrase)
        return [copy.copy(pair) for pair in self._open.get(stamp, [])]


def _stamp(path: Path) -> _Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return path, stat.st_mtime_ns, stat.st_size


def _load(path: Path, passphrase: str | None) -> list[asyncssh.SSHKeyPair]:
    """Read and decrypt; takes up to seconds where the file asks for many rounds, hence run in a thread."""
    return list(asyncssh.load_keypairs(str(path), passphrase))


def _openable(path: Path) -> bool:
    """Whether the means are here: OpenSSH's own format needs bcrypt, which is an extra of asyncssh."""
    return importlib.util.find_spec("bcrypt") is not None or b"BEGIN OPENSSH" not in path.read_bytes()


def _public(path: Path) -> bytes | None:
    """The public half of an identity file, from the file beside it or from itself."""
    for candidate in (path.with_name(path.name + ".pub"), path):
        try:
            parts = candidate.read_text(errors="replace").split(maxsplit=2)
            if len(parts) >= 2 and not parts[0].startswith("-"):
                return base64.b64decode(parts[1], validate=True)
        except (OSError, binascii.Error, ValueError):
            continue
    return None
