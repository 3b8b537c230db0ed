"""Definitions: the same in code and YAML, and every mistake with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from backends.projects import reading, references
from backends.projects.base import from_file
from backends.projects.default import DEFAULT
from backends.projects.definition import Definition, Health, Mount, Service


def mistakes(text: str) -> list[str]:
    with pytest.raises(reading.InvalidDefinition) as caught:
        reading.from_yaml(text, "shop.yaml")
    return str(caught.value).splitlines()


def test_the_default_keeps_its_own_rules_and_comes_back_from_json() -> None:
    assert reading.checked(DEFAULT) == DEFAULT
    assert reading.from_json(DEFAULT.as_json()).as_json() == DEFAULT.as_json()
    assert DEFAULT.in_order() == ("postgres", "redis", "backend", "frontend")


def test_yaml_has_the_fields_of_the_code() -> None:
    text = """\
services:
  api:
    image: registry.example:5000/team/api:1
    command: [serve, --port, '80']
    ports: [80, 81]
    listen: 0.0.0.0
    env: {A: 1, B: true, C: '${secret:token} ${port:api} $$'}
    secrets: [other]
    volumes: {data: /data}
    mounts: [{path: src, target: /src, read_only: true}]
    health: {test: [check], interval: 5, timeout: 2, retries: 4, start_period: 6, slow_ms: 70}
    depends_on: [db]
    cpus: 0.5
    memory_mb: 64
    required: false
    workdir: /src
    user: '1000:1000'
    restart: 'no'
    stop_timeout: 3
  db: {image: db, ports: 5432}
"""
    assert reading.from_yaml(text, "x") == Definition(
        services={
            "api": Service(
                image="registry.example:5000/team/api:1",
                command=("serve", "--port", "80"),
                ports=(80, 81),
                listen="0.0.0.0",
                env={"A": "1", "B": "true", "C": "${secret:token} ${port:api} $$"},
                secrets=("other", "token"),
                volumes={"data": "/data"},
                mounts=(Mount(path="src", target="/src", read_only=True),),
                health=Health(test=("check",), interval=5, timeout=2, retries=4, start_period=6, slow_ms=70),
                depends_on=("db",),
                cpus=0.5,
                memory_mb=64,
                required=False,
                workdir="/src",
                user="1000:1000",
                restart="no",
                stop_timeout=3,
            ),
            "db": Service(image="db", ports=(5432,)),
        }
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  web:\n    image: bb\n    port: 80\n", "4:5: unknown key 'port' (nearest valid name: ports)"),
        ("servces: {}\nservices: {a: {image: b}}\n", "1:1: unknown key 'servces' (nearest valid name: services)"),
        ("services:\n  web: {}\n", "2:3: 'image' is missing"),
        ("services:\n  web: {image: 'b b'}\n", "2:16: 'image': 'b b': an image is written NAME:TAG, such as redis:7"),
        ("services:\n  web: {image: b, cpus: many}\n", "2:25: 'cpus' must be a number, not 'many'"),
        ("services:\n  web: {image: b, ports: [99999]}\n", "2:27: 'ports' must be at most 65535, not '99999'"),
        (
            "services:\n  web: {image: b, depends_on: [dbb]}\n  db: {image: b}\n",
            "2:32: there is no service 'dbb' (nearest valid name: db)",
        ),
        ("services:\n  web: {image: b, depends_on: [web]}\n", "2:32: 'web' cannot wait for itself"),
        (
            "services:\n  a: {image: b, depends_on: [b]}\n  b: {image: b, depends_on: [a]}\n",
            "2:29: services wait for each other in a circle: a → b → a",
        ),
        ("services:\n  a: {image: b, env: {X: '${port:a}'}}\n", "2:26: ${port:a}: 'a' publishes no port"),
        ("services:\n  a: {image: b, mounts: [{path: ../x, target: /x}]}\n", "without '..'"),
        ("services:\n  a: {image: b, mounts: [{path: /etc, target: /x}]}\n", "is relative"),
        ("services:\n  a: {image: b, volumes: {x: /run/secrets}}\n", "nothing can be mounted at '/run/secrets'"),
        ("services:\n  a: {image: b, volumes: {x: /d, y: /d/}}\n", "something is mounted at '/d' already"),
        ("services:\n  a: {image: b, ports: [1,2,3,4,5,6,7,8,9,10,11]}\n", "11 ports are published"),
        ("services:\n  a: {image: b, ports: [1, 1]}\n", "port 1 stands here twice"),
        ("services:\n  A_b: {image: b}\n", "a service's name has 1 to 32 lower-case letters"),
        ("services:\n  a: {image: b, listen: everywhere}\n", "an address is written 127.0.0.1"),
        ("services: {}\n", "1:11"),
        ("", "'services' is missing"),
        ("services:\n\ta: b\n", "2:1: a tab stands where only spaces may indent"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    (only,) = mistakes(text)
    assert only.startswith("shop.yaml:")
    assert said in only


def test_every_mistake_is_told_at_once() -> None:
    assert len(mistakes("services:\n  a: {image: 'x y', cpus: 0}\n  b: {imag: b}\n")) == 4


def test_a_dollar_that_refers_to_nothing_is_a_mistake() -> None:
    (only,) = mistakes("services:\n  a: {image: b, env: {X: 'cost: 5$'}}\n")
    assert "a dollar sign is written $$" in only
    (only,) = mistakes("services:\n  a: {image: b, env: {X: '${hots}'}}\n")
    assert "(nearest valid name: host)" in only


def test_a_file_that_is_not_there_or_not_text_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(reading.InvalidDefinition, match="no such file"):
        reading.from_file(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(reading.InvalidDefinition, match="not UTF-8"):
        reading.from_file(tmp_path / "b.yaml")


def test_code_is_held_to_the_same_rules() -> None:
    wrong = Definition(services={"a": replace(DEFAULT.services["redis"], depends_on=("b",))})
    with pytest.raises(reading.InvalidDefinition, match="there is no service 'b'"):
        reading.checked(wrong)


CODE = """\
from backends.projects.definition import Definition, Service

DEFINITION = Definition(services={"web": Service(image="web:1", ports=(80,), env={"A": "${host}"})})
"""


def test_a_python_file_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(CODE)
    assert from_file(file).services["web"].ports == (80,)
    for text, said in (
        (CODE.replace("${host}", "${hots}"), "nearest valid name: host"),
        ("DEFINITION = 1", "it puts no Definition under the name DEFINITION"),
        ("1 / 0", "its code fails: ZeroDivisionError: division by zero"),
        ("def", "its code fails: SyntaxError"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            from_file(file)
        assert said in str(caught.value)


def test_code_that_others_may_write_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    file.chmod(0o666)
    with pytest.raises(ConfigurationError, match="nobody else may write it"):
        from_file(file)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        from_file(tmp_path / "none.py")


def test_what_a_service_needs_comes_with_it() -> None:
    assert DEFAULT.with_needs(("backend",)) == ("postgres", "redis", "backend")
    assert DEFAULT.with_needs(()) == DEFAULT.in_order()
    assert DEFAULT.offsets() == {"postgres": (0,), "redis": (1,), "backend": (2,), "frontend": (3,)}


def test_references_are_put_in_and_all_else_is_passed_through() -> None:
    text = "a${host}b$$c${secret:x}"
    assert references.filled(text, lambda what, name: f"<{what} {name}>", str.upper) == "A<host >B$C<secret x>"
    assert references.secrets(text) == ("x",)
