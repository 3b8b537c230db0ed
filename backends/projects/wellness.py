"""Waiting until a container that was started is well, or saying in words why it is not."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from app.errors import Missing, QuarterdeckError
from app.plan import Report
from backends.docker.contract import Client
from backends.docker.summary import Seen
from backends.projects.definition import Health
from backends.projects.ground import Ground

LOOK_EVERY_S = 1.0
"""Seconds between two looks where the engine tells of nothing."""
STANDS_S = 1.0
"""A container without a health check is well when it has run for so long."""
_TAIL = 20
"""Lines of the log that go into the job's."""


class Unwell(QuarterdeckError):
    """A service did not become well."""


async def wait_until_well(ground: Ground, container: str, service: str, health: Health | None, timeout: float) -> str:
    """Return what it is now (``healthy``, ``up``) as soon as it is well.

    The engine's events wake us; its own checks may be minutes apart, so the same check is run beside them once a
    second. Raises Unwell with the reason: it ended, it is unhealthy, or ``timeout`` seconds are over.
    """
    news = asyncio.Event()

    def hear(said: Seen | QuarterdeckError | None) -> None:
        news.set()

    began = time.monotonic()
    last = ""
    end = ground.engines.subscribe(ground.node, hear)
    try:
        while True:
            news.clear()
            found = await ground.inspect(container)
            if found is None:
                raise Unwell(f"{service} was removed by somebody while it was started")
            word = _word(found, service, time.monotonic() - began)
            if word is not None:
                return word
            if health is not None and found["State"].get("Status") == "running":
                remaining = timeout - (time.monotonic() - began)
                passed, last = await _checked(ground, container, health, max(1.0, min(health.timeout, remaining)))
                if passed:
                    return "healthy"
            if time.monotonic() - began >= timeout:
                raise Unwell(f"{service} did not become healthy within {timeout:g} s{f': {last}' if last else ''}")
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await news.wait()
            except TimeoutError:
                pass
    finally:
        end()


def _word(found: dict[str, Any], service: str, stood: float) -> str | None:
    """What a container is when that is settled, ``None`` while it is not; raises Unwell where it is not well."""
    state: dict[str, Any] = found["State"]
    status = str(state.get("Status"))
    if status in ("exited", "dead", "restarting", "removing"):
        if state.get("OOMKilled"):
            raise Unwell(f"{service} ended: it wanted more memory than its limit")
        error = f" ({state['Error']})" if state.get("Error") else ""
        raise Unwell(f"{service} ended with {state.get('ExitCode')}{error}")
    if found.get("RestartCount"):
        raise Unwell(f"{service} ends and is restarted over and over")
    if status != "running":
        return None
    health = cast("dict[str, Any] | None", state.get("Health"))
    if health is None:
        return "up" if stood >= STANDS_S else None
    if health["Status"] == "healthy":
        return "healthy"
    if health["Status"] == "unhealthy":
        raise Unwell(f"{service} is unhealthy: {health.get('FailingStreak')} checks failed in a row")
    return None


async def _checked(ground: Ground, container: str, health: Health, seconds: float) -> tuple[bool, str]:
    """Run its check once, as the engine does; says whether it passed and, in words without its output, how not."""
    command = ["/bin/sh", "-c", health.test] if isinstance(health.test, str) else list(health.test)

    def work(client: Client) -> int | None:
        made = client.exec_create(container, command, stdout=True, stderr=True)
        client.exec_start(made["Id"])
        code: int | None = client.exec_inspect(made["Id"])["ExitCode"]
        return code

    try:
        code = await ground.engine.call(work, timeout=seconds)
    except Missing:
        return False, ""
    except QuarterdeckError as error:
        return False, error.what
    return code == 0, f"its check ends with {code}"


async def tell_log(ground: Ground, container: str, report: Report) -> None:
    """Pass on the end of a container's log, and what its last health check wrote; neither is witnessed."""

    def work(client: Client) -> tuple[bytes, list[dict[str, Any]]]:
        said: bytes = client.logs(container, stdout=True, stderr=True, tail=_TAIL)
        health: dict[str, Any] = client.inspect_container(container)["State"].get("Health") or {}
        return said, health.get("Log") or []

    try:
        said, checks = await ground.ask(work)
    except QuarterdeckError:
        return
    text = said.decode("utf-8", "replace")
    if text.strip():
        report.output("stderr", text if text.endswith("\n") else f"{text}\n")
    if checks and str(checks[-1].get("Output", "")).strip():
        report.output("stderr", f"health check: {str(checks[-1]['Output']).strip()[:1000]}\n")
