"""Secrets of hosts.yaml: written as references, made plain when they are needed, and kept nowhere.

::

    ${NAME}        an environment variable, alone or inside a longer text: root@pam!ops=${PVE_SECRET}
    file:PATH      the text of a file, relative to hosts.yaml, ~ for the home folder; the operator's own, 0600
    cmd:COMMAND    the first line of what a command prints; run by sh beside hosts.yaml, trusted once before
    ask            a password only: typed when it is needed, and kept in memory by who asked
    anything else  the secret itself, only where nobody but its owner may read hosts.yaml

No message ever holds a secret, or the text of a command, which may hold one.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from app.errors import ConfigurationError, TimedOut
from app.inventory import secret_command, trust
from app.inventory.model import REFERENCES, SECRETS, Inventory
from app.paths import home

LARGEST = 64 << 10
"""Bytes that a file or a command may give."""
TRUST = "quarterdeck config trust"
"""The command that agrees to the commands of a hosts.yaml."""
EXPOSED = "a secret stands in a hosts.yaml that others may read"
FORMS = "write it as ${NAME}, file:PATH or cmd:COMMAND"
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")

Form = Literal["env", "file", "cmd", "ask", "literal"]
ASK = "ask"


def form(reference: str) -> Form:
    """How a secret is written."""
    if reference.startswith("file:"):
        return "file"
    if reference.startswith("cmd:"):
        return "cmd"
    if reference == ASK:
        return "ask"
    return "env" if "${" in reference else "literal"


def shown(reference: str) -> str:
    """Where a secret comes from, in few words and without what may be a secret itself: a text, a command."""
    said = form(reference)
    if said == "env":
        return " ".join(f"${{{name}}}" for name in _VARIABLE.findall(reference))
    return {"literal": "written in hosts.yaml", "cmd": "a command", "ask": "asked for"}.get(said, reference)


def problem(reference: str) -> str:
    """What is wrong with how a secret is written, whatever it refers to; empty where nothing is."""
    said = form(reference)
    if said in {"file", "cmd"}:
        return "" if reference.partition(":")[2].strip() else f"{said}: names nothing"
    for match in _VARIABLE.finditer(reference):
        if not match.group().endswith("}") or not _NAME.fullmatch(match.group(1)):
            return "an environment variable reads ${NAME}"
    if re.search(r"=(?:file|cmd):", reference):
        return "file: and cmd: stand for the whole text, not for a part of it"
    return "must not be empty" if not reference.strip() else ""


def found(
    data: Mapping[str, Any], places: tuple[tuple[str, ...], ...] = REFERENCES
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """What stands at some places of hosts.yaml, with the path of each; ``data`` are its plain values.

    A ``*`` in a place is any key, or any member of a list. Values are given whatever their type is.
    """
    for place in places:
        yield from _walk(data, place, ())


def _walk(at: Any, place: tuple[str, ...], path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if not place:
        yield path, at
        return
    inside: list[tuple[str | int, Any]] = []
    if isinstance(at, Mapping):
        inside = [(str(key), value) for key, value in cast("Mapping[Any, Any]", at).items()]
    elif isinstance(at, (list, tuple)):
        inside = list(enumerate(cast("list[Any]", at)))
    for key, value in inside:
        if place[0] in {"*", key}:
            yield from _walk(value, place[1:], (*path, key))


def secret(path: tuple[str | int, ...]) -> bool:
    """Whether what stands at a path of hosts.yaml is a secret, rather than a key that everybody may know."""
    return any(
        len(place) == len(path) and all(one in {"*", at} for one, at in zip(place, path, strict=True))
        for place in SECRETS
    )


def open_to_others(path: Path) -> bool:
    """Whether anybody but its owner may read or write a file."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


