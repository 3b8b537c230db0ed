"""What the verbs of guests share: the guest as it is now, and one ``virsh`` command line as a step.

Guests are meant by their UUID: a name may be another guest's by the time something runs, and a name of digits is
taken for a number by ``virsh``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Missing, QuarterdeckError, Refused, Unsupported
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.kinds.vm_verbs import VmVerbs
from backends.libvirt.declared import uri_of
from backends.libvirt.definition import Definition, definition
from backends.libvirt.failures import classified
from backends.libvirt.session import ENVIRONMENT, OneByOne
from backends.node_verbs.running import perform

if TYPE_CHECKING:
    from app.backend import Context
    from app.link import Link

ACT_S = 120.0
"""How long an action may take that is over at once."""
COPY_S = 6 * 3600.0
"""How long writing memory or disks may take."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SNAPSHOT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_DOMINFO = re.compile(r"^([A-Za-z() ]+): +(.*)$", re.MULTILINE)
_STATES = {
    "running": "running",
    "idle": "running",
    "in shutdown": "running",
    "paused": "paused",
    "shut off": "stopped",
    "crashed": "stopped",
    "pmsuspended": "suspended",
}


@dataclass(frozen=True, slots=True)
class Now:
    """A guest as its libvirt has it at one moment."""

    uuid: str
    name: str
    state: str
    """As ``Vm.state`` has it; ``suspended`` with ``saved`` is one whose memory is on disk."""
    saved: bool
    persistent: bool
    autostart: bool
    definition: Definition
    xml: str
    """Its definition, with secrets."""

    @property
    def runs(self) -> bool:
        """Whether it has a process, frozen ones included."""
        return self.state in ("running", "paused") or (self.state == "suspended" and not self.saved)

    @property
    def words(self) -> str:
        """Its state for a sentence."""
        return "saved to disk" if self.saved else self.state


class OnGuests(VmVerbs):
    """Base of the verb families; mixed into a ``Backend``, which brings ``context``."""

    context: Context

    def link_at(self, node: str) -> Link:
        """A node's one connection; not necessarily open."""
        return self.context.links.of(node)

    def uri_at(self, node: str) -> str:
        """The connection that is asked there. Raises Missing or Unsupported where there is none."""
        entry = self.context.inventory().nodes.get(node)
        if entry is None:
            raise Missing("no such node is configured", where=node)
        uri = uri_of(entry)
        if uri is None:
            raise Unsupported("its libvirt is switched off", where=node, todo="remove libvirt: false from hosts.yaml")
        return uri

    def line(self, node: str, *words: str) -> str:
        """The command line of ``virsh`` there, as it is shown and run."""
        return shlex.join(["virsh", "-c", self.uri_at(node), *words])

    async def answers(self, node: str, *lines: str) -> list[str]:
        """Answers to command lines of virsh, all by one process; an answer may be an error's text."""
        return await OneByOne(self.link_at(node), self.uri_at(node)).ask(*lines)

    async def answer(self, node: str, line: str, where: str) -> str:
        """One answer; raises what its error means, about ``where``."""
        (said,) = await self.answers(node, line)
        if said.startswith("error: "):
            raise classified(said, where)
        return said

    async def fresh(self, target: Vm) -> Now:
        """The guest as it is now, by its UUID; raises Missing when it is gone."""
        info, xml = await self.answers(target.source, f"dominfo {target.key}", f"dumpxml --inactive {target.key}")
        for said in (info, xml):
            if said.startswith("error: "):
                raise classified(said, target.id)
        told = {key.strip(): value.strip() for key, value in _DOMINFO.findall(info)}
        said = _STATES.get(told.get("State", ""))
        if said is None:
            raise BadAnswer(f"virsh calls its state {clean(told.get('State', ''))[:40]!r}", where=target.id)
        saved = told.get("Managed save") == "yes" and said == "stopped"
        return Now(
            uuid=target.key,
            name=told.get("Name", target.name),
            state="suspended" if saved else said,
            saved=saved,
            persistent=told.get("Persistent") == "yes",
            autostart=told.get("Autostart") == "enable",
            definition=definition(xml),
            xml=xml,
        )

    def step(
        self,
        target: Vm,
        *words: str,
        done: str,
        within: float = ACT_S,
        input: bytes | None = None,
        name: str = "",
        after: Sequence[str] = (),
        lanes: Sequence[str] = (),
        undo: str = "",
        then: Callable[[Report], Awaitable[Result]] | None = None,
    ) -> Step:
        """One command line as a step; ``then`` goes on where it was done, unless nobody waits."""
        line = self.line(target.source, *words)

        async def run(report: Report) -> Result:
            result = await self.act(target, line, report, within=within, input=input)
            if result.exit_code:
                return result
            if then is not None and report.wait:
                return await then(report)
            return Result(0, done, result.data)

        undone = f"quarterdeck vm {undo} {typed(target)}" if undo else ""
        return Step(target, line, run, name=name, after=tuple(after), lane=(lane(target), *lanes), undo=undone)

    async def act(
        self, target: Vm, line: str, report: Report, *, within: float = ACT_S, input: bytes | None = None
    ) -> Result:
        """Run a command line of virsh; its exit code is kept, and its error is told as what it means.

        ``input`` is what the line calls ``/dev/stdin``: that has to be a pipe, and may be a socket.
        """
        link = self.link_at(target.source)
        command = f"exec {line}" if input is None else f"cat | {line}"
        result = await perform(link, f"{ENVIRONMENT}; {command}", report, input=input, timeout=within)
        if result.exit_code:
            said = str(result.data.get("stderr", "")) or str(result.data.get("stdout", ""))
            error = classified(said, target.id) if said.strip() else QuarterdeckError(result.message)
            message = f"{error.what}; {error.todo}" if error.todo else error.what
            return Result(result.exit_code, message or "virsh failed and said nothing", result.data)
        return result


