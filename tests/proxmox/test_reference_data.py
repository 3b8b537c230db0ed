"""What judges the rest of this folder must be there to judge, or be said to be absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.proxmox import reference
from tests.servers.pve_schema import VERSIONS


def test_the_schemas_of_both_versions_are_there() -> None:
    for name in VERSIONS.values():
        assert json.loads((reference.reference().parent / "proxmox" / Path(name).name).read_text())


@pytest.mark.parametrize(("named", "ends"), [("/nowhere", pytest.fail.Exception), ("absent", pytest.skip.Exception)])
def test_where_real_parts_are_required_absence_must_be_said(
    named: str, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERDECK_SHARED", named)
    monkeypatch.setattr(reference, "REAL_REQUIRED", True)
    with pytest.raises(ends):
        reference.reference()
