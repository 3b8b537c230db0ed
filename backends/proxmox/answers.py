"""What an answer of the API holds: its data, or the error it stands for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from app.column import clean
from app.errors import BadAnswer, QuarterdeckError, Unreachable
from backends.proxmox.endpoint import Answer
from backends.proxmox.failures import NotProxmox, WrongLogin, refused, words

_STANDARD = re.compile(
    r"OK|Internal Server Error|Bad Request|Forbidden|Unauthorized|Not Found|Not Implemented|Bad Gateway|"
    r"Service Unavailable|Gateway Time-?out|Moved Permanently|Found",
    re.I,
)
"""Reason phrases that say no more than the number: proxies put them in place of Proxmox's own."""


_OTHERS = (404, 405, 410)
"""Proxmox VE has other words for these, mostly a 501: with a text that is no JSON, another server says them."""


class BehindProxy(Unreachable):
    """A proxy in front of Proxmox says that it does not get through."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a list, and how many there are in all where the server says so."""

    rows: tuple[Mapping[str, Any], ...] = ()
    total: int | None = None
    """Of the rows that match, beyond those of this page; not every list has it."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)


def check_proxy(answer: Answer, *, where: str) -> None:
    """Raise BehindProxy for the page of a proxy that does not reach Proxmox: another URL may."""
    if answer.status in (502, 503, 504) and _page(answer):
        raise BehindProxy(f"the proxy in front of it does not get through ({answer.status})", where=where)


def document(answer: Answer, *, where: str, node: str = "") -> Mapping[str, Any]:
    """The whole JSON object of an answer, ``data`` and what stands beside it; raises what any other answer means.

    401 raises WrongLogin: only who logged in can say more of it.
    """
    if answer.status == 401:
        raise WrongLogin(words(answer.reason) or "not let in", where=where)
    said = _json(answer)
    if answer.status >= 400 or answer.status < 200:
        raise _refusal(answer, said, where, node)
    if answer.status >= 300:
        to = f" to {answer.location}" if answer.location else ""
        raise NotProxmox(f"it sends us elsewhere{to}", where=where, todo="name the API's own URL, https://HOST:8006")
    if not isinstance(said, dict):
        raise _other(answer, where)
    found = cast("Mapping[str, Any]", said)
    if "data" not in found:
        raise NotProxmox("the answer is JSON, and not Proxmox VE's: it holds no data", where=where, todo=_URL)
    return found


def listed(found: Mapping[str, Any], *, where: str) -> Listed:
    """The rows of an answer; ``null`` is an empty list. Raises BadAnswer for anything but objects in a list."""
    data = found["data"]
    if data is None:
        return Listed()
    if not isinstance(data, list):
        raise BadAnswer(f"a list was expected, {type(data).__name__} came", where=where)
    rows = tuple(cast("Mapping[str, Any]", row) for row in cast("list[Any]", data) if isinstance(row, dict))
    if len(rows) != len(cast("list[Any]", data)):
        raise BadAnswer("a list of objects was expected", where=where)
    return Listed(rows, _whole(found.get("total")))


_URL = "check url in hosts.yaml: Proxmox VE listens at https://HOST:8006"


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _refusal(answer: Answer, said: Any, where: str, node: str) -> QuarterdeckError:
    """``errors``, then ``message``, then the reason phrase, then what a plain text body says."""
    fields: dict[str, str] = {}
    line = ""
    if isinstance(said, dict):
        found = cast("Mapping[str, Any]", said)
        errors = found.get("errors")
        if isinstance(errors, dict):
            fields = {str(name): str(why) for name, why in cast("Mapping[Any, Any]", errors).items()}
        message = found.get("message")
        line = words(message) if isinstance(message, str) else ""
    elif _page(answer):
        return _other(answer, where)
    elif answer.body and answer.type != "application/json":
        if answer.status in _OTHERS:
            return _other(answer, where)
        line = words(answer.body[:4000].decode("utf-8", "replace"))
    reason = words(answer.reason)
    if not line or (_STANDARD.fullmatch(line) and not _STANDARD.fullmatch(reason)):
        line = reason or line
    return refused(answer.status, line, fields=fields, where=where, node=node)


def _page(answer: Answer) -> bool:
    return "html" in answer.type or answer.body[:200].lstrip().startswith(b"<")


def _other(answer: Answer, where: str) -> NotProxmox:
    if _page(answer):
        what = f"a web page came instead of an answer of the API ({answer.status})"
    elif not answer.body:
        what = f"the answer is empty ({answer.status})"
    else:
        begins = clean(answer.body[:40].decode("utf-8", "replace"))
        what = f"the answer is no JSON of Proxmox VE's ({answer.status}); it begins '{begins}'"
    return NotProxmox(what, where=where, todo=_URL)


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
