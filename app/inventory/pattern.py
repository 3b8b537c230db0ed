"""Which nodes are meant: ``pi,hp``, ``@edge``, ``!old``, ``'n*'``, ``@edge,&@arm``.

A pattern is a list of terms separated by commas. A term is a name or glob, ``@`` with a tag or glob of tags, with
``!`` before it what is left out, with ``&`` before it what all must also be. Where all terms leave out or narrow,
they do so from everything. Ansible's ``:&`` and ``:!`` are read as ``,&`` and ``,!``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache, partial

from app.errors import ConfigurationError
from app.fleet import Resource
from app.inventory.model import Inventory


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a pattern."""

    text: str
    """The name, glob or tag, without what stands before it."""
    tag: bool = False
    sign: str = ""
    """``!`` leaves out, ``&`` narrows, nothing adds."""

    @property
    def glob(self) -> bool:
        """It may stand for many names."""
        return any(char in self.text for char in "*?[")


@lru_cache(maxsize=512)
def terms(pattern: str) -> tuple[Term, ...]:
    """A pattern taken apart; blank terms are left out."""
    found: list[Term] = []
    for part in pattern.replace(":&", ",&").replace(":!", ",!").split(","):
        word = part.strip()
        sign = word[:1] if word[:1] in {"!", "&"} else ""
        word = word[len(sign) :].strip()
        tag = word.startswith("@")
        word = word.removeprefix("@")
        if word:
            found.append(Term(word, tag, sign))
    return tuple(found)


def matches(pattern: str, name: str, tags: Collection[str] = ()) -> bool:
    """Whether a pattern means a resource with that id and those tags (those of its node included); pure.

    A bare term means an id (``pi/web``), what an id begins with (``pi``), a glob of either, or a tag of that name: for
    a rule it is better to reach too far than not far enough. An empty pattern means nothing.
    """
    return _chosen(terms(pattern), lambda term: _means(term, name, tags))


def names_of(resource: Resource) -> tuple[str, ...]:
    """What a resource can be called: its id, its name, and its name at its source where ids are numbers."""
    return tuple(dict.fromkeys((resource.id, resource.name, f"{resource.source}/{resource.name}")))


def meant(term: Term, resource: Resource, tags: Callable[[Resource], Collection[str]], groups: Container[str]) -> bool:
    """Whether a term of a command line means a resource: by id, name, glob of them, tag (``tags`` tells) or group.

    A glob with a slash is for ids and names at a source, one without for names.
    """
    if term.tag:
        return any(fnmatchcase(tag, term.text) for tag in tags(resource))
    names = names_of(resource)
    if term.text in names:
        return True
    if term.glob:
        return any(fnmatchcase(name, term.text) for name in names if ("/" in name) is ("/" in term.text))
    return term.text in groups and term.text in tags(resource)


def _means(term: Term, name: str, tags: Collection[str]) -> bool:
    if term.tag:
        return any(fnmatchcase(tag, term.text) for tag in tags)
    if fnmatchcase(name, term.text) or term.text in tags:
        return True
    return "/" not in term.text and fnmatchcase(name.partition("/")[0], term.text)


def _chosen(parts: tuple[Term, ...], means: Callable[[Term], bool]) -> bool:
    if not parts:
        return False
    adding = [term for term in parts if not term.sign]
    if adding and not any(means(term) for term in adding):
        return False
    return all(means(term) is (term.sign == "&") for term in parts if term.sign)


def select(inventory: Inventory, pattern: str) -> list[str]:
    """The nodes a pattern means, in the order of hosts.yaml.

    A bare word is a node's name, else a group's. Raises ConfigurationError for an empty pattern and for a word or tag
    that names nothing: a misspelt ``!prod`` must not reach production.
    """
    parts = terms(pattern)
    if not parts:
        raise ConfigurationError(
            "the pattern is empty", where="--on", todo="name nodes (pi,hp), tags (@edge) or !without"
        )
    reached = {term: _reached(inventory, term) for term in parts}
    return [name for name in inventory.nodes if _chosen(parts, partial(_holds, reached, name))]


def _holds(reached: Mapping[Term, frozenset[str]], name: str, term: Term) -> bool:
    return name in reached[term]


def _reached(inventory: Inventory, term: Term) -> frozenset[str]:
    if term.tag:
        found = [node.name for node in inventory if any(fnmatchcase(tag, term.text) for tag in node.tags)]
    elif term.text in inventory.nodes:
        found = [term.text]
    elif term.text in inventory.groups:
        found = list(inventory.groups[term.text])
    else:
        found = [name for name in inventory.nodes if fnmatchcase(name, term.text)]
    if not found and not term.glob and not (term.tag and term.text in inventory.groups):
        what = f"no {'tag' if term.tag else 'node or group'} is called '{term.text}'"
        near = nearest(("@" if term.tag else "") + term.text, vocabulary(inventory))
        raise ConfigurationError(what, where="--on", todo=f"the nearest is {near}" if near else "")
    return frozenset(found)


def vocabulary(inventory: Inventory) -> list[str]:
    """Every word a pattern may use: nodes, clusters, groups, and tags with their ``@``."""
    tags = {f"@{tag}" for node in inventory for tag in node.tags}
    tags |= {f"@{tag}" for own in inventory.clusters.values() for tag in own}
    return [*inventory.nodes, *inventory.clusters, *inventory.groups, *sorted(tags)]


def nearest(word: str, valid: Iterable[str]) -> str:
    """The valid name most like a word; empty where none comes near."""
    known = list(valid)
    alike = 0.6 if len(word) > 3 else 0.5  # of two letters, one may be wrong
    found = difflib.get_close_matches(word, known, n=1, cutoff=alike)
    if not found:
        lower = {name.lower().lstrip("@"): name for name in known}
        found = [lower[near] for near in difflib.get_close_matches(word.lower().lstrip("@"), lower, n=1, cutoff=alike)]
    return found[0] if found else ""
