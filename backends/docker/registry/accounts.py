"""Accounts for registries where ``docker login`` keeps them: in the config.json of the node's own login.

Read when they are needed, through the node's link, and kept nowhere here. Secrets go by standard input only: no argv
and no message holds one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any, cast

from app.column import clean
from app.errors import BadAnswer, Denied, Refused, Unsupported
from app.link import Link
from backends.docker.answers import mapping
from backends.docker.registry.reference import account_key

FILE = "~/.docker/config.json"
"""As plans call it; ``DOCKER_CONFIG`` on the node may name another folder."""
_READ = 'f=${DOCKER_CONFIG:-$HOME/.docker}/config.json; [ -e "$f" ] || exit 3; cksum <"$f" && cat "$f"'
_WRITE = """umask 077; d=${{DOCKER_CONFIG:-$HOME/.docker}}; mkdir -p "$d" || exit; f=$d/config.json
if [ -L "$f" ]; then f=$(readlink -f "$f") || exit; fi
m=; if [ -e "$f" ]; then m=$(cksum <"$f") || exit; fi; [ "$m" = {mark} ] || exit 75
t=$f.$$.new; trap 'rm -f "$t"' EXIT; trap 'exit 1' HUP INT TERM
cat >"$t" && [ "$(wc -c <"$t")" -eq {size} ] && chmod 600 "$t" && mv -f "$t" "$f\""""
"""Whole or not at all, and only over the file that was read."""
_READ_S = 15.0
_HELPER_S = 60.0
"""Some ask a person on the node, or a service elsewhere."""
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers call the user of a token


@dataclass(frozen=True, slots=True)
class Account:
    """Who one is at a registry."""

    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """An identity token in place of the password."""

    def header(self, registry: str) -> str:
        """The value of ``X-Registry-Auth``."""
        said = {"username": self.user, "password": self.password, "serveraddress": account_key(registry)}
        if self.token:
            said = {"identitytoken": self.token, "serveraddress": account_key(registry)}
        return _encoded(said)


def header(account: Account | None, registry: str) -> str:
    """The value of ``X-Registry-Auth``; without an account one that says so."""
    return account.header(registry) if account is not None else _encoded({})


