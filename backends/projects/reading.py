"""A definition read from YAML (or from the JSON kept with what was launched), or every mistake in it with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from app.errors import ConfigurationError
from app.inventory import document
from app.inventory.check import mistakes_of
from app.inventory.document import Document, KeyPath, shown
from app.inventory.model import Mistake
from app.inventory.pattern import nearest
from backends.projects import references
from backends.projects.definition import BLOCK, Definition, Health, Mount, Service
from backends.projects.shapes import DefinitionShape, ServiceShape

SECRET = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_VARIABLE = "a dollar sign is written $$, a reference ${secret:NAME}, ${port:SERVICE}, ${host} or ${project}"


class InvalidDefinition(ConfigurationError):
    """A definition has mistakes; its text is one line for each: ``FILE:LINE:COL: what (nearest valid name)``."""

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "1 mistake", where=file)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


def from_file(path: Path) -> Definition:
    """The definition in a YAML file; blocks. Raises InvalidDefinition, also where it cannot be read."""
    return _read(document.read(path))


def from_json(text: str, where: str = "definition") -> Definition:
    """The definition in what ``Definition.as_json`` wrote; raises InvalidDefinition."""
    return from_yaml(text, where)


def from_yaml(text: str, where: str) -> Definition:
    """The definition in a text, called ``where`` in messages; raises InvalidDefinition."""
    return _read(document.parse(text.encode("utf-8", "surrogatepass"), where))


def checked(definition: Definition, where: str = "definition") -> Definition:
    """A definition made in code, held to the same rules as one that was read; raises InvalidDefinition."""
    return from_json(definition.as_json(), where)


def _read(doc: Document) -> Definition:
    if doc.mistakes:
        raise InvalidDefinition(doc.file, tuple(doc.mistakes))
    try:
        shape = DefinitionShape.model_validate({} if doc.data is None else doc.data)
    except ValidationError as error:
        raise InvalidDefinition(doc.file, tuple(mistakes_of(doc, error, DefinitionShape))) from None
    definition = Definition(services={name: _service(one) for name, one in shape.services.items()})
    found = tuple(_senseless(doc, definition))
    if found:
        raise InvalidDefinition(doc.file, found)
    return definition


def _service(shape: ServiceShape) -> Service:
    ports = shape.ports if isinstance(shape.ports, list) else [] if shape.ports is None else [shape.ports]
    command = shape.command or ()
    referred = [name for text in shape.env.values() for name in references.secrets(text)]
    health = None
    if shape.health is not None:
        said = shape.health.model_dump()
        test = said.pop("test")
        health = Health(test=test if isinstance(test, str) else tuple(test), **said)
    return Service(
        image=shape.image,
        command=command if isinstance(command, str) else tuple(command),
        ports=tuple(ports),
        listen=shape.listen,
        env=dict(shape.env),
        secrets=tuple(dict.fromkeys([*shape.secrets, *referred])),
        volumes=dict(shape.volumes),
        mounts=tuple(Mount(**mount.model_dump()) for mount in shape.mounts),
        health=health,
        depends_on=tuple(shape.depends_on),
        cpus=shape.cpus,
        memory_mb=shape.memory_mb,
        required=shape.required,
        workdir=shape.workdir,
        user=shape.user,
        restart=shape.restart,
        stop_timeout=shape.stop_timeout,
    )


def _senseless(doc: Document, definition: Definition) -> Iterator[Mistake]:
    """What each by itself may stand there and makes no sense together."""
    services = definition.services
    total = sum(len(service.ports) for service in services.values())
    if total > BLOCK:
        yield doc.mistake(("services",), f"{total} ports are published, and a project's block has {BLOCK}", key=True)
    for name, service in services.items():
        at: KeyPath = ("services", name)
        for number, need in enumerate(service.depends_on):
            where: KeyPath = (*at, "depends_on", number)
            if need == name:
                yield doc.mistake(where, f"'{shown(name)}' cannot wait for itself")
            elif need not in services:
                near = nearest(need, services)
                yield doc.mistake(where, f"there is no service '{shown(need)}'", nearest=near)
        for port in sorted({port for port in service.ports if service.ports.count(port) > 1}):
            yield doc.mistake((*at, "ports"), f"port {port} stands here twice")
        yield from _clashing_targets(doc, at, service)
        for variable, text in service.env.items():
            yield from _references(doc, (*at, "env", variable), text, definition)
    circle = _circle(definition)
    if circle:
        spot: KeyPath = ("services", circle[0], "depends_on")
        yield doc.mistake(spot, f"services wait for each other in a circle: {' → '.join((*circle, circle[0]))}")


def _clashing_targets(doc: Document, at: KeyPath, service: Service) -> Iterator[Mistake]:
    taken: set[str] = set()
    targets = [((*at, "volumes", name), path) for name, path in service.volumes.items()]
    targets += [((*at, "mounts", number, "target"), one.target) for number, one in enumerate(service.mounts)]
    for where, path in targets:
        plain = path.rstrip("/") or "/"
        if plain in taken:
            yield doc.mistake(where, f"something is mounted at '{shown(plain)}' already")
        if plain == "/" or plain == "/run/secrets" or plain.startswith("/run/secrets/"):
            yield doc.mistake(where, f"nothing can be mounted at '{shown(plain)}'")
        taken.add(plain)


def _references(doc: Document, at: KeyPath, text: str, definition: Definition) -> Iterator[Mistake]:
    for what, name in references.found(text):
        if what == "port" and name:
            service = definition.services.get(name)
            if service is None:
                near = nearest(name, definition.services)
                yield doc.mistake(at, f"${{port:{shown(name)}}}: there is no service '{shown(name)}'", nearest=near)
            elif not service.ports:
                yield doc.mistake(at, f"${{port:{shown(name)}}}: '{shown(name)}' publishes no port")
        elif what == "secret" and name:
            if not SECRET.fullmatch(name):
                yield doc.mistake(at, f"'{shown(name)}': a secret's name has lower-case letters, digits, '-' or '_'")
        elif what not in ("host", "project") or name:
            near = nearest(what, ("secret", "port", "host", "project"))
            yield doc.mistake(at, _VARIABLE, nearest=near)


def _circle(definition: Definition) -> tuple[str, ...]:
    """Services that wait for each other; empty where none do."""
    order: dict[str, bool] = {}

    def walk(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
        if name in above:
            return above[above.index(name) :]
        if order.get(name):
            return ()
        for need in definition.services[name].depends_on:
            if need in definition.services and need != name and (found := walk(need, (*above, name))):
                return found
        order[name] = True
        return ()

    return next((found for name in definition.services if (found := walk(name, ()))), ())


__all__ = ["InvalidDefinition", "checked", "from_file", "from_json", "from_yaml"]
