"""``container logs``: what containers write, those of several hosts in order of time."""

from __future__ import annotations

from collections.abc import Sequence

from app.backend import Context
from app.verb import Stream
from backends.docker.logs import LogRequest, log_stream
from backends.kinds.container import Container, ContainerVerbs


class ContainerLogs(ContainerVerbs):
    """Reading of logs; mixed into a ``Backend``, which brings ``context``."""

    context: Context

    async def logs(
        self,
        targets: Sequence[Container],
        *,
        follow: bool = False,
        lines: int = 200,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
        invert: bool = False,
        timestamps: bool = False,
    ) -> Stream:
        """Read what they write, those of several containers merged in order of time.

        An open screen always follows: there, nobody waits for an end.
        """
        from backends.docker.engines import engines

        return log_stream(
            self.context.shared(engines),
            [LogRequest(target.source, target.container_id, target.id) for target in targets],
            follow=follow or not self.context.one_shot,
            lines=lines,
            since=since,
            until=until,
            grep=grep,
            invert=invert,
            timestamps=timestamps,
            title=targets[0].id if len(targets) == 1 else f"{len(targets)} containers",
        )


__all__ = ["ContainerLogs"]
