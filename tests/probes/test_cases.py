"""Every parser on recorded answers: ``tests/data/probes/PROBE/CASE.txt`` is the answer, ``CASE.json`` what it means.

Shown as JSON: dataclasses as objects, byte strings as text, ``{"fault": …}`` where the parser must refuse.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadAnswer
from app.link import Probe
from backends.probes.node import NODE_PROBES

FOLDER = Path(__file__).parent.parent / "data" / "probes"
PROBES: dict[str, Probe[Any]] = {probe.name: probe for probe in NODE_PROBES}
CASES = sorted(FOLDER.glob("*/*.txt"))


def shown(value: Any) -> Any:
    """A parsed answer as JSON would hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        return shown(asdict(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {shown(key): shown(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def read(probe: Probe[Any], answer: bytes) -> Any:
    """What a probe makes of an answer."""
    try:
        return shown(probe.parse(answer))
    except BadAnswer as error:
        return {"fault": error.what}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_answer_is_read_as_it_is_meant(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    assert read(PROBES[path.parent.name], path.read_bytes()) == expected


def test_every_probe_has_cases_and_no_case_is_without_a_probe() -> None:
    recorded = {path.parent.name for path in CASES}

    assert recorded == PROBES.keys() - {"network_filesystems"}  # read by the parser of "filesystems"


@pytest.mark.parametrize("probe", NODE_PROBES, ids=lambda probe: probe.name)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 1000,
        b"\xff\xfe" * 500,
        b"x" * (1 << 20),
        b"==\n==df\n==gpus\n==end\n==failed\n==apt\n" + b"\x1b]0;pwned\x07 [@click=app.quit]x[/]\n" * 100,
        b"-1 " * 1000,
        b"9" * 5000,
        b"\n" * 5000,
        b": :\n: 1 1\n: 1 1\n" * 20,
    ],
    ids=["nothing", "nuls", "no-utf8", "one-long-line", "escapes", "negative", "huge-number", "newlines", "colons"],
)
def test_hostile_answers_are_unknown_or_a_bad_answer_and_nothing_else(probe: Probe[Any], answer: bytes) -> None:
    said = read(probe, answer)

    assert not isinstance(said, dict) or "fault" not in said or said["fault"]
