"""What OpenSSH itself makes of a host: ``ssh -G``, hop by hop, with the node entry above it and the defaults below.

OpenSSH keeps the first value it finds for an option. So the node entry goes on its command line, and what
``defaults.ssh`` would say is looked up where nothing else did. ``ssh -G`` prints a value for everything, set or not;
to see the difference, it reads a small private file that includes the operator's configuration unchanged and ends in
marks that stand for "nobody said". Nothing of the operator's is ever written.
"""

from __future__ import annotations

import asyncio
import getpass
import glob
import hashlib
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import ConfigurationError
from app.inventory import ssh_alike
from app.inventory.model import SshDefaults, SshEntry

ENTRY = "node entry"
CONFIG = "ssh_config"
DEFAULTS = "defaults.ssh"
OPENSSH = "OpenSSH default"

_UNSAID = "quarterdeck-unsaid"
_UNSAID_PATH = "/quarterdeck-unsaid"
_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_LONGEST_CHAIN = 8
_CACHE_SECONDS = 30.0
"""``Match exec`` and ``Match localnetwork`` look at the world: an answer does not hold for ever."""
_TIMEOUT = 15.0

_processes = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ssh-config")
"""Of its own, so that name lookups which hang elsewhere do not keep configurations from being read."""

_FORBIDDEN = re.compile(r"""[\s\x00-\x1f\x7f'`"$\\;&<>|(){},!@*?]""")
_FORBIDDEN_USER = re.compile(r"""[\x00-\x1f\x7f'`";&<>|(){}]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """One host as ssh would reach it. Paths are expanded; ``None`` and ``()`` mean there is none."""

    alias: str
    """What was asked for: an address or a name of ssh_config."""
    host: str
    port: int
    user: str
    identity_files: tuple[Path, ...] = ()
    identities_given: bool = False
    """Somebody named identity files; otherwise they are OpenSSH's usual ones."""
    identities_only: bool = False
    identity_agent: str | None = None
    """Path of the agent's socket."""
    proxy_jump: tuple[str, ...] = ()
    proxy_command: str | None = None
    known_hosts: tuple[Path, ...] = ()
    """User files first, then global ones."""
    user_known_hosts: tuple[Path, ...] = ()
    """The files of the operator; the first is where a trusted key is added."""
    host_key_alias: str | None = None
    host_key_algorithms: tuple[str, ...] = ()
    connect_timeout: float = 10.0
    keepalive_interval: float = 0.0
    """Seconds; 0 where nothing is configured."""
    keepalive_count: int = 3
    forward_agent: bool = False
    strict: str = "ask"
    """StrictHostKeyChecking as configured; this program is strict whatever it says."""
    password: bool = False
    """Passwords and keyboard-interactive may be asked for."""
    passphrase: bool = False
    """Passphrases of keys may be asked for."""
    config: Path | None = None
    """``ssh -F``; ``None`` for OpenSSH's own files."""
    origin: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    """Where each value came from, for people."""

    @property
    def address(self) -> str:
        """``host:port``, with brackets around IPv6."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def known_as(self) -> str:
        """The name known_hosts lists it under."""
        if self.host_key_alias:
            return self.host_key_alias.lower()
        return self.host.lower() if self.port == 22 else f"[{self.host.lower()}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a host: jump hosts in the order they are passed, the host itself last."""

    hops: tuple[Resolved, ...]

    @property
    def target(self) -> Resolved:
        """The host itself."""
        return self.hops[-1]


EntryOf = Callable[[str], SshEntry | None]
"""The entry of a jump host that is itself a configured node, by its name."""


async def resolve(
    entry: SshEntry, defaults: SshDefaults, route: str | None = None, *, entry_of: EntryOf = lambda _: None
) -> Route:
    """Work out the way to a node: its jump hosts and itself, each as OpenSSH would configure it.

    ``route`` is the address to use in place of the entry's own (``host``, ``host:port`` or ``[v6]:port``).
    Raises ConfigurationError for names ssh would refuse, for loops of jump hosts, and with ssh's own words where it
    finds fault with a configuration file.
    """
    hops = await _chain(entry, defaults, route, entry_of, 0)
    return Route(tuple(hops))


async def _chain(
    entry: SshEntry, defaults: SshDefaults, route: str | None, entry_of: EntryOf, depth: int
) -> list[Resolved]:
    if depth >= _LONGEST_CHAIN:
        raise ConfigurationError(
            f"more than {_LONGEST_CHAIN} jump hosts, or a loop of them",
            where=entry.host,
            todo="look at ProxyJump in ssh_config and proxy_jump in hosts.yaml",
        )
    resolved = await _resolve_one(entry, defaults, route)
    if not resolved.proxy_jump:
        return [resolved]
    *earlier, last = resolved.proxy_jump
    user, host, port = split_address(last)
    own = entry_of(host)
    jump = SshEntry(
        host=own.host if own else host,
        port=port or (own.port if own else None),
        user=user or (own.user if own else None),
        identity=own.identity if own else (),
        # An explicit list of jump hosts replaces what the last of them would itself say, as in ssh -J.
        proxy_jump=",".join(earlier) if earlier else (own.proxy_jump if own else None),
        # The node says that it may ask for what its way needs; a jump host has no entry of its own to say so.
        password=entry.password or (own.password if own else None),
        passphrase=entry.passphrase or (own.passphrase if own else None),
    )
    return [*await _chain(jump, defaults, None, entry_of, depth + 1), resolved]


def split_address(text: str) -> tuple[str | None, str, int | None]:
    """``[user@]host[:port]``, ``[user@][v6]:port`` or ``ssh://…`` -> (user, host, port)."""
    rest = text.strip().removeprefix("ssh://").rstrip("/")
    user, at, rest = rest.rpartition("@") if "@" in rest else ("", "", rest)
    port = ""
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port = tail.removeprefix(":")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    else:
        host = rest
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{port!r} is not a port", where=text)
    return (user if at and user else None), host, int(port) if port else None


def check_host(host: str) -> str:
    """The name, or ConfigurationError where ssh would refuse it or a shell could see more in it than a name."""
    if not host or host.startswith("-") or _FORBIDDEN.search(host):
        raise ConfigurationError(f"{host!r} is not a host name", where="ssh", todo="use letters, digits, - . _ and :")
    return host


def check_user(user: str) -> str:
    """The user name, or ConfigurationError where ssh would refuse it."""
    if not user or user.startswith("-") or _FORBIDDEN_USER.search(user) or user.endswith("\\"):
        raise ConfigurationError(f"{user!r} is not a user name", where="ssh")
    return user


async def _resolve_one(entry: SshEntry, defaults: SshDefaults, route: str | None) -> Resolved:
    alias = check_host(entry.host)
    asked: list[str] = []
    port = entry.port
    if route is not None:
        _, address, route_port = split_address(route)
        port = route_port or port
        asked += ["-o", f"HostName={check_host(address).replace('%', '%%')}"]
    if entry.user is not None:
        asked += ["-l", check_user(entry.user)]
    if port is not None:
        asked += ["-p", str(port)]
    if entry.proxy_jump is not None:
        hops = [hop.strip() for hop in entry.proxy_jump.split(",") if hop.strip()]
        for hop in hops:
            check_host(split_address(hop)[1])
        asked += ["-J", ",".join(hops) or "none"]
    config = defaults.config.expanduser() if defaults.config else None
    said = await _ask(tuple(asked), alias, config, defaults.port or 22)
    return _read(said, entry, defaults, route, port, config)


def _read(
    said: Mapping[str, list[str]],
    entry: SshEntry,
    defaults: SshDefaults,
    route: str | None,
    port: int | None,
    config: Path | None,
) -> Resolved:
    origin: dict[str, str] = {}

    def one(key: str, unsaid: str = "none") -> str | None:
        """A value with a default: its origin is the configuration where it differs from that."""
        value = said.get(key, [unsaid])[-1]
        origin.setdefault(key, OPENSSH if value in {unsaid, "none"} else CONFIG)
        return None if value == "none" else value

    host = said.get("hostname", [entry.host])[-1]
    origin["host"] = ENTRY if route is not None or host == entry.host else CONFIG
    user = said.get("user", [_UNSAID])[-1]
    if user == _UNSAID:
        user, origin["user"] = (defaults.user, DEFAULTS) if defaults.user else (getpass.getuser(), OPENSSH)
    else:
        origin["user"] = ENTRY if entry.user is not None else CONFIG
    real_port = int(said.get("port", ["22"])[-1])
    if port is not None:
        origin["port"] = ENTRY
    elif real_port != (defaults.port or 22):
        origin["port"] = CONFIG
    else:  # where both say the same, the lower one may have the honour
        origin["port"] = DEFAULTS if defaults.port else OPENSSH
    expand = _Tokens(alias=entry.host, host=host, port=real_port, user=check_user(user), said=said)

    configured = [path for path in said.get("identityfile", []) if path not in {_UNSAID_PATH, "none"}]
    identities = [*entry.identity, *configured]
    origin["identity"] = ENTRY if entry.identity else CONFIG
    if not identities:
        identities = list(defaults.identity)
        origin["identity"] = DEFAULTS if identities else OPENSSH
    given = bool(identities) or "none" in said.get("identityfile", [])
    if not given:
        names = ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk")
        identities = [f"~/.ssh/id_{name}" for name in names]

    user_files = _paths(said.get("userknownhostsfile", [""])[-1])
    origin["known_hosts"] = CONFIG
    if [str(path) for path in user_files] == [_UNSAID_PATH]:
        if defaults.known_hosts is not None:
            user_files, origin["known_hosts"] = (defaults.known_hosts.expanduser(),), DEFAULTS
        else:
            user_files, origin["known_hosts"] = (expand.path("~/.ssh/known_hosts"),), OPENSSH
    global_files = _paths(said.get("globalknownhostsfile", [""])[-1])

    timeout = one("connecttimeout")
    origin["connect_timeout"] = CONFIG if timeout else DEFAULTS
    jumps = one("proxyjump")
    command = one("proxycommand")
    if entry.proxy_jump is not None:
        origin["proxyjump"] = ENTRY
    agent = one("identityagent", "SSH_AUTH_SOCK")
    return Resolved(
        alias=entry.host,
        host=check_host(host),
        port=real_port,
        user=user,
        identity_files=tuple(dict.fromkeys(expand.path(path) for path in identities)),
        identities_given=given,
        identities_only=one("identitiesonly", "no") == "yes",
        identity_agent=expand.agent(agent),
        proxy_jump=tuple(jumps.split(",")) if jumps else (),
        proxy_command=expand(command) if command else None,
        known_hosts=(*user_files, *global_files),
        user_known_hosts=user_files,
        host_key_alias=one("hostkeyalias"),
        host_key_algorithms=tuple(said.get("hostkeyalgorithms", [""])[-1].split(",")),
        connect_timeout=float(timeout) if timeout else defaults.connect_timeout,
        keepalive_interval=float(one("serveraliveinterval", "0") or 0),
        keepalive_count=int(one("serveralivecountmax", "3") or 3),
        forward_agent=one("forwardagent", "no") == "yes",
        strict=one("stricthostkeychecking", "ask") or "ask",
        password=entry.password is not None,
        passphrase=entry.passphrase is not None,
        config=config,
        origin=origin,
    )


def _paths(text: str) -> tuple[Path, ...]:
    """A list of absolute paths that ssh printed with blanks between them, and maybe within them."""
    return tuple(Path(part) for part in re.split(r" (?=[/~])", text) if part and part != "none")


class _Tokens:
    """Expands ``%h`` and the like, ``~`` and ``${NAME}`` in what ``ssh -G`` prints unexpanded."""

    def __init__(self, *, alias: str, host: str, port: int, user: str, said: Mapping[str, list[str]]) -> None:
        me = pwd.getpwuid(os.getuid())
        name = socket.gethostname()
        jump = said.get("proxyjump", [""])[-1]
        self.home = me.pw_dir
        """OpenSSH takes it from the password file, whatever HOME says."""
        self.table = {
            "%": "%",
            "h": host,
            "n": alias,
            "p": str(port),
            "r": user,
            "u": me.pw_name,
            "d": me.pw_dir,
            "i": str(os.getuid()),
            "k": said.get("hostkeyalias", [alias])[-1],
            "l": name,
            "L": name.partition(".")[0],
            "j": jump,
            "C": hashlib.sha1(f"{name}{host}{port}{user}{jump}".encode(), usedforsecurity=False).hexdigest(),
        }

    def __call__(self, text: str) -> str:
        return re.sub(r"%(.)", lambda found: self.table.get(found[1], found[0]), text)

    def path(self, text: str) -> Path:
        """A path as OpenSSH reads it."""
        text = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), self(text))
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        return Path(text).expanduser()

    def agent(self, text: str | None) -> str | None:
        """The agent's socket: ``none``, ``SSH_AUTH_SOCK``, ``$NAME`` or a path."""
        if text is None:
            return None
        if text == "SSH_AUTH_SOCK":
            return os.environ.get("SSH_AUTH_SOCK") or None
        if text.startswith("$") and not text.startswith("${"):
            return os.environ.get(text[1:]) or None
        return str(self.path(text))


