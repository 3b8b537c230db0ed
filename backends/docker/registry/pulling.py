"""Fetching an image by a node's engine, and asking for its digest without fetching; for every verb that does so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from app.errors import BadAnswer, Missing, QuarterdeckError, TimedOut
from app.plan import Report
from backends.docker.answers import mapping
from backends.docker.contract import Client, Engine
from backends.docker.registry.accounts import Account, header, logins
from backends.docker.registry.progress import PullProgress
from backends.docker.registry.reference import Reference
from backends.docker.registry.refusals import about, refusal

if TYPE_CHECKING:
    from app.backend import Context

QUIET_S = 900.0
"""How long a pull may say nothing: a slow disk takes minutes for one file of a layer, and says nothing then."""
ASK_S = 60.0
"""How long a question to a registry may take; the engine gives up by itself before that."""
QUICK_S = 15.0


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of a pull."""

    image_id: str
    digest: str
    """``sha256:…`` in the registry; empty where the engine does not say."""
    before: str | None
    """The image's id that the name meant before; ``None`` where there was none."""

    @property
    def changed(self) -> bool:
        """Whether the name means another image now."""
        return self.image_id != self.before


def pull_text(reference: Reference) -> str:
    """The request, as plans show it."""
    return f"POST /images/create?{urlencode({'fromImage': reference.repository, 'tag': reference.version})}"


async def account_on(context: Context, node: str, registry: str, report: Report | None = None) -> Account | None:
    """The account that a node's own login has for a registry.

    One that cannot be read is told of and left out: most images need none, and the registry says so where one does.
    """
    try:
        return await (await logins(context.links.of(node))).account(registry)
    except QuarterdeckError as error:
        if report is not None:
            report.log(f"going on without an account for {registry}: {error}")
        return None


async def pull(engine: Engine, reference: Reference, account: Account | None, report: Report) -> Pulled:
    """Fetch an image; progress in bytes and a line for each layer go to the report. Cancelling ends the request.

    Raises Denied, Missing, Unreachable or BadAnswer in the words of the engine; what was there before stays then.
    """
    before = await image_id(engine, reference.name)
    secret = header(account, reference.registry)
    progress = PullProgress()
    shown: object = None

    def begin(client: Client) -> Iterator[dict[str, Any]]:
        answer = client._post(
            client._url("/images/create"),
            params={"fromImage": reference.repository, "tag": reference.version},
            headers={"X-Registry-Auth": secret},
            stream=True,
            timeout=None,
        )
        client._raise_for_status(answer)
        return _messages(answer)

    try:
        async with aclosing(engine.stream(begin)) as messages:
            while True:
                async with asyncio.timeout(QUIET_S):
                    message = await anext(messages, None)
                if message is None:
                    break
                if message.get("error"):
                    raise refusal(str(message["error"]), engine.node, reference)
                line = progress.take(message)
                if line:
                    report.log(line)
                measured = progress.measured
                if measured is not None and measured != shown:
                    shown = measured
                    report.progress(*measured)
    except TimeoutError:
        raise TimedOut(
            f"the engine said nothing of {reference.name} for {QUIET_S / 60:.0f} minutes", where=engine.node
        ) from None
    except (BadAnswer, Missing) as error:
        raise about(error, engine.node, reference) from None
    now = await image_id(engine, reference.name)
    if now is None:
        raise BadAnswer("the pull ended, and the image is not there", where=f"{engine.node}/{reference.name}")
    return Pulled(now, progress.digest or reference.digest, before)


def _messages(answer: Any) -> Iterator[dict[str, Any]]:
    """One JSON object a line."""
    try:
        for line in answer.iter_lines(chunk_size=None):
            if line.strip():
                message: Any = json.loads(line)
                if isinstance(message, dict):
                    yield message
    except ValueError:
        raise BadAnswer("the engine's messages on the pull are no JSON") from None
    finally:
        answer.close()


async def image_id(engine: Engine, name: str) -> str | None:
    """The id of the image that a name means to an engine now; ``None`` where it means none."""
    try:
        whole: dict[str, Any] = await engine.call(lambda client: client.inspect_image(name), timeout=QUICK_S)
    except Missing:
        return None
    return str(whole["Id"])


def question_text(reference: Reference) -> str:
    """The request for a digest, as plans show it."""
    return f"GET /distribution/{quote(reference.name, safe='/:')}/json"


async def registry_digest(engine: Engine, reference: Reference, account: Account | None) -> str:
    """What a name means in its registry now, ``sha256:…``; nothing is fetched.

    Raises Denied, Missing, Unreachable or BadAnswer in the words of the engine.
    """
    secret = header(account, reference.registry)

    def ask(client: Client) -> Any:
        url = client._url("/distribution/{0}/json", reference.name)
        return client._result(client._get(url, headers={"X-Registry-Auth": secret}), json=True)

    try:
        said: Any = await engine.call(ask, timeout=ASK_S)
    except QuarterdeckError as error:
        raise about(error, engine.node, reference) from None
    digest = mapping(mapping(said).get("Descriptor")).get("digest")
    if not isinstance(digest, str) or not digest:
        raise BadAnswer("the engine did not tell the digest", where=f"{engine.node}/{reference.name}")
    return digest
