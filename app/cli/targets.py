"""Which resources the words of a command line mean, and which sources must be asked to know.

Words are joined to one pattern: ``pi hp`` is ``pi,hp``. A bare word is an id, a name, or a group of nodes; a glob with
a slash is matched against ids, one without against names; ``@tag`` reaches what stands on a tagged node as well. A
word that is an id as it stands means that one alone, whatever characters it has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from app.backend import Source, Visible
from app.column import clean
from app.deck import Deck
from app.errors import ConfigurationError, Missing
from app.fleet import Ref, Resource
from app.inventory.model import Inventory, NodeEntry
from app.inventory.pattern import Term, names_of, nearest, terms
from app.inventory.pattern import meant as by_term
from app.kind import AnyKind
from app.owner import ids_above
from app.verb import Verb

_OF_PATTERNS = ",*?["
"""What is read as a pattern, unless the whole word is an id: names of guests are not ours to choose."""
MANY = 8
"""How many ids a message lists."""


def choose(deck: Deck, kind: AnyKind, words: Sequence[str], on: str | None, *, acting: bool) -> list[Resource]:
    """The resources that the words mean within ``--on``: in the order of hosts.yaml, all of them without words.

    Raises ConfigurationError (exit 2) for a word that means nothing, naming the nearest valid name, and, where
    ``acting``, for a bare name that several resources share and where nothing is left to act on; Missing for one
    whose source did not answer.
    """
    turns = {name: turn for turn, name in enumerate(dict.fromkeys(one.name for one in deck.feed.sources()))}
    # Readings stand in the order in which they came, which is another one each time.
    known = sorted(deck.feed.fleet.noun(kind.noun), key=lambda one: turns.get(one.source, len(turns)))
    within = known if on is None else _within(deck, known, on)
    ids = {one.id for one in known}
    whole = {word for word in words if word in ids and any(char in word for char in _OF_PATTERNS)}
    parts = terms(",".join(word for word in words if word not in whole))
    if words and not parts and not whole:
        raise ConfigurationError("the target is empty", todo=f"name {kind.plural}, or '*' for all of them")
    for term in parts:
        _check(deck, kind, term, known, within, on, acting=acting)
    outside = whole - {one.id for one in within}
    if outside:
        raise ConfigurationError(f"'{clean(min(outside))}' is outside of --on {clean(on or '')}")

    def is_meant(one: Resource) -> bool:
        if one.id in whole:
            return True
        return bool(parts or not whole) and chosen(parts, lambda term: _means(deck, term, one))

    meant = [one for one in within if is_meant(one)]
    if acting and not meant:
        said = ",".join(words) + (f" --on {on}" if on is not None else "")
        raise ConfigurationError(f"no {kind.noun} is left of '{clean(said.strip())}'")
    return meant


def chosen(parts: Sequence[Term], means: Callable[[Term], bool]) -> bool:
    """Whether something is meant: by a term that adds (where there is one), by none with ``!``, by all with ``&``."""
    adding = [term for term in parts if not term.sign]
    if adding and not any(means(term) for term in adding):
        return False
    return all(means(term) is (term.sign == "&") for term in parts if term.sign)


def _means(deck: Deck, term: Term, one: Resource) -> bool:
    return by_term(term, one, deck.tags, deck.inventory.groups)


def _check(
    deck: Deck,
    kind: AnyKind,
    term: Term,
    known: list[Resource],
    within: list[Resource],
    on: str | None,
    *,
    acting: bool,
) -> None:
    """Refuse a word that means nothing or not enough."""
    found = [one for one in known if _means(deck, term, one)]
    if not found:
        if kind.by_source and any(_configured(term, entry, deck.inventory) for entry in deck.inventory):
            # It is there, and another word or --on keeps it from being asked.
            if on is not None and not term.sign:
                raise ConfigurationError(f"'{_written(term)}' is outside of --on {clean(on)}")
            return
        entry = deck.inventory.nodes.get(term.text.partition("/")[0])
        if entry is not None and entry.fault:
            where = clean(f"{entry.name}: {entry.fault}")
            raise ConfigurationError(f"no {kind.noun} '{clean(term.text)}' is known of", where=where)
        silent = _silent(deck, term)
        if silent:
            raise Missing(f"no {kind.noun} '{clean(term.text)}' is known of", where=silent)
        source = term.text.partition("/")[0]
        if on is not None and source in deck.inventory.nodes and not _asked(deck, source):
            raise ConfigurationError(f"'{_written(term)}' is outside of --on {clean(on)}")
        if term.glob:
            raise ConfigurationError(f"no {kind.noun} matches '{_written(term)}'{_near(deck, kind, term, known)}")
        what = "tag" if term.tag else kind.noun
        raise ConfigurationError(f"there is no {what} '{_written(term)}'{_near(deck, kind, term, known)}")
    if on is not None and not term.sign and not any(one in within for one in found):
        raise ConfigurationError(f"'{_written(term)}' is outside of --on {clean(on)}")
    exact = not (term.glob or term.tag or term.sign or term.text in deck.inventory.groups)
    if acting and exact and len(found) > 1 and not any(one.id == term.text for one in found):
        ids = ", ".join(clean(one.id) for one in found[:MANY]) + (" …" if len(found) > MANY else "")
        raise ConfigurationError(
            f"'{_written(term)}' is the name of {len(found)} {kind.plural}: {ids}",
            todo=f"say which, or '*/{_written(term)}' for all",
        )


def _configured(term: Term, entry: NodeEntry, inventory: Inventory) -> bool:
    """Whether a word means a configured node, whoever is asked about it."""
    if term.tag:
        return any(fnmatchcase(tag, term.text) for tag in entry.tags)
    if term.glob:
        return fnmatchcase(entry.name, term.text)
    return term.text == entry.name or (term.text in inventory.groups and term.text in entry.tags)


def _written(term: Term) -> str:
    return clean(("@" if term.tag else "") + term.text)


def _near(deck: Deck, kind: AnyKind, term: Term, known: Iterable[Resource]) -> str:
    if term.tag:
        valid = sorted({tag for one in [*known, *deck.inventory] for tag in _tags_of(deck, one)})
    else:
        own = set(deck.inventory.nodes) if kind.by_source else set[str]()
        valid = sorted({name for one in known for name in names_of(one)} | own | set(deck.inventory.groups))
    near = nearest(term.text, valid)
    if near:
        return f" (nearest valid name: {'@' if term.tag else ''}{clean(near)})"
    if not valid:
        return f" (no {'tag' if term.tag else kind.noun} is known)"
    return f" (there are: {clean(', '.join(valid[:MANY]))}{' …' if len(valid) > MANY else ''})"


def _asked(deck: Deck, source: str) -> bool:
    return any(one.name == source for one in deck.feed.sources())


def _tags_of(deck: Deck, one: Resource | NodeEntry) -> frozenset[str]:
    return deck.tags(one) if isinstance(one, Resource) else one.tags


def _silent(deck: Deck, term: Term) -> str:
    """The fault of the source that would have told of ``source/key``, where it did not answer."""
    source = term.text.partition("/")[0]
    for reading in deck.feed.fleet.readings.values():
        if reading.source == source and reading.fault:
            return clean(f"{source}: {reading.fault}")
    return ""


def _within(deck: Deck, known: list[Resource], on: str) -> list[Resource]:
    told = {tag for one in known for tag in one.tags}
    parts = _limits(deck.inventory, on, {one.source for one in known} | {one.id for one in known}, told)

    def means(term: Term, one: Resource) -> bool:
        if term.tag:
            return any(fnmatchcase(tag, term.text) for tag in deck.tags(one))
        names = [one.id, one.source, *ids_above(deck.feed.fleet, one)]
        if any(fnmatchcase(name, term.text) for name in names):
            return True
        return term.text in deck.inventory.groups and term.text in deck.tags(one)

    return [one for one in known if chosen(parts, lambda term, one=one: means(term, one))]


def _limits(
    inventory: Inventory, on: str, sources: Iterable[str], told: Collection[str] | None = None
) -> tuple[Term, ...]:
    """The terms of ``--on``; a name that is neither node, group, tag nor source is a mistake, also behind ``!``.

    ``told``: tags that rows bear; ``None`` before there are rows, and then any tag may turn up on a cluster.
    """
    parts = terms(on)
    if not parts:
        raise ConfigurationError("the pattern is empty", where="--on", todo="name nodes (pi,hp), tags (@edge) or !old")
    of_clusters = {tag for tags in inventory.clusters.values() for tag in tags}
    tags = {tag for node in inventory for tag in node.tags} | set(inventory.groups) | of_clusters | set(told or ())
    names = {*inventory.nodes, *inventory.groups, *inventory.clusters, *sources}
    for term in parts:
        valid = tags if term.tag else names
        if term.tag and told is None and inventory.clusters:
            continue
        if not term.glob and term.text not in valid and (inventory.nodes or inventory.clusters):
            near = nearest(term.text, sorted(valid))
            hint = f" (nearest valid name: {'@' if term.tag else ''}{near})" if near else ""
            what = "tag" if term.tag else "node or cluster" if inventory.clusters else "node"
            raise ConfigurationError(f"there is no {what} '{_written(term)}'{hint}", where="--on")
    return parts


def asked_for(deck: Deck, kind: AnyKind, words: Sequence[str]) -> Visible:
    """Which of some resources the words mean, before there are any rows: all of the kind without words."""
    parts = terms(",".join(words))

    def meant(ref: Ref) -> bool:
        source, _, name = ref.id.rpartition("/")
        node = source.partition("/")[0]
        one = Resource(id=ref.id, name=name, source=node, state="unknown", parent=Ref("node", node))
        return ref.kind == kind.noun and chosen(parts, lambda term: _means(deck, term, one))

    return lambda refs: frozenset(ref for ref in refs if meant(ref))


def unasked(deck: Deck, kind: AnyKind, words: Sequence[str], on: str | None) -> list[NodeEntry]:
    """The meant nodes that nobody asks about a kind, because their entries in hosts.yaml have mistakes."""
    asked = {one.name for one in deck.feed.sources()}
    meant = wanted(kind, deck.inventory, words, on)
    faulty = (one for one in deck.inventory if one.fault and one.name not in asked)
    return [one for one in faulty if meant(Source("", one.name, nouns=(kind.noun,)))]


def wanted(
    kind: AnyKind, inventory: Inventory, words: Sequence[str], on: str | None, verb: Verb | None = None
) -> Callable[[Source], bool]:
    """Which sources must be asked: those that fill the kind, less the nodes that words or ``--on`` rule out.

    Sources that are no nodes are always asked, for only they know what they hold. A ``verb`` that names the node where
    it works has no rows to be asked for.
    """
    if verb is not None and verb.place is not None:
        return lambda source: False
    limits = (
        _limits(inventory, on, inventory.nodes) if on is not None and (inventory.nodes or inventory.clusters) else ()
    )
    parts = terms(",".join(words))
    if not kind.by_source:
        # A bare name may stand at any source; an id says its own.
        adding = [term for term in parts if not term.sign]
        parts = tuple(
            Term(term.text.partition("/")[0]) for term in adding if all(not t.tag and "/" in t.text for t in adding)
        )

    def means(term: Term, name: str) -> bool:
        tags = inventory.nodes[name].tags if name in inventory.nodes else inventory.clusters[name]
        if term.tag:
            return any(fnmatchcase(tag, term.text) for tag in tags)
        return fnmatchcase(name, term.text) or (term.text in inventory.groups and term.text in tags)

    def ask(source: Source) -> bool:
        if kind.noun not in source.nouns:
            return False
        if source.name not in inventory.nodes:  # what --on names may stand on a cluster without being one
            return source.name not in inventory.clusters or chosen(parts, lambda term: means(term, source.name))
        return all(chosen(each, lambda term: means(term, source.name)) for each in (limits, parts))

    return ask
