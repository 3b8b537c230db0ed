"""``image login``: an account for a registry, kept on the node as docker login keeps it there."""

from __future__ import annotations

from typing import Any

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Denied, QuarterdeckError, Unreachable
from app.fleet import Ref
from app.plan import Plan, Report, Result, Step
from backends.docker.answers import mapping
from backends.docker.contract import Client
from backends.docker.registry.accounts import FILE, Account, logins
from backends.docker.registry.reference import account_key, registry_host
from backends.docker.verbs.base import EngineVerbs
from backends.kinds.image import ImageVerbs

_NOBODY = Ref("image", "")
_VERIFY_S = 60.0


class LoginVerb(EngineVerbs, ImageVerbs):
    """One of the verb families of images."""

    async def login_registry(self, registry: str, user: str, *, to: str | None = None) -> Plan:
        """Log in to a registry, as docker login does on the node.

        The password is asked for when the plan runs, tried by the engine, and goes to the node by standard input.
        """
        host = registry_host(registry)
        if not user or ":" in user or any(not char.isprintable() for char in user):
            raise ConfigurationError("this is no user of a registry", where=clean(user) or "''")
        node = self.node_meant(to)
        engine, link = self.engine_at(node), self.link_at(node)
        key = account_key(host)
        kept = await logins(link)
        helper = kept.helper(host)
        held: list[Account] = []

        async def verify(report: Report) -> Result:
            password = await report.secret(f"password of {user} at {host} (kept on {node})")
            said = {"username": user, "password": password, "serveraddress": key}
            try:
                answer: Any = await engine.call(lambda client: _post_auth(client, said), timeout=_VERIFY_S)
            except QuarterdeckError as error:
                raise _plain(error, node, host, password) from None
            token = str(mapping(answer).get("IdentityToken") or "")
            held.append(Account(user, "" if token else password, token))
            return Result(0, f"{host} accepts {clean(user)}")

        async def keep(report: Report) -> Result:
            account = held.pop()
            await (await logins(link)).keep(host, account)
            where = f"docker-credential-{helper}" if helper else FILE
            return Result(0, f"{clean(user)} is logged in to {host} on {node} (kept by {where})", {"node": node})

        if helper:
            written = (
                f"{node}: docker-credential-{helper} store  (on its standard input: {key}, {clean(user)} and the "
                f'password); then auths["{key}"] = {{}} in {FILE}, all else in it unchanged'
            )
            notes = [f"{node}: the password is kept by docker-credential-{helper}, which {FILE} there names"]
        else:
            written = (
                f'{node}: write auths["{key}"] = {{"auth": base64 of {clean(user)}:<password>}} to {FILE} '
                "(mode 0600), all else in it unchanged"
            )
            notes = [f"{node}: whoever reads {FILE} there has the password, as with docker login without a credsStore"]
        undo = f"docker logout {host}, on {node}"
        return Plan(
            Step(_NOBODY, f"{node}: POST /auth as {clean(user)} at {key}", verify, "verify"),
            Step(_NOBODY, written, keep, "keep", after=("verify",), undo=undo, lane=f"logins@{node}"),
            notes=notes,
        )


def _post_auth(client: Client, said: dict[str, str]) -> Any:
    return client._result(client._post_json(client._url("/auth"), data=said), json=True)


def _plain(error: QuarterdeckError, node: str, host: str, password: str) -> QuarterdeckError:
    """The engine's words without the password, whatever a registry puts into them."""
    words = error.what.replace(password, "…") if password else error.what
    if isinstance(error, Unreachable) and not isinstance(error, Denied):
        return type(error)(words, where=node, todo=error.todo)
    lower = words.lower()
    if isinstance(error, Denied) or "unauthorized" in lower or "incorrect username" in lower:
        return Denied(words, where=f"{node}/{host}", todo="try again")
    return BadAnswer(words, where=f"{node}/{host}", todo=f"is {host} a registry that {node} reaches?")
