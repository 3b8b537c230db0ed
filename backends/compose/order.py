"""The steps of one plan over several stacks: lower orders first, equal ones side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.plan import Step
from backends.kinds.stack import Stack


def in_order(parts: Sequence[tuple[Stack, Step]], *, reverse: bool = False) -> list[Step]:
    """The steps with their order in them: each waits until those of the order before it are over.

    Over, however they ended: a node that cannot be reached does not keep the others from being worked on.
    ``reverse`` is for stopping.
    """
    orders = sorted({row.order for row, _ in parts}, reverse=reverse)
    if len(orders) < 2:
        return [step for _, step in parts]
    steps: list[Step] = []
    for number, order in enumerate(orders):
        before = [row for row, _ in parts if number and row.order == orders[number - 1]]
        behind = tuple(f"order {row.order}: {row.id}" for row in before)
        steps += [
            replace(step, name=f"order {row.order}: {row.id}", behind=behind)
            for row, step in parts
            if row.order == order
        ]
    return steps
