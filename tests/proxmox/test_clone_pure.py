"""Names, numbers, addresses, keys and sizes of guests that are made."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from app.errors import ConfigurationError, Unsupported
from backends.proxmox.cloud_init import address, has_drive, keys_in, shown_key, sshkeys, with_address
from backends.proxmox.names import check_name, check_tags, numbered
from backends.proxmox.verbs.recipe import disk_size, first_disk, growth, tags_with, total_size
from backends.proxmox.verbs.spoken import call

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPk1DwJZ0cJ2Yw4u0bqLxg0T8Vb4Xx8G5pTq1Wn3R7zE ops@hp"


@pytest.mark.parametrize("name", ["web", "web-1", "a.b.c", "0", "A1", "x" * 63])
def test_a_host_name_is_a_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "a..b", "-a", "a-", "a_b", "a b", "ä", "x" * 64, "a." * 127 + "ab", "a\n"])
def test_anything_else_is_none(name: str) -> None:
    with pytest.raises(ConfigurationError):
        check_name(name)


def test_numbers_pass_over_names_that_are_taken_however_they_are_written() -> None:
    assert numbered("w", 3, {"W-1", "w-3", "x-2"}) == ("w-2", "w-4", "w-5")


def test_tags_are_sorted_small_and_single() -> None:
    assert check_tags(["Web", "web", "edge_1"]) == ("edge_1", "web")
    assert tags_with({"tags": "b;a,c"}, ["D"]) == "a;b;c;d"
    with pytest.raises(ConfigurationError):
        check_tags(["a;b"])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("dhcp", "ip=dhcp"),
        ("10.0.0.5/24", "ip=10.0.0.5/24"),
        ("10.0.0.5/24,gw=10.0.0.1", "ip=10.0.0.5/24,gw=10.0.0.1"),
        (" 10.0.0.5/24 , gw=10.0.0.1 ", "ip=10.0.0.5/24,gw=10.0.0.1"),
        ("fd00::5/64,gw=fd00::1", "ip6=fd00::5/64,gw6=fd00::1"),
        ("fd00::5/64,gw=fe80::1", "ip6=fd00::5/64,gw6=fe80::1"),
        ("auto", "ip6=auto"),
        ("ip=dhcp,ip6=auto", "ip=dhcp,ip6=auto"),
        ("10.0.0.5/24,gw=10.0.0.1,ip6=fd00::5/64,gw6=fd00::1", "ip=10.0.0.5/24,gw=10.0.0.1,ip6=fd00::5/64,gw6=fd00::1"),
    ],
)
def test_an_address_is_written_as_proxmox_has_it(said: str, expected: str) -> None:
    assert str(address(said)) == expected


@pytest.mark.parametrize(
    "said",
    [
        "",
        "10.0.0.5",
        "10.0.0.300/24",
        "10.0.0.5/33",
        "dhcp,dhcp",
        "10.0.0.5/24,gw=",
        "10.0.0.5/24,gw=10.0.0.5",
        "10.0.0.5/24,gw=fd00::1",
        "ip=fd00::5/64",
        "ip6=10.0.0.5/24",
        "gw=10.0.0.1",
        "10.0.0.5/24,ip=10.0.0.6/24",
    ],
)
def test_what_is_no_address_is_refused(said: str) -> None:
    with pytest.raises(ConfigurationError):
        address(said)


def test_both_families_count_up_together() -> None:
    first = address("10.0.0.254/23,ip6=fd00::ff/64")
    assert str(first.nth(2)) == "ip=10.0.1.0/23,ip6=fd00::101/64"
    assert str(address("dhcp").nth(7)) == "ip=dhcp"
    assert str(address("10.0.0.0/31").nth(1)) == "ip=10.0.0.1/31"
    with pytest.raises(ConfigurationError, match="not enough addresses"):
        address("10.0.0.254/24").nth(1)


def test_a_containers_card_keeps_all_but_its_address() -> None:
    card = "name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr=AA:BB,ip=10.0.0.9/24,ip6=auto,type=veth"
    wanted = with_address(card, address("10.0.0.5/24,gw=10.0.0.1"))
    assert wanted == "name=eth0,bridge=vmbr0,hwaddr=AA:BB,type=veth,ip=10.0.0.5/24,gw=10.0.0.1"


def test_keys_are_encoded_once_here_and_told_without_their_middle() -> None:
    assert unquote(sshkeys([KEY, KEY])) == f"{KEY}\n{KEY}"
    assert not set(sshkeys([KEY])) & set(" +/@\n")
    assert shown_key(KEY) == f"ssh-ed25519 …{KEY.split()[1][-12:]} ops@hp"
    assert keys_in(f"# a\n\n{KEY}\n", where="x") == [KEY]
    for wrong in ("", "# a\n", f"{KEY}\nnonsense", "-----BEGIN OPENSSH PRIVATE KEY-----"):
        with pytest.raises(ConfigurationError):
            keys_in(wrong, where="x")


def test_a_cloud_init_drive_is_known_by_its_volume() -> None:
    assert has_drive({"ide2": "local-lvm:vm-9000-cloudinit,media=cdrom"})
    assert has_drive({"scsi1": "local-lvm:cloudinit"})
    assert not has_drive({"ide2": "local:iso/x.iso,media=cdrom", "description": "cloudinit"})


DISKS = {
    "boot": "order=virtio0;net0",
    "scsi0": "a:vm-1-disk-1,size=4G",
    "virtio0": "a:vm-1-disk-0,size=512M",
    "ide2": "a:vm-1-cloudinit,media=cdrom,size=4M",
    "efidisk0": "a:vm-1-disk-2,size=528K",
}


def test_the_first_disk_is_what_it_starts_from() -> None:
    assert first_disk(DISKS) == "virtio0"
    assert first_disk({**DISKS, "boot": "order=ide2"}) == "scsi0"
    assert first_disk({"rootfs": "a:subvol-1-disk-0,size=8G", "mp0": "a:x,mp=/x,size=1G"}) == "rootfs"
    assert first_disk({"ide2": "none,media=cdrom"}) is None
    assert (disk_size(DISKS["scsi0"]), disk_size("a:x")) == (4 << 30, None)
    assert total_size({"scsi0": "a:x,size=1G", "scsi1": "a:y"}) is None


def test_disks_only_grow() -> None:
    assert growth(DISKS, "512M") is None
    grown = growth(DISKS, "+1.5G")
    assert grown is not None
    assert (grown.disk, grown.size) == ("virtio0", "+1.5G")
    bare = growth(DISKS, "8")
    assert bare is not None
    assert bare.size == "8G"
    with pytest.raises(ConfigurationError, match="disks only grow"):
        growth(DISKS, "256M")
    with pytest.raises(Unsupported):
        growth({}, "8G")


def test_a_call_is_told_in_words_that_no_name_can_break() -> None:
    said = call("POST", "/x", {"name": "a b", "newid": "<vmid>", "full": False, "none": None, "evil": "<b>\x1b[2J"})
    assert said == "POST /x name='a b' newid=<vmid> full=0 evil='<b>[2J'"
