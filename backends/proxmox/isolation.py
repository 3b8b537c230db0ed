"""How a guest's firewall becomes what a network declares, one safe change after the other. Pure.

Rules are tried from the top, and a new one always comes in at the top; so a rule comes in switched off, goes to its
place, and is switched on there. Places are filled from the top down: whenever a rule is switched on, all that are
declared before it are on already. Then come the policies, then goes what is not declared, then the cards are filtered;
a firewall that is off is tidied before it goes on. So at every moment each packet meets with what it met with before or
with what it meets with in the end: what was closed and stays so is never open, what may pass is never cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.column import clean
from backends.proxmox.cluster import Network, Rule
from backends.proxmox.lenient import flag, text

_KEYS = ("type", "action", "macro", "iface", "proto", "source", "dest", "sport", "dport", "icmp-type", "log", "comment")


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as it stands in a guest's list."""

    said: tuple[tuple[str, str], ...]
    """What it says, but for whether it is switched on: ``(("type", "in"), ("action", "ACCEPT"), …)``."""
    on: bool = True

    @property
    def params(self) -> dict[str, str]:
        """What it says, as the API takes it."""
        return dict(self.said)

    def __str__(self) -> str:
        found = self.params
        said = [found.get("type", ""), found.get("action", ""), found.get("macro", ""), found.get("proto", "")]
        said += [f"{name} {found[key]}" for key, name in _WORDS if key in found]
        return clean(" ".join(one for one in said if one)) + ("" if self.on else " (off)")


_WORDS = (("source", "from"), ("sport", "port"), ("dest", "to"), ("dport", "port"), ("iface", "on"))


@dataclass(frozen=True, slots=True)
class Card:
    """One network card of a guest."""

    key: str
    """``net0``."""
    value: str
    bridge: str
    filtered: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A guest's firewall at one moment."""

    lines: tuple[Line, ...] = ()
    enabled: bool = False
    policy_in: str = "DROP"
    policy_out: str = "ACCEPT"
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One call, and what stands before and after it."""

    what: str
    """``insert``, ``move``, ``switch on``, ``options``, ``card``, ``remove``."""
    before: Standing
    after: Standing
    position: int = 0
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    card: str = ""
    words: str = ""
    """For people."""


def line_of(row: Mapping[str, Any]) -> Line:
    """A rule of the API's list."""
    said = tuple((key, text(row[key]).strip()) for key in _KEYS if text(row.get(key)).strip())
    return Line(said, flag(row.get("enable")))


def declared(rule: Rule) -> Line:
    """A rule of hosts.yaml."""
    said = {
        "type": rule.direction,
        "action": rule.action,
        "proto": rule.proto,
        "source": rule.source,
        "dest": rule.dest,
        "sport": rule.sport,
        "dport": rule.dport,
        "comment": " ".join(rule.comment.split()),
    }
    return Line(tuple((key, str(said[key])) for key in _KEYS if said.get(key)))


def standing(lines: Sequence[Mapping[str, Any]], options: Mapping[str, Any], config: Mapping[str, Any]) -> Standing:
    """What the API says of a guest; policies that nobody set are Proxmox's own."""
    return Standing(
        tuple(line_of(row) for row in sorted(lines, key=lambda row: int(text(row.get("pos")) or 0))),
        flag(options.get("enable")),
        text(options.get("policy_in")) or "DROP",
        text(options.get("policy_out")) or "ACCEPT",
        cards_of(config),
    )


def cards_of(config: Mapping[str, Any]) -> tuple[Card, ...]:
    """The network cards of a configuration."""
    found: list[Card] = []
    for key in sorted(config):
        if key.startswith("net") and key[3:].isdecimal():
            parts = {name: value for name, _, value in (part.partition("=") for part in str(config[key]).split(","))}
            found.append(Card(key, str(config[key]), parts.get("bridge", ""), flag(parts.get("firewall"))))
    return tuple(found)


def filtered(value: str) -> str:
    """A card's value with the firewall on it; all else stays."""
    kept = [part for part in value.split(",") if part and part.partition("=")[0] != "firewall"]
    return ",".join([*kept, "firewall=1"])


