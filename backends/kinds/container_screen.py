"""The describe screen of a container, as far as its row knows; the rest is asked for while the screen is open."""

from __future__ import annotations

from collections.abc import Sequence

from app import column
from app.column import Cell, Section, Token
from backends.kinds.container import Container, mood, ports_text, restarts


def sections(container: Container) -> Sequence[Section]:
    """What it is, how it is doing, and where it can be reached."""
    shown = [
        ("state", column.state(container.word, mood(container))),
        ("fault", Cell(column.clean(container.fault or ""), Token.CRIT)),
        ("stack", column.text(container.stack)),
        ("service", column.text(container.service)),
        ("node", column.text(container.source)),
        ("image", column.text(container.image)),
        ("command", column.text(container.command)),
        ("id", column.text(container.container_id)),
        ("ports", column.text(ports_text(container.ports))),
        ("networks", column.text(", ".join(container.networks))),
        ("volumes", column.text(", ".join(container.volumes))),
        ("up", column.duration(container.uptime_s)),
        ("created", column.duration(container.created_s)),
        ("restarts", restarts(container)),
    ]
    return (
        Section(
            "Container", tuple((label, cell) for label, cell in shown if cell.text not in ("", column.UNKNOWN_TEXT))
        ),
        Section("CPU", (("now", column.percent(container.cpu_percent)),), graph="cpu"),
        Section(
            "Memory",
            (("now", column.size(container.mem_used_bytes)), ("limit", column.size(container.mem_limit_bytes))),
            graph="mem",
            graph_max=float(container.mem_limit_bytes) if container.mem_limit_bytes else None,
        ),
    )