_Key = tuple[tuple[str, ...], str, Path | None, int]
_Answer = tuple[dict[str, list[str]], tuple[str, ...]]
"""What ssh said by lower-case option, and the files it read."""
_cache: dict[_Key, tuple[float, tuple[object, ...], _Answer]] = {}


async def _ask(asked: tuple[str, ...], alias: str, config: Path | None, port: int) -> dict[str, list[str]]:
    key = (asked, alias, config, port)
    held = _cache.get(key)
    if held and time.monotonic() - held[0] < _CACHE_SECONDS and _stamps(held[2][1]) == held[1]:
        return held[2][0]
    while True:
        scope = _scope(config, port)
        group = scope.patterns.group(asked, alias) if scope is not None and scope.patterns is not None else None
        if scope is not None and group is None:  # the configuration may say of this host what it says of no other
            return await _run_once(key)
        if scope is not None and group in scope.answers:
            said = scope.answers[group]
            return ssh_alike.fitted(said, asked, alias) if said is not None else await _run_once(key)
        # Nobody knows yet: the first one asks, the others wait for what it hears.
        leader = _leaders.get((config, port, group))
        if leader is None or leader.done() or leader.get_loop() is not asyncio.get_running_loop():
            leader = _leaders[config, port, group] = asyncio.create_task(_run_once(key))
            leader.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(leader)
        await asyncio.wait([leader])
        if leader.cancelled() or leader.exception() is not None:
            return await _run_once(key)


