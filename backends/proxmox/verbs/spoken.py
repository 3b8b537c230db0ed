"""A call of the API as a plan tells it, where a part of it is only known once the plan runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from app.column import clean
from backends.proxmox import wire

_LATER = re.compile(r"<[a-z ]+>")


def call(method: str, path: str, params: Mapping[str, Any] | None = None) -> str:
    """``POST /nodes/pve1/qemu/9000/clone newid=<vmid> name=web3``; what is ``None`` is left out, as it is when sent."""
    said = [f"{name}={_value(value)}" for name, value in wire.pairs((params or {}).items())]
    return " ".join([f"{method} {path}", *said])


def _value(value: str) -> str:
    return value if _LATER.fullmatch(value) else shlex.quote(clean(value))
