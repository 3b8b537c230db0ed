"""What a login may do, by path: what is passed on to what lies below, and what is not known."""

from __future__ import annotations

import pytest

from backends.proxmox.permissions import Permissions

FOUND = Permissions.of(
    {
        "/": {"Sys.Audit": 1},
        "/vms": {"VM.Audit": 1, "VM.Console": 0},
        "/vms/100": {"VM.PowerMgmt": 1},
        "/storage/nfs/": {"Datastore.Audit": "1", "Datastore.Allocate": "0"},
        "/pool/lab": None,
    }
)


@pytest.mark.parametrize(
    ("path", "privilege", "may"),
    [
        ("/", "Sys.Audit", True),
        ("/nodes/pve1", "Sys.Audit", True),
        ("/vms", "VM.Audit", True),
        ("/vms/101", "VM.Audit", True),
        ("/vms/101", "VM.PowerMgmt", False),
        ("/vms", "VM.Console", True),
        ("/vms/101", "VM.Console", False),
        ("/vms/100", "VM.PowerMgmt", True),
        ("/vms/100", "VM.Audit", False),
        ("/vms/101", "Sys.Audit", False),
        ("/storage/nfs", "Datastore.Allocate", True),
        ("/storage/nfs/x", "Datastore.Allocate", False),
        ("/storage/nfs/x", "Datastore.Audit", True),
        ("/pool/lab", "VM.Audit", False),
        ("vms/101/", "VM.Audit", True),
    ],
)
def test_the_nearest_path_counts_and_what_it_passes_on(path: str, privilege: str, may: bool) -> None:
    assert FOUND.may(path, privilege) is may
    assert FOUND.missing(path, privilege) == (() if may else (privilege,))


def test_nothing_is_missing_while_nothing_is_known() -> None:
    unknown = Permissions()
    assert unknown.may("/vms/100", "VM.Audit") is None
    assert unknown.missing("/vms/100", "VM.Audit") == ()
    assert not unknown.nothing


def test_missing_ones_keep_their_order() -> None:
    assert FOUND.missing("/vms/101", "VM.Clone", "VM.Audit", "VM.Allocate") == ("VM.Clone", "VM.Allocate")


@pytest.mark.parametrize("answer", [{}, None, [], "x", {"/": {}}])
def test_a_login_without_any_right(answer: object) -> None:
    none = Permissions.of(answer)
    assert none.nothing
    assert none.may("/vms/100", "VM.Audit") is False


def test_what_is_granted_is_not_nothing() -> None:
    assert not FOUND.nothing


@pytest.mark.parametrize(
    ("privilege", "paths", "somewhere"),
    [
        ("VM.PowerMgmt", ("/vms",), True),
        ("VM.PowerMgmt", ("/pool", "/storage"), False),
        ("VM.Audit", ("/vms/7",), True),
        ("Datastore.Allocate", ("/storage",), True),
        ("Sys.Audit", ("/nodes",), True),
        ("VM.Allocate", ("/vms", "/pool"), False),
    ],
)
def test_whether_it_is_held_anywhere_below_goes_by_all_that_is_known(
    privilege: str, paths: tuple[str, ...], somewhere: bool
) -> None:
    assert FOUND.somewhere(privilege, *paths) is somewhere
    assert Permissions().somewhere(privilege, *paths) is True
