"""A guest's definition, libvirt's domain XML, as far as anything here needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import BadAnswer, ConfigurationError
from backends.libvirt.markup import NotXml, below, document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


NAMESPACE = "urn:quarterdeck:guest"
"""Of the metadata in which tags and templates are kept: libvirt has neither."""
PREFIX = "quarterdeck"
LARGEST = 4 << 20
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest, as its definition has it."""

    target: str
    """Such as ``vda``."""
    kind: str
    """``file``, ``block``, ``network``, ``volume``."""
    source: str
    """Where it is kept; empty for a drive without a medium."""
    format: str
    device: str
    """``disk``, ``cdrom``, ``floppy``."""
    read_only: bool
    shareable: bool

    @property
    def own(self) -> bool:
        """It belongs to this guest alone, so that it is cloned and destroyed with it."""
        return self.device == "disk" and not self.read_only and not self.shareable and bool(self.source)


@dataclass(frozen=True, slots=True)
class Card:
    """One network card."""

    mac: str
    kind: str
    source: str
    model: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What a guest is defined as."""

    name: str = ""
    uuid: str = ""
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    template: bool = False
    protected: bool = False
    """It may not be destroyed."""
    os: str = ""
    """Architecture and machine."""
    disks: tuple[Disk, ...] = ()
    cards: tuple[Card, ...] = ()
    serial: bool = False
    """It has a terminal to be reached by."""
    screen: str = ""
    """Such as ``vnc`` or ``spice``."""
    agent: bool = False
    """It has a channel for a guest agent."""
    nvram: str = ""


def parsed(text: str) -> Element:
    """The document; raises BadAnswer for what is none, and for any with entities of its own."""
    if len(text) > LARGEST or "<!" in text.replace("<!--", ""):
        raise BadAnswer("a guest's definition is no document that can be read")
    try:
        root = document(text)
    except NotXml:
        raise BadAnswer("a guest's definition is no document that can be read") from None
    if root.tag != "domain":
        raise BadAnswer("a guest's definition is none")
    return root


def definition(text: str) -> Definition:
    """Read ``virsh dumpxml``. Raises BadAnswer."""
    root = parsed(text)
    kept = root.find(f"metadata/{{{NAMESPACE}}}guest")
    tags = [] if kept is None else [one.text or "" for one in kept.findall(f"{{{NAMESPACE}}}tag")]
    kind = root.find("os/type")
    return Definition(
        name=root.findtext("name") or "",
        uuid=root.findtext("uuid") or "",
        title=root.findtext("title") or "",
        description=root.findtext("description") or "",
        tags=tuple(dict.fromkeys(tag for tag in tags if _TAG.fullmatch(tag))),
        template=kept is not None and kept.find(f"{{{NAMESPACE}}}template") is not None,
        protected=kept is not None and kept.find(f"{{{NAMESPACE}}}protected") is not None,
        os="" if kind is None else " ".join(filter(None, (kind.get("arch"), kind.get("machine")))),
        disks=tuple(disk(one) for one in root.findall("devices/disk")),
        cards=tuple(_card(one) for one in root.findall("devices/interface")),
        serial=root.find("devices/serial") is not None or root.find("devices/console") is not None,
        screen=", ".join(one.get("type", "") for one in root.findall("devices/graphics")),
        agent=any(
            (one.get("name") or "").startswith("org.qemu.guest_agent") for one in root.findall("devices/channel/target")
        ),
        nvram=root.findtext("os/nvram") or "",
    )


def kept(tags: Sequence[str], template: bool, protected: bool) -> str:
    """The metadata that says so, as ``virsh metadata --set`` takes it."""
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ConfigurationError(
                f"'{clean(tag)[:60]}' is no tag", where="--tag", todo="letters, digits, . _ + and -; 40 at most"
            )
    said = "".join(f"<tag>{tag}</tag>" for tag in tags)
    return f"<guest>{said}{'<template/>' if template else ''}{'<protected/>' if protected else ''}</guest>"


def mark(root: Element, *, tags: Sequence[str] | None, template: bool, protected: bool) -> None:
    """Put tags and marks into a definition; ``None`` leaves the tags that are there."""
    metadata = root.find("metadata")
    old = None if metadata is None else metadata.find(f"{{{NAMESPACE}}}guest")
    if tags is None:
        tags = [] if old is None else [one.text or "" for one in old.findall(f"{{{NAMESPACE}}}tag")]
        tags = [tag for tag in tags if _TAG.fullmatch(tag)]
    if metadata is not None and old is not None:
        metadata.remove(old)
    if not (tags or template or protected):
        return
    new = document(kept(tags, template, protected))
    for one in new.iter():
        one.tag = f"{{{NAMESPACE}}}{one.tag}"
    (below(root, "metadata") if metadata is None else metadata).append(new)


def disk(element: Element) -> Disk:
    """One ``<disk>``."""
    source, driver, target = element.find("source"), element.find("driver"), element.find("target")
    kind = element.get("type", "")
    where = ""
    if source is not None:
        named = {"file": "file", "block": "dev", "network": "name", "volume": "volume", "dir": "dir"}
        where = source.get(named.get(kind, "file")) or ""
        if kind == "volume":
            where = f"{source.get('pool')}/{where}"
    return Disk(
        target="" if target is None else target.get("dev", ""),
        kind=kind,
        source=where,
        format="raw" if driver is None else driver.get("type", "raw"),
        device=element.get("device", "disk"),
        read_only=element.find("readonly") is not None,
        shareable=element.find("shareable") is not None,
    )


def _card(element: Element) -> Card:
    mac, source, model = element.find("mac"), element.find("source"), element.find("model")
    kind = element.get("type", "")
    where = "" if source is None else source.get("network") or source.get("bridge") or source.get("dev") or ""
    return Card(
        mac="" if mac is None else mac.get("address", ""),
        kind=kind,
        source=where,
        model="" if model is None else model.get("type", ""),
    )
