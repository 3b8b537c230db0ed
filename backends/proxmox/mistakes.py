"""What is wrong with clusters in hosts.yaml though each value for itself is right; each mistake faults its cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.inventory import secrets
from app.inventory.document import Document, KeyPath, shown
from app.inventory.model import Mistake
from app.inventory.pattern import nearest
from backends.proxmox import pieces
from backends.proxmox.cluster import urls

Values = Mapping[str, Any]


def mistakes(document: Document, clusters: Mapping[str, Values], nodes: Sequence[str] | None) -> list[Mistake]:
    """What is wrong with clusters that have passed their shape.

    ``nodes`` are the names of all nodes of the inventory, ``None`` where not all of them are known.
    """
    found: list[Mistake] = []
    seen: dict[str, str] = {}
    for name, values in clusters.items():
        path: KeyPath = ("proxmox", name)
        found += _name(document, path, nodes)
        found += _reach(document, path, values, seen)
        found += _login(document, path, values)
        found += _node_map(document, path, values.get("node_map") or {}, nodes)
        found += _templates(document, path, values.get("templates") or {})
        networks: Mapping[str, Values] = values.get("networks") or {}
        for network, said in networks.items():
            found += _rules(document, (*path, "networks", network, "rules"), said.get("rules") or ())
    return found


def _name(document: Document, path: KeyPath, nodes: Sequence[str] | None) -> Iterator[Mistake]:
    if path[1] in (nodes or ()):
        name = shown(path[1])
        what = f"a node is called '{name}' too: '{name}/101' would mean two guests"
        yield document.mistake(path, what, key=True)


def _reach(document: Document, path: KeyPath, values: Values, seen: dict[str, str]) -> Iterator[Mistake]:
    name = str(path[1])
    told = urls(values)
    if not told:
        yield document.mistake(path, f"nothing says where '{shown(name)}' is: url: https://10.0.1.10:8006", key=True)
    key = "url" if values.get("url") else "urls"
    for url in told:
        other = seen.setdefault(url, name)
        if other != name:
            what = f"'{shown(other)}' has this URL too: its guests are listed twice"
            yield document.mistake((*path, key), what, warning=True)
    if values.get("ca") and values.get("fingerprint"):
        what = "ca is not looked at: with a fingerprint nothing else counts"
        yield document.mistake((*path, "ca"), what, key=True, warning=True)


_WAYS = "token: ${PVE_TOKEN}, or user, password and realm"


def _login(document: Document, path: KeyPath, values: Values) -> Iterator[Mistake]:
    token, user, password = (values.get(key) for key in ("token", "user", "password"))
    own = next((key for key in ("password", "user", "realm") if values.get(key)), None)
    if token is None and user is None and password is None:
        what = f"nothing says how to log in to '{shown(path[1])}': {_WAYS}"
        yield document.mistake((*path, "realm") if own else path, what, key=True)
        return
    if token is not None and own is not None:
        what = f"both token and {own}: one login is used, {_WAYS}"
        yield document.mistake((*path, own), what, key=True)
        return
    if token is not None:
        yield from _token(document, (*path, "token"), token)
        return
    if user is None or password is None:
        missing, there = ("user", "password") if user is None else ("password", "user")
        yield document.mistake((*path, there), f"'{missing}' is missing beside '{there}'", key=True)
        return
    said, realm = pieces.user(user)[1], values.get("realm")
    if said and realm and said != realm:
        yield document.mistake((*path, "realm"), f"'realm': the user's own is '{shown(said)}'")


def _token(document: Document, path: KeyPath, token: str) -> Iterator[Mistake]:
    """Whether what can be seen of a token reads like one; a reference may hold all of it, or the secret alone."""
    said = secrets.form(token)
    if said in {"file", "cmd"} or secrets.problem(token) or (said == "env" and token.startswith("${")):
        return
    try:
        pieces.token_user(token)
    except ValueError as error:
        yield document.mistake(path, f"'token': {error}")


def _node_map(document: Document, path: KeyPath, said: Values, nodes: Sequence[str] | None) -> Iterator[Mistake]:
    for own, node in said.items() if nodes is not None else ():
        if node not in (nodes or ()):
            what = f"no node is called '{shown(node)}'"
            yield document.mistake((*path, "node_map", own), what, nearest=nearest(node, nodes or ()))
    first: dict[str, str] = {}
    for own, node in said.items():
        if first.setdefault(node, own) != own:
            what = f"'{shown(node)}' is {shown(first[node])} already: a node is one machine"
            yield document.mistake((*path, "node_map", own), what)


def _templates(document: Document, path: KeyPath, said: Values) -> Iterator[Mistake]:
    first: dict[int, str] = {}
    for name, values in said.items():
        here: KeyPath = (*path, "templates", name)
        if first.setdefault(values["vmid"], name) != name:
            what = f"'{shown(first[values['vmid']])}' has the vmid {values['vmid']} already"
            yield document.mistake((*here, "vmid"), what)
        if str(values["image"]).startswith("http:") and not values.get("checksum"):
            what = "an image that comes in the clear needs a checksum (SHA-256)"
            yield document.mistake((*here, "image"), what)


def _rules(document: Document, path: KeyPath, said: Sequence[Values]) -> Iterator[Mistake]:
    """Ports without a protocol, which the firewall refuses, and rules behind one that leaves nothing to them."""
    ended: dict[str, int] = {}
    for at, rule in enumerate(said):
        here: KeyPath = (*path, at)
        port = next((key for key in ("dport", "sport") if rule.get(key)), None)
        if port and rule.get("proto") not in {"tcp", "udp", "sctp", "dccp", "udplite"}:
            yield document.mistake((*here, port), f"'{port}' needs proto: tcp or udp", key=True)
        way = str(rule["direction"])
        if way in ended:
            what = f"never reached: rule {ended[way] + 1} of this network takes everything that goes {way}"
            yield document.mistake(here, what, warning=True)
        elif not any(rule.get(key) for key in ("proto", "dport", "sport", "source", "dest")):
            ended[way] = at
