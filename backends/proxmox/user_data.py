"""What cloud-init is told at the first boot of a template, and how the finished guest is made anonymous again. Pure."""

from __future__ import annotations

import json
from typing import Any

from backends.proxmox.cluster import Template

AGENT = "qemu-guest-agent"
CLEAN = (
    "cloud-init clean --logs && truncate -s 0 /etc/machine-id && rm -f /var/lib/dbus/machine-id /etc/ssh/ssh_host_*"
    " && sync"
)
"""What a template must not hand on: cloud-init's memory of having run, the machine's id, its host keys.

Each clone makes its own at its first boot.
"""
_ANONYMOUS = "truncate -s 0 /etc/machine-id; rm -f /var/lib/dbus/machine-id; sync"


def packages_of(template: Template) -> tuple[str, ...]:
    """What is installed: the agent first where it is wanted."""
    wanted = ((AGENT,) if template.agent else ()) + template.packages
    return tuple(dict.fromkeys(wanted))


def boots(template: Template) -> bool:
    """Whether it has to run once: something is installed or run, or the agent is to answer."""
    return template.agent or bool(template.packages or template.run)


def vendor_data(template: Template) -> str:
    """The vendor data of the first boot, as cloud-init reads it: JSON, which is YAML as well.

    Vendor data stands beside what Proxmox itself writes (name, user, keys, network) instead of in its place. The first
    command that fails ends the others, and cloud-init then says so. Without an agent nobody can be asked when it is
    over, so the guest switches itself off.
    """
    run: list[Any] = ["set -e"]
    if template.agent:
        run += [["systemctl", "enable", "--now", AGENT]]
    run += template.run
    said: dict[str, Any] = {}
    if packages := packages_of(template):
        said |= {"package_update": True, "packages": list(packages)}
    if not template.agent:
        run.append(_ANONYMOUS)
        said["power_state"] = {"mode": "poweroff", "condition": True}
    if len(run) > 1:
        said["runcmd"] = run
    return "#cloud-config\n" + json.dumps(said, indent=1, ensure_ascii=False) + "\n"
