"""A private Proxmox VE: fakepve in a process of its own, behind a layer as strict as the real thing.

Use the ``pve`` fixture (a fresh peer for each test) or ``pve_at`` (more of them, or another version)::

    from tests.servers.fakepve import Pve, StartPve, pve, pve_at, pve_process      # in the folder's conftest.py

    @pytest.mark.real("fakepve")
    async def test_x(pve: Pve) -> None:
        pve.add_vm(101, "web", status="running", config={"memory": 2048})
        httpx.AsyncClient(base_url=pve.api, headers=pve.headers, verify=pve.ca)
        assert pve.requests("POST")[-1]["path"] == "/nodes/pve1/qemu/101/status/start"

``scale`` (0.02) is what one of its seconds takes here: a start takes 0.02 s, a 401 comes 0.06 s late; with 0 every task
has ended before its request is answered. What a test may do to a cluster are the methods of ``Pve``: guests, nodes,
storages, pools, users and rights; nodes that are away, lost quorum, locks, full storages, tasks that fail or warn or
get lost, ids that somebody else takes, answers that are held, dropped connections, another certificate, a second
address, something else than Proxmox at the address. 9.1 is checked by the reference data or, where there is none, by
the copy that fakepve brings; tests of 8.4 are skipped without the reference data.

Every request is checked against the official schema; one that breaks it is refused as Proxmox refuses it and fails the
test at its end, unless the test says ``pve.expect_violations()``. Everything here is synchronous and quick.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from tests.conftest import need
from tests.servers.pve_schema import folder

_ROOT = Path(__file__).resolve().parents[2]
TOKEN = "deck@pve!console"


class PveProcess:
    """The process that holds every peer of a test run."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self._lock = threading.Lock()
        self.numbers = itertools.count(1)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.pve_process", str(folder)],
                cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ask(self, peer: int, what: str, **given: Any) -> Any:
        """Have a peer do something and return its answer; what it refused is an AssertionError here."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            line = json.dumps({"peer": peer, "do": what, "with": given})
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
        assert said, f"the Proxmox peer has ended: {self.log()}"
        answer = cast("dict[str, Any]", json.loads(said))
        assert "error" not in answer, f"{what}: {answer['error']}"
        return answer["ok"]

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-3000:]

    def end(self) -> None:
        """Close its input, upon which it ends."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        self._process.stdout.close()


@dataclass(frozen=True)
class Door:
    """A second address of a cluster."""

    url: str
    fingerprint: str
    ca: Path


