"""``image prune``: images that nothing uses, and the build cache."""

from __future__ import annotations

from typing import Any

from app.column import clean
from app.errors import Refused
from app.plan import Plan, Report, Result
from backends.docker.answers import objects, strings
from backends.docker.contract import Client, Engine
from backends.docker.verbs.base import ACT_S, QUICK_S, EngineVerbs, in_path
from backends.docker.verbs.cache import cache_going
from backends.docker.verbs.disk import Disk, bytes_text, disk
from backends.docker.verbs.images_used import used_images
from backends.docker.verbs.pruning import Going, Remove, Tally, prune_plan, removed_words
from backends.kinds.image import ImageVerbs


class ImagePrune(EngineVerbs, ImageVerbs):
    """One of the verb families of images."""

    async def prune_images(self, node: str, *, all: bool = False, cache: bool = False) -> Plan:
        """Remove images without a name that no container uses; with ``all`` every unused one; with ``cache`` the
        build cache as well (with ``all`` also what the next build of an image that is still there would use).
        """
        node = self.node_meant(node)
        engine = self.engine_at(node)
        unused = await engine.call(lambda client: _unused(client, named=all), timeout=QUICK_S)
        wanted = ("image", "build-cache") if cache else ("image",)
        before = await disk(engine, *wanted) if unused or cache else Disk()
        going = [_going(engine, one) for one in unused]
        images = len(going)
        if cache and (record := cache_going(engine, before.cache, all=all)) is not None:
            going.append(record)
        notes = [f"{node}: layers that images share are counted with each; what comes free is measured at the end"]
        if cache and len(going) == images:
            notes.append(f"{node}: nothing of the build cache can go")

        async def closing(tally: Tally) -> Result:
            after = await disk(engine, "image")
            one, many = ("image", "images") if len(going) == images else ("thing", "things")
            words = removed_words(tally, len(going), one, many)
            freed = _freed(before, after) if tally.removed else 0
            cached = tally.reclaimed
            data = {"node": node, "removed": tally.removed, "cache_reclaimed_bytes": cached}
            if freed is None:
                return Result(0, f"{node}: {words}", {**data, "reclaimed_bytes": None})
            said = f"{node}: {words}, {bytes_text(freed + cached)} reclaimed"
            return Result(0, said, {**data, "reclaimed_bytes": freed + cached})

        nothing = "every image is used by a container" if all else "no image without a name is unused"
        return prune_plan(
            "image",
            node,
            going,
            nothing=nothing,
            closing=closing,
            closing_text="GET /system/df",
            notes=notes if images else notes[1:],
            shared=bool(images),
        )


def _freed(before: Disk, after: Disk) -> int | None:
    """What the layers took before the question and do not take now; others may have pulled meanwhile."""
    return max(0, before.layers - after.layers) if before.layers is not None and after.layers is not None else None


def _unused(client: Client, *, named: bool) -> list[dict[str, Any]]:
    """Images no container is made from: those without a name, or all of them; parents of others are not listed."""
    used = used_images(client)
    return [one for one in objects(client.images()) if str(one["Id"]) not in used and (named or not _tags(one))]


def _tags(one: dict[str, Any]) -> list[str]:
    return [tag for tag in strings(one.get("RepoTags")) if tag != "<none>:<none>"]


def _digests(one: dict[str, Any]) -> list[str]:
    return [name for name in strings(one.get("RepoDigests")) if not name.startswith("<none>@")]


def _going(engine: Engine, one: dict[str, Any]) -> Going:
    number = str(one["Id"])
    names = _tags(one)
    short = number.removeprefix("sha256:")[:12]
    shown = clean(", ".join(names)) if names else f"without a name, {short}"
    # an image that came from several registries is refused by its id: each of its names is removed by itself
    text = ", ".join(f"DELETE /images/{in_path(name)}" for name in [*names, number])
    size = one.get("Size")
    return Going(f"image {shown}", size if isinstance(size, int) else None, text, _removal(engine, number, names))


def _removal(engine: Engine, number: str, names: list[str]) -> Remove:
    def work(client: Client) -> None:
        whole: dict[str, Any] = client.inspect_image(number)
        now = _tags(whole)
        if more := [name for name in now if name not in names]:
            raise Refused(f"the image has got a name meanwhile: {clean(more[0])}", where=engine.node)
        for name in [*now, *(_digests(whole) if len({_repository(one) for one in _digests(whole)}) > 1 else [])]:
            _delete(client, name)
        _delete(client, number)

    async def remove(report: Report) -> int | None:
        await engine.call(work, timeout=ACT_S)
        return 0  # layers are shared: what it gave back is measured at the end

    return remove


def _repository(name: str) -> str:
    return name.partition("@")[0]


def _delete(client: Client, name: str) -> None:
    """Remove a name or an image; one that went with the one before is no fault."""
    import docker.errors

    try:
        client.remove_image(name)
    except docker.errors.ImageNotFound:
        return
