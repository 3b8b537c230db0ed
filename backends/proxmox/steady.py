"""Figures that go on by themselves, kept while they would be shown alike: a row that says the same stays one."""

from __future__ import annotations

from app.column import duration_text


def age(old: float | None, new: float | None) -> float | None:
    """An age in whole seconds: the old one while its text would be the same."""
    if old is None or new is None or duration_text(old) != duration_text(new):
        return None if new is None else float(int(new))
    return old