@dataclass(slots=True)
class _Scope:
    """What is known of one configuration as it stands now."""

    read_at: float
    stamps: tuple[object, ...]
    files: tuple[str, ...]
    patterns: ssh_alike.Patterns | None
    answers: dict[ssh_alike.Group | None, dict[str, list[str]] | None] = field(
        default_factory=dict[ssh_alike.Group | None, dict[str, list[str]] | None]
    )
    """By group; ``None`` where each of its hosts must be asked about."""


_scopes: dict[tuple[Path | None, int], _Scope] = {}
_leaders: dict[tuple[Path | None, int, ssh_alike.Group | None], asyncio.Task[dict[str, list[str]]]] = {}


def _scope(config: Path | None, port: int) -> _Scope | None:
    known = _scopes.get((config, port))
    fresh = known is not None and time.monotonic() - known.read_at < _CACHE_SECONDS
    return known if known is not None and fresh and _stamps(known.files) == known.stamps else None


async def _run_once(key: _Key) -> dict[str, list[str]]:
    """Ask ssh itself, and remember the answer for this host and for those like it."""
    asked, alias, config, port = key
    said, files = await asyncio.get_running_loop().run_in_executor(_processes, _run, *key)
    stamps = _stamps(files)
    now = time.monotonic()
    for old in [one for one, held in _cache.items() if now - held[0] >= _CACHE_SECONDS]:
        del _cache[old]  # who asks for all changes with each expiry: in time everybody's answer would be kept
    _cache[key] = (now, stamps, (said, files))
    scope = _scope(config, port)
    if scope is None or scope.files != files:
        scope = _scopes[config, port] = _Scope(time.monotonic(), stamps, files, ssh_alike.patterns(files))
    group = scope.patterns.group(asked, alias) if scope.patterns is not None else None
    if scope.patterns is not None and group is not None:
        scope.answers[group] = said if scope.patterns.serves_others(said, asked, alias) else None
    return said


