"""File systems with storage of their own, by ``df``; those over the network are asked for apart, as they may hang."""

from __future__ import annotations

import re

from app.errors import BadAnswer
from app.link import Probe, Tier
from backends.kinds.node import Filesystem
from backends.probes.sections import sections

_PSEUDO = (
    "proc|sysfs|devtmpfs|devpts|tmpfs|ramfs|rootfs|cgroup*|securityfs|debugfs|tracefs|configfs|fusectl|pstore|bpf|"
    "mqueue|hugetlbfs|autofs|binfmt_misc|efivarfs|rpc_pipefs|nsfs|selinuxfs|squashfs|erofs|iso9660|udf|fuse.lxcfs|"
    "fuse.gvfsd-fuse|fuse.portal|fuse.snapfuse|fuse.squashfuse|nfsd|none|swap"
)
"""Without storage of their own, or full by nature."""
_NETWORK = (
    "nfs|nfs4|cifs|smb3|smbfs|ncpfs|afs|9p|ceph|lustre|glusterfs|beegfs|davfs|"
    "fuse.sshfs|fuse.glusterfs|fuse.rclone|fuse.s3fs|fuse.davfs*|fuse.ceph*"
)

# Mounts are picked from /proc/mounts, which never hangs; df is asked for exactly those. Overlays of containers share
# their disk with the host, so only an overlay that is the root counts. A blank in a path stands there as \040.
_SCRIPT = r"""
set --
while read -r d m t x; do
case $t:$m in overlay*:/) ;; overlay*|%(pseudo)s) continue;; esac
case $t in %(network)s) k=network;; *) k=local;; esac
[ $k = %(kind)s ] || continue
case $m in /var/lib/docker/*|/var/lib/containers/*|/run/*|/snap/*) continue;; *\\*) m=$(printf %%b "$m");; esac
set -- "$@" "$m"
done </proc/mounts
[ -r /proc/mounts ] || { [ %(kind)s = local ] && echo ==df && { $T df -P -k -l || $T df -P -k; }; exit; }
echo ==mounts
while read -r d m t x; do echo "$t $m"; done </proc/mounts
echo ==df
[ $# = 0 ] || $T df -P -k "$@"
"""


def _script(kind: str) -> str:
    pseudo = "|".join(f"{name}:*" for name in _PSEUDO.split("|"))
    return _SCRIPT % {"pseudo": pseudo, "network": _NETWORK, "kind": kind}


_LINE = re.compile(r"^(.*\S)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+(/.*)$")
_BSD_PSEUDO = ("devfs", "fdescfs", "procfs", "linprocfs", "map ", "tmpfs")


def parse_filesystems(answer: bytes) -> tuple[Filesystem, ...] | None:
    """What ``df -P -k`` says, sorted by mount point; ``None`` where there is no ``df``.

    One device that is mounted several times stands once, at its shortest mount point.
    """
    parts = sections(answer)
    if "df" not in parts:
        return None
    lines = parts["df"]
    if not lines:
        return ()
    if not lines[0].startswith("Filesystem"):
        raise BadAnswer("df answered something else than its table")
    types: dict[str, str] = {}
    for line in parts.get("mounts", []):
        kind, _, mount = line.partition(" ")
        types[_unescaped(mount)] = kind
    found: dict[str, Filesystem] = {}
    for line in lines[1:]:
        match = _LINE.match(line)
        if match is None:
            continue  # a mount that went away meanwhile, or one that only root may ask about
        device, mount = match[1], match[5]
        total, used, free = (int(match[number]) << 10 for number in (2, 3, 4))
        if total <= 0 or device.startswith(_BSD_PSEUDO):
            continue
        usable = used + max(0, free)
        percent = round(100 * used / usable, 1) if usable else 0.0
        one = Filesystem(
            mount=mount,
            device=device,
            type=types.get(mount, ""),
            total_bytes=total,
            used_bytes=used,
            used_percent=percent,
        )
        seen = found.get(device)
        if seen is None or len(mount) < len(seen.mount):
            found[device] = one
    return tuple(sorted(found.values(), key=lambda one: one.mount))


def _unescaped(mount: str) -> str:
    """A path of ``/proc/mounts``, where blanks and backslashes are octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), mount)


LOCAL = Probe("filesystems", Tier.SLOW, parse_filesystems, script=_script("local"), every=60)
NETWORK = Probe("network_filesystems", Tier.SLOW, parse_filesystems, script=_script("network"), every=120)
