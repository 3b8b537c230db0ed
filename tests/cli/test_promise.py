"""A kind file, a backend file and one line: everything else is drawn from them."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from app import registry
from app.fleet import Ref
from app.registry import PARTS, Part
from app.verb import Catalog
from tests.cli.conftest import Quarterdeck

KIND = '''"""Toasters: things that make toast."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Column
from app.errors import Unsupported
from app.fleet import Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Rows, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Toaster(Resource):
    NOUN: ClassVar[str] = "toaster"
    slices: int | None = None


class ToasterVerbs:
    @verb(key="o", risk=Risk.DISRUPTS)
    async def toast(self, target: Toaster, *, minutes: Annotated[int, Help("how long")] = 2) -> Plan:
        """Make toast."""
        raise Unsupported

    @verb(key="n", risk=Risk.SAFE)
    async def create(self, name: str, *, slots: Annotated[int, Help("for slices")] = 2) -> Plan:
        """Buy one."""
        raise Unsupported

    @view(key="i")
    async def crumbs(self, target: Toaster) -> Rows:
        """Show the crumbs."""
        raise Unsupported


KIND = Kind(
    noun="toaster",
    plural="toasters",
    type=Toaster,
    columns=(Column("NAME", lambda t: column.text(t.name), 12), Column("SLICES", lambda t: column.number(t.slices), 6)),
    verbs=ToasterVerbs,
    figures={"slices": lambda t: t.slices},
    empty=("No toasters.", "n buys one"),
)
'''

BACKEND = '''"""Finds toasters in the pantry."""

import asyncio
from dataclasses import dataclass

from app.backend import Backend, Source
from app.column import Column, text
from app.fleet import Reading, Ref
from app.plan import Plan, Result, Step
from app.verb import Rows
from toaster import Toaster, ToasterVerbs


@dataclass(frozen=True)
class Crumb:
    size: str


class Pantry(ToasterVerbs, Backend):
    name = "pantry"
    nouns = ("toaster",)

    def sources(self, inventory):
        return [Source(self.name, "shelf", 2.0, self.nouns)]

    async def watch(self, source, emit, nudge):
        items = tuple(
            Toaster(id=f"shelf/{name}", name=name, source="shelf", state="up", slices=2) for name in ("old", "new")
        )
        emit(Reading(backend=self.name, source="shelf", items=items, taken_at=self.context.clock()))
        await asyncio.Event().wait()

    async def toast(self, target, *, minutes=2):
        async def run(report):
            return Result(0, f"brown after {minutes}")

        return Plan(Step(target, f"press the lever of {target.id} for {minutes}", run))

    async def create(self, name, *, slots=2):
        async def run(report):
            return Result(0, f"bought {name} with {slots}")

        return Plan(Step(Ref("toaster", ""), f"buy {name}", run))

    async def crumbs(self, target):
        return Rows((Column("SIZE", lambda c: text(c.size), 5),), (Crumb("big"),))
'''

LINE = Part("toaster:KIND", "pantry:Pantry")


@pytest.fixture
def parts(modules: Path) -> tuple[Part, ...]:
    (modules / "toaster.py").write_text(KIND)
    (modules / "pantry.py").write_text(BACKEND)
    return (*PARTS, LINE)


def test_noun_help_list_verb_view_and_form_come_of_two_files_and_one_line(
    parts: tuple[Part, ...], quarterdeck: Quarterdeck
) -> None:
    root = quarterdeck("--help", parts=parts)
    assert re.search(r"^ +toaster +Toasters: things that make toast\.$", root.out, re.MULTILINE)
    noun = quarterdeck("toaster --help", parts=parts).out
    for words in ("list", "show", "Make toast. (asks)", "Buy one.", "Show the crumbs."):
        assert words in noun
    assert "--minutes INTEGER" in quarterdeck("toaster toast --help", parts=parts).out

    listed = quarterdeck("toaster list", parts=parts)
    assert listed.code == 0
    assert [(item["id"], item["slices"], item["state"]) for item in listed.items] == [
        ("shelf/old", 2, "up"),
        ("shelf/new", 2, "up"),
    ]
    assert quarterdeck("toaster list --output table", parts=parts).out == "NAME  SLICES\nold   2\nnew   2\n"

    made = quarterdeck("toaster toast shelf/old --minutes 3 --yes --why hungry", parts=parts)
    assert (made.code, made.items[0]["message"], made.items[0]["verb"]) == (0, "brown after 3", "toaster toast")
    assert quarterdeck("toaster create third --slots 4", parts=parts).items[0]["message"] == "bought third with 4"
    assert quarterdeck("toaster crumbs old", parts=parts).items == [{"target": "shelf/old", "size": "big"}]

    entries = quarterdeck("witness query --verb toaster", parts=parts).items
    assert [(e["verb"], e["phase"], e["target"]) for e in entries] == [
        ("toaster toast", "intent", "toaster:shelf/old"),
        ("toaster toast", "outcome", "toaster:shelf/old"),
        ("toaster create", "intent", ""),
        ("toaster create", "outcome", ""),
    ]
    assert entries[0]["plan"] == ["press the lever of shelf/old for 3"]


def test_keys_offers_and_pane_come_of_the_same_line(parts: tuple[Part, ...]) -> None:
    kinds = registry.kinds(parts)
    assert list(kinds)[-1] == "toaster"
    catalog = Catalog({noun: kind.verbs for noun, kind in kinds.items()})
    assert {verb.id: verb.key for verb in catalog.on("toaster")} == {
        "toaster.toast": "o",
        "toaster.create": "n",
        "toaster.crumbs": "i",
    }

    async def offers() -> list[str]:
        from tests.frame.decks import opened

        async with opened((LINE,)) as deck:
            row = deck.feed.fleet.find(Ref("toaster", "shelf/old"))
            assert row is not None
            return [v.id for v in deck.offered(row)] + [v.id for v in deck.offered_by_kind("toaster")]

    assert asyncio.run(offers()) == ["toaster.toast", "toaster.crumbs", "toaster.create"]


def test_nouns_are_known_without_importing_a_kind(parts: tuple[Part, ...]) -> None:
    assert registry.nouns(parts)[-1] == "toaster"
    assert registry.about("toaster", parts) == "Toasters: things that make toast."
    assert "toaster" not in sys.modules
