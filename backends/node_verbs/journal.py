"""``node journal``: what the system wrote down, from journald or from what stands in its place."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from app.errors import BadAnswer, ConfigurationError, QuarterdeckError, Unsupported
from app.verb import Stream
from backends.kinds.node import Node
from backends.node_verbs.base import QUICK_S, Linked, path_word
from backends.node_verbs.lines import CommandLines, Keep
from backends.node_verbs.services import checked_unit

_MOST_LINES = 100_000
_SEARCHED = 50_000
"""Lines looked through where the host cannot search by itself."""
FILES = ("/var/log/messages", "/var/log/syslog")
_FIND = """\
command -v journalctl >/dev/null 2>&1 && { [ -d /run/log/journal ] || [ -d /var/log/journal ]; } &&
  { echo journald; LC_ALL=C journalctl --version; exit 0; }
for file in {files}; do [ -r "$file" ] && { echo "file $file"; exit 0; }; done
command -v logread >/dev/null 2>&1 && { echo logread; exit 0; }
:"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a log."""

    unit: str | None
    grep: str | None
    since: str | None
    lines: int
    follow: bool


class JournalVerbs(Linked):
    """The system's log."""

    async def journal(
        self,
        target: Node,
        *,
        unit: str | None = None,
        grep: str | None = None,
        since: str | None = None,
        lines: int = 200,
        follow: bool = False,
    ) -> Stream:
        """Read the system's journal."""
        if not 0 <= lines <= _MOST_LINES:
            raise ConfigurationError(f"{lines} is no number of lines", where="--lines", todo=f"0 to {_MOST_LINES}")
        wanted = Wanted(checked_unit(unit) if unit else None, grep or None, since or None, lines, follow)
        pattern = _pattern(grep) if grep else None
        link = self.link_of(target)
        find = _FIND.replace("{files}", " ".join(map(shlex.quote, FILES)))
        kind, _, rest = (await link.run(find, timeout=QUICK_S)).text.partition("\n")
        if kind == "journald":
            searches = "+PCRE2" in rest
            command = journalctl(wanted, searches=searches)
            here = None if searches else pattern
        elif kind.startswith("file ") or kind == "logread":
            command = plain_log(target, kind, wanted, searched=pattern is not None)
            here = pattern
        else:
            raise Unsupported(
                "the node has no journald, no readable /var/log/messages or /var/log/syslog, and no logread",
                where=target.name,
                todo="read its log with 'node exec'",
            )

        def failed(code: int, last: str) -> QuarterdeckError | None:
            if searches_nothing(code, last):
                return None
            return BadAnswer(f"the log could not be read: {last or f'exit code {code}'}", where=target.name)

        keep = _matching(here) if here is not None else None
        last = lines if here is not None and not follow else None
        return Stream(CommandLines(link, command, keep=keep, last=last, failed=failed), title=command)


def searches_nothing(code: int, last: str) -> bool:
    """``journalctl -g`` exits with 1 when nothing matched; that is an answer."""
    return code == 1 and (not last or last.startswith("-- ") or re.match(r"\d{4}-\d\d-\d\dT", last) is not None)


def _matching(pattern: re.Pattern[str]) -> Keep:
    return lambda line: pattern.search(line) is not None


def _pattern(grep: str) -> re.Pattern[str]:
    try:
        return re.compile(grep, re.IGNORECASE if grep == grep.lower() else 0)
    except re.error as error:
        raise ConfigurationError(f"'{grep}' is no regular expression: {error}", where="--grep") from None


def journalctl(wanted: Wanted, *, searches: bool = True) -> str:
    """The command line; ``searches`` says whether this journalctl was built with pattern matching."""
    argv = ["journalctl", "--no-pager", "-o", "short-iso"]
    if wanted.unit:
        argv.append(f"--unit={wanted.unit}")
    if wanted.since:
        argv.append(f"--since={wanted.since}")
    if wanted.grep and searches:
        argv.append(f"--grep={wanted.grep}")
    count = wanted.lines if searches or not wanted.grep else max(_SEARCHED, wanted.lines)
    argv += ["-n", str(count)]
    if wanted.follow:
        argv.append("-f")
    return f"SYSTEMD_COLORS=0 {shlex.join(argv)}"


def plain_log(node: Node, kind: str, wanted: Wanted, *, searched: bool) -> str:
    """The command line where there is no journald; raises Unsupported for what only a journal can do."""
    for option, value in (("--unit", wanted.unit), ("--since", wanted.since)):
        if value:
            raise Unsupported(
                f"the node has no journald, so its log cannot be read by {option}",
                where=node.name,
                todo="use --grep instead",
            )
    count = max(_SEARCHED, wanted.lines) if searched else wanted.lines
    if kind == "logread":
        return "logread -f" if wanted.follow else f"logread | tail -n {count}"
    return f"tail -n {count} {'-f ' if wanted.follow else ''}-- {path_word(kind.removeprefix('file '))}"
