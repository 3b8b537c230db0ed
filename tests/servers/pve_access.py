"""Logins and rights of the peer: tickets that renew themselves, second factors, tokens, roles, who may do what."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from tests.servers.pve_base import Call, FakePve, PveError, answers, shapes

ALL_RIGHTS: list[str] = [*shapes.PRIVILEGES]
_PLACES = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
_AUDITOR = ["Datastore.Audit", "Mapping.Audit", "Pool.Audit", "SDN.Audit", "Sys.Audit", "VM.Audit"]
_VM_USER = ["VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.PowerMgmt"]
ROLES: dict[str, list[str]] = {
    "Administrator": ALL_RIGHTS,
    "NoAccess": [],
    "PVEAuditor": _AUDITOR,
    "PVEVMUser": _VM_USER,
    "PVEVMAdmin": [one for one in ALL_RIGHTS if one.startswith("VM.")],
    "PVEDatastoreUser": ["Datastore.AllocateSpace", "Datastore.Audit"],
    "PVEAdmin": [one for one in ALL_RIGHTS if one not in ("Permissions.Modify", "Sys.PowerMgmt", "Realm.Allocate")],
}


class Access(FakePve):
    """Part of the peer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.rights: list[str] = ALL_RIGHTS
        """All privileges of this release."""
        self.second_factors: dict[str, str] = {}
        """User -> the TOTP code that is right."""

    @answers("GET", "/access/permissions")
    async def permissions(self, call: Call) -> dict[str, dict[str, int]]:
        """Path -> what the user or token may do there; rights are inherited downwards."""
        who = str(call.values.get("userid", call.user))
        granted = {path for entries in self.acl.values() for path, _ in entries}
        places = {call.values["path"]} if "path" in call.values else {*_PLACES, *granted}
        told: dict[str, dict[str, int]] = {}
        for place in sorted(places):
            held = [one for one in self.rights if self.allowed(who, place, one)]
            if held:
                told[place] = dict.fromkeys(held, 1)
        return told

    @answers("POST", "/access/ticket")
    async def login(self, call: Call) -> dict[str, Any]:
        """A ticket for a password, for the old ticket, or for the answer to the challenge of a second factor."""
        name, password = str(call.values["username"]), str(call.values["password"])
        user = name if "@" in name else f"{name}@{call.values.get('realm', 'pam')}"
        challenge = call.values.get("tfa-challenge")
        known = self.tickets.get(challenge or password)
        if challenge:
            right = known is not None and password == f"totp:{self.second_factors.get(user)}"
        else:
            renewed = known is not None and known["user"] == user and known["expires"] > time.time()
            right = renewed or self.check_password(user, password)
        if not right:
            raise PveError(401, "authentication failure")
        if user in self.second_factors and not challenge and known is None:
            asked = f"PVE:!tfa!{secrets.token_hex(12)}:{int(time.time()):08X}::{secrets.token_hex(16)}"
            self.tickets[asked] = {"user": user, "csrf": "", "expires": 0}
            return {"username": user, "ticket": asked, "NeedTFA": 1, "CSRFPreventionToken": f"0:{secrets.token_hex(8)}"}
        ticket, csrf = self.issue_ticket(user)
        return {
            "username": user, "ticket": ticket, "CSRFPreventionToken": csrf, "clustername": self.cluster_name,
            "cap": {"vms": {}, "storage": {}, "nodes": {}, "access": {}, "dc": {}, "sdn": {}, "mapping": {}},
        }  # fmt: skip

    # -- users, tokens, roles: as far as a first set-up needs them

    @answers("POST", "/access/users/{userid}/token/{tokenid}")
    async def make_token(self, call: Call) -> dict[str, Any]:
        """A token; its secret is told this once."""
        user = str(call.values["userid"])
        full = f"{user}!{call.values['tokenid']}"
        if full in self.apitokens:
            raise PveError(400, "Parameter verification failed.", {"tokenid": "Token already exists."})
        value = "-".join(secrets.token_hex(size) for size in (4, 2, 2, 2, 6))
        self.apitokens[full] = value
        separate = int(call.values.get("privsep", 1))
        if not separate:
            self.unprivileged.add(full)
        return {"full-tokenid": full, "value": value, "info": {"privsep": str(separate)}}

    @answers("GET", "/access/users/{userid}/token")
    async def tokens(self, call: Call) -> list[dict[str, Any]]:
        """The tokens of a user, without their secrets."""
        user = str(call.values["userid"])
        own = [one for one in self.apitokens if one.startswith(f"{user}!")]
        return [
            {"tokenid": one.partition("!")[2], "privsep": 0 if one in self.unprivileged else 1, "expire": 0}
            for one in own
        ]

    @answers("DELETE", "/access/users/{userid}/token/{tokenid}")
    async def drop_token(self, call: Call) -> None:
        """It is refused from now on."""
        self.apitokens.pop(f"{call.values['userid']}!{call.values['tokenid']}", None)

    @answers("GET", "/access/roles")
    async def roles(self, call: Call) -> list[dict[str, Any]]:
        """Every role and what is in it."""
        return [{"roleid": name, "privs": ",".join(rights), "special": 1} for name, rights in ROLES.items()]

    @answers("PUT", "/access/acl")
    async def change_acl(self, call: Call) -> None:
        """Give roles to users and tokens, or take them."""
        path = str(call.values["path"])
        self.require(call.user, path, "Permissions.Modify")
        rights = {one for role in re.split(r"[,;\s]+", call.values["roles"]) for one in ROLES.get(role, [])}
        for who in re.split(r"[,;\s]+", call.values.get("users", "") + "," + call.values.get("tokens", "")):
            if who and call.values.get("delete"):
                self.acl[who] = [entry for entry in self.acl.get(who, []) if entry[0] != path]
            elif who:
                self.grant(who, path, *rights)