@dataclass(frozen=True, slots=True)
class Logins:
    """A config.json as it stood; ``mark`` is its checksum, empty where there was none."""

    link: Link = field(repr=False)
    mark: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def helper(self, registry: str) -> str | None:
        """The credential helper that keeps the account of a registry (``docker-credential-NAME``), if one does."""
        helpers = mapping(self.data.get("credHelpers"))
        for name in (account_key(registry), registry):
            if name in helpers:
                return _helper_name(helpers[name], self.link.node)
        return _helper_name(self.data["credsStore"], self.link.node) if self.data.get("credsStore") else None

    async def account(self, registry: str) -> Account | None:
        """The account for a registry, ``None`` where none is kept; raises BadAnswer when a helper fails."""
        helper = self.helper(registry)
        return self._written(registry) if helper is None else await self._from(helper, registry)

    def _written(self, registry: str) -> Account | None:
        auths = mapping(self.data.get("auths"))
        key = account_key(registry)
        entry = auths.get(key) or next((value for name, value in auths.items() if _host(name) == _host(key)), None)
        said = mapping(entry)
        user, password = str(said.get("username") or ""), str(said.get("password") or "")
        if said.get("auth"):
            try:
                whole = base64.b64decode(str(said["auth"]), validate=True).decode()
            except (binascii.Error, ValueError):
                raise BadAnswer(f"the account of {registry} in {FILE} is no base64", where=self.link.node) from None
            user, _, password = whole.rstrip("\0").partition(":")
        token = str(said.get("identitytoken") or "")
        return Account(user, password, token) if (user and password) or token else None

    async def _from(self, helper: str, registry: str) -> Account | None:
        line = shlex.join([f"docker-credential-{helper}", "get"])
        done = await self.link.run(line, input=account_key(registry).encode(), timeout=_HELPER_S)
        if done.exit_code != 0:
            words = (done.text or done.stderr.decode("utf-8", "replace")).strip()
            if "credentials not found" in words:
                return None
            raise BadAnswer(f"docker-credential-{helper} failed: {_short(words)}", where=self.link.node)
        try:
            said = mapping(json.loads(done.stdout))
        except ValueError:
            raise BadAnswer(f"docker-credential-{helper} answered no JSON", where=self.link.node) from None
        user, secret = str(said.get("Username") or ""), str(said.get("Secret") or "")
        if not secret:
            return None
        return Account("", token=secret) if user == _TOKEN_USER else Account(user, secret)

    async def keep(self, registry: str, account: Account) -> None:
        """Write an account where logging in on the node would, all else in the file unchanged.

        Raises Refused where somebody else wrote the file since it was read, BadAnswer where the helper fails.
        """
        helper, key = self.helper(registry), account_key(registry)
        auths = dict(mapping(self.data.get("auths")))
        if helper is not None:
            await self._give(helper, key, account)
            if auths.get(key) == {}:
                return
            auths[key] = {}
        else:
            whole = f"{account.user}:{'' if account.token else account.password}"
            auths[key] = {"auth": base64.b64encode(whole.encode()).decode()}
            if account.token:
                auths[key]["identitytoken"] = account.token
        text = json.dumps({**self.data, "auths": auths}, indent="\t", ensure_ascii=False).encode() + b"\n"
        script = _WRITE.format(mark=shlex.quote(self.mark), size=len(text))
        done = await self.link.run(script, input=text, timeout=_READ_S)
        if done.exit_code == 75:
            raise Refused(f"{FILE} was changed by somebody else meanwhile", where=self.link.node, todo="log in again")
        if done.exit_code != 0:
            words = _short(done.stderr.decode("utf-8", "replace"))
            raise Denied(f"{FILE} could not be written: {words}", where=self.link.node)

    async def _give(self, helper: str, key: str, account: Account) -> None:
        user, secret = (_TOKEN_USER, account.token) if account.token else (account.user, account.password)
        said = json.dumps({"ServerURL": key, "Username": user, "Secret": secret}).encode()
        line = shlex.join([f"docker-credential-{helper}", "store"])
        done = await self.link.run(line, input=said, timeout=_HELPER_S)
        if done.exit_code == 127:
            raise Unsupported(f"there is no docker-credential-{helper}, which {FILE} names", where=self.link.node)
        if done.exit_code != 0:
            words = (done.text or done.stderr.decode("utf-8", "replace")).replace(secret, "…")
            raise BadAnswer(f"docker-credential-{helper} did not take it: {_short(words)}", where=self.link.node)


async def logins(link: Link) -> Logins:
    """What is kept on a node now; raises BadAnswer where the file cannot be understood, and nothing then touches it."""
    done = await link.run(_READ, timeout=_READ_S)
    if done.exit_code == 3:
        return Logins(link)
    mark, _, rest = done.stdout.partition(b"\n")
    if done.exit_code != 0:
        raise Denied(f"{FILE} cannot be read: {_short(done.stderr.decode('utf-8', 'replace'))}", where=link.node)
    try:
        data: Any = json.loads(rest) if rest.strip() else {}
    except ValueError:
        raise BadAnswer(f"{FILE} is no JSON", where=link.node, todo="mend it, or move it away") from None
    if not isinstance(data, dict):
        raise BadAnswer(f"{FILE} is no JSON object", where=link.node, todo="mend it, or move it away")
    return Logins(link, mark.decode("ascii", "replace"), cast("dict[str, Any]", data))


def _helper_name(name: Any, node: str) -> str:
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise BadAnswer(f"{FILE} names a credential helper that is none: {clean(repr(name))[:80]}", where=node)
    return name


def _host(name: str) -> str:
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _encoded(said: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()


def _short(words: str) -> str:
    return clean(words.strip())[:300] or "no reason given"