def forget() -> None:
    """Forget every answer, as after a change that no file's time would show."""
    _cache.clear()
    _scopes.clear()


def _stamps(files: tuple[str, ...]) -> tuple[object, ...]:
    found: list[object] = []
    for name in files:
        try:
            stat = Path(name).stat()
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


def _include(path: Path) -> str:
    text = str(path)
    if '"' in text or "\n" in text or "\\" in text:
        raise ConfigurationError("a path with quotes or backslashes cannot be given to ssh", where=text)
    return f'Include "{glob.escape(text)}"'


def _run(asked: tuple[str, ...], alias: str, config: Path | None, port: int) -> _Answer:
    own = Path(pwd.getpwuid(os.getuid()).pw_dir, ".ssh", "config")
    sources = (config,) if config else (own, _SYSTEM_CONFIG)
    marks = f"User {_UNSAID}\nPort {port}\nUserKnownHostsFile {_UNSAID_PATH}\nIdentityFile {_UNSAID_PATH}\n"
    text = "".join(f"{_include(source)}\nMatch all\n" for source in sources) + marks
    # ssh reads the file a second time for `Match final`, so that a pipe would not do.
    with tempfile.TemporaryDirectory(prefix="quarterdeck-") as folder:
        wrapper = Path(folder, "ssh_config")
        wrapper.write_text(text)
        out, err, code = _process(["ssh", "-v", "-G", "-F", str(wrapper), *asked, "--", alias])
    if code != 0:
        raise ConfigurationError(_complaint(err), where=f"ssh -G {alias}", todo=f"try: ssh -G {alias}")
    said: dict[str, list[str]] = {}
    for line in out.splitlines():
        name, _, value = line.partition(" ")
        said.setdefault(name.lower(), []).append(value)
    read = re.findall(r"Reading configuration data (.+)", err)
    files = dict.fromkeys([*(name.strip() for name in read if "quarterdeck-" not in name), *map(str, sources)])
    return said, tuple(files)


def _complaint(err: str) -> str:
    """What ssh itself found wrong: the lines it prints that are no debugging."""
    lines = [line.strip() for line in err.splitlines()]
    ours = [line for line in lines if line and not line.startswith(("debug", "OpenSSH_", "Pseudo-terminal"))]
    return "; ".join(ours[-3:]) or "ssh refuses this configuration"


def _process(argv: list[str]) -> tuple[str, str, int]:
    """Run to its end, its children (``Match exec``) included; bounded in time."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigurationError(
            f"ssh cannot be run: {error.strerror}", where="ssh", todo="install the OpenSSH client"
        ) from None
    with process:
        try:
            out, err = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise ConfigurationError(
                f"ssh -G did not end within {_TIMEOUT:.0f} s", where=argv[-1], todo="look at Match exec in ssh_config"
            ) from None
    return out, err, process.returncode
