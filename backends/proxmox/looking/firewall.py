"""``firewall`` of a guest: its rules in the order in which they are tried, then what happens to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from app.errors import QuarterdeckError
from app.verb import Rows
from backends.kinds import vm_lists
from backends.kinds.vm_lists import FirewallRule
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.proxmox.lenient import flag, mapping, rows, text, whole
from backends.proxmox.looking import config
from backends.proxmox.looking.parts import WITHIN_S, Laid, listed, notes, tried, why
from backends.proxmox.on_cluster import type_of, vmid_of


class FirewallViews(Laid, VmVerbs):
    """What may pass to and from a guest."""

    async def firewall(self, target: Vm) -> Rows:
        """Show its firewall rules in the order in which they are tried, then its policies."""
        guest = await self.guest(target.source, vmid_of(target), node=target.host, type=type_of(target))
        client = self.client(guest.cluster)
        told, options = await asyncio.gather(
            client.get(self.path(guest, "firewall", "rules"), within=WITHIN_S),
            tried(client.get(self.path(guest, "firewall", "options"), within=WITHIN_S)),
        )
        items = [_rule(row) for row in rows(told)]
        items.sort(key=lambda rule: -1 if rule.pos is None else rule.pos)
        if isinstance(options, QuarterdeckError):
            return vm_lists.rule_rows(items, f"whether it is on is not known: {why(options)}")
        chosen = mapping(options)
        items += [
            FirewallRule(pos=None, direction=way, action=text(chosen.get(f"policy_{way}")) or usual, comment="policy")
            for way, usual in (("in", "DROP"), ("out", "ACCEPT"))
        ]
        cards = config.nets(guest.config)
        bare = [net.key for net in cards if not net.firewall]
        off = "" if flag(chosen.get("enable")) else "its firewall is off: none of this holds"
        return vm_lists.rule_rows(
            items, notes(off, f"not on {listed(bare)}: firewall=1 is not set there" if bare else "")
        )


def _rule(row: Mapping[str, Any]) -> FirewallRule:
    kind = text(row.get("type"))
    said = text(row.get("proto"))
    macro = text(row.get("macro"))
    comment = text(row.get("comment")).strip()
    card = text(row.get("iface"))
    return FirewallRule(
        pos=whole(row.get("pos")),
        enabled=row.get("enable") is None or flag(row.get("enable")),
        direction=kind,
        action=text(row.get("action")),
        protocol=f"{macro} ({said})" if macro and said else macro or said,
        source=text(row.get("source")),
        dest=text(row.get("dest")),
        port=text(row.get("dport")),
        comment=notes(comment, f"only on {card}" if card else ""),
    )
