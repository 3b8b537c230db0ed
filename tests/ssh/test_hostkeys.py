"""known_hosts line by line: what is known, what is changed, and how a key is added."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from app.errors import Refused
from backends.ssh import hostkeys
from backends.ssh.hostkeys import Standing, add_known_host, classify, fingerprint, read
from tests.servers.sshd import keygen


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, tuple[str, bytes]]:
    """Three keys: (``type base64``, bytes)."""
    import base64

    made: dict[str, tuple[str, bytes]] = {}
    for name, kind in (("one", "ed25519"), ("two", "ed25519"), ("ecdsa", "ecdsa")):
        text = " ".join(keygen(tmp_path / name, kind).with_suffix(".pub").read_text().split()[:2])
        made[name] = (text, base64.b64decode(text.split()[1]))
    return made


Keys = dict[str, tuple[str, bytes]]


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "known_hosts"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_the_fingerprint_is_ssh_keygen_s(tmp_path: Path, keys: Keys) -> None:
    said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "one"], capture_output=True, text=True, check=True).stdout
    assert fingerprint(keys["one"][1]) == said.split()[1]


@pytest.mark.parametrize(
    ("names", "name", "standing"),
    [
        ("pi", "pi", Standing.TRUSTED),
        ("pi", "other", Standing.UNKNOWN),
        ("a,pi,10.0.0.1", "10.0.0.1", Standing.TRUSTED),
        ("*.lan", "pi.lan", Standing.TRUSTED),
        ("*.lan,!pi.lan", "pi.lan", Standing.UNKNOWN),
        ("[pi]:2222", "[pi]:2222", Standing.TRUSTED),
        ("[p?]:2222", "[pi]:2222", Standing.TRUSTED),
        ("pi", "[pi]:2222", Standing.UNKNOWN),
        ("PI.lan", "pi.lan", Standing.TRUSTED),
        ("a;id", "a;id", Standing.TRUSTED),
        ("p[i]", "pi", Standing.UNKNOWN),
    ],
)
def test_names_and_patterns(tmp_path: Path, keys: Keys, names: str, name: str, standing: Standing) -> None:
    known = read([_file(tmp_path, f"{names} {keys['one'][0]}")])
    assert classify(known, name, keys["one"][1]).standing is standing


def test_hashed_names_made_by_openssh_are_understood(tmp_path: Path, keys: Keys) -> None:
    path = _file(tmp_path, f"[pi]:2222 {keys['one'][0]}", f"other {keys['two'][0]}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "[pi]:2222" not in path.read_text()
    known = read([path])
    assert classify(known, "[pi]:2222", keys["one"][1]).standing is Standing.TRUSTED
    assert classify(known, "other", keys["one"][1]).standing is Standing.CHANGED


def test_changed_revoked_and_other_type(tmp_path: Path, keys: Keys) -> None:
    known = read(
        [_file(tmp_path, "# x", f"pi {keys['one'][0]}", f"@revoked bad {keys['two'][0]}", f"bad {keys['two'][0]}")]
    )
    changed = classify(known, "pi", keys["two"][1])
    assert (changed.standing, changed.lines[0].number) == (Standing.CHANGED, 2)
    assert classify(known, "bad", keys["two"][1]).standing is Standing.REVOKED
    other = classify(known, "pi", keys["ecdsa"][1])
    assert (other.standing, other.known_types) == (Standing.OTHER_TYPE, ("ssh-ed25519",))


def test_one_of_several_keys_of_a_type_is_enough(tmp_path: Path, keys: Keys) -> None:
    known = read([_file(tmp_path, f"pi {keys['one'][0]}", f"pi {keys['two'][0]}")])
    assert classify(known, "pi", keys["two"][1]).standing is Standing.TRUSTED


def test_a_line_without_the_port_counts_only_when_it_holds_this_key(tmp_path: Path, keys: Keys) -> None:
    known = read([_file(tmp_path, f"pi {keys['one'][0]}")])
    assert classify(known, "[pi]:2222", keys["one"][1], port=2222, host="pi").standing is Standing.TRUSTED
    assert classify(known, "[pi]:2222", keys["two"][1], port=2222, host="pi").standing is Standing.UNKNOWN


def test_broken_lines_are_skipped_and_reported(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "known_hosts"
    path.write_bytes(
        b"\xff\xfe garbage\npi\npi ssh-ed25519 !!!\npi ssh-rsa "
        + keys["one"][0].split()[1].encode()
        + b"\n|2|x|y "
        + keys["one"][0].encode()
        + b"\n@odd pi "
        + keys["one"][0].encode()
        + b"\npi "
        + keys["one"][0].encode()
        + b"\r\n"
    )
    known = read([path])
    assert classify(known, "pi", keys["one"][1]).standing is Standing.TRUSTED
    assert len(known.faults) == 6
    assert f"{path}:3 is broken" in known.faults[2]


def test_missing_files_are_empty_and_unreadable_ones_are_reported(tmp_path: Path) -> None:
    known = read([tmp_path / "none", tmp_path])
    assert not known.lines
    assert len(known.faults) == 1
    assert "cannot be read" in known.faults[0]


def test_known_types_are_asked_for_first_and_certificates_only_with_an_authority(tmp_path: Path, keys: Keys) -> None:
    offered = ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]
    plain = read([_file(tmp_path, f"pi {keys['ecdsa'][0]}")])
    assert hostkeys.preferred_algorithms(plain, "pi", offered)[:2] == ["ecdsa-sha2-nistp256", "ssh-ed25519"]
    signed = read([_file(tmp_path, f"@cert-authority *.lan {keys['one'][0]}")])
    assert hostkeys.preferred_algorithms(signed, "pi.lan", offered)[0] == "ssh-ed25519-cert-v01@openssh.com"


def test_a_key_is_added_and_the_rest_kept(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "new" / "known_hosts"
    add_known_host(path, "pi", keys["one"][1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text(f"# mine\npi {keys['one'][0]}")  # no line end
    path.chmod(0o640)
    add_known_host(path, "[hp]:22022", keys["two"][1])
    assert path.read_text() == f"# mine\npi {keys['one'][0]}\n[hp]:22022 {keys['two'][0]}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    said = subprocess.run(["ssh-keygen", "-F", "[hp]:22022", "-f", path], capture_output=True, text=True, check=True)
    assert keys["two"][0] in said.stdout


def test_a_linked_file_stays_a_link(tmp_path: Path, keys: Keys) -> None:
    real = tmp_path / "dotfiles"
    real.touch()
    link = tmp_path / "known_hosts"
    link.symlink_to(real)
    add_known_host(link, "pi", keys["one"][1])
    assert link.is_symlink()
    assert keys["one"][0] in real.read_text()


def test_a_changed_key_takes_the_place_of_the_old_one_for_this_host_only(tmp_path: Path, keys: Keys) -> None:
    path = _file(tmp_path, "# top", f"pi,hp {keys['one'][0]} note", f"pi {keys['ecdsa'][0]}")
    finding = classify(read([path]), "pi", keys["two"][1])
    add_known_host(path, "pi", keys["two"][1], replace=finding.lines)
    assert path.read_text() == f"# top\nhp {keys['one'][0]} note\npi {keys['ecdsa'][0]}\npi {keys['two'][0]}\n"


def test_a_line_that_changed_meanwhile_or_is_a_pattern_is_not_touched(tmp_path: Path, keys: Keys) -> None:
    path = _file(tmp_path, f"pi {keys['one'][0]}", f"*.lan {keys['one'][0]}")
    finding = classify(read([path]), "pi", keys["two"][1])
    pattern = classify(read([path]), "x.lan", keys["two"][1])
    before = path.read_text()
    with pytest.raises(Refused, match="by a pattern"):
        add_known_host(path, "x.lan", keys["two"][1], replace=pattern.lines)
    assert path.read_text() == before
    _file(tmp_path, "# a line more", f"pi {keys['one'][0]}")
    with pytest.raises(Refused, match="changed meanwhile"):
        add_known_host(path, "pi", keys["two"][1], replace=finding.lines)
