"""One URL of a cluster: its connections, and one request over them. What an answer means is read elsewhere.

pveproxy closes an idle connection after 5 s, takes no chunked bodies and no body on GET and DELETE.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.column import clean
from app.errors import BadAnswer, QuarterdeckError, TimedOut, Unreachable
from app.link import LinkCost
from backends.proxmox.failures import ChangedCertificate, NotProxmox, UnknownCertificate
from backends.proxmox.library import import_httpx
from backends.proxmox.tls import PORT, Trust, WrongPin, context_for, seen_certificate, why_not

if TYPE_CHECKING:
    import httpx

    from backends.proxmox.websocket import ByteChannel

CONNECTIONS = 4
"""At most, to one URL: pveproxy has three workers."""
KEPT_S = 4.0
"""Seconds that an idle connection is kept: below the 5 after which pveproxy closes it."""
LARGEST = 64 << 20
"""Bytes of an answer that are read."""
_PREFIX = "/api2/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it is to be written."""

    method: str
    path: str
    """Relative to ``/api2/json``, escaped."""
    query: str = ""
    form: str | None = field(default=None, repr=False)
    """The body; ``None`` for none. It may hold a password."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    within: float = 35.0
    """Seconds for all of it."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that doing it twice does no harm."""
        return self.method == "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: any status, its reason phrase, the body as it was."""

    status: int
    reason: str
    body: bytes = field(repr=False)
    type: str = ""
    """The content type, without its parameters."""
    location: str = ""


class NotSent(Unreachable):
    """There was no connection, so nothing was asked for: another URL may be tried whatever the call was."""


class NotSentInTime(NotSent, TimedOut):
    """The server did not take a connection in time."""


class Dropped(Unreachable):
    """The connection ended after the request may have been sent."""

    at_once = True
    """It was closed under our hands, as an idle connection is: asking again on a new one is worth it."""


class NoAnswer(Dropped, TimedOut):
    """The request was sent and nothing came back in time."""

    at_once = False


class _Opening:
    """The connection that a request just opens: httpcore forgets to close one that is cancelled in its handshake."""

    def __init__(self) -> None:
        self._stream: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpcore tells of its work (its "trace" extension)."""
        if event == "connection.connect_tcp.complete":
            self._stream = info.get("return_value")
        elif event == "connection.start_tls.complete":
            self._stream = None

    async def close(self) -> None:
        """Close it, if it got no further than that."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(Exception):
                await stream.aclose()


