"""fakepve behind a layer as strict as Proxmox: every request is judged by the official schema before it is answered.

The order is Proxmox's: framing, login, path, rights of root and tokens, the node that is away, parameters, and only
then the answer, which is one of ``pve_base.ANSWERS`` or else fakepve's own. Refusals look as they do on the wire: texts
in the reason phrase, 401 late and empty, 595 empty, 501 for unknown paths and for bodies nobody asked for. What broke
the schema stays in ``violations``.
"""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.parse
import weakref
from typing import Any

from aiohttp import web

from tests.servers.pve_base import ANSWERS, USER, Call, FakePve, Listed, PveError, TaskError
from tests.servers.pve_schema import Found, Method, Schema, refusals

API = "/api2/json"
_FOUND = web.RequestKey("found", object)
_REFUSED = web.RequestKey("refused", object)
_LARGEST_FORM = 512 * 1024
_ROOT = "root@pam"


def _decoded(request: web.Request) -> str:
    """The path below ``/api2/json``, its steps decoded; ``%2F`` within a step stays in it."""
    raw = request.rel_url.raw_path.removeprefix(API)
    return "/".join(urllib.parse.unquote(step) for step in raw.split("/"))


def _gathered(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Form fields as Proxmox reads them: what is sent twice becomes one value with a NUL between."""
    gathered: dict[str, Any] = {}
    for name, value in pairs:
        gathered[name] = f"{gathered[name]}\0{value}" if name in gathered else value
    return gathered


def _plain(status: int, text: str) -> web.Response:
    """A refusal of the server itself: text, no JSON."""
    return web.Response(status=status, reason=text, text=text, content_type="text/plain")


class Strict(FakePve):
    """One peer; the parts that answer are mixed in by ``pve_process``."""

    def __init__(self, schema: Schema, **options: Any) -> None:
        super().__init__(**options)
        self.schema = schema
        self.acl = {}
        self.late = 3.0
        """PVE seconds before a 401."""
        self.older = False
        """Errors as before 8.4: the text is in the reason phrase only."""
        self.pretends = ""
        """What it is instead of Proxmox: ``html``, ``text``, ``json``, ``list`` or ``silent``."""
        self.violations: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []
        self.unprivileged: set[str] = set()
        """Tokens without privilege separation: they may what their user may."""
        self.waiting = 0
        """Requests whose answers are held."""
        self._holds: list[tuple[str, str]] = []
        self._released = asyncio.Event()
        self.working: set[asyncio.Task[Any]] = set()
        self._answered: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    # -- its life

    async def start(self, certfile: str, keyfile: str) -> None:
        """Listen at its address; connections nobody uses are closed after 5 s, as Proxmox does."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certfile, keyfile)
        self.runner = web.AppRunner(self._build_app(), keepalive_timeout=5, shutdown_timeout=0.2)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.host, self.port, ssl_context=context).start()
        self.port = self.runner.addresses[0][1]

    async def open_door(self, host: str, certfile: str, keyfile: str) -> web.AppRunner:
        """Listen at another address too, as another node of the same cluster does."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certfile, keyfile)
        runner = web.AppRunner(self._build_app(), keepalive_timeout=5, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, self.port, ssl_context=context).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner

    def _build_app(self) -> web.Application:
        application: web.Application = super()._build_app()
        outer, inner = [self._outer], [self._inner]
        application.middlewares[:] = [*outer, *application.middlewares, *inner]  # theirs stay between
        return application

    # -- rights

    def allowed(self, user: str, path: str, priv: str) -> bool:
        """As Proxmox: a token has what was granted to it, also one of root, unless it is not separated."""
        if "!" not in user or user in self.unprivileged:
            return bool(super().allowed(user.split("!")[0], path, priv))
        # fakepve looks at the user of a token too; a name of its own keeps the two apart.
        acl, self.acl = self.acl, {"token": self.acl.get(user, [])}
        try:
            return bool(super().allowed("token", path, priv))
        finally:
            self.acl = acl

    def _authenticate(self, request: web.Request) -> Any:
        if not request.path.startswith(API + "/access/ticket"):
            token = request.headers.get("Authorization", "")
            if not request.cookies.get("PVEAuthCookie") and not token:
                raise PveError(401, "No ticket")
            if request.cookies.get("PVEAuthCookie"):
                request = request.clone(headers={k: v for k, v in request.headers.items() if k != "Authorization"})
            elif not token.startswith("PVEAPIToken="):
                raise PveError(401, "No ticket")
            elif self.apitokens.get(token[12:].partition("=")[0]) != token[12:].partition("=")[2]:
                raise PveError(401, "Authentication failed!")
        return super()._authenticate(request)

    def check_permissions(self, user: Any, perms: Any, values: Any, declared: Any = None) -> None:
        """fakepve's check lets every token of root in; here a token is not its user."""
        if user == _ROOT or (user in self.unprivileged and user.split("!")[0] == _ROOT):
            return
        if user is None and (perms or {}).get("user") == "world":
            return
        perms = perms or {}
        if perms.get("user") in ("all", "world") and "check" not in perms:
            return
        fine, why = self._check(user, perms["check"], values, declared) if "check" in perms else (False, "")
        why = why if "check" in perms else "user != root@pam"
        if not fine:
            raise PveError(403, f"Permission check failed ({why})" if why else "Permission check failed")

    # -- the outside: framing, and how refusals look

    @web.middleware
    async def _outer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.pretends:
            return await self._pretend(request)
        if request.method in ("HEAD", "OPTIONS"):
            return self._closing(web.Response(status=501, reason=f"method '{request.method}' not available"))
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            self._violated(request, "chunked transfer encoding not supported")
            return self._closing(_plain(501, "chunked transfer encoding not supported"))
        if request.path.startswith(API + "/"):
            await self._judge(request)
        if any(request.method == method and request.path.endswith(path) for method, path in self._holds):
            self.waiting += 1
            try:
                await self._released.wait()
            finally:
                self.waiting -= 1
        response: web.StreamResponse = await handler(request)
        return await self._finished(request, response)

    async def _pretend(self, request: web.Request) -> web.StreamResponse:
        if self.pretends == "silent":
            await asyncio.sleep(3600)
        text, kind = {
            "html": ("<!DOCTYPE html><html><title>Router</title><p>It works!</html>", "text/html"),
            "text": ("hello", "text/plain"),
            "json": ('{"hello": "world"}', "application/json"),
            "list": ("[1, 2]", "application/json"),
            "broken": ('{"data": [', "application/json"),
        }[self.pretends]
        return web.Response(text=text, content_type=kind)

    async def _finished(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        if response.prepared or not isinstance(response, web.Response):
            return response
        status = response.status
        if status == 401:
            await self.pause(self.late)
            bare = web.Response(status=401, reason=response.reason)
            if request.path == API + "/access/ticket":
                bare = web.Response(status=401, reason=response.reason, text='{"data":null}')
                bare.content_type = "application/json"
            return self._closing(bare)
        if status in (595, 596, 599):
            return self._closing(web.Response(status=status, reason=response.reason))
        if status >= 400:
            if self.older and response.content_type == "application/json":
                body = json.loads(response.text or "{}")
                body.pop("message", None)
                response.text = json.dumps(body)
            return self._closing(response)
        transport: Any = request.transport
        if transport is not None:
            self._answered[transport] = self._answered.get(transport, 0) + 1
            if self._answered[transport] >= 100:
                response.force_close()
        return response

    # -- the schema

    async def _judge(self, request: web.Request) -> None:
        """Judge the request now and answer later: what broke the schema is recorded whatever comes between."""
        path = _decoded(request)
        found = self.schema.find(path)
        request[_FOUND] = found
        noted: dict[str, Any] = {"method": request.method, "path": path, "query": dict(request.query)}
        self.seen.append(noted)
        if found is None or request.method not in found.methods:
            refused: Any = (501, f"Method '{request.method} {path}' not implemented", None)
        else:
            noted["template"] = found.template
            refused = await self._refused(request, found, found.methods[request.method], noted)
        request[_REFUSED] = refused
        if refused is not None:
            self._violated(request, refused[1], refused[2])

    async def _refused(self, request: web.Request, found: Found, method: Method, noted: dict[str, Any]) -> Any:
        content: bytes = await request.read()
        if content and request.method in ("GET", "DELETE"):
            return 501, f"Unexpected content for method '{request.method}'", None
        parameters = _gathered(list(request.query.items()))
        if request.content_type == "multipart/form-data":
            return None  # files: their fields are read where they are stored
        if len(content) > _LARGEST_FORM:
            return 501, "for data too large", None
        values: dict[str, Any] = {}
        if request.content_type == "application/json" and content:
            try:
                values = json.loads(content)
            except ValueError:
                return 400, "bad JSON", None
        elif content:
            values = _gathered(urllib.parse.parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
        noted["values"] = self._without_secrets(values)
        for name, value in found.values.items():
            if name in {**parameters, **values} and str({**parameters, **values}[name]) != value:
                return 400, "Parameter verification failed.", {name: "duplicate parameter (already defined in URI)"}
        declared = (method.get("parameters") or {}).get("properties", {})
        parameters |= values | {name: value for name, value in found.values.items() if name in declared}
        errors = refusals(method, parameters)
        return (400, "Parameter verification failed.", errors) if errors else None

    @staticmethod
    def _without_secrets(values: dict[str, Any]) -> dict[str, Any]:
        return {name: "***" if "password" in name or name == "ticket" else value for name, value in values.items()}

    def _violated(self, request: web.Request, why: str, errors: Any = None) -> None:
        self.violations.append({"method": request.method, "path": _decoded(request), "why": why, "errors": errors})

    # -- the inside: login is done, faults on demand are done

    @web.middleware
    async def _inner(self, request: web.Request, handler: Any) -> web.StreamResponse:
        found: Any = request.get(_FOUND)
        refused: Any = request.get(_REFUSED)
        user: str = request[USER]
        if refused is not None and refused[0] == 501:
            if found is not None and request.method in found.methods:
                return _plain(501, refused[1])  # framing, not a missing method
            body = {"data": None, "message": refused[1]}  # the one message without a newline at its end
            return web.json_response(body, status=501, reason=refused[1])
        if found is None:
            return await handler(request)
        method: Method = found.methods[request.method]
        if user and "!" in user and not method.get("allowtoken", 1):
            raise PveError(403, "Permission check failed")
        node = found.values.get("node")
        if node is not None and node not in self.nodes:
            raise PveError(500, f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                                "Name or service not known")  # fmt: skip
        if node is not None and not self.nodes[node].get("online", True) and method.get("proxyto", "node"):
            raise PveError(595, "No route to host")
        if refused is not None:
            if "permissions" not in method:
                self.check_permissions(user, None, {})
            raise PveError(*refused)
        answer = ANSWERS.get((request.method, found.template))
        if answer is None:
            return await handler(request)
        call = await self._call(request, found, method, user)
        self.check_permissions(user, method.get("permissions"), call.values, None)
        return self.reply(await answer(self, call))

    async def _call(self, request: web.Request, found: Found, method: Method, user: str) -> Call:
        values = _gathered(list(request.query.items()))
        content: bytes = await request.read()
        if content and request.content_type == "application/json":
            values |= json.loads(content)
        elif content and request.content_type != "multipart/form-data":
            values |= _gathered(urllib.parse.parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True))
        values |= found.values
        declared = (method.get("parameters") or {}).get("properties", {})
        for name in values:
            if (declared.get(name) or {}).get("type") in ("integer", "boolean"):
                values[name] = int(values[name])
        return Call(request.method, found.template, values, user, request)

    @staticmethod
    def reply(data: Any) -> web.StreamResponse:
        """What an answer returned, on the wire."""
        if isinstance(data, web.StreamResponse):
            return data
        beside = data.beside if isinstance(data, Listed) else {}
        return web.json_response({"data": data.data if isinstance(data, Listed) else data, **beside})

    # -- faults, and what goes on beside the requests

    def hold(self, method: str, path: str) -> None:
        """Have requests whose path ends so wait."""
        self._holds.append((method, path))
        self._released.clear()

    def release_held(self) -> None:
        """Let them all go."""
        self._holds.clear()
        self._released.set()

    def begin(self, work: Any) -> asyncio.Task[Any]:
        """Run beside the requests; held here, so that it is not lost while it runs."""
        task = asyncio.ensure_future(work)
        self.working.add(task)
        task.add_done_callback(self.working.discard)
        return task


__all__ = ["API", "Strict", "TaskError"]
