"""What the engine is told for one service: the body of ``POST /containers/create``, as the Engine API has it.

Pure: everything that had to be asked is in ``Place``. No secret is part of it, only the paths of their files.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.projects import names, references
from backends.projects.definition import Definition, Service

_NANO = 1_000_000_000
_MIB = 1 << 20
INSIDE = "/run/secrets"
"""Where the secrets are in a container."""


@dataclass(frozen=True, slots=True)
class ImageRun:
    """What a container of an image runs when it is not told otherwise."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a project is launched."""

    node: str
    project: str
    path: str
    """Its folder on the node."""
    first_port: int
    host: str
    """The node's address, as a browser reaches it."""
    definition: Definition
    defined_by: str = "default"
    secrets: str = ""
    """The folder on the node that holds the secrets; empty while it is not known."""
    images: Mapping[str, ImageRun] = field(default_factory=dict[str, "ImageRun"])
    """What images run; only of those whose service has secrets in its environment is it asked."""

    def ports(self, service: str) -> tuple[int, ...]:
        """The ports of the host on which a service's own are published, in their order."""
        return tuple(self.first_port + offset for offset in self.definition.offsets()[service])

    @property
    def labels(self) -> dict[str, str]:
        """What everything that belongs to the project is labelled with."""
        return {
            names.PROJECT: self.project,
            names.NODE: self.node,
            names.PATH: self.path,
            names.FIRST_PORT: str(self.first_port),
            names.DEFINED_BY: self.defined_by,
        }

    @property
    def labels_with_definition(self) -> dict[str, str]:
        """The same for its network and volumes, which carry the whole definition, and where the secrets are."""
        said = {**self.labels, names.DEFINITION: self.definition.as_json()}
        return {**said, names.SECRETS: self.secrets} if self.secrets else said


def volumes(place: Place, service: str) -> dict[str, str]:
    """The data volumes of a service: their names on the engine -> where they are in the container."""
    return {
        names.volume(place.project, service, name): path
        for name, path in place.definition.services[service].volumes.items()
    }


def secret_variables(service: Service) -> dict[str, str]:
    """The variables whose text needs a secret, and so are set inside the container only."""
    return {name: text for name, text in service.env.items() if references.secrets(text)}


def create(place: Place, service: str) -> dict[str, Any]:
    """The whole body, labels included."""
    spec = place.definition.services[service]
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={_filled(place, text)}" for name, text in _plain_variables(spec).items()],
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.ports},
        "StopTimeout": spec.stop_timeout,
        "HostConfig": _host(place, service, spec),
        "NetworkingConfig": {"EndpointsConfig": {names.network(place.project): {"Aliases": [service]}}},
    }
    shell = isinstance(spec.command, str) and spec.command
    command = ["/bin/sh", "-c", spec.command] if shell else list(spec.command)
    inside = secret_variables(spec)
    if inside:
        body["Entrypoint"] = ["/bin/sh", "-c", _exports(place, inside), service]
        image = place.images.get(spec.image, ImageRun())
        body["Cmd"] = [*image.entrypoint, *(command or image.command)]
    elif spec.command:
        body["Cmd"] = command
    body |= {key: value for key, value in (("User", spec.user), ("WorkingDir", spec.workdir)) if value is not None}
    if spec.health is not None:
        body["Healthcheck"] = _health(spec)
    body["Labels"] = {
        **place.labels,
        names.SERVICE: service,
        names.CONFIG: digest(body),
        names.PORTS: ",".join(str(port) for port in place.ports(service)),
        names.REQUIRED: "yes" if spec.required else "no",
    }
    return body


def checked_sooner(body: Mapping[str, Any], api: str) -> Mapping[str, Any]:
    """The same for an engine of an API version that can check more often while a container starts (from 1.44 on).

    Older ones make their first check when the interval has gone by once.
    """
    major, _, minor = api.partition(".")
    if "Healthcheck" not in body or not (major.isdecimal() and minor.isdecimal()) or (int(major), int(minor)) < (1, 44):
        return body
    check = {**body["Healthcheck"], "StartInterval": _NANO}
    return {**body, "Healthcheck": {**check, "StartPeriod": max(check["StartPeriod"], 10 * _NANO)}}


def digest(body: Mapping[str, Any]) -> str:
    """What tells one configuration from another: SHA-256 over all but the labels."""
    said = {key: value for key, value in body.items() if key != "Labels"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _plain_variables(spec: Service) -> dict[str, str]:
    inside = secret_variables(spec)
    return {name: text for name, text in spec.env.items() if name not in inside}


def _value(place: Place, what: str, name: str) -> str:
    if what == "port":
        return str(place.ports(name)[0])
    return {"host": place.host, "project": place.project}.get(what, "")


def _filled(place: Place, text: str) -> str:
    return references.filled(text, lambda what, name: _value(place, what, name))


def _exports(place: Place, variables: Mapping[str, str]) -> str:
    """Shell that sets variables from secret files, then becomes what follows."""

    def value(what: str, name: str) -> str:
        if what == "secret":
            return f'"$(cat {INSIDE}/{name})"'
        return shlex.quote(_value(place, what, name))

    lines = [
        f"export {name}={references.filled(text, value, lambda part: shlex.quote(part) if part else '')}"
        for name, text in variables.items()
    ]
    return "\n".join([*lines, 'exec "$@"'])


def _host(place: Place, service: str, spec: Service) -> dict[str, Any]:
    host: dict[str, Any] = {
        "NetworkMode": names.network(place.project),
        "RestartPolicy": {"Name": spec.restart},
        "PortBindings": {
            f"{port}/tcp": [{"HostIp": spec.listen, "HostPort": str(public)}]
            for port, public in zip(spec.ports, place.ports(service), strict=True)
        },
        "Mounts": [
            *({"Type": "volume", "Source": name, "Target": path} for name, path in volumes(place, service).items()),
            *(
                {
                    "Type": "bind",
                    "Source": posixpath.normpath(posixpath.join(place.path, mount.path)),
                    "Target": mount.target,
                    "ReadOnly": mount.read_only,
                }
                for mount in spec.mounts
            ),
            *(
                {
                    "Type": "bind",
                    "Source": f"{place.secrets}/{name}",
                    "Target": f"{INSIDE}/{name}",
                    "ReadOnly": True,
                }
                for name in spec.secrets
            ),
        ],
    }
    if spec.cpus is not None:
        host["NanoCpus"] = round(spec.cpus * _NANO)
    if spec.memory_mb is not None:
        host["Memory"] = spec.memory_mb * _MIB
    return host


def _health(spec: Service) -> dict[str, Any]:
    health = spec.health
    assert health is not None
    test = ["CMD-SHELL", health.test] if isinstance(health.test, str) else ["CMD", *health.test]
    return {
        "Test": test,
        "Interval": round(health.interval * _NANO),
        "Timeout": round(health.timeout * _NANO),
        "Retries": health.retries,
        "StartPeriod": round(health.start_period * _NANO),
    }


def limits(spec: Service) -> str:
    """The limits of a service, in words: ``1 CPU, 2048 MB``; empty without any."""
    said = [] if spec.cpus is None else [f"{spec.cpus:g} CPU"]
    return ", ".join([*said, *([] if spec.memory_mb is None else [f"{spec.memory_mb} MB"])])
