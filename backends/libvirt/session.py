"""A node's libvirt over its node's connection: one channel with two programs that stay, whatever is asked of them.

``virsh`` reads command lines from its standard input, so one of them answers everything for as long as the channel
lives: a look at all guests starts no process and opens no connection. A second one, ``virsh event``, tells what
happens. Both write to the one channel: events as records ``#NONCE!TEXT`` on a line of their own, which may come in the
middle of an answer and are taken out again; an answer ends with a mark that the first is told to ``echo``. The nonce
is new in each session and reaches the node by standard input, where nobody else can read it.

Measured over SSH with 20 guests, 4 of them running, a look every 5 s; figures for a minute
(``benchmarks/libvirt_reading.py``, a 2-core machine):

====================================  =========  ========  ======  ===========  =======  ========
way                                   processes  channels  KB      CPU there    a look   an event
====================================  =========  ========  ======  ===========  =======  ========
two programs that stay (this)         8, once    1         128     30 ms        43 ms    29 ms
``virsh`` three times at each look    63         13        128     610 ms       152 ms   45 ms
libvirt's library, socket forwarded   none       none      146     10 ms        29 ms    31 ms
====================================  =========  ========  ======  ===========  =======  ========

libvirt's own work is the same for all (0.1 s). The library costs the node least, but it is a compiled one that would
have to be installed on every machine that runs the console, beside the one on the node; ``virsh`` is where the guests
are, and what the verbs show and run is what an operator can type.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

from app.errors import QuarterdeckError, TimedOut, Unreachable
from app.link import Channel, Link
from backends.libvirt.failures import classified
from backends.libvirt.framing import Answers
from backends.sampling.sampler import Yielding

ANSWER_S = 20.0
"""How long virsh may take for a look; a daemon that hangs answers nothing at all."""
OPEN_S = 20.0
"""How long a channel may take to open before the node is asked without one."""
_PATHS = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT = f"export LC_ALL=C COLUMNS=9999; {_PATHS}"
"""What goes before a command line of virsh, so that its words are those that are read here."""

# How long guests that run already have run is known only to the system: their processes bear their UUIDs.
_PROGRAM = r"""
exec 2>/dev/null; export LC_ALL=C COLUMNS=9999; PATHS;
IFS= read -r N;
printf "\n#%sh\n" "$N";
command -v virsh >/dev/null || { printf "#%s!error: virsh: not found\n#%s!ended\n" "$N" "$N"; exit; };
ps -eww -o etimes=,args= | sed -n "s/^ *\([0-9]*\) .* -uuid \([0-9a-f-]*\) .*/#${N}p\1 \2/p";
{ virsh -q -c URI event --all --loop 2>&1 </dev/null; printf "ended\n"; } |
  while IFS= read -r l; do printf "#%s!%s\n" "$N" "$l"; done &
virsh -q -c URI 2>&1;
IFS=" " read -r a b c d e f </proc/$$/stat;
trap "" TERM;
[ "$e" != $$ ] || kill 0; :
"""


def program(uri: str) -> str:
    """The command line that starts both, for ``sh -c``; its first line of input is the nonce."""
    lines = (line.strip() for line in _PROGRAM.splitlines())
    text = " ".join(line for line in lines if line)
    return text.replace("PATHS", _PATHS).replace("URI", shlex.quote(uri))


class GaveWay(QuarterdeckError):
    """The channel was needed for something else, as the server allows no more of them; nothing is wrong."""


@runtime_checkable
class Counted(Protocol):
    """A link that knows how many channels its server allows."""

    @property
    def places(self) -> int | None:
        """So many at once; ``None`` while that is not known."""
        ...


def room(link: Link) -> bool:
    """Whether a channel that stays leaves one for others."""
    return not isinstance(link, Counted) or link.places is None or link.places > 1


async def _channel(link: Link, uri: str) -> Channel:
    if isinstance(link, Yielding):
        return await cast("Yielding", link).channel(program(uri), yields=True)
    return await link.channel(program(uri))


class Looks(Protocol):
    """Something that answers virsh's command lines."""

    async def ask(self, *lines: str) -> list[str]:
        """The answer to each line; raises Unreachable and its like where there is none."""
        ...

    async def close(self) -> None:
        """Let go of it."""


Heard = Callable[[str, str], None]
"""Called with the letter and the text of what was told unasked: ``!`` an event, ``p`` how long a guest has run."""


