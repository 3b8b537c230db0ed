"""What went wrong between us and an engine, as errors of ours: the engine's own words are in them."""

from __future__ import annotations

import http.client
import sys
from typing import Any

from app.column import clean
from app.errors import BadAnswer, Denied, Missing, QuarterdeckError, Refused, TimedOut, Unreachable, Unsupported

LONGEST = 2000
"""Characters of an engine's message that are kept."""


def said(error: Any) -> str:
    """The engine's own message in an ``APIError``, on one line."""
    words = getattr(error, "explanation", None) or getattr(error, "reason", None) or error
    return clean(str(words)).strip().rstrip(".")[:LONGEST] or "no reason given"


def translated(error: Exception, where: str) -> Exception:
    """An exception of docker-py, requests or the system as one of ours; a defect stays what it is.

    ``where`` is the node. The library is not imported for this: what it raised has imported it.
    """
    if isinstance(error, QuarterdeckError):
        return error
    docker: Any = sys.modules.get("docker.errors")
    requests: Any = sys.modules.get("requests.exceptions")
    urllib3: Any = sys.modules.get("urllib3.exceptions")
    if docker is not None and isinstance(error, docker.APIError):
        failed: Any = error
        return _refused(failed.status_code or 0, said(error), where)
    if docker is not None and isinstance(error, docker.InvalidVersion):
        return Unsupported(said(error), where=where, todo="it needs a newer engine")
    if requests is not None:
        before: Any = error.__context__
        if isinstance(error, (TypeError, KeyError)) and isinstance(before, requests.HTTPError):
            # The library looks for a message in whatever JSON came with a refusal, and falls over it.
            refusal: Any = before
            return _refused(refusal.response.status_code, "no reason given", where)
        if isinstance(error, requests.Timeout):
            return TimedOut("the engine did not answer in time", where=where)
        if isinstance(error, requests.JSONDecodeError):
            return BadAnswer("the engine answered something that is no JSON", where=where)
        if isinstance(error, requests.RequestException):
            return _lost(error, where)
    if urllib3 is not None and isinstance(error, urllib3.HTTPError):
        return _lost(error, where)
    if isinstance(error, TimeoutError):
        return TimedOut("the engine did not answer in time", where=where)
    if isinstance(error, (OSError, http.client.HTTPException)):
        return _lost(error, where)
    if docker is not None and isinstance(error, docker.DockerException):
        return BadAnswer(said(error), where=where)
    return error


def _refused(status: int, words: str, where: str) -> QuarterdeckError:
    """What an engine's refusal means; 5xx and the rest are answers that we can do nothing about."""
    if status == 404:
        return Missing(words, where=where)
    if status == 409:
        return Refused(words, where=where)
    if status in (401, 403):
        return Denied(words, where=where)
    return BadAnswer(words, where=where)


def _lost(error: BaseException, where: str) -> Unreachable:
    """A connection that failed: the system's own reason lies at the bottom of several wrappings."""
    seen: set[int] = set()
    queue: list[Any] = [error]
    while queue:
        one = queue.pop(0)
        if id(one) in seen or not isinstance(one, BaseException):
            continue
        seen.add(id(one))
        if isinstance(one, PermissionError):
            return Denied("the engine's socket may not be used by this account", where=where)
        if isinstance(one, FileNotFoundError):
            return Unreachable("the engine's socket is gone", where=where)
        if isinstance(one, ConnectionRefusedError):
            return Unreachable("nobody listens at the engine's socket", where=where)
        queue += [*one.args, one.__cause__, one.__context__]
    return Unreachable("the engine ended the connection", where=where)
