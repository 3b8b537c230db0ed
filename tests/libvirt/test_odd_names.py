"""Guests whose names look like patterns, options or commands of a shell: each is meant by its id, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.root import call
from tests.libvirt.watched import here, watching
from tests.servers.libvirt import Libvirtd

pytestmark = pytest.mark.real("libvirtd")


def test_a_whole_id_is_no_pattern(
    libvirt: Libvirtd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("g*", "gateway", "x,y", "x"):
        libvirt.domain(name, start=False, disks=0, memory_mib=16)
    monkeypatch.setenv("QUARTERDECK_HOME", str(tmp_path / "home"))
    file = tmp_path / "hosts.yaml"
    file.write_text(f"nodes: {{hp: {{local: true, docker: false, libvirt: '{libvirt.uri}'}}}}\n")
    for words, started in ((["hp/g*", "hp/x,y"], {"g*", "x,y"}), (["hp/*"], {"g*", "gateway", "x,y", "x"})):
        assert call(["--hosts", str(file), "--output", "json", "vm", "start", *words]) == 0
        done = json.loads(capsys.readouterr().out)["items"]
        assert {one["id"] for one in done} == {f"hp/{name}" for name in started}
        assert {name for name in libvirt.uuids() if libvirt.state(name) == "running"} == started


async def test_what_is_told_to_be_typed_is_safe_to_be_typed(libvirt: Libvirtd) -> None:
    name = "a $(touch pwned) b"
    libvirt.domain(name, disks=0, memory_mib=16)
    async with watching(here(libvirt.uri, "hp")) as on:
        refused = await on.do("clone", f"hp/{name}", name="copy")
        assert f"quarterdeck vm shutdown 'hp/{name}'" in refused.message
