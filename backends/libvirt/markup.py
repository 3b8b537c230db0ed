"""XML as libvirt speaks it, by the standard library, which is imported with the first document, not with a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class NotXml(ValueError):
    """The text is no document."""


def document(text: str) -> Element:
    """The root of a document; raises ``NotXml``. Whoever calls refuses document types, and so there are no entities."""
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(text)  # noqa: S314 - see above
    except ElementTree.ParseError as error:
        raise NotXml(str(error)) from None


def below(parent: Element, tag: str, **attributes: str) -> Element:
    """A new element at the end of another."""
    from xml.etree.ElementTree import SubElement

    return SubElement(parent, tag, attributes)


def written(root: Element) -> str:
    """A document as text."""
    from xml.etree.ElementTree import tostring

    return tostring(root, encoding="unicode")


def escaped(text: str) -> str:
    """A text as it stands in content and between quotes of either kind."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text
