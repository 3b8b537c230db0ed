"""``node mute``: no alarms for a while; kept in one small file that all consoles of a user share."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from app import column
from app.backend import Context
from app.errors import ConfigurationError, QuarterdeckError
from app.plan import Plan, Report, Result, Step
from backends.kinds.node import Node, NodeVerbs

Mute = tuple[float, str]
"""(until, in seconds since the epoch; why)."""

LOOK_EVERY_S = 0.1
"""Seconds for which a look at the file holds: hundreds of rows ask, one after another."""
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_LONGEST = timedelta(days=3660)


class Mutes:
    """Which nodes raise no alarms, until when and why; ``mutes.json`` in the state folder, 0600.

    Several processes may use the file at once. Reading costs one ``stat`` while the file has not changed, and
    none within ``LOOK_EVERY_S`` of the last.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / "mutes.json"
        self._seen: tuple[int, int, int] | None = None
        self._mutes: dict[str, Mute] = {}
        self._looked_at = float("-inf")

    def get(self, name: str, now: float) -> Mute | None:
        """Until when (seconds since the epoch) and why a node is mute at ``now``; ``None`` when it is not."""
        self._look()
        mute = self._mutes.get(name)
        return mute if mute is not None and mute[0] > now else None

    def set(self, name: str, until: float, why: str) -> None:
        """Mute a node; blocks for a file write."""
        self._change(name, (until, why))

    def end(self, name: str) -> None:
        """Let a node raise alarms again; blocks for a file write."""
        self._change(name, None)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            stat = self._path.stat()
        except OSError:
            self._seen, self._mutes = None, {}
            return
        mark = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if mark != self._seen:
            self._mutes, self._seen = self._read(), mark

    def _read(self) -> dict[str, Mute]:
        """The file's content; one that cannot be read mutes nobody: alarms are the safe side."""
        try:
            said: Any = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        found: dict[str, Mute] = {}
        if isinstance(said, dict):
            for name, value in cast("dict[str, Any]", said).items():
                with contextlib.suppress(TypeError, ValueError, KeyError):
                    found[name] = (float(value["until"]), str(value.get("why", "")))
        return found

    def _change(self, name: str, mute: Mute | None) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                mutes = {one: kept for one, kept in self._read().items() if kept[0] > time.time()}
                mutes.pop(name, None)
                if mute is not None:
                    mutes[name] = mute
                self._write(mutes)
            self._looked_at = float("-inf")
        except OSError as error:
            raise QuarterdeckError(
                f"the mutes cannot be written: {error.strerror or error}", where=str(self._path)
            ) from None

    def _write(self, mutes: dict[str, Mute]) -> None:
        part = self._path.with_suffix(f".{os.getpid()}.part")
        said = {name: {"until": until, "why": why} for name, (until, why) in sorted(mutes.items())}
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a mode is needed
                json.dump(said, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def parse_until(text: str, now: datetime) -> datetime:
    """``90m``, ``2h``, ``1d12h``, the next ``18:30``, or an ISO date and time; local where no zone is given.

    ``now`` carries a zone. Raises ConfigurationError for anything else and for what is over already.
    """
    said = text.strip()
    span = _SPAN.fullmatch(said.lower())
    clock = _CLOCK.fullmatch(said)
    try:
        if span and any(span.groups()):
            days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
            until = now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        elif clock:
            wall = now.replace(tzinfo=None, hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
            until = _local(wall, now)
            if until <= now:
                until = _local(wall + timedelta(days=1), now)
        else:
            until = _local(datetime.fromisoformat(said), now)
    except (ValueError, OverflowError, OSError):
        raise _no_time(said, "it is no time") from None
    if until <= now:
        raise _no_time(said, "that is over already")
    if until - now > _LONGEST:
        raise _no_time(said, "that is more than ten years away")
    return until


def _local(moment: datetime, now: datetime) -> datetime:
    """The moment with a zone: its own, or this machine's with its summer time on that day."""
    if moment.tzinfo is not None:
        return moment
    from datetime import timezone

    if isinstance(now.tzinfo, timezone):  # a plain offset, as astimezone() gives: the system knows the rest
        return moment.astimezone()
    return moment.replace(tzinfo=now.tzinfo)


def _no_time(said: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"'{column.clean(said)[:60]}': {what}", where="--until", todo="write 90m, 2h, 18:30 or 2026-01-31T08:00"
    )


class MuteVerb(NodeVerbs):
    """Muting; needs no connection."""

    context: Context

    async def mute(self, target: Node, *, until: str = "1h", reason: str = "", off: bool = False) -> Plan:
        """Raise no alarms for a while."""
        mutes = Mutes(self.context.state)
        held = mutes.get(target.name, time.time())
        undo = "mute --off"
        if off:
            text = f"unmute {target.name}"
            end, said = None, "it raises alarms again"
        else:
            end = parse_until(until, datetime.now().astimezone())
            said = f"mute until {end:%Y-%m-%d %H:%M %Z}".rstrip()
            text = f"mute {target.name} until {end:%Y-%m-%d %H:%M:%S%z}" + (f": {reason}" if reason else "")

        async def run(report: Report) -> Result:
            if end is None:
                await asyncio.to_thread(mutes.end, target.name)
            else:
                await asyncio.to_thread(mutes.set, target.name, end.timestamp(), reason)
            return Result(0, said, {"muted_until": end.timestamp() if end else None})

        notes = [f"it is mute already, until {datetime.fromtimestamp(held[0]).astimezone():%H:%M}"] if held else []
        return Plan(Step(target, text, run, undo="" if off else undo), notes=notes)