class Endpoint:
    """The server at one URL. Concurrent requests share its connections; more than four wait."""

    def __init__(self, cluster: str, url: str, trust: Callable[[], Trust], cost: LinkCost, connect_s: float) -> None:
        parts = urlsplit(url)
        self.cluster = cluster
        self.url = url
        self.where = f"{cluster} ({parts.netloc})"
        self.base = url if parts.port or parts.scheme == "http" else f"{url}:{PORT}"
        self._trust = trust
        self._believed: Trust | None = None
        self._cost = cost
        self._connect_s = connect_s
        self._http: httpx.AsyncClient | None = None
        self._context: ssl.SSLContext | None = None
        self._opening = asyncio.Lock()

    async def send(self, request: Request) -> Answer:
        """Ask and read the answer, whatever its status.

        Raises NotSent, Dropped, UnknownCertificate, ChangedCertificate, NotProxmox, BadAnswer and ConfigurationError.
        """
        http = await self._opened()
        import httpx

        target = f"{self.base}{_PREFIX}{request.path}{f'?{request.query}' if request.query else ''}"
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **request.headers}
        body: bytes | None = None
        if request.form is not None:
            body = request.form.encode("ascii", "replace")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        limits = httpx.Timeout(request.within, connect=min(self._connect_s, request.within))
        self._cost.commands += 1
        try:
            opening = _Opening()
            asked = http.build_request(
                request.method, target, content=body, headers=headers, timeout=limits, extensions={"trace": opening}
            )
            async with asyncio.timeout(request.within + self._connect_s):
                try:
                    response = await http.send(asked, stream=True)
                except asyncio.CancelledError:
                    await opening.close()
                    raise
                try:
                    return await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise NoAnswer(f"no whole answer within {request.within:g} s", where=self.where) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failed = await self._failed(error, request)
        raise failed

    async def websocket(self, path: str, query: str, headers: Mapping[str, str]) -> ByteChannel:
        """Open a websocket below ``/api2/json``, with the same check of the certificate. Raises as ``send`` does."""
        from backends.proxmox import websocket

        await self._opened()
        url = f"{self.base.replace('http', 'ws', 1)}{_PREFIX}{path}{f'?{query}' if query else ''}"
        context = self._context if self.base.startswith("https") else None
        try:
            return await websocket.opened(url, headers=headers, context=context, cost=self._cost, where=self.where)
        except ssl.SSLError as error:
            failed = await self._not_connected(error)
        raise failed

    async def close(self) -> None:
        """End its connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _opened(self) -> httpx.AsyncClient:
        """The connections; anew when other certificates are believed than before."""
        await import_httpx()
        async with self._opening:
            trust = self._trust()
            if self._http is not None and trust == self._believed:
                return self._http
            await self.close()
            self._http, self._believed = await self._made(trust), trust
            return self._http

    async def _made(self, trust: Trust) -> httpx.AsyncClient:
        import httpx

        self._context = await asyncio.to_thread(context_for, trust, self._cost)
        return httpx.AsyncClient(
            verify=self._context,
            trust_env=False,  # neither a proxy nor a .netrc has a say in where a token goes
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # a cookie would win over the token
            headers={"User-Agent": "quarterdeck"},
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_S
            ),
        )

    async def _read(self, response: httpx.Response) -> Answer:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > LARGEST:
                raise BadAnswer(f"the answer is larger than {LARGEST >> 20} MiB", where=self.where)
        if self.base.startswith("http:"):
            self._cost.bytes_in += len(body)  # nothing counts below: there is no TLS
        raw: bytes = response.extensions.get("reason_phrase", b"")
        return Answer(
            response.status_code,
            raw.decode("utf-8", "replace"),
            bytes(body),
            response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            clean(response.headers.get("location", ""))[:200],
        )

    async def _failed(self, error: Exception, request: Request) -> QuarterdeckError:
        """What a library's exception means, and above all whether the request was sent."""
        import httpx

        where = self.where
        if isinstance(error, httpx.ConnectTimeout):
            return NotSentInTime(f"no connection within {self._connect_s:g} s", where=where)
        if isinstance(error, httpx.PoolTimeout):
            # Another URL would be asked in vain: it is our own calls that stand in the way.
            return TimedOut(f"all {CONNECTIONS} connections were busy for {request.within:g} s", where=where)
        if isinstance(error, httpx.ConnectError):
            return await self._not_connected(error)
        if isinstance(error, httpx.TimeoutException):
            return NoAnswer(f"no answer within {request.within:g} s", where=where)
        if isinstance(error, httpx.DecodingError):
            return BadAnswer("the answer is packed in a way that cannot be read", where=where)
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
            return NotProxmox("it does not speak HTTP as Proxmox VE does", where=where, todo=_CHECK)
        if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)):
            return Dropped("the connection ended before an answer came", where=where)
        return BadAnswer(f"the request could not be made ({type(error).__name__})", where=where)

    async def _not_connected(self, error: Exception) -> QuarterdeckError:
        """Why there is no connection: the system's or the TLS library's reason lies below the wrappings."""
        below = list(_causes(error))
        for one in below:
            if isinstance(one, WrongPin):
                return self._changed(one.seen)
            if isinstance(one, ssl.SSLCertVerificationError):
                return await self._unknown(one)
            if isinstance(one, ssl.SSLError):
                why = f"TLS failed: {clean(one.reason or 'no reason given').lower().replace('_', ' ')}"
                return NotProxmox(why, where=self.where, todo=_CHECK)
        for one in below:
            if isinstance(one, OSError) and (one.errno is not None or type(one).__name__ == "gaierror"):
                return NotSent(why_not(one), where=self.where)
        return NotSent("no connection", where=self.where)

    def _changed(self, seen: str) -> ChangedCertificate:
        trust = self._believed or Trust()
        pinned = " or ".join(trust.fingerprints)
        if trust.configured:
            accept = "put the new one below fingerprint in hosts.yaml"
        else:
            accept = f"quarterdeck vm trust {self.cluster} pins the new one"
        ends = f" (it ends on {trust.ends:%Y-%m-%d})" if trust.ends else ""
        return ChangedCertificate(
            f"the server shows another certificate than the pinned one: it shows {seen}, pinned is {pinned}{ends}",
            where=self.where,
            todo=f"Proxmox renews a node's own certificate 14 days before it ends; otherwise somebody stands in "
            f"between. Compare with NODE → System → Certificates, then {accept}",
        )

    async def _unknown(self, error: ssl.SSLCertVerificationError) -> UnknownCertificate:
        why = clean(error.verify_message or "not verified")
        shown = ""
        with contextlib.suppress(QuarterdeckError):
            shown = f"; its SHA-256 is {(await seen_certificate(self.base, within=self._connect_s)).fingerprint}"
        return UnknownCertificate(
            f"the server's certificate is not to be trusted: {why}{shown}",
            where=self.where,
            todo=f"quarterdeck vm trust {self.cluster} shows and pins it, or name its CA's file below ca in hosts.yaml",
        )


_CHECK = "check url in hosts.yaml: Proxmox VE listens at https://HOST:8006"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that caused it, groups taken apart."""
    queue: list[BaseException] = [error]
    seen: set[int] = set()
    while queue:
        one = queue.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            queue += one.exceptions  # pyright: ignore[reportUnknownMemberType]
        queue += [below for below in (one.__cause__, one.__context__) if below is not None]
