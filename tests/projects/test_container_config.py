"""What the engine is told for a service, without an engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from backends.projects.container_config import ImageRun, Place, checked_sooner, create, digest
from backends.projects.default import DEFAULT
from backends.projects.definition import Definition, Health, Mount, Service


def place(service: Service, **more: Any) -> Place:
    return Place(
        node="pi",
        project="shop",
        path="/src/shop",
        first_port=20010,
        host="pi.lan",
        definition=Definition(services={"web": service}),
        secrets="/home/ann/secrets",
        **more,
    )


def test_a_service_without_anything_is_told_nothing_but_its_image_and_network() -> None:
    body = create(place(Service(image="a:1")), "web")
    assert body["Image"] == "a:1"
    assert not {"Cmd", "Entrypoint", "User", "WorkingDir", "Healthcheck"} & set(body)
    assert not {"Memory", "NanoCpus"} & set(body["HostConfig"])
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"qd-shop": {"Aliases": ["web"]}}}


def test_the_image_s_own_command_runs_once_secrets_are_in_its_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("it's $HOME `x`")
    spec = Service(image="a:1", env={"URL": "x'y ${secret:key} ${host}:${port:web}$$"}, secrets=("key",), ports=(80,))
    body = create(place(spec, images={"a:1": ImageRun(("env",), ("-0",))}), "web")
    assert body["Env"] == []
    assert body["Cmd"] == ["env", "-0"]
    argv = [part.replace("/run/secrets", str(tmp_path)) for part in (*body["Entrypoint"], *body["Cmd"])]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "URL=x'y it's $HOME `x` pi.lan:20010$" in said.split("\0")


def test_a_command_line_is_run_by_the_shell_behind_the_images_entrypoint() -> None:
    spec = Service(image="a:1", command="a && b", env={"X": "${secret:k}"}, secrets=("k",))
    body = create(place(spec, images={"a:1": ImageRun(("/entry",), ("own",))}), "web")
    assert body["Cmd"] == ["/entry", "/bin/sh", "-c", "a && b"]
    assert create(place(Service(image="a:1", command="a && b")), "web")["Cmd"] == ["/bin/sh", "-c", "a && b"]


def test_mounts_are_the_folders_parts_volumes_and_single_secrets() -> None:
    spec = Service(
        image="a:1",
        mounts=(Mount(target="/all"), Mount(path="src/../src/a", target="/a", read_only=True)),
        volumes={"data": "/data"},
        secrets=("k",),
    )
    assert create(place(spec), "web")["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": "qd-shop-web-data", "Target": "/data"},
        {"Type": "bind", "Source": "/src/shop", "Target": "/all", "ReadOnly": False},
        {"Type": "bind", "Source": "/src/shop/src/a", "Target": "/a", "ReadOnly": True},
        {"Type": "bind", "Source": "/home/ann/secrets/k", "Target": "/run/secrets/k", "ReadOnly": True},
    ]


def test_configurations_are_told_apart_by_all_but_their_labels() -> None:
    one = create(place(Service(image="a:1")), "web")
    assert digest(one) == digest({**one, "Labels": {}})
    assert digest(one) != digest(create(place(Service(image="a:1", cpus=1)), "web"))
    assert digest(json.loads(json.dumps(one))) == digest(one)


def test_newer_engines_check_sooner_while_it_starts() -> None:
    body = create(place(Service(image="a:1", health=Health(test="t", start_period=300))), "web")
    assert checked_sooner(body, "1.41") is body
    said = checked_sooner(body, "1.44")["Healthcheck"]
    assert (said["StartInterval"], said["StartPeriod"]) == (10**9, 300 * 10**9)
    assert checked_sooner(create(place(Service(image="a:1")), "web"), "1.47").get("Healthcheck") is None


def test_the_default_puts_no_secret_where_it_can_be_read() -> None:
    where = Place(node="pi", project="shop", path="/p", first_port=20000, host="pi", definition=DEFAULT, secrets="/s")
    for service in DEFAULT.services:
        for line in create(where, service)["Env"]:
            assert "PASSWORD=" not in line
            assert "secret:" not in line