class Session:
    """The two programs on their channel, until it ends; ``ended`` then says why."""

    def __init__(self, channel: Channel, node: str, heard: Heard) -> None:
        self.ended: asyncio.Future[QuarterdeckError] = asyncio.get_running_loop().create_future()
        self._channel = channel
        self._node = node
        self._heard = heard
        self._nonce = secrets.token_hex(16)
        self._answers = Answers(self._nonce)
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._number = 0
        self._errors: list[str] = []
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @staticmethod
    async def open(link: Link, uri: str, heard: Heard) -> Session:
        """Start both on a channel of a link, which is connected if need be. Raises TimedOut where none is free."""
        await link.open()
        starting = asyncio.create_task(_channel(link, uri), name=f"a channel for virsh of {link.node}")
        try:
            deadline = asyncio.get_running_loop().time() + OPEN_S
            while not starting.done() and asyncio.get_running_loop().time() < deadline and room(link):
                await asyncio.wait({starting}, timeout=0.5)
            if not starting.done():
                raise TimedOut("no channel is free for long", where=link.node)
        except BaseException:
            starting.cancel()
            (left,) = await asyncio.gather(starting, return_exceptions=True)
            if not isinstance(left, BaseException):  # it opened just then
                await left.close()
            raise
        channel = await starting
        made = Session(channel, link.node, heard)
        try:
            await channel.write(f"{made._nonce}\n".encode())
        except BaseException:
            await channel.close()
            raise
        made._reading = asyncio.create_task(made._read(), name=f"virsh of {link.node}")
        return made

    async def ask(self, *lines: str) -> list[str]:
        """The answer to each of virsh's command lines, which is an error's text where it did not do it."""
        async with self._lock:
            if self.ended.done():
                raise self.ended.result()
            data, futures = b"", list[asyncio.Future[str]]()
            for line in lines:
                self._number += 1
                data += self._answers.line(line, self._number).encode()
                future = self._waiting[self._number] = asyncio.get_running_loop().create_future()
                futures.append(future)
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._channel.write(data)
                    return [await future for future in futures]
            except TimeoutError:
                error = TimedOut(f"libvirt did not answer within {ANSWER_S:g} s", where=self._node)
                self._end(error)
                raise error from None
            except Unreachable as error:
                raise (self._gave_way or error) from None
            finally:
                self._waiting.clear()

    @property
    def _gave_way(self) -> GaveWay | None:
        return GaveWay("its channel is used for something else", where=self._node) if self._yielded else None

    @property
    def _yielded(self) -> bool:
        return bool(getattr(self._channel, "yielded", False))

    async def _read(self) -> None:
        error: QuarterdeckError = Unreachable("the connection to libvirt ended", where=self._node)
        try:
            while data := await self._channel.read():
                told, answers = self._answers.feed(data)
                for number, text in answers:
                    future = self._waiting.get(number)
                    if future is not None and not future.done():
                        future.set_result(text)
                for letter, text in told:
                    if letter == "!" and text == "ended":
                        return
                    if letter == "!" and text.startswith("error: "):
                        self._errors.append(text)
                    else:
                        self._heard(letter, text)
        except QuarterdeckError as caught:
            error = caught
        finally:
            words = self._errors or [line for line in self._answers.rest.splitlines() if line.startswith("error: ")]
            self._end(self._gave_way or (classified("\n".join(words), self._node) if words else error))

    def _end(self, error: QuarterdeckError) -> None:
        if not self.ended.done():
            self.ended.set_result(error)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits for an earlier one hears it from that

    async def close(self) -> None:
        """End both programs, bounded in time."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        with contextlib.suppress(QuarterdeckError, TimeoutError):
            async with asyncio.timeout(8):
                await self._channel.close()


class OneByOne:
    """Each look is a ``virsh`` of its own, for nodes where no channel is free for long; nothing is told unasked."""

    def __init__(self, link: Link, uri: str) -> None:
        self._link = link
        self._uri = uri

    async def ask(self, *lines: str) -> list[str]:
        """The answer to each of virsh's command lines."""
        answers = Answers(secrets.token_hex(16))
        data = "".join(answers.line(line, number) for number, line in enumerate(lines, 1))
        command = f"{ENVIRONMENT}; exec virsh -q -c {shlex.quote(self._uri)} 2>&1"
        done = await self._link.run(command, input=data.encode(), timeout=ANSWER_S, limit=16 << 20)
        # A mark at the very end of what has come might go on.
        found = dict(answers.feed(done.stdout + b"\n")[1])
        if len(found) < len(lines):
            raise classified(done.text, self._link.node)
        return [found[number] for number in range(1, len(lines) + 1)]

    async def close(self) -> None:
        """Nothing stays."""
