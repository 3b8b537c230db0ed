"""``node trust``: the host key, its fingerprint, and the line that would make it known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from app.errors import RevokedHostKey, TimedOut, Unsupported
from app.plan import Plan, Report, Result, Risk, Step
from backends.kinds.node import Node
from backends.node_verbs.base import Linked

if TYPE_CHECKING:
    from backends.ssh.hostkeys import Line
    from backends.ssh.scan import Offered, Scan

_SCAN_S = 60.0


class Scanning(Protocol):
    """What a link to a host with a host key can do beyond ``app.link.Link``."""

    async def scan_host_keys(self) -> list[Scan]:
        """The keys of each hop; the last entry is the one to look at. Nobody logs in to it."""
        ...


class TrustVerb(Linked):
    """Host keys."""

    async def trust(self, target: Node) -> Plan:
        """Show the host key's fingerprint and add it to known_hosts.

        Behind a jump host that is not trusted yet, that one comes first. A changed key is replaced only after the
        name was typed, with both fingerprints shown; a revoked one never.
        """
        link = self.link_of(target)
        if not hasattr(link, "scan_host_keys"):
            raise Unsupported("the node is not reached over SSH, so it has no host key", where=target.name)
        try:
            async with asyncio.timeout(_SCAN_S):
                scans = await cast("Scanning", link).scan_host_keys()
        except TimeoutError:
            raise TimedOut(f"no host key within {_SCAN_S:g} s", where=target.name) from None
        return trust_plan(target, scans[-1])


def trust_plan(target: Node, scan: Scan) -> Plan:
    """What is to be done about the keys that one hop shows; raises RevokedHostKey."""
    from backends.ssh.hostkeys import Standing

    by_standing: dict[Standing, list[Offered]] = {}
    for key in scan.keys:
        by_standing.setdefault(key.finding.standing, []).append(key)
    for key in by_standing.get(Standing.REVOKED, ()):
        raise RevokedHostKey(
            f"HOST KEY REVOKED: the host shows {key.type} {key.fingerprint}, which {key.finding.lines[0].place} marks"
            " as revoked",
            where=scan.address,
            todo="do not connect; find out who answers there",
        )
    notes = [f"{scan.address} shows {key.type} {key.fingerprint}" for key in scan.keys]
    if scan.jump:
        notes.append(f"{scan.address} is a jump host on the way to {target.name}; trust the node itself after it")
    changed = by_standing.get(Standing.CHANGED, [])
    if changed:
        return _replacing(target, scan, changed, notes)
    if trusted := by_standing.get(Standing.TRUSTED):
        known = trusted[0]
        return Plan(
            notes=[*notes, f"already trusted: {known.type} {known.fingerprint} ({known.finding.lines[0].place})"]
        )
    key = scan.keys[0]
    if key.finding.known_types:
        notes.append(f"so far only keys of other types are known of it: {', '.join(key.finding.known_types)}")
    notes.append(_check(key))
    text = f"append to {scan.file}: {scan.name} {key.type} {key.fingerprint}"
    return Plan(
        _step(target, scan, key, text, ()),
        notes=notes,
        risk=Risk.DESTROYS if key.finding.known_types else None,
    )


def _replacing(target: Node, scan: Scan, changed: Sequence[Offered], notes: list[str]) -> Plan:
    steps: list[Step] = []
    loses: list[str] = []
    for key in changed:
        old = [_fingerprint(line) for line in key.finding.lines]
        text = f"replace in {scan.file}: {scan.name} {key.type} {', '.join(old)} → {key.fingerprint}"
        steps.append(_step(target, scan, key, text, key.finding.lines))
        loses += [
            f"the known {line.type} key {_fingerprint(line)} of {scan.name} ({line.place})"
            for line in key.finding.lines
        ]
        notes.append(f"KEY CHANGED: {key.type} was {', '.join(old)}, is now {key.fingerprint}")
    notes += ["somebody may be listening in, or the host was installed anew", _check(changed[0])]
    return Plan(*steps, loses=loses, notes=notes, risk=Risk.DESTROYS)


def _fingerprint(line: Line) -> str:
    from backends.ssh.hostkeys import fingerprint

    return fingerprint(line.blob)


def _check(key: Offered) -> str:
    return f"compare at the host itself: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done ({key.type})"


def _step(target: Node, scan: Scan, key: Offered, text: str, old: Sequence[Line]) -> Step:
    async def run(report: Report) -> Result:
        await asyncio.to_thread(_write, scan, key, old)
        return Result(0, f"{scan.name} is trusted with {key.type} {key.fingerprint}", {"fingerprint": key.fingerprint})

    return Step(target, text, run, lane=f"file:{scan.file}", undo=f"ssh-keygen -R {scan.name!r} -f {scan.file}")


def _write(scan: Scan, key: Offered, old: Sequence[Line]) -> None:
    """Write the line; old ones are looked up anew, since a step before this one may have moved them."""
    from backends.ssh import hostkeys

    now = hostkeys.read(list(dict.fromkeys(line.file for line in old)))
    same = {(line.file, line.names, line.blob) for line in old}
    moved = [line for line in now.lines if (line.file, line.names, line.blob) in same]
    hostkeys.add_known_host(scan.file, scan.name, key.blob, replace=moved if len(moved) == len(old) else old)
