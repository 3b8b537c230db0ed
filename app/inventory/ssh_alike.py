"""Hosts that ssh_config cannot tell apart: one answer of ``ssh -G`` then serves all of them.

Starting OpenSSH once per host is most of what a command on many hosts costs here. What a configuration says depends
on a host's name through ``Host`` patterns, ``Match``, ``CanonicalizeHostname`` and ``%`` tokens. So two hosts that
match exactly the same patterns get the same answer, but for the address, user and port that were asked for, unless one
of the other three is in use: then every host is asked about by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Said = Mapping[str, list[str]]
"""What ``ssh -G`` said, by lower-case option."""
Group = tuple[tuple[str, ...], frozenset[str]]
"""Which kinds of things were asked for, and which patterns match."""

_LINE = re.compile(rb'\s*"?([A-Za-z0-9]+)"?[\s=]*(.*)')
_UNREAD = {b"controlpath", b"localcommand", b"remotecommand"}
"""Options this program does not read; ``%`` tokens are usual there."""
_GIVEN = {"-l": "user", "-p": "port"}
_HOSTNAME = "HostName="


@dataclass(frozen=True, slots=True)
class Patterns:
    """Everything in a configuration by which it can tell hosts apart."""

    hosts: tuple[tuple[str, re.Pattern[str]], ...]
    """The words of all ``Host`` lines, as written and as what they match."""
    addresses: frozenset[str]
    """What ``HostName`` is set to anywhere."""

    def group(self, asked: Sequence[str], alias: str) -> Group | None:
        """What all hosts have in common that get the same answer; ``None`` where nobody else's answer will do."""
        if alias != alias.lower() or "%" in alias or len(asked) % 2:
            return None
        shape: list[str] = []
        for flag, value in zip(asked[::2], asked[1::2], strict=True):
            is_address = flag == "-o" and value.startswith(_HOSTNAME)
            if not (is_address or flag in _GIVEN) or "%" in value or (is_address and value[9:] != value[9:].lower()):
                return None
            shape.append(flag)
        matching = frozenset(word for word, pattern in self.hosts if pattern.fullmatch(alias))
        if any(word != word.lower() for word in matching):  # patterns are case-sensitive; leave that to ssh
            return None
        return tuple(shape), matching

    def serves_others(self, said: Said, asked: Sequence[str], alias: str) -> bool:
        """Whether the answer for one host of a group may be used for the others.

        Not where the configuration gave it an address, and not where a jump host or command leads there: ssh looks
        whether that is the host itself.
        """
        if any(value != "none" for way in ("proxyjump", "proxycommand") for value in said.get(way, ())):
            return False
        return "-o" in asked or (said.get("hostname") == [alias] and alias not in self.addresses)


def patterns(files: Iterable[str]) -> Patterns | None:
    """Read the files that ssh has read; ``None`` where they hold something that looks at more than patterns."""
    words: set[str] = set()
    names: set[str] = set()
    for name in files:
        try:
            data = Path(name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError:
            return None
        for line in data.split(b"\n"):
            found = _LINE.match(line)
            if found is None:
                continue  # blank, or a comment
            option, rest = found[1].lower(), found[2].strip()
            text = rest.replace(b'"', b" ").decode("utf-8", "surrogateescape").split()
            if option == b"host":
                words.update(text)
            elif option == b"hostname":
                names.update(word.lower() for word in text)
            if _looks_further(option, rest):
                return None
    return Patterns(tuple((word, _pattern(word)) for word in sorted(words)), frozenset(names))


def _looks_further(option: bytes, rest: bytes) -> bool:
    """Whether a line makes a difference between hosts that match the same patterns."""
    if option == b"match":
        return rest.lower() != b"all"
    return option == b"canonicalizehostname" or (b"%" in rest and option not in _UNREAD)


def _pattern(word: str) -> re.Pattern[str]:
    """``*`` and ``?`` are all that OpenSSH's patterns know; ``!`` before one turns its meaning around."""
    parts = re.split(r"([*?])", word.removeprefix("!"))
    expression = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return re.compile(expression, re.IGNORECASE | re.DOTALL)


def fitted(said: Said, asked: Sequence[str], alias: str) -> dict[str, list[str]]:
    """The answer that another host of the same group would have got."""
    made = {**said, "host": [alias], "hostname": [alias]}
    for flag, value in zip(asked[::2], asked[1::2], strict=True):
        if flag == "-o":
            made["hostname"] = [value.removeprefix(_HOSTNAME)]
        else:
            made[_GIVEN[flag]] = [value]
    return made