async def resolve(
    reference: str, inventory: Inventory, *, state: Path, timeout: float = 20.0, private: bool = True
) -> str:
    """The secret that a text of hosts.yaml stands for.

    ``state`` is the state folder, where trusted commands are noted; ``timeout`` is in seconds. ``private=False`` is for
    what is no secret, such as a public key: others may read its file, and it may have several lines. Raises
    ConfigurationError, which never holds the secret, and TimedOut for a command or a file system that does not answer.
    """
    where = _place(reference, inventory)
    if wrong := problem(reference) or ("it is to be typed, and stands nowhere" if reference == ASK else ""):
        raise ConfigurationError(wrong, where=where, todo=FORMS)
    try:
        async with asyncio.timeout(timeout):
            said = form(reference)
            if said == "env":
                return _plain(_VARIABLE.sub(lambda match: _variable(match.group(1), where), reference), where, private)
            rest = reference.partition(":")[2].strip()
            if said == "file":
                return _plain(await asyncio.to_thread(_file, rest, inventory, where, private), where, private)
            if said == "cmd":
                hosts = await asyncio.to_thread(_agreed, rest, inventory, state, where)
                raw = await secret_command.first_line(rest, hosts.resolve().parent, where)
                return _plain(_decoded(raw, where), where, private)
    except TimeoutError:
        what = "its command did not end" if reference.startswith("cmd:") else "its file could not be read"
        raise TimedOut(f"{what} within {timeout:g} s", where=where) from None
    if private and inventory.path is not None and await asyncio.to_thread(open_to_others, inventory.path):
        raise ConfigurationError(EXPOSED, where=where, todo=f"chmod 600 {inventory.path}; or {FORMS}")
    return _plain(reference, where, private)


def _place(reference: str, inventory: Inventory) -> str:
    """Where a reference stands, as an operator would look for it."""
    file = str(inventory.path or "hosts.yaml")
    path = next((path for path, value in found(inventory.extra) if value == reference), ())
    return f"{file}, {'.'.join(map(str, path))}" if path else file


def _variable(name: str, where: str) -> str:
    value = os.environ.get(name, "").rstrip("\r\n")
    if not value:
        state = "is empty" if name in os.environ else "is not set"
        raise ConfigurationError(
            f"the environment variable {name} {state}", where=where, todo=f"export {name} before the start"
        )
    return value


def _plain(text: str, where: str, private: bool) -> str:
    """A secret that may travel in a header or a form; raises ConfigurationError for one that may not."""
    said = text.strip("\r\n") if private else text.strip()
    if not said.strip():
        raise ConfigurationError("there is nothing in it", where=where)
    if _CONTROL.search(said if private else re.sub(r"[\t\r\n]", "", said)):
        raise ConfigurationError("it holds more than one line, or control characters", where=where)
    return said


def _file(text: str, inventory: Inventory, where: str, private: bool) -> str:
    folder = inventory.path.resolve().parent if inventory.path is not None else Path()
    path = home() / text[2:] if text.startswith("~/") else folder / text
    named = f"{where}: {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise ConfigurationError("there is no such file", where=named, todo="write the secret into it, 0600") from None
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}", where=named) from None
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise ConfigurationError("it is not an ordinary file", where=named)
        if private and seen.st_uid != os.geteuid():
            raise ConfigurationError("it belongs to somebody else", where=named, todo="copy it to a file of your own")
        if private and seen.st_mode & 0o077:
            raise ConfigurationError("others may read it", where=named, todo=f"chmod 600 {path}")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return _decoded(stream.read(LARGEST + 1), named)
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}", where=named) from None
    finally:
        os.close(descriptor)


def _decoded(raw: bytes, where: str) -> str:
    if len(raw) > LARGEST:
        raise ConfigurationError(f"larger than {LARGEST >> 10} KiB, which no secret is", where=where)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError("it is not UTF-8", where=where) from None


def command(reference: str) -> str:
    """The text of a ``cmd:`` reference."""
    return reference.partition(":")[2].strip()


def commands(inventory: Inventory) -> dict[str, str]:
    """The commands that an inventory's secrets come from: place -> text, in the order of the file."""
    told = ((path, value) for path, value in found(inventory.extra) if isinstance(value, str) and form(value) == "cmd")
    return {".".join(map(str, path)): command(value) for path, value in told}


def unfit(hosts: Path) -> str:
    """Why no command of a hosts.yaml is run, trusted or not; empty where it is the operator's alone to write."""
    try:
        link, real = hosts.lstat(), hosts.stat()
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if {link.st_uid, real.st_uid} != {os.geteuid()}:
        return "somebody else's, so none of its commands is run"
    return "others may write it, so none of its commands is run" if real.st_mode & 0o022 else ""


def _agreed(command: str, inventory: Inventory, state: Path, where: str) -> Path:
    """The hosts.yaml of a command that may run; raises ConfigurationError for any other."""
    hosts = inventory.path
    if hosts is None:
        raise ConfigurationError("a command is run only where it stands in a hosts.yaml", where=where)
    if reason := unfit(hosts):
        todo = f"chmod go-w {hosts}" if "may write" in reason else "copy it to a file of your own"
        raise ConfigurationError(reason, where=where, todo=todo)
    if trust.digest(command, hosts) not in trust.trusted(state):
        raise ConfigurationError("its command is not trusted yet", where=where, todo=f"read and trust it: {TRUST}")
    return hosts