def typed(target: Vm) -> str:
    """Its id as a word of a command line to be copied, whatever it is called."""
    return shlex.quote(target.id)


def lane(target: Vm) -> str:
    """What is done to one guest is done one after the other."""
    return f"vm@{target.source}:{target.key}"


def holds(now: Now, what: str = "it is there") -> tuple[str, bool, str]:
    """The evidence of a fresh look, as a precondition that holds."""
    return what, True, f"{clean(now.name)} ({now.uuid}) is {now.words}"


def nothing(target: Vm, why: str) -> Plan:
    """A plan that does nothing, because that is how it is already."""
    return Plan(notes=[f"{target.id}: {why}"])


def no_template(target: Vm, now: Now) -> None:
    """Raise Refused for a template: what was cloned from it stands on its disks."""
    if now.definition.template:
        todo = f"clone it: quarterdeck vm clone {typed(target)} --name NAME"
        raise Refused("it is a template, and running it would spoil its clones", where=target.id, todo=todo)


def running(target: Vm, now: Now, what: str) -> None:
    """Raise Refused unless it has a process."""
    if not now.runs:
        raise Refused(f"only a guest that runs can {what}, and it is {now.words}", where=target.id)


def hears(target: Vm, now: Now, what: str) -> None:
    """Raise Refused unless its system can hear what is asked of it."""
    running(target, now, what)
    if now.state != "running":
        todo = f"quarterdeck vm resume {typed(target)}, or quarterdeck vm stop {typed(target)}"
        raise Refused(f"it is {now.words}, and its system cannot hear that it is to {what}", where=target.id, todo=todo)


def guest_name(name: str, where: str = "--name") -> str:
    """A name for a new guest; raises ConfigurationError for what is none."""
    if not _NAME.fullmatch(name):
        what = f"'{clean(name)[:80]}' is no name for a guest"
        raise ConfigurationError(what, where=where, todo="letters, digits, - . and _; a letter or digit first")
    if name.isdigit():
        raise ConfigurationError(
            f"'{name}' is no name for a guest: virsh takes digits for a number", where=where, todo="add a letter"
        )
    return name


def snapshot_name(name: str) -> str:
    """A name of a snapshot; raises ConfigurationError for what is none."""
    if not _SNAPSHOT.fullmatch(name):
        what = f"'{clean(name)[:80]}' is no name of a snapshot"
        raise ConfigurationError(what, where="--name", todo="letters, digits, - and _; a letter first; 40 at most")
    return name


def quoted(text: str) -> str:
    """One word of a command line that virsh itself reads. Raises ConfigurationError for what is no one line."""
    if any(char in text for char in "\n\r\0"):
        raise ConfigurationError("this has to be one line", where=clean(text)[:80])
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_time(timeout: int) -> None:
    """Raise ConfigurationError for what is no time to wait."""
    if not 1 <= timeout <= 86400:
        raise ConfigurationError(f"{timeout} is no time to wait", where="--timeout", todo="give 1 to 86400 seconds")