class Pve:
    """One Proxmox VE cluster of the test's own.

    ``url``          ``https://127.x.y.z:8006``;  ``api`` the same with ``/api2/json``
    ``fingerprint``  SHA-256 of its certificate, ``AB:CD:…``;  ``ca`` a file to verify it with
    ``token``        ``USER@REALM!NAME=SECRET`` of a token that may do everything; ``headers`` to send it
    """

    def __init__(self, process: PveProcess, version: str, scale: float) -> None:
        self._process = process
        self._number = next(process.numbers)
        self.version = version
        self._violations_expected = False
        self._hear(self._ask("make", version=version, scale=scale, release=version))
        self.token = self.make_token(TOKEN)

    def _ask(self, what: str, **given: Any) -> Any:
        return self._process.ask(self._number, what, **given)

    def _hear(self, facts: dict[str, str]) -> None:
        self.url, self.host, self.fingerprint = facts["url"], facts["host"], facts["fingerprint"]
        self.ca = Path(facts["ca"])

    @property
    def api(self) -> str:
        """Where paths such as ``/cluster/resources`` begin."""
        return f"{self.url}/api2/json"

    @property
    def headers(self) -> dict[str, str]:
        """The header that its token goes in."""
        return {"Authorization": f"PVEAPIToken={self.token}"}

    # -- its life

    def stop(self) -> None:
        """Away: connections are refused, what it holds is still there."""
        self._ask("stop")

    def start(self) -> None:
        """Back at the same address."""
        self._hear(self._ask("start"))

    def new_certificate(self) -> None:
        """Another certificate from now on; ``fingerprint`` and ``ca`` follow."""
        self._hear(self._ask("new_certificate"))

    def open_door(self) -> Door:
        """Another address of the same cluster, as another node has one; with a certificate of its own."""
        facts = self._ask("open_door")
        return Door(facts["url"], facts["fingerprint"], Path(facts["ca"]))

    def close_door(self, door: Door) -> None:
        """That address refuses connections again."""
        self._ask("close_door", url=door.url)

    def drop(self) -> None:
        """For the fixture: end it and forget everything."""
        self._ask("drop")

    # -- what it has seen

    def requests(self, method: str = "", containing: str = "") -> list[dict[str, Any]]:
        """Those seen, oldest first: ``method``, ``path``, ``query``, ``values`` (of the body), ``template``."""
        seen = cast("list[dict[str, Any]]", self._ask("requests"))
        return [one for one in seen if method in ("", one["method"]) and containing in one["path"]]

    def violations(self) -> list[dict[str, Any]]:
        """Requests that broke the schema: ``method``, ``path``, ``why``, ``errors``."""
        return cast("list[dict[str, Any]]", self._ask("violations"))

    def expect_violations(self) -> None:
        """This test sends what Proxmox refuses, on purpose."""
        self._violations_expected = True

    def forget(self) -> None:
        """Forget the requests and violations seen so far."""
        self._ask("forget")

    def check(self) -> None:
        """For the fixture: fail where the schema was broken and nobody expected it."""
        if not self._violations_expected:
            found = self.violations()
            assert not found, f"requests that Proxmox refuses: {found}"

    # -- who may do what

    def make_token(self, name: str, *rights: tuple[str, ...]) -> str:
        """A token, ``USER@REALM!NAME=SECRET``, rights as ``(path, privilege…)``; all of them where none is given."""
        granted = [list(one) for one in rights] if rights else None
        return f"{name}={self._ask('token', name=name, privileges=granted)}"

    def grant(self, name: str, path: str, *privileges: str) -> None:
        """More rights for a user or token."""
        self._ask("grant", name=name, path=path, privileges=list(privileges))

    def revoke(self, name: str) -> None:
        """Take all rights of a user or token away."""
        self._ask("revoke", name=name)

    def add_user(self, name: str, password: str, *rights: tuple[str, ...]) -> None:
        """A user (``deck@pve``) who logs in with a password; rights as a token's, none where none are given."""
        self._ask("user", name=name, password=password, privileges=[list(one) for one in rights])

    def revoke_tickets(self) -> None:
        """Every ticket is refused from now on."""
        self._ask("revoke_tickets")

    # -- what it holds

    def add_vm(self, vmid: int, name: str, **options: Any) -> None:
        """A virtual machine with two cores, 2 GiB, a disk of 32 GiB on local-lvm and a card on vmbr0.

        ``options``: node, status, qmpstatus, config (on top of the usual; ``bare=True``: instead of it), template,
        lock, pool, pending, snapshots (name -> facts such as ``vmstate``, oldest first), agent (``{}`` or its answers,
        for example ``{"interfaces": […]}``; the config needs ``agent: 1`` too), agent_hangs, ha_state, stats (figures),
        acpi, shutdown_secs, start_secs, start_error.
        """
        self._ask("add_vm", vmid=vmid, name=name, **options)

    def add_ct(self, vmid: int, name: str, **options: Any) -> None:
        """A container, with options as a machine's."""
        self._ask("add_ct", vmid=vmid, name=name, **options)

    def guest(self, vmid: int) -> dict[str, Any]:
        """How a guest stands: node, status, qmpstatus, config, pending, snapshots, lock, pool, template."""
        found = self._ask("guest", vmid=vmid)
        assert found is not None, f"there is no guest {vmid}"
        return cast("dict[str, Any]", found)

    def has_guest(self, vmid: int) -> bool:
        """Whether there is such a guest."""
        return self._ask("guest", vmid=vmid) is not None

    def set_guest(self, vmid: int, **values: Any) -> None:
        """Attributes of a guest: status, node, stats, agent, lock, ha_state, template …"""
        self._ask("set_guest", vmid=vmid, values=values)

    def set_config(self, vmid: int, **values: Any) -> None:
        """Keys of its config, as another client would change them; None takes one away."""
        self._ask("set_config", vmid=vmid, values=values)

    def remove_guest(self, vmid: int) -> None:
        """Gone, as if another client had removed it."""
        self._ask("remove_guest", vmid=vmid)

    def hold_config_lock(self, vmid: int, hold: bool = True) -> None:
        """Somebody holds the short lock of its config file, or lets go of it."""
        self._ask("hold_config_lock", vmid=vmid, hold=hold)

    def add_node(self, name: str, **figures: Any) -> None:
        """A node; ``figures``: cpu, maxcpu, mem, maxmem, disk, maxdisk, uptime."""
        self._ask("add_node", name=name, figures=figures)

    def node_offline(self, name: str, offline: bool = True) -> None:
        """A node goes away (595 for what is its own), or comes back."""
        self._ask("online", name=name, online=not offline)

    def quorum(self, have: bool) -> None:
        """Lost or found."""
        self._ask("quorum", have=have)

    def add_storage(self, name: str, kind: str, content: str = "images,rootdir", **options: Any) -> None:
        """A storage: zfspool, lvmthin, lvm, dir, nfs, rbd, pbs; ``options``: shared, nodes, avail, total, active …"""
        self._ask("add_storage", name=name, kind=kind, content=content, options=options)

    def set_storage(self, name: str, **options: Any) -> None:
        """Change one: ``avail=0`` is a full one, ``active=0`` one that is away."""
        self._ask("set_storage", name=name, options=options)

    def add_volume(self, storage: str, name: str, **facts: Any) -> None:
        """A file or image on it: ``iso/x.iso``, ``backup/vzdump-qemu-…``; content, size, format, vmid, ctime, notes."""
        self._ask("add_volume", storage=storage, name=name, facts=facts)

    def volumes(self, storage: str) -> dict[str, dict[str, Any]]:
        """What a storage holds: name -> facts."""
        return cast("dict[str, dict[str, Any]]", self._ask("volumes", storage=storage))

    def add_pool(self, name: str, *vms: int, comment: str = "", storages: list[str] | None = None) -> None:
        """A pool and its members."""
        self._ask("add_pool", name=name, comment=comment, vms=list(vms), storages=storages or [])

    # -- its tasks

    def tasks(self, kind: str = "") -> list[dict[str, Any]]:
        """All of them (of a type), oldest first: upid, type, id, user, status, exitstatus, log.

        ``beside`` is how many of its type were running when one began.
        """
        return [one for one in self._ask("tasks") if kind in ("", one["type"])]

    def add_task(self, **values: Any) -> str:
        """One of the past: node, type, id, user, starttime, endtime, exitstatus, log; returns its UPID."""
        return str(self._ask("add_task", values=values))

    def end_next(self, kind: str, *, error: str = "", warnings: int = 0, lost: bool = False) -> None:
        """How the next task of a type (``qmstart``) ends: with an error, with warnings, or killed without a word."""
        how = {"error": error} if error else {"lost": True} if lost else {"warnings": warnings}
        self._ask("end_next", kind=kind, how=how)

    def take_seconds(self, kind: str, seconds: float) -> None:
        """How long tasks of a type take, in its seconds (see ``scale``)."""
        self._ask("take_seconds", kind=kind, seconds=seconds)

    # -- its consoles: a terminal echoes, answers a line ``size`` and closes upon ``exit``

    def typed(self, where: str) -> list[str]:
        """What came over terminals of ``NODE/ID`` or of a node: text, ``size 80x24``, ``ping``."""
        return cast("list[str]", self.get("typed").get(where, []))

    def show(self, text: str) -> None:
        """Something comes up on every open terminal by itself."""
        self._ask("show", text=text)

    def hang_up(self) -> None:
        """Close every open console."""
        self._ask("hang_up")

    # -- faults

    def fail(self, method: str, path: str, **how: Any) -> None:
        """Answer requests whose path ends so with an error.

        ``error="already_running"`` takes one of fakepve's catalogue; ``status=500, message="…"`` is one's own;
        ``html=True`` makes it a page of a proxy in front; ``times=1`` lets the second request through.
        """
        self._ask("fail", method=method, path=path, how=how)

    def network(self, **values: Any) -> None:
        """Trouble: latency, jitter (its seconds), drop_rate, hang_rate, hang_secs, seed, node_latency."""
        self._ask("network", values=values)

    def heal(self) -> None:
        """No made failures and no trouble any more."""
        self._ask("heal")

    def hold(self, method: str, path: str) -> None:
        """Let answers to requests whose path ends so wait until ``release()``."""
        self._ask("hold", method=method, path=path)

    def release(self) -> None:
        """Let them go."""
        self._ask("release")

    def held(self) -> int:
        """How many requests wait."""
        return int(self._ask("held"))

    def take_ids(self, count: int) -> None:
        """The ids that are asked for next are taken by somebody else before they are used."""
        self._ask("set", name="taken_ids", value=count)

    def freeze_resources(self, frozen: bool = True) -> None:
        """``/cluster/resources`` keeps telling how things are now, as it really does for up to 10 s."""
        self._ask("freeze", frozen=frozen)

    def pretend(self, what: str) -> None:
        """Be something else: html, text, json, list, broken (JSON cut short) or silent; ``""`` ends it."""
        self._ask("set", name="pretends", value=what)

    def get(self, name: str) -> Any:
        """An attribute of the peer."""
        return self._ask("get", name=name)

    def set(self, name: str, value: object) -> None:
        """An attribute of the peer.

        ``late`` (its seconds before a 401), ``older`` (errors without a message in the body), ``time_scale``,
        ``ha_delay``, ``ticket_ttl`` (seconds), ``second_factors`` (user -> code), ``clones_at_once``, ``lock_wait``,
        ``download_size`` (bytes of everything fetched), ``tokens_have_terminals``, ``shutdown_default_timeout``.
        """
        self._ask("set", name=name, value=value)


