"""Fetching an image that a project needs and its node does not have."""

from __future__ import annotations

from app.errors import QuarterdeckError
from app.plan import Report
from backends.projects.ground import Ground


async def fetch(ground: Ground, image: str, report: Report) -> None:
    """Fetch an image with the account that the node's own login has for its registry; progress goes to the report."""
    from backends.docker.registry.accounts import logins
    from backends.docker.registry.pulling import pull
    from backends.docker.registry.reference import parse

    reference = parse(image)
    account = None
    try:
        account = await (await logins(ground.link)).account(reference.registry)
    except QuarterdeckError as error:  # most images need none, and the registry says so where one does
        report.log(f"going on without an account for {reference.registry}: {error}")
    await pull(ground.engine, reference, account, report)
