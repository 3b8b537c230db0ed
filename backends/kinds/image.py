"""Images: what the engines hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from app import column
from app.column import Cell, Column, Token
from app.errors import Unsupported
from app.fleet import STALE, Mood, Resource
from app.kind import Kind
from app.plan import Plan, Risk
from app.verb import Help, Text, verb, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Resource):
    """One image of one engine; ``source`` is the node, ``id`` is ``node/repository:tag`` (``node/id`` without a name).

    ``state``: used, unused or dangling (no name and no container).
    """

    NOUN: ClassVar[str] = "image"

    image_id: str
    """The engine's full id, ``sha256:…``."""
    digests: tuple[str, ...] = ()
    """``repository@sha256:…`` of the registries it came from."""
    size_bytes: int | None = None
    created_s: float | None = None
    """Since it was built."""
    used_by: tuple[str, ...] = ()
    """Names of the containers made from it."""
    newer: bool | None = None
    """The registry has another digest under this name; ``None`` while nobody has asked."""


def mood(image: Image) -> Mood:
    """Used ones are up; a newer one elsewhere wants a person."""
    if image.state == STALE:
        return Mood.STALE
    if image.newer:
        return Mood.ATTENTION
    return Mood.UP if image.state == "used" else Mood.MUTED


def _newer(image: Image) -> Cell:
    if image.newer is None:
        return Cell(column.UNKNOWN_TEXT, Token.MUTED)
    return Cell("newer", Token.WARN, 1) if image.newer else Cell("current", Token.MUTED, 0)


COLUMNS: tuple[Column[Image], ...] = (
    Column("NAME", lambda i: column.text(i.name), 32, priority=0, help="repository and tag"),
    Column("NODE", lambda i: column.text(i.source), 8, priority=1, help="whose engine holds it"),
    Column("STATE", lambda i: column.state(i.state, mood(i)), 10, priority=0, help="used, unused or dangling"),
    Column("SIZE", lambda i: column.size(i.size_bytes), 6, "right", priority=1, help="on disk, shared layers included"),
    Column("AGE", lambda i: column.duration(i.created_s), 6, "right", priority=3, help="since it was built"),
    Column("REGISTRY", _newer, 8, priority=2, help="whether there is a newer one under the same name; 'check' asks"),
    Column(
        "USED BY",
        lambda i: column.text(", ".join(i.used_by)),
        24,
        priority=4,
        flex=True,
        help="containers made from it",
    ),
    Column(
        "ID",
        lambda i: column.text(i.image_id.removeprefix("sha256:")[:12]),
        12,
        priority=6,
        help="as the engine knows it",
    ),
)


class ImageVerbs:
    """What an operator can do to images."""

    @verb(key="p", risk=Risk.SAFE, name="pull")
    async def pull_image(
        self,
        reference: Annotated[str, Help("repository:tag or repository@digest", "redis:7")],
        *,
        to: Annotated[str | None, Help("which node's engine; this machine where it is left out")] = None,
    ) -> Plan:
        """Fetch an image from its registry, layer by layer."""
        raise Unsupported

    @verb(key="U", risk=Risk.SAFE, name="refresh")
    async def refresh_image(self, target: Image) -> Plan:
        """Fetch the image that its name means now; containers made from the old one stay as they are."""
        raise Unsupported

    @verb(key="u", risk=Risk.SAFE, name="check")
    async def check_image(self, target: Image) -> Plan:
        """Ask the registry whether it has a newer digest under this name; nothing is fetched."""
        raise Unsupported

    @verb(key="ctrl+d", risk=Risk.DESTROYS, name="remove")
    async def remove_image(
        self, target: Image, *, force: Annotated[bool, Help("also where stopped containers use it")] = False
    ) -> Plan:
        """Remove it from the engine."""
        raise Unsupported

    @view(key="i", name="inspect")
    async def inspect_image(self, target: Image) -> Text:
        """Show all that the engine knows of it."""
        raise Unsupported

    @verb(risk=Risk.SAFE, name="login")
    async def login_registry(
        self,
        registry: Annotated[str, Help("its host", "registry.example.org:5000")],
        user: Annotated[str, Help("as whom")],
        *,
        to: Annotated[str | None, Help("which node; this machine where it is left out")] = None,
    ) -> Plan:
        """Log in to a registry, as docker login does on the node; the password is asked for."""
        raise Unsupported

    @verb(risk=Risk.DESTROYS, name="prune")
    async def prune_images(
        self,
        node: Annotated[str, Help("whose engine")],
        *,
        all: Annotated[bool, Help("every image that no container uses, not only those without a name")] = False,
        cache: Annotated[bool, Help("the build cache as well")] = False,
    ) -> Plan:
        """Remove images that nothing uses; what goes and how large it is stands in the question."""
        raise Unsupported


KIND: Kind[Image] = Kind(
    noun="image",
    plural="images",
    type=Image,
    columns=COLUMNS,
    verbs=ImageVerbs,
    mood=mood,
    foremost=("pull", "check", "refresh", "describe", "mark", "filter", "remove"),
    figures={},
    under="container",
    empty=("No images were found on any node.", "p fetches one; so does: quarterdeck image pull NAME --to NODE"),
)

__all__ = ["COLUMNS", "KIND", "Image", "ImageVerbs", "mood"]
