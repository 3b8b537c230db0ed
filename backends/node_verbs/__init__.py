"""What can be done to a node, written once: for this machine, for those behind SSH, and for devices without a login.

Mix one of these classes into a ``Backend``, before it, and await ``close_tunnels`` in the backend's ``close``.
"""

from __future__ import annotations

from backends.node_verbs.entries import EntryVerbs
from backends.node_verbs.journal import JournalVerbs
from backends.node_verbs.mutes import MuteVerb
from backends.node_verbs.packages import PackageVerbs
from backends.node_verbs.power import PowerVerbs
from backends.node_verbs.processes import ProcessVerbs
from backends.node_verbs.reach import ReachVerb
from backends.node_verbs.services import ServiceVerbs
from backends.node_verbs.transfer import TransferVerbs
from backends.node_verbs.trust import TrustVerb
from backends.node_verbs.tunnels import TunnelVerbs


class LocalNodeVerbs(
    ProcessVerbs,
    ServiceVerbs,
    JournalVerbs,
    PowerVerbs,
    PackageVerbs,
    TunnelVerbs,
    TransferVerbs,
    MuteVerb,
    EntryVerbs,
):
    """Every verb of this machine: it has a link, and no host key to trust."""


class LinkedNodeVerbs(LocalNodeVerbs, TrustVerb):
    """Every verb of a node behind SSH."""


class PingNodeVerbs(ReachVerb, MuteVerb, EntryVerbs):
    """What can be done to a device without a login."""


__all__ = ["LinkedNodeVerbs", "LocalNodeVerbs", "PingNodeVerbs"]
