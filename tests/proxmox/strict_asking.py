"""Asking the peer directly, as any client would: what the tests of the peer itself do."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import httpx

from tests.servers.fakepve import Pve


class Asking:
    """A plain client of one peer; its answers are ``httpx.Response`` or, from ``data``, what is in them."""

    def __init__(self, pve: Pve, token: str | None = None, url: str | None = None, ca: Path | None = None) -> None:
        context = ssl.create_default_context(cafile=str(ca or pve.ca))
        headers = {"Authorization": f"PVEAPIToken={token or pve.token}"}
        kept = httpx.Limits(keepalive_expiry=2)  # well before the peer closes a connection that nobody uses
        base = f"{url or pve.url}/api2/json"
        self.http = httpx.Client(base_url=base, headers=headers, verify=context, timeout=60, limits=kept)

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def ask(self, method: str, path: str, **values: object) -> httpx.Response:
        """``values`` go into the query of GET and DELETE and into a form otherwise."""
        texts = {name.replace("_", "-"): str(value) for name, value in values.items()}
        if method in ("GET", "DELETE"):
            return self.http.request(method, path, params=texts)
        return self.http.request(method, path, data=texts)

    def data(self, method: str, path: str, **values: object) -> Any:
        """What a good answer holds."""
        answer = self.ask(method, path, **values)
        assert answer.status_code == 200, f"{answer.status_code} {answer.reason_phrase} {answer.text}"
        return answer.json()["data"]

    def refused(self, method: str, path: str, **values: object) -> tuple[int, str]:
        """Status and reason of a refusal."""
        answer = self.ask(method, path, **values)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.reason_phrase

    def ended(self, method: str, path: str, **values: object) -> str:
        """Start a task and return how it ended."""
        return self.end_of(str(self.data(method, path, **values)))

    def end_of(self, upid: str) -> str:
        """Wait for a task and return how it ended."""
        where = f"/nodes/{upid.split(':')[1]}/tasks/{upid}/status"
        deadline = time.monotonic() + 30
        while True:
            status = cast("dict[str, str]", self.data("GET", where))
            if status["status"] == "stopped":
                return status["exitstatus"]
            assert time.monotonic() < deadline, f"{upid} goes on"
            time.sleep(0.005)
