"""Rows of containers: what the engine's list, its events and the host's control groups say of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.column import duration_text
from app.fleet import Ref
from backends.docker.summary import ContainerSummary, Seen
from backends.docker.usage import Usage
from backends.kinds.container import LOOP_RESTARTS, LOOP_WITHIN_S, Container

HOUR_S = 3600.0
_STACK_LABELS = ("com.docker.compose.project", "quarterdeck.project", "io.podman.compose.project")
_SERVICE_LABELS = ("com.docker.compose.service", "quarterdeck.service", "io.podman.compose.service")
_KNOWN_HEALTH = {"healthy": "healthy", "unhealthy": "unhealthy", "starting": "starting"}
_BLANK = Usage()


def stack_of(labels: Mapping[str, str]) -> str | None:
    """The compose project or project stack that made something; ``None`` where none did."""
    return next((labels[name] for name in _STACK_LABELS if labels.get(name)), None)


def service_of(labels: Mapping[str, str]) -> str | None:
    """Which service of its stack something is."""
    return next((labels[name] for name in _SERVICE_LABELS if labels.get(name)), None)


def shown_age(old: float | None, new: float | None) -> float | None:
    """An age to put in a row, in whole seconds: the old one while the text it is shown as would be the same."""
    if old is None or new is None or duration_text(old) != duration_text(new):
        return None if new is None else float(int(new))
    return old


@dataclass(slots=True)
class _Kept:
    """One container's row, and what it was made of."""

    row: Container
    summary: ContainerSummary
    since: float | None = None
    """When it began to run, by the engine's clock; as far as its words tell."""


class ContainerRows:
    """The containers of one node; ``rows`` is replaced when something that is shown has changed, never changed."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.rows: tuple[Container, ...] = ()
        self._parent = Ref("node", node)
        self._kept: dict[str, _Kept] = {}

    def fold(self, seen: Seen, usages: Mapping[str, Usage], now: float) -> bool:
        """Take in what is known; ``usages`` are by id. Says whether there are new rows.

        ``now`` is seconds since the epoch by the engine's clock, as all its moments are.
        """
        kept: dict[str, _Kept] = {}
        taken: set[str] = set()
        for summary in seen.containers:
            name = summary.name or summary.id[:12]
            if name in taken:  # one that is being removed, and the one that took its name
                name = f"{name}-{summary.id[:12]}"
            taken.add(name)
            kept[summary.id] = self._one(summary, name, seen, usages.get(summary.id, _BLANK), now)
        self._kept = kept
        rows = tuple(one.row for one in kept.values())
        if len(rows) == len(self.rows) and all(new is old for new, old in zip(rows, self.rows, strict=True)):
            return False
        self.rows = rows
        return True

    def _one(self, summary: ContainerSummary, name: str, seen: Seen, used: Usage, now: float) -> _Kept:
        old = self._kept.get(summary.id)
        row = old.row if old is not None and old.summary is summary else self._made(summary, name)
        kept = _Kept(row, summary, self._since(summary, old, now))
        running = summary.state in ("running", "paused")
        moments = seen.restarts.get(summary.id, ())
        # One that waits for its next turn was restarted before, whatever the engine still remembers.
        forgotten = not moments and summary.state == "restarting"
        last = old.row if old is not None else row
        changes: dict[str, object] = {
            "uptime_s": shown_age(last.uptime_s, max(0.0, now - kept.since) if running and kept.since else None),
            "created_s": shown_age(last.created_s, max(0.0, now - summary.created_at)),
            "restarts": None if forgotten else len(moments),
            "restarts_per_hour": None if forgotten else float(sum(1 for at in moments if now - at <= HOUR_S)),
            "looping": sum(1 for at in moments if now - at <= LOOP_WITHIN_S) >= LOOP_RESTARTS,
            "cpu_percent": used.cpu_percent,
            "mem_used_bytes": used.mem_used_bytes,
            "mem_limit_bytes": used.mem_limit_bytes,
            "net_rx_bytes_per_s": used.net_rx_bytes_per_s,
            "net_tx_bytes_per_s": used.net_tx_bytes_per_s,
            "block_read_bytes_per_s": used.block_read_bytes_per_s,
            "block_write_bytes_per_s": used.block_write_bytes_per_s,
            "pids": used.pids,
        }
        if any(getattr(row, field) != value for field, value in changes.items()):
            row = replace(row, **changes)  # pyright: ignore[reportArgumentType]
        # An engine that lists again gives new summaries; what they say may well be the same.
        kept.row = old.row if old is not None and old.row == row else row
        return kept

    @staticmethod
    def _since(summary: ContainerSummary, old: _Kept | None, now: float) -> float | None:
        if summary.started_at is not None:
            return summary.started_at
        if summary.uptime_s is None:
            return None
        if old is not None and old.since is not None and old.summary.uptime_s == summary.uptime_s:
            return old.since
        return (summary.listed_at or now) - summary.uptime_s

    def _made(self, summary: ContainerSummary, name: str) -> Container:
        """What only the engine tells."""
        health = _KNOWN_HEALTH.get(summary.health or "")
        return Container(
            id=f"{self.node}/{name}",
            name=name,
            source=self.node,
            state=summary.state,
            parent=self._parent,
            container_id=summary.id,
            image=summary.image or summary.image_id,
            image_id=summary.image_id,
            command=summary.command,
            stack=stack_of(summary.labels),
            service=service_of(summary.labels),
            health=health,  # pyright: ignore[reportArgumentType]
            exit_code=summary.exit_code,
            ports=summary.ports,
            networks=tuple(summary.networks),
            volumes=tuple(dict.fromkeys(m.name for m in summary.mounts if m.type == "volume" and m.name)),
        )


def using(containers: Sequence[ContainerSummary]) -> tuple[ContainerSummary, ...]:
    """Those that have processes, and therefore a control group to be found."""
    return tuple(one for one in containers if one.state in ("running", "paused"))
