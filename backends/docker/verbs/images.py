"""The verbs of images, by the engine that holds them and the registries it reaches."""

from __future__ import annotations

from typing import Any, cast

from app.column import clean
from app.errors import Missing, QuarterdeckError, Refused, Unsupported
from app.fleet import Ref
from app.plan import Plan, Proof, Report, Result, Step
from app.verb import Text
from backends.docker.answers import strings
from backends.docker.contract import Client, Engine
from backends.docker.registry.freshness import freshness
from backends.docker.registry.pulling import (
    Pulled,
    account_on,
    pull,
    pull_text,
    question_text,
    registry_digest,
)
from backends.docker.registry.reference import Reference, parse
from backends.docker.verbs.base import ACT_S, QUICK_S, in_path, listed
from backends.docker.verbs.disk import bytes_text
from backends.docker.verbs.image_prune import ImagePrune
from backends.docker.verbs.images_used import running_users, users_of
from backends.docker.verbs.inspected import inspected
from backends.docker.verbs.login import LoginVerb
from backends.kinds.image import Image

_NOBODY = Ref("image", "")
"""What a verb of the kind acts on: the image is not there yet."""


class ImageActions(LoginVerb, ImagePrune):
    """Mixed into a ``Backend``, before it."""

    async def pull_image(self, reference: str, *, to: str | None = None) -> Plan:
        """Fetch an image from its registry, layer by layer."""
        wanted = parse(reference)
        node = self.node_meant(to)
        self.engine_at(node)
        step = Step(
            _NOBODY,
            f"{node}: {pull_text(wanted)}",
            lambda report: self._pull(node, wanted, report),
            undo=f"quarterdeck image remove {node}/{wanted.name}",
        )
        return Plan(step, proofs=[self._there(_NOBODY, node, wanted)])

    async def refresh_image(self, target: Image) -> Plan:
        """Fetch the image that its name means now; containers made from the old one stay as they are."""
        wanted = _named(target)
        step = Step(target, pull_text(wanted), lambda report: self._pull(target.source, wanted, report, target))
        notes = [f"{target.id}: {listed(list(target.used_by))} keep the image they have"] if target.used_by else []
        return Plan(step, notes=notes, proofs=[self._there(target, target.source, wanted)])

    async def check_image(self, target: Image) -> Plan:
        """Ask the registry whether it has a newer digest under this name; nothing is fetched.

        Of one that came from no registry there is nothing to ask: that is said, and is no fault.
        """
        known = bool(target.digests)
        if not known and target.state != "dangling":  # a row may be older than the pull that brought the digest
            whole = await _image(self.engine_at(target.source), target.name, target.id)
            known = bool(strings(whole.get("RepoDigests")))
        if not known:
            return Plan(notes=[f"{target.id}: it was built or loaded there, or has no name: no registry to ask"])
        wanted = _named(target)

        async def run(report: Report) -> Result:
            engine = self.engine_at(target.source)
            whole = await _image(engine, target.name, target.id)
            held = {one.rpartition("@")[2] for one in strings(whole.get("RepoDigests"))}
            if not held:
                raise Unsupported("the name means another image by now, which came from no registry", where=target.id)
            account = await account_on(self.context, target.source, wanted.registry, report)
            digest = await registry_digest(engine, wanted, account)
            newer = digest not in held
            self.context.shared(freshness).learned(target.source, str(whole["Id"]), target.name, newer=newer)
            words = f"there is a newer one: {digest}" if newer else f"current: {digest}"
            return Result(0, words, {"newer": newer, "digest": digest, "held": sorted(held)})

        return Plan(Step(target, question_text(wanted), run))

    async def remove_image(self, target: Image, *, force: bool = False) -> Plan:
        """Remove it from the engine; of an image with other names, only this name.

        Refused while running containers use it, and without ``force`` while stopped ones do.
        """
        engine = self.engine_at(target.source)
        known = target.name if target.state != "dangling" else target.image_id
        whole = await _image(engine, known, target.id)
        number = str(whole["Id"])
        others = [tag for tag in strings(whole.get("RepoTags")) if tag not in (target.name, "<none>:<none>")]
        used = await engine.call(lambda client: users_of(client, number), timeout=QUICK_S)
        run, text = self._removing(engine, target, known, number, force=force)
        step = Step(target, text, run, lane=f"image@{target.source}", undo=_undo(target, whole))
        if others:
            loses = [f"the name {clean(target.name)} on {target.source}; the image stays as {listed(others)}"]
            return Plan(step, loses=loses)
        runs = running_users(used)
        names = [name for name, _ in used]
        free = ("no container uses it", not names, f"used by {listed(names)}" if names else "none does")
        if names and force:
            free = ("no running container uses it", not runs, f"run from it: {listed(runs)}" if runs else "none runs")
        elif names and not runs:
            free = (free[0], False, f"{free[2]}, none of which runs: --force removes it all the same")
        loses = [f"image {clean(target.id)} ({bytes_text(whole.get('Size'))})"]
        if names:
            loses.append(f"what {listed(names)} would need to be made anew")
        return Plan(step, loses=loses, preconditions=[free])

    async def inspect_image(self, target: Image) -> Text:
        """Show all that the engine knows of it; what looks like a secret in its environment is covered."""
        known = target.name if target.state != "dangling" else target.image_id
        return inspected(await _image(self.engine_at(target.source), known, target.id))

    # -- what they share

    async def _pull(self, node: str, wanted: Reference, report: Report, target: Image | None = None) -> Result:
        engine = self.engine_at(node)
        account = await account_on(self.context, node, wanted.registry, report)
        done = await pull(engine, wanted, account, report)
        if done.digest:
            self.context.shared(freshness).learned(node, done.image_id, wanted.name, newer=False)
        data = {"node": node, "digest": done.digest, "image_id": done.image_id, "changed": done.changed}
        return Result(0, _words(node, wanted, done, target), data)

    def _there(self, subject: Ref | Image, node: str, wanted: Reference) -> Proof:
        async def look() -> str:
            account = await account_on(self.context, node, wanted.registry)
            return await registry_digest(self.engine_at(node), wanted, account)

        return Proof(subject, f"{wanted.registry} has {wanted.name}, and {node} may have it", look)

    def _removing(self, engine: Engine, target: Image, known: str, number: str, *, force: bool) -> tuple[Any, str]:
        """The step's work and its text."""

        def work(client: Client) -> list[dict[str, str]]:
            now = str(client.inspect_image(known)["Id"])
            if now != number:
                raise Refused("the name means another image by now", where=target.id, todo="look at it again")
            return client.remove_image(known, force=force)

        async def run(report: Report) -> Result:
            try:
                said = await engine.call(work, timeout=ACT_S)
            except Refused as error:
                raise Refused(error.what, where=target.id, todo=error.todo) from None
            gone = [one["Deleted"] for one in said if "Deleted" in one]
            names = [one["Untagged"] for one in said if "Untagged" in one]
            for name in names:
                report.log(clean(f"untagged {name}"))
            words = "removed" if gone else "its name is removed; the image itself stays, because it is used"
            return Result(0, words, {"deleted": gone, "untagged": names})

        return run, f"DELETE /images/{in_path(known)}?force={int(force)}"


async def _image(engine: Engine, known: str, where: str) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", await engine.call(lambda client: client.inspect_image(known), timeout=QUICK_S))
    except Missing as error:
        raise Missing(error.what, where=where) from None


def _named(target: Image) -> Reference:
    if target.state == "dangling":
        raise Unsupported("it has no name to look for in a registry", where=target.id)
    try:
        return parse(target.name)
    except QuarterdeckError as error:
        raise Unsupported(error.what, where=target.id) from None


def _words(node: str, wanted: Reference, done: Pulled, target: Image | None) -> str:
    said = done.digest or done.image_id
    if not done.changed:
        return f"{clean(wanted.name)} on {node} was up to date: {said}"
    if done.before is None:
        return f"{clean(wanted.name)} is on {node}: {said}"
    users = (
        f"; {listed(list(target.used_by))} run from the old one until recreated" if target and target.used_by else ""
    )
    return f"{clean(wanted.name)} on {node} is another image now: {said}{users}"


def _undo(target: Image, whole: dict[str, Any]) -> str:
    """Only what came from a registry can be had again."""
    if target.state == "dangling" or not whole.get("RepoDigests"):
        return ""
    return f"quarterdeck image pull {target.name} --to {target.source}"