def changes(now: Standing, network: Network) -> tuple[Change, ...]:
    """All that is to be done, in order; none where everything is as declared."""
    wanted = [declared(rule) for rule in network.rules]
    found: list[Change] = []
    for place, line in enumerate(wanted):
        for change in _placed(now, place, line):
            found.append(change)
            now = change.after
    stages = (_options, _removals) if now.enabled else (_removals, _options)
    for stage in (*stages, _cards):
        for change in stage(now, network):
            found.append(change)
            now = change.after
    return tuple(found)


def _removals(now: Standing, network: Network) -> list[Change]:
    """What is not declared goes, from the bottom up; what somebody switched off stays, for it does nothing."""
    wanted = [declared(rule).said for rule in network.rules]
    found: list[Change] = []
    for position in range(len(now.lines) - 1, len(wanted) - 1, -1):
        line = now.lines[position]
        if line.on or line.said in wanted:
            after = replace(now, lines=(*now.lines[:position], *now.lines[position + 1 :]))
            found.append(Change("remove", now, after, position, words=str(line)))
            now = after
    return found


def _cards(now: Standing, network: Network) -> list[Change]:
    """The rules count on the cards of the network."""
    found: list[Change] = []
    for card in now.cards:
        if card.bridge == network.bridge and not card.filtered:
            value = filtered(card.value)
            cards = tuple(replace(one, value=value, filtered=True) if one.key == card.key else one for one in now.cards)
            after = replace(now, cards=cards)
            words = f"{card.key} is filtered"
            found.append(Change("card", now, after, params={card.key: value}, card=card.key, words=words))
            now = after
    return found


def _placed(now: Standing, place: int, line: Line) -> list[Change]:
    """Have one rule at its place and switched on."""
    found: list[Change] = []
    here = _where(now.lines, place, line)
    if here is None:
        off = replace(line, on=False)
        after = replace(now, lines=(off, *now.lines))
        params = {**line.params, "enable": 0}
        found.append(Change("insert", now, after, params=params, words=str(line)))
        now, here = after, 0
    if here != place:
        # Positions are those before the move: from above it goes in front of the one behind its place.
        to = place + 1 if here < place else place
        lines = list(now.lines)
        moved = lines.pop(here)
        lines.insert(place, moved)
        after = replace(now, lines=tuple(lines))
        found.append(Change("move", now, after, here, params={"moveto": to}, words=str(moved)))
        now = after
    if not now.lines[place].on:
        lines = list(now.lines)
        lines[place] = replace(lines[place], on=True)
        after = replace(now, lines=tuple(lines))
        found.append(Change("switch on", now, after, place, params={"enable": 1}, words=str(lines[place])))
    return found


def _where(lines: Sequence[Line], place: int, line: Line) -> int | None:
    """Where a rule stands at or behind its place; one that is switched on is better."""
    there = [at for at in range(place, len(lines)) if lines[at].said == line.said]
    if place in there:
        return place
    return next((at for at in there if lines[at].on), there[0] if there else None)


def _options(now: Standing, network: Network) -> list[Change]:
    """The firewall as a whole and its policies, in one change."""
    wanted: dict[str, Any] = {}
    if not now.enabled:
        wanted["enable"] = 1
    if now.policy_in != network.policy_in:
        wanted["policy_in"] = network.policy_in
    if now.policy_out != network.policy_out:
        wanted["policy_out"] = network.policy_out
    if not wanted:
        return []
    after = replace(now, enabled=True, policy_in=network.policy_in, policy_out=network.policy_out)
    said = [*(["its firewall goes on"] if "enable" in wanted else [])]
    said += [f"what no rule names is {_PAST[wanted[key]]} {way}" for key, way in _WAYS if key in wanted]
    return [Change("options", now, after, params=wanted, words=", ".join(said))]


_PAST = {"ACCEPT": "let through", "DROP": "dropped", "REJECT": "refused"}
_WAYS = (("policy_in", "coming in"), ("policy_out", "going out"))
