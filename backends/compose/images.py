"""Which images a stack's services run, and putting a name back to an image it meant before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from app.errors import Missing, QuarterdeckError
from app.plan import Report
from backends.compose.base import Work
from backends.compose.health import containers_of
from backends.compose.history import Images, Ran
from backends.compose.rows import SERVICE
from backends.docker.contract import Engine
from backends.docker.registry.accounts import Account
from backends.docker.registry.pulling import pull
from backends.docker.registry.reference import parse


async def ran(work: Work) -> dict[str, Ran]:
    """What runs now, by service: of each service its newest container."""
    found: dict[str, Ran] = {}
    for one in sorted(await containers_of(work.engine, work.project), key=lambda c: c.created_at):
        service = one.labels.get(SERVICE)
        wanted = work.resolved.service(service) if service else None
        if service is None or wanted is None:
            continue
        name = wanted.image or one.image
        found[service] = Ran(image=name, id=one.image_id, digest=await digest_of(work.engine, one.image_id, name))
    return found


async def meant(work: Work, chosen: Collection[str] = ()) -> dict[str, Ran]:
    """What would run if the services (all, or the chosen ones) were made anew now: what their images' names mean."""
    found: dict[str, Ran] = {}
    for one in work.resolved.services:
        if one.image and one.replicas > 0 and (not chosen or one.name in chosen):
            whole = await _inspected(work.engine, one.image)
            if whole is not None:
                found[one.name] = Ran(image=one.image, id=str(whole["Id"]), digest=_digest(whole, one.image))
    return found


async def digest_of(engine: Engine, image_id: str, name: str) -> str:
    """``repository@sha256:…`` of an image as its registry knows it; empty for one that never was in one."""
    whole = await _inspected(engine, image_id)
    return _digest(whole, name) if whole is not None else ""


async def _inspected(engine: Engine, name: str) -> Mapping[str, Any] | None:
    try:
        return await engine.call(lambda client: client.inspect_image(name))
    except Missing:
        return None


def _digest(whole: Mapping[str, Any], name: str) -> str:
    digests = [one for one in whole.get("RepoDigests") or () if isinstance(one, str) and "@" in one]
    try:
        repository = parse(name).repository
    except QuarterdeckError:
        repository = ""
    of_name = [one for one in digests if one.rpartition("@")[0] == repository]
    return (of_name or digests or [""])[0]


def changed(before: Images, after: Images) -> dict[str, Ran]:
    """The services whose image is another one afterwards, with the one after."""
    return {name: one for name, one in after.items() if name not in before or before[name].id != one.id}


async def put_back(work: Work, images: Images, report: Report, account: Mapping[str, Account | None]) -> None:
    """Make the names of images mean again what is recorded; those that are gone are fetched by their digest.

    Raises Missing where one is gone and was never in a registry, and what fetching raises.
    """
    for one in dict.fromkeys(images.values()):
        if await _inspected(work.engine, one.id) is None:
            if not one.digest:
                raise Missing(
                    f"the image {one.id[:19]} of {one.image} is gone, and no registry has it", where=work.row.id
                )
            wanted = parse(one.digest)
            report.log(f"pulling {one.digest}")
            await pull(work.engine, wanted, account.get(wanted.registry), report)
        source = one.id if await _inspected(work.engine, one.id) is not None else one.digest
        named = parse(one.image)
        if named.digest:
            continue  # the name itself says which image
        await work.engine.call(lambda client, s=source, n=named: client.tag(s, n.repository, n.tag, force=True))
