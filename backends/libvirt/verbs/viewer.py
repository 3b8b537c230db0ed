"""``viewer``: where a guest's screen is to be seen, and the way there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from app.column import clean
from app.errors import BadAnswer, ConfigurationError, Refused, Unsupported
from app.plan import Plan, Report, Result, Step
from backends.kinds.vm_row import Vm
from backends.libvirt.failures import classified
from backends.libvirt.verbs.base import OnGuests, holds, typed

_ADDRESS = re.compile(r"(vnc|spice)://(?:[^@/]*@)?(\[[0-9a-f:.]+\]|[\w.-]*):(\d{1,5})(?:[?/].*)?", re.I)
_FIRST_PORT = 5900
"""VNC counts its displays from this port on."""
_EVERYWHERE = ("", "0.0.0.0", "[::]")  # noqa: S104 - what is read, not what is bound to


class ViewerVerb(OnGuests):
    """Where its screen is known only while it runs, and mostly the node alone can reach it."""

    async def viewer(self, target: Vm, *, protocol: str = "spice", file: Path | None = None) -> Plan:
        """Tell the address of its screen, and the tunnel that leads there."""
        if file is not None:
            raise ConfigurationError(
                "the screen of libvirt's guests needs no file", where="--file", todo="leave it out"
            )
        now = await self.fresh(target)
        if not now.runs:
            todo = f"quarterdeck vm start {typed(target)}"
            raise Refused(f"it is {now.words}, and has no screen", where=target.id, todo=todo)
        screens = now.definition.screen.split(", ")
        spoken = protocol if protocol in screens else next((one for one in screens if one in ("vnc", "spice")), "")
        if not spoken:
            todo = "add <graphics type='vnc'/> to its definition (virsh edit) and start it anew"
            raise Unsupported("it has no screen that can be seen from elsewhere", where=target.id, todo=todo)
        notes = [] if spoken == protocol else [f"{target.id}: its screen speaks {spoken.upper()} only"]
        words = ["domdisplay", now.uuid, "--type", spoken]

        async def run(report: Report) -> Result:
            (said,) = await self.answers(target.source, " ".join(words))
            if said.startswith("error: "):
                raise classified(said, target.id)
            return self._shown(target, said.strip(), report)

        line = self.line(target.source, *words)
        return Plan(Step(target, line, run), notes=notes, preconditions=[holds(now, "it runs")])

    def _shown(self, target: Vm, told: str, report: Report) -> Result:
        entry = self.context.inventory().nodes.get(target.source)
        found = _ADDRESS.fullmatch(told)
        if found is None:
            if not told:
                raise BadAnswer("libvirt does not say where its screen is", where=target.id)
            report.output("stdout", f"{clean(told)}\n")
            return Result(0, f"{clean(told)} on {target.source}", {"url": clean(told)})
        scheme, host, number = found[1].lower(), found[2], int(found[3])
        port = number + _FIRST_PORT if scheme == "vnc" and number < _FIRST_PORT else number
        host = "127.0.0.1" if host in _EVERYWHERE else host
        if entry is not None and entry.local:
            url = f"{scheme}://{host}:{port}"
        else:
            url = f"{scheme}://127.0.0.1:{port}"
            spec = f"{port}:{host}:{port}"
            report.output("stdout", shlex.join(["quarterdeck", "node", "tunnel", target.source, spec]) + "\n")
        report.output("stdout", f"remote-viewer {url}\n")
        return Result(0, f"{url}, port {port} of {target.source}", {"url": url, "port": port})
