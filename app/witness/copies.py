"""Where checkpoints can be copied to, out of reach of whoever can rewrite the log."""

from __future__ import annotations

import asyncio
import inspect
import re
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import QuarterdeckError, WitnessError
from app.witness.checkpoint import Checkpoint

if TYPE_CHECKING:
    from app.inventory.model import WitnessCopies
    from app.link import Link, Links

Copy = Callable[[Checkpoint], Awaitable[None] | None]
"""Takes a fresh checkpoint elsewhere. A plain function runs in a thread, a coroutine function on the loop."""

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
MESSAGE_ID = "5c1b7c0f1f1f4f0d9a53c5e2f6f0a7d4"
"""Finds the copies again: ``journalctl MESSAGE_ID=…``."""


def journald(path: Path = JOURNAL_SOCKET, timeout: float = 2.0) -> Callable[[Checkpoint], None]:
    """A copy to the system's journal, by its native datagram protocol (systemd's ``JOURNAL_NATIVE_PROTOCOL``).

    The journal belongs to another user, so an operator cannot take back what it holds. Raises WitnessError where
    nobody listens.
    """

    def copy(checkpoint: Checkpoint) -> None:
        fields = {
            "MESSAGE": f"quarterdeck witness {checkpoint.origin}: {checkpoint.size} entries, head {checkpoint.head}",
            "MESSAGE_ID": MESSAGE_ID,
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "quarterdeck",
            "QUARTERDECK_CHECKPOINT": checkpoint.line(),
        }
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(timeout)
                sender.connect(str(path))
                sender.send(b"".join(_field(name, value) for name, value in fields.items()))
        except OSError as error:
            raise WitnessError(f"the checkpoint did not reach the journal: {error}", where=str(path)) from error

    return copy


def _field(name: str, value: str) -> bytes:
    """One field of the native protocol: ``NAME=value``, or a length and the bytes where the value has line breaks."""
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode("ascii") + b"=" + data + b"\n"
    return name.encode("ascii") + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


NODE_TIMEOUT = 10.0
"""Seconds a node has to take a copy, connecting included."""


def on_node(links: Links, node: str, folder: str) -> Callable[[Checkpoint], Awaitable[None]]:
    """A copy to a node, appended to a file of the chain's own in ``folder`` there, which is private to the login.

    ``witness verify --against`` reads such a file. A folder that does not begin with ``/`` is relative to the home
    folder. Raises WitnessError where the node does not take it within ``NODE_TIMEOUT`` seconds.
    """

    async def copy(checkpoint: Checkpoint) -> None:
        try:
            async with asyncio.timeout(NODE_TIMEOUT):
                await _append_on(links.of(node), folder, checkpoint)
        except TimeoutError:
            raise WitnessError(f"did not take it within {NODE_TIMEOUT:g} s", where=node) from None
        except WitnessError:
            raise
        except QuarterdeckError as error:
            said = str(error)
            raise WitnessError(said if node in said else f"{node}: {said}") from error

    return copy


async def _append_on(link: Link, folder: str, checkpoint: Checkpoint) -> None:
    await link.open()
    line = checkpoint.line().encode("ascii") + b"\n"
    done = await link.run(append_command(folder, f"{_file_name(checkpoint.origin)}.jsonl"), input=line)
    if done.exit_code != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise WitnessError(said[-1] if said else f"the shell there ended with {done.exit_code}", where=link.node)


def append_command(folder: str, name: str) -> str:
    """POSIX shell that appends its standard input to a file, behind a line that was cut short earlier."""
    where = shlex.quote(folder if folder.startswith("/") else f"./{folder}")
    file = shlex.quote(f"./{name}")
    whole = f'{{ [ ! -s {file} ] || [ -z "$(tail -c 1 {file})" ] || echo >> {file}; }}'
    return f"umask 077 && mkdir -p {where} && cd {where} && {whole} && cat >> {file}"


def _file_name(origin: str) -> str:
    return re.sub(r"[^A-Za-z0-9@._-]", "_", origin)


def configured(said: Callable[[], WitnessCopies], links: Links) -> Callable[[Checkpoint], Awaitable[None]]:
    """A copy to every place the configuration names at that moment.

    All are tried; raises WitnessError with the words of those that failed.
    """

    async def copy(checkpoint: Checkpoint) -> None:
        now = said()
        copies: list[Copy] = [journald()] if now.journald else []
        copies += [on_node(links, one.node, one.folder) for one in now.nodes]
        await _each(copies, checkpoint)

    return copy


async def _each(copies: Sequence[Copy], checkpoint: Checkpoint) -> None:
    async def one(copy: Copy) -> None:
        on_loop = inspect.iscoroutinefunction(copy)
        result = copy(checkpoint) if on_loop else await asyncio.to_thread(copy, checkpoint)
        if inspect.isawaitable(result):
            await result

    ended = await asyncio.gather(*(one(copy) for copy in copies), return_exceptions=True)
    failed = [str(error) or type(error).__name__ for error in ended if isinstance(error, Exception)]
    if failed:
        raise WitnessError("; ".join(failed))
