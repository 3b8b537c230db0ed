"""The operator's own ``ssh`` with exactly the settings that a link uses."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from app.inventory.ssh_config import Resolved, Route


def ssh_argv(route: Route, command: Sequence[str] = (), *, terminal: bool = True) -> list[str]:
    """``ssh`` to the end of a route, jump hosts passed one inside the other.

    ``-J`` would drop the settings of the jump hosts, so each is a ProxyCommand of the next one.
    """
    before: list[str] | None = None
    for number, hop in enumerate(route.hops):
        last = number == len(route.hops) - 1
        argv = ["ssh", *_settings(hop)]
        if before is not None:
            # ssh expands percent signs in the whole line, the inner one's included.
            line = shlex.join(before).replace("%", "%%")
            argv += ["-o", f"ProxyCommand={line}"]
        elif hop.proxy_command is not None:
            argv += ["-o", f"ProxyCommand={hop.proxy_command.replace('%', '%%')}"]
        else:  # only where there is no ProxyCommand: the first of the two wins
            argv += ["-o", "ProxyJump=none"]
        if last:
            argv += ["-t"] if command and terminal else []
            return [*argv, "--", hop.alias, *([shlex.join(command)] if command else [])]
        target = route.hops[number + 1]
        before = [*argv, "-W", target.address.replace("%", "%%"), "--", hop.alias]
    raise ValueError("a route has at least one hop")


def _settings(hop: Resolved) -> list[str]:
    config = ["-F", str(hop.config) if hop.config.exists() else "none"] if hop.config else []
    options = {
        "HostName": hop.host.replace("%", "%%"),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": " ".join(_quoted(path) for path in hop.user_known_hosts),
        "HostKeyAlias": hop.host_key_alias or "",
    }
    given = [word for path in hop.identity_files for word in ("-i", str(path))] if hop.identities_given else []
    return [
        *config,
        "-p",
        str(hop.port),
        "-l",
        hop.user,
        *given,
        *(word for name, value in options.items() if value for word in ("-o", f"{name}={value}")),
    ]


def _quoted(path: object) -> str:
    """A path as ssh reads it in an option: quoted, since blanks separate several, and percent signs doubled."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
