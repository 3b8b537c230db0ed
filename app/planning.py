"""Which backend does what, and what it would do: an order becomes one plan per target or group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.backend import Backend
from app.errors import ConfigurationError, Missing, QuarterdeckError, Refused, Unsupported
from app.feed import Feed
from app.fleet import Ref, Resource
from app.inventory.model import Inventory
from app.job import Ended, Outcome
from app.merging import as_one
from app.order import Order, outcome_of
from app.plan import Plan, Step
from app.verb import PLACES, Catalog, Rows, Scope, Shape, Stream, Verb, View, offers

log = logging.getLogger(__name__)


def places_of(order: Order, steps: Sequence[Step], inventory: Inventory) -> tuple[Resource, ...]:
    """The nodes at which a verb without a target does something: as its parameters or the plan's steps name them.

    Rules and tags of a node hold for what is done there, whichever backend does it and whoever watches the node.
    """
    if order.verb.takes_target:
        return ()
    names = [str(order.arguments[name]) for name in PLACES if order.arguments.get(name)]
    names += [step.ref.id.partition("/")[0] for step in steps]
    there = dict.fromkeys(name for name in names if name in inventory.nodes)
    return tuple(Resource(id=name, name=name, source=name, state="unknown") for name in there)


@dataclass(frozen=True, slots=True)
class Part:
    """One target's share of an order after planning, or one group's."""

    targets: tuple[Resource, ...]
    plan: Plan


class Planner:
    """Knows which backend tells of a target and asks it for plans and views."""

    def __init__(
        self, backends: Mapping[str, Backend], feed: Feed, catalog: Catalog, inventory: Callable[[], Inventory]
    ) -> None:
        self._backends = backends
        self._feed = feed
        self._catalog = catalog
        self._inventory = inventory

    def offered(self, target: Resource) -> tuple[Verb, ...]:
        """The verbs the target's backend can do; what the guard refuses now is told by ``permitted``."""
        backend = self._backend_of(target.ref)
        if backend is None:
            return ()
        return tuple(v for v in self._catalog.on(target.NOUN) if v.takes_target and offers(backend, v))

    def unable(self, verb: Verb, target: Resource) -> str | None:
        """Why the target's backend may not do this, as far as it knows without asking."""
        backend = self._backend_of(target.ref) if verb.takes_target else None
        return backend.unable(verb, target) if backend is not None else None

    def offered_by_kind(self, noun: str) -> tuple[Verb, ...]:
        """The verbs without a target that some backend can do."""
        return tuple(
            v
            for v in self._catalog.on(noun)
            if not v.takes_target and any(offers(b, v) for b in self._backends.values())
        )

    async def look(
        self, verb: Verb, target: Resource | Sequence[Resource] | None, arguments: Mapping[str, Any]
    ) -> View:
        """Read a view of one target, of several where its scope is GROUP, or of the kind.

        Streams of several backends are read as one, in the order in which their lines come.
        """
        found = (target,) if isinstance(target, Resource) else tuple(target or ())
        if verb.takes_target and not found:
            raise Missing("nobody tells of it any more", where=verb.title)
        groups = self.groups(found) if verb.scope is Scope.GROUP else [found]

        async def one(group: tuple[Resource, ...]) -> View:
            backend = self._backend_for(verb, group[0] if group else None, arguments)
            subject = group if verb.scope is Scope.GROUP else group[0] if group else None
            seen: View = await bind(getattr(backend, verb.method), verb, subject, arguments)
            return seen

        if not verb.takes_target and verb.place is None:
            return await self._of_all(verb, arguments)
        if len(groups) == 1:
            return await one(groups[0])
        seen = await asyncio.gather(*(one(group) for group in groups))
        streams = [(group[0].id, view) for group, view in zip(groups, seen, strict=True) if isinstance(view, Stream)]
        if len(streams) < len(seen):
            raise Unsupported(f"'{verb.title}' cannot read what different backends tell of as one", where=found[0].id)
        return Stream(as_one(streams), title=", ".join(stream.title for _, stream in streams if stream.title))

    async def _of_all(self, verb: Verb, arguments: Mapping[str, Any]) -> View:
        """A view of the kind, of every backend that has something to watch: their rows as one table."""
        able = [backend for backend in self._backends.values() if offers(backend, verb)]
        able = [backend for backend in able if backend.sources(self._inventory())] or able[:1]
        if not able:
            raise Unsupported(f"no backend here can do '{verb.title}'")
        told: list[View | BaseException] = await asyncio.gather(
            *(bind(getattr(backend, verb.method), verb, None, arguments) for backend in able), return_exceptions=True
        )
        failed = [one for one in told if isinstance(one, BaseException)]
        seen = [one for one in told if not isinstance(one, BaseException)]
        tables = [view for view in seen if isinstance(view, Rows)]
        grave = next((one for one in failed if not isinstance(one, QuarterdeckError)), None)
        if grave is not None or not seen or (failed and not tables):
            raise grave or failed[0]
        if len(told) < 2 or not tables:
            return seen[0]
        items = [item for table in tables for item in table.items]
        join = tables[0].join
        notes = [*(table.note for table in tables if table.note), *(str(error) for error in failed)]
        return replace(tables[0], items=tuple(items if join is None else join(items)), note="; ".join(notes))

    def groups(self, targets: Sequence[Resource]) -> list[tuple[Resource, ...]]:
        """Targets by the backend that tells of them, in their order."""
        by_backend: dict[str, list[Resource]] = {}
        for target in targets:
            reading = self._feed.fleet.reading_of(target.ref)
            by_backend.setdefault(reading.backend if reading else "", []).append(target)
        return [tuple(group) for group in by_backend.values()]

    async def plan(self, order: Order, targets: Sequence[Resource]) -> tuple[list[Part], list[Outcome]]:
        """Ask the backends what they would do; a target whose plan fails does not stop the others."""
        verb = order.verb
        if verb.scope is Scope.KIND:
            groups: list[tuple[Resource, ...]] = [()]
        elif verb.scope is Scope.EACH:
            groups = [(target,) for target in targets]
        else:
            groups = self.groups(targets)
        room = asyncio.Semaphore(max(1, order.parallel))

        async def one(group: tuple[Resource, ...]) -> Part | list[Outcome]:
            async with room:
                try:
                    backend = self._backend_for(verb, group[0] if group else None, order.arguments)
                    method = getattr(backend, verb.method)
                    subject = group if verb.scope is Scope.GROUP else (group[0] if group else None)
                    plan: Plan = await bind(method, verb, subject, order.arguments)
                    return Part(group, plan)
                except Unsupported as error:
                    ended, words, code = Ended.REFUSED, str(error), 4
                except Refused as error:
                    ended, words, code = Ended.REFUSED, str(error), 4
                except ConfigurationError as error:  # what was asked cannot be meant: nothing was tried
                    ended, words, code = Ended.FAILED, str(error), 2
                except QuarterdeckError as error:
                    ended, words, code = Ended.FAILED, str(error), 1
                except Exception as error:
                    log.exception("planning %s", verb.title)
                    ended, code = Ended.FAILED, 1
                    words = f"{type(error).__name__}: {error} (details are in the log file)"
                return [outcome_of(order, t.id, ended, words, code) for t in group] or [
                    outcome_of(order, "", ended, words, code)
                ]

        made = await asyncio.gather(*(one(group) for group in groups))
        parts = [part for part in made if isinstance(part, Part)]
        cannot = [outcome for part in made if not isinstance(part, Part) for outcome in part]
        if verb.scope is Scope.GROUP and parts and cannot:  # all of a group or none, whoever tells of them
            words = f"not without the others, and of these one cannot be: {cannot[0].id}: {cannot[0].message}"
            left = [outcome_of(order, one.id, Ended.REFUSED, words, 4) for part in parts for one in part.targets]
            return [], [*cannot, *left]
        return parts, cannot

    def _backend_of(self, ref: Ref) -> Backend | None:
        reading = self._feed.fleet.reading_of(ref)
        return self._backends.get(reading.backend) if reading else None

    def _backend_for(self, verb: Verb, target: Resource | None, arguments: Mapping[str, Any]) -> Backend:
        if target is not None:
            backend = self._backend_of(target.ref)
            if backend is None:
                raise Missing("nobody tells of it any more", where=target.id)
            if not offers(backend, verb):
                raise Unsupported(f"'{verb.title}' is not offered for this one", where=target.id)
            return backend
        able = [backend for backend in self._backends.values() if offers(backend, verb)]
        place = next((arguments[name] for name in PLACES if arguments.get(name)), None)
        if len(able) > 1 and place is not None:
            sources = {b.name: {s.name for s in b.sources(self._inventory())} for b in able}
            able = [b for b in able if place in sources[b.name]] or able
        if not able:
            raise Unsupported(f"no backend here can do '{verb.title}'")
        return able[0]


def bind(method: Callable[..., Any], verb: Verb, subject: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a verb's method with its target, its arguments and options, and what follows ``--``."""
    positional: list[Any] = [] if not verb.takes_target else [subject]
    named: dict[str, Any] = {}
    tail: Sequence[str] = ()
    for param in verb.params:
        if param.name not in arguments:
            if param.required:
                raise Missing(f"'{param.name}' is required", where=verb.title)
            if param.shape is Shape.ARGUMENT:
                positional.append(param.default)  # what follows must not slip into its place
            continue
        value = arguments[param.name]
        if param.shape is Shape.COMMAND:
            tail = value
        elif param.shape is Shape.ARGUMENT:
            positional.append(value)
        else:
            named[param.name] = value
    return method(*positional, *tail, **named)