class StartPve(Protocol):
    """Starts a cluster of the test's own."""

    def __call__(self, version: str = "9.1", *, scale: float = 0.02) -> Pve:
        """``version``: ``8.4`` or ``9.1``; ``scale``: what one of its seconds takes here."""
        ...


@pytest.fixture(scope="session")
def pve_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PveProcess]:
    """The process of all peers, started with the first."""
    need(importlib.util.find_spec("fakepve"), "fakepve")
    made = PveProcess(tmp_path_factory.mktemp("pve"))
    yield made
    made.end()


@pytest.fixture
def pve_at(pve_process: PveProcess) -> Iterator[StartPve]:
    """Starts clusters of the test's own."""
    started: list[Pve] = []

    def start(version: str = "9.1", *, scale: float = 0.02) -> Pve:
        if version != "9.1" and folder() is None:
            pytest.skip(f"the schema of Proxmox VE {version} is not beside this checkout")
        started.append(Pve(pve_process, version, scale))
        return started[-1]

    yield start
    try:
        for one in started:
            one.check()
    finally:
        for one in started:
            one.drop()


@pytest.fixture
def pve(pve_at: StartPve, request: pytest.FixtureRequest) -> Pve:
    """A cluster of one node, pve1, with nothing on it; parametrize indirectly with a version for another."""
    return pve_at(cast("str", getattr(request, "param", "9.1")))
