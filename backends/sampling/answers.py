"""From what a host said to what subscribers hear: which files are whose, and what a parser makes of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from app.errors import BadAnswer
from app.link import Probe, Sample
from backends.sampling.frames import packed

log = logging.getLogger(__name__)

_GLOB = re.compile(r"[*?\[]")


class Files:
    """Which of a tick's files belong to which FAST probe; worked out anew only when the names have changed."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._matching: dict[str, tuple[str, ...]] = {}

    def raw(self, probe: Probe[Any], files: Mapping[str, bytes]) -> bytes | None:
        """A probe's answer; ``None`` when none of its files is there."""
        if len(probe.files) == 1 and not _GLOB.search(probe.files[0]):
            return files.get(probe.files[0])
        names = tuple(files)
        if names != self._names:
            self._names, self._matching = names, {}
        matching = self._matching.get(probe.name)
        if matching is None:
            patterns = [_translated(pattern) for pattern in probe.files]
            matching = tuple(name for name in names if any(pattern.fullmatch(name) for pattern in patterns))
            self._matching[probe.name] = matching
        return packed({name: files[name] for name in matching}) if matching else None


def put(probe: Probe[Any], raw: bytes | None, answers: dict[str, Any], faults: dict[str, str]) -> None:
    """Put what a probe makes of its answer into ``answers``, or into ``faults`` why it can't."""
    if raw is None:
        answers[probe.name] = None
        return
    try:
        answers[probe.name] = probe.parse(raw)
    except BadAnswer as error:
        faults[probe.name] = error.what
    except Exception as error:  # a parser that trips over a hostile answer is a fault of one row
        log.debug("probe %s", probe.name, exc_info=True)
        faults[probe.name] = f"unreadable answer ({type(error).__name__})"


def part(sample: Sample, probes: Mapping[str, Probe[Any]]) -> Sample:
    """What of a sample is about these probes: the sample itself where all of it is, as in most ticks."""
    if sample.answers.keys() <= probes.keys() and sample.faults.keys() <= probes.keys():
        return sample
    answers = {name: sample.answers[name] for name in probes if name in sample.answers}
    faults = {name: sample.faults[name] for name in probes if name in sample.faults}
    return Sample(sample.taken_at, answers, faults, sample.fault, sample.latency_ms)


def _translated(pattern: str) -> re.Pattern[str]:
    """A shell glob as a regular expression; a star does not cross a slash."""
    shaped = {"*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\[[^\]]*\]|[*?])", pattern)
    return re.compile(
        "".join(one if one.startswith("[") and one.endswith("]") else shaped.get(one, re.escape(one)) for one in pieces)
    )
