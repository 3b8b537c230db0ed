"""How a probe's script says several things in one answer: lines ``==name`` begin sections."""

from __future__ import annotations


def sections(answer: bytes) -> dict[str, list[str]]:
    """The lines of each section, blank ones left out; what stands before the first section is dropped.

    Bytes that are no UTF-8 become U+FFFD, so that a hostile name is still a name.
    """
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in answer.decode("utf-8", "replace").split("\n"):
        if line.startswith("==") and line[2:].isidentifier():
            lines = found.setdefault(line[2:], [])
        elif lines is not None and line.strip():
            lines.append(line.rstrip("\r"))
    return found
