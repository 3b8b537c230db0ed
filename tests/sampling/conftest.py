"""A channel to the sampler's program under each shell."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.sampling import script
from backends.sampling.frames import Answer, Decoder, Tick
from tests.sampling.shells import SHELLS, ShellChannel, ShellLink, shell_argv


class Talk:
    """A conversation with a running program: lines in, whole answers out."""

    def __init__(self, channel: ShellChannel) -> None:
        self.nonce = secrets.token_hex(16)
        self.channel = channel
        self.decoder = Decoder(self.nonce)
        self.ticks: list[Tick] = []
        self.answers: list[Answer] = []

    async def say(self, *lines: bytes) -> None:
        await self.channel.write(b"".join(lines))

    async def hear(self) -> bool:
        """Read once; false at the end."""
        data = await self.channel.read()
        for one in self.decoder.feed(data):
            if isinstance(one, Tick):
                self.ticks.append(one)
            else:
                self.answers.append(one)
        return bool(data)

    async def tick(self, number: int) -> Tick:
        """Ask for a tick and wait for it."""
        await self.say(script.tick_line(number))
        while not self.ticks or self.ticks[-1].number != number:
            assert await self.hear(), "the program ended"
        return self.ticks[-1]

    async def ask(self, slot: int, text: str, *, becomes: bool = False) -> bytes:
        """Run a script and wait for its answer."""
        await self.say(script.script_line(slot, text, becomes=becomes))
        before = len(self.answers)
        while len(self.answers) == before:
            assert await self.hear(), "the program ended"
        assert self.answers[-1].slot == slot
        return self.answers[-1].data


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> ShellLink:
    """A link over dash, and over busybox ash."""
    argv, env = shell_argv(request.param, tmp_path)
    return ShellLink(argv, env)


@pytest.fixture
async def talk(shell: ShellLink) -> AsyncIterator[Talk]:
    """The program, started and told its nonce."""
    channel = await shell.channel(script.command())
    talk = Talk(channel)
    await talk.say(script.nonce_line(talk.nonce))
    yield talk
    await channel.close()
