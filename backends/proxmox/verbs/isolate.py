"""``isolate``: the firewall of guests becomes what a declared network says, safe at every moment in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.column import clean
from app.errors import Missing, QuarterdeckError, Refused
from app.inventory.pattern import matches, nearest
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.proxmox.cluster import Network, cluster_of
from backends.proxmox.isolation import Change, Standing, changes, line_of, standing
from backends.proxmox.lanes import guest_lane
from backends.proxmox.lenient import flag, mapping, rows, text
from backends.proxmox.on_cluster import FreshGuest
from backends.proxmox.tasks import retried_on_lock
from backends.proxmox.verbs import privileges
from backends.proxmox.verbs.acting import Acting, Call, Method

_SHOWN = {"insert": "added", "move": "moved", "switch on": "switched on", "remove": "removed"}


class IsolateVerbs(Acting):
    """Keeping guests apart."""

    async def isolate(self, targets: Sequence[Vm], *, network: str) -> Plan:
        """Give guests the rules of a declared network, in their order; what else they have goes last."""
        declared = {cluster: self._network(cluster, network) for cluster in sorted({one.source for one in targets})}
        plans = await asyncio.gather(*(self._isolated(one, declared[one.source]) for one in targets))
        merged = Plan.merged(plans)
        notes = [note for cluster in declared if (note := await self._not_enforced(cluster))]
        return replaced(merged, notes)

    def _network(self, cluster: str, name: str) -> Network:
        found = cluster_of(self.context.inventory(), cluster).networks
        if name in found:
            return found[name]
        near = nearest(name, found)
        todo = f"the nearest is {near}" if near else f"declare it: proxmox.{cluster}.networks.{clean(name)}"
        raise Missing(
            f"{clean(cluster)} declares no network '{clean(name)}' in hosts.yaml", where="--network", todo=todo
        )

    async def _isolated(self, target: Vm, network: Network) -> Plan:
        now, held = await self.ready(target, "isolate", lambda seen: _in(seen, network))
        before = await self._standing(now)
        found = changes(before, network)
        notes = list(_notes(target, before, network))
        if not found:
            return Plan(notes=[f"{target.id}: has the rules of {clean(network.name)} already", *notes])
        touched = {change.card: now.config.get(change.card) for change in found if change.what == "card"}
        client = self.client(target)
        held += await privileges.check(client, await privileges.on_bridges(client, touched), where=target.id)
        steps: list[Step] = []
        for number, change in enumerate(found):
            last = change is found[-1]
            steps.append(
                Step(
                    target,
                    self._call(now, change).text,
                    partial(self._change, now, change, _told(found, network) if last else ""),
                    name=f"{target.id}/{number}",
                    after=(steps[-1].name,) if steps else (),
                    lane=guest_lane(now.cluster, now.vmid),
                )
            )
        loses = [
            f"{target.id}: the rule '{one.words}'" for one in found if one.what == "remove" and before_has(before, one)
        ]
        notes.insert(0, f"{target.id}: {_told(found, network)}")
        return Plan(*steps, loses=loses, notes=notes, preconditions=held)

    async def _standing(self, now: FreshGuest) -> Standing:
        """Its firewall as it is now; the cards are those of its configuration as just read."""
        client = self.client(now.cluster)
        lines, options = await asyncio.gather(
            client.get(self.path(now, "firewall", "rules")), client.get(self.path(now, "firewall", "options"))
        )
        return standing(rows(lines), mapping(options), now.config)

    def _call(self, now: FreshGuest, change: Change) -> Call:
        """The call of a change, without the digests that it is sent with."""
        verb: dict[str, tuple[Method, tuple[str | int, ...]]] = {
            "insert": ("POST", ("firewall", "rules")),
            "move": ("PUT", ("firewall", "rules", change.position)),
            "switch on": ("PUT", ("firewall", "rules", change.position)),
            "remove": ("DELETE", ("firewall", "rules", change.position)),
            "options": ("PUT", ("firewall", "options")),
            "card": ("PUT", ("config",)),
        }
        method, rest = verb[change.what]
        return Call(method, self.path(now, *rest), change.params)

    async def _change(self, planned: FreshGuest, change: Change, done: str, report: Report) -> Result:
        """One change, if everything is as the plan has it; digests see to it that nobody comes between."""
        now = await self.unchanged(planned, lambda seen: None)
        client = self.client(now.cluster)
        call = self._call(planned, change)
        rules = self.path(now, "firewall", "rules")
        seen = rows(await client.get(rules))
        lines = tuple(line_of(row) for row in sorted(seen, key=lambda row: int(text(row.get("pos")) or 0)))
        if lines != change.before.lines:
            raise _changed(now)
        digest = ""
        if change.what == "options":
            digest = text(mapping(await client.get(self.path(now, "firewall", "options"))).get("digest"))
        elif change.what == "card":
            if str(now.config.get(change.card)) != next(
                one.value for one in change.before.cards if one.key == change.card
            ):
                raise _changed(now)
            digest = now.digest
        elif seen:
            digest = text(seen[0].get("digest"))
        sent = replace(call, params={**call.params, "digest": digest or None})
        await retried_on_lock(lambda: self.followed(client, sent, report), report=report)
        self.nudge(now.cluster, now.vmid)
        return Result(0, done)

    async def _not_enforced(self, cluster: str) -> str:
        """What keeps all of it from counting, where that can be seen."""
        try:
            options = mapping(await self.client(cluster).get("/cluster/firewall/options"))
        except QuarterdeckError:
            return ""
        if flag(options.get("enable")):
            return ""
        return (
            f"the firewall of {clean(cluster)} as a whole is off: no rule counts until it is on"
            " (Datacenter → Firewall → Options)"
        )


def replaced(plan: Plan, notes: Sequence[str]) -> Plan:
    """A plan with further notes before its own."""
    return Plan(
        *plan.steps, loses=plan.loses, notes=[*notes, *plan.notes], cost=plan.cost, risk=plan.risk,
        preconditions=plan.preconditions, proofs=plan.proofs,
    )  # fmt: skip


def before_has(before: Standing, change: Change) -> bool:
    """Whether what a change removes stood there before us."""
    return any(str(line) == change.words for line in before.lines)


def _in(seen: FreshGuest, network: Network) -> None:
    """Refuse a guest that is not in the network: rules of it would close other cards, or none."""
    cards = standing((), {}, seen.config).cards
    if not any(card.bridge == network.bridge for card in cards):
        bridges = ", ".join(sorted({clean(card.bridge) for card in cards if card.bridge})) or "none"
        raise Refused(
            f"it has no card on {clean(network.bridge)}, which {clean(network.name)} is",
            where=seen.id,
            todo=f"its cards are on: {bridges}",
        )


def _notes(target: Vm, before: Standing, network: Network) -> list[str]:
    found: list[str] = []
    if network.guests and not any(
        matches(one, target.id, target.labels) or matches(one, target.name) for one in network.guests
    ):
        found.append(f"{target.id}: is not among the guests that hosts.yaml names for {clean(network.name)}")
    others = [card.key for card in before.cards if card.filtered and card.bridge != network.bridge]
    if others:
        found.append(f"{target.id}: the rules hold on {', '.join(others)} as well, which is on another bridge")
    return found


def _told(found: Sequence[Change], network: Network) -> str:
    """The difference in one line."""
    said: list[str] = []
    counts = {what: sum(one.what == what for one in found) for what in _SHOWN}
    inserted = counts["insert"]
    counts["move"] -= sum(one.what == "move" and not _in_place(one, found) for one in found)
    counts["switch on"] -= inserted
    for what, word in _SHOWN.items():
        if counts[what] > 0:
            said.append(f"{counts[what]} {'rule' if counts[what] == 1 else 'rules'} {word}")
    said += [one.words for one in found if one.what in ("options", "card")]
    return f"{clean(network.name)}: {', '.join(said)}"


def _in_place(change: Change, found: Sequence[Change]) -> bool:
    """Whether a move moves a rule that was there, and not one that just came in."""
    return not any(other.what == "insert" and f"{other.words} (off)" == change.words for other in found)


def _changed(now: FreshGuest) -> Refused:
    return Refused(
        "somebody else changed its firewall meanwhile, and nothing more was done",
        where=now.id,
        todo="look at it, and isolate again: it goes on from what is there",
    )
