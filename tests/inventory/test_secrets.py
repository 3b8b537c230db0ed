"""Secrets of hosts.yaml: where they may come from, what is refused, and that nothing else ever holds one."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import ConfigurationError, QuarterdeckError, TimedOut
from app.inventory import load, secrets, trust
from app.inventory.model import Inventory
from app.paths import Paths
from tests.inventory.conftest import Write
from tests.waiting import eventually

SECRET = "5e1ec7ed-0000-4000-8000-00000000beef"
TOKEN = f"root@pam!ops={SECRET}"

Make = Callable[[str], Inventory]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def make(write: Write) -> Make:
    """An inventory with one cluster and one token, in a hosts.yaml that only its owner may read."""

    def put(token: str) -> Inventory:
        path = write(f"proxmox:\n  lab:\n    url: https://10.0.1.10:8006\n    token: '{token}'\n")
        path.chmod(0o600)
        return load(path)

    return put


def agree(inventory: Inventory, state: Path) -> None:
    """Trust every command of an inventory."""
    assert inventory.path is not None
    trust.trust(state, [trust.digest(text, inventory.path) for text in secrets.commands(inventory).values()])


async def refused(reference: str, inventory: Inventory, state: Path, *, timeout: float = 20) -> str:
    """The refusal in words; neither they nor the traceback hold the secret."""
    with pytest.raises(QuarterdeckError) as caught:
        await secrets.resolve(reference, inventory, state=state, timeout=timeout)
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value)), "a log would hold it"
    return str(caught.value)


def test_a_text_is_one_of_five_forms() -> None:
    said = ["${A}", "root@pam!t=${A}", "file:a", "cmd:a", "ask", "root@pam!t=1"]
    assert [secrets.form(one) for one in said] == ["env", "env", "file", "cmd", "ask", "literal"]
    shown = ["${A}", "${A}", "file:a", "a command", "asked for", "written in hosts.yaml"]
    assert [secrets.shown(one) for one in said] == shown


async def test_what_is_asked_for_stands_nowhere(state: Path) -> None:
    assert "it is to be typed" in await refused("ask", Inventory(), state)


async def test_environment_variables(make: Make, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVE_TOKEN", f"{TOKEN}\n")
    monkeypatch.setenv("PVE_SECRET", SECRET)
    for text in ("${PVE_TOKEN}", "root@pam!ops=${PVE_SECRET}"):
        assert await secrets.resolve(text, make(text), state=state) == TOKEN


async def test_a_variable_that_is_not_there_is_named_with_its_place(
    make: Make, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = make("${NOWHERE}")
    said = await refused("${NOWHERE}", inventory, state)
    assert said == (
        f"{inventory.path}, proxmox.lab.token: the environment variable NOWHERE is not set; "
        "export NOWHERE before the start"
    )
    monkeypatch.setenv("NOWHERE", "")
    assert "NOWHERE is empty" in await refused("${NOWHERE}", inventory, state)
    monkeypatch.setenv("NOWHERE", f"{SECRET}\r\nHost: evil")
    assert "more than one line" in await refused("${NOWHERE}", inventory, state)


@pytest.mark.parametrize("text", ["${", "${A", "${A B}", "${}", "x${1}", "file:", "cmd: ", "root@pam!t=file:x", " "])
async def test_references_that_are_written_wrongly(text: str, state: Path) -> None:
    said = await refused(text, Inventory(), state)
    assert secrets.problem(text) in said


async def test_files(make: Make, state: Path, home: Path) -> None:
    inventory = make("file:keys/pve")
    assert inventory.path is not None
    folder = inventory.path.parent / "keys"
    folder.mkdir()
    for place, text in (
        (folder / "pve", "file:keys/pve"),
        (home / "pve", "file:~/pve"),
        (home / "a", f"file:{home}/a"),
    ):
        place.write_text(f"{TOKEN}\n")
        place.chmod(0o600)
        assert await secrets.resolve(text, inventory, state=state) == TOKEN


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660])
async def test_a_file_that_others_may_open_is_refused_with_the_way_out(make: Make, state: Path, mode: int) -> None:
    inventory = make("file:pve")
    assert inventory.path is not None
    place = inventory.path.parent / "pve"
    place.write_text(TOKEN)
    place.chmod(mode)
    assert f"others may read it; chmod 600 {place}" in await refused("file:pve", inventory, state)
    assert await secrets.resolve("file:pve", inventory, state=state, private=False) == TOKEN


async def test_what_is_no_file_is_refused_and_never_waited_for(make: Make, state: Path) -> None:
    inventory = make("file:pve")
    assert inventory.path is not None
    place = inventory.path.parent / "pve"
    assert "there is no such file" in await refused("file:pve", inventory, state)
    os.mkfifo(place, 0o600)
    assert "not an ordinary file" in await refused("file:pve", inventory, state)
    place.unlink()
    place.mkdir(0o700)
    assert "not an ordinary file" in await refused("file:pve", inventory, state)
    place.rmdir()
    for raw, words in (
        (b"\n", "nothing in it"),
        (b"\xff" + SECRET.encode(), "not UTF-8"),
        (f"{SECRET}\nsecond".encode(), "more than one line"),
        (b"x" * (secrets.LARGEST + 1), "larger than 64 KiB"),
    ):
        place.write_bytes(raw)
        place.chmod(0o600)
        assert words in await refused("file:pve", inventory, state)


async def test_public_keys_may_be_open_to_all_and_have_several_lines(make: Make, state: Path) -> None:
    inventory = make("${A}")
    assert inventory.path is not None
    (inventory.path.parent / "keys").write_text("ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n")
    said = await secrets.resolve("file:keys", inventory, state=state, private=False)
    assert said.splitlines() == ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]
    inventory.path.chmod(0o644)
    assert await secrets.resolve("ssh-rsa AAAA", inventory, state=state, private=False) == "ssh-rsa AAAA"


async def test_a_plain_secret_needs_a_hosts_yaml_that_nobody_else_may_read(make: Make, state: Path) -> None:
    inventory = make(TOKEN)
    assert inventory.mistakes == ()
    assert await secrets.resolve(TOKEN, inventory, state=state) == TOKEN
    assert inventory.path is not None
    inventory.path.chmod(0o640)
    said = await refused(TOKEN, inventory, state)
    assert f"others may read; chmod 600 {inventory.path}; or write it as ${{NAME}}, file:PATH or cmd:COMMAND" in said


def test_a_plain_secret_in_an_open_hosts_yaml_is_a_mistake_of_its_cluster(make: Make) -> None:
    inventory = make(TOKEN)
    assert inventory.path is not None
    inventory.path.chmod(0o644)
    (mistake,) = load(inventory.path).mistakes
    assert (mistake.line, mistake.column, mistake.cluster, mistake.warning) == (4, 12, "lab", False)
    assert "'token': a secret stands in a hosts.yaml that others may read: chmod 600 it" in str(mistake)
    assert SECRET not in str(mistake)


@pytest.mark.parametrize(
    "text",
    [
        f"proxmox: {{lab: {{url: 'https://1.2.3.4', token: '{TOKEN}'}}}}\n",
        f"proxmox: {{lab: {{url: 'https://1.2.3.4', user: root, password: '{SECRET}'}}}}\n",
        f"proxmox: {{lab: {{url: 'https://root:{SECRET}@1.2.3.4', token: '${{A}}'}}}}\n",
        f"proxmox: {{lab: {{url: 'https://1.2.3.4', tokn: '{TOKEN}'}}}}\n",
        f"proxmox: {{lab: {{url: 'https://1.2.3.4', user: '{TOKEN}', password: '${{A}}'}}}}\n",
        "proxmox: {lab: {url: 'https://1.2.3.4', user: root, password: 5170000}}\n",
    ],
)
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_nothing_but_hosts_yaml_holds_a_secret_that_stands_there(write: Write, text: str, mode: int) -> None:
    path = write(text)
    path.chmod(mode)
    inventory = load(path)
    said = "".join(str(one) for one in inventory.mistakes) + repr(inventory)
    assert SECRET not in said
    assert "5170000" not in said
    kept = [one for one in Paths.find().cache.rglob("*") if one.is_file()]
    assert kept == [], "an inventory that may hold a secret is not kept"


def test_an_inventory_of_references_is_kept(make: Make) -> None:
    make("${PVE_TOKEN}")
    assert any(one.is_file() for one in Paths.find().cache.rglob("*"))


async def test_a_command_runs_once_it_is_trusted(make: Make, state: Path) -> None:
    inventory = make(f'cmd:printf "%s\\n%s\\n" "root@pam!ops={SECRET}" second; echo {SECRET} >&2')
    (text,) = secrets.commands(inventory).values()
    said = await refused(f"cmd:{text}", inventory, state)
    assert "proxmox.lab.token: its command is not trusted yet; read and trust it: quarterdeck config trust" in said
    agree(inventory, state)
    assert await secrets.resolve(f"cmd:{text}", inventory, state=state) == TOKEN
    assert (state / trust.FILE).stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700


async def test_another_command_or_another_file_is_not_trusted(make: Make, write: Write, state: Path) -> None:
    inventory = make("cmd:echo one")
    agree(inventory, state)
    assert await secrets.resolve("cmd:echo one", inventory, state=state) == "one"
    assert "not trusted" in await refused("cmd:echo two", inventory, state)
    assert inventory.path is not None
    other = inventory.path.with_name("others.yaml")
    other.write_bytes(inventory.path.read_bytes())
    other.chmod(0o600)
    assert "not trusted" in await refused("cmd:echo one", load(other), state)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
async def test_no_command_of_a_file_that_others_may_write_is_run(make: Make, state: Path, mode: int) -> None:
    inventory = make("cmd:touch ran; echo x")
    agree(inventory, state)
    assert inventory.path is not None
    inventory.path.chmod(mode)
    assert f"others may write it, so none of its commands is run; chmod go-w {inventory.path}" in await refused(
        "cmd:touch ran; echo x", inventory, state
    )
    assert not (inventory.path.parent / "ran").exists()
    assert "only where it stands in a hosts.yaml" in await refused("cmd:true", Inventory(), state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_files_of_somebody_else_are_refused(make: Make, state: Path) -> None:
    inventory = make("cmd:touch ran; echo x")
    agree(inventory, state)
    assert inventory.path is not None
    place = inventory.path.parent / "pve"
    place.write_text(TOKEN)
    place.chmod(0o600)
    os.chown(place, 12345, -1)
    assert "it belongs to somebody else" in await refused("file:pve", inventory, state)
    os.chown(inventory.path, 12345, -1)
    assert "somebody else's" in await refused("cmd:touch ran; echo x", inventory, state)
    assert not (inventory.path.parent / "ran").exists()


@pytest.mark.parametrize("spoil", ["mode", "link", "folder"])
async def test_a_list_of_trusted_commands_that_others_may_have_written_is_not_believed(
    make: Make, state: Path, spoil: str
) -> None:
    inventory = make("cmd:echo x")
    agree(inventory, state)
    file = state / trust.FILE
    if spoil == "mode":
        file.chmod(0o620)
    else:
        file.rename(state / "elsewhere")
        file.mkdir() if spoil == "folder" else file.symlink_to(state / "elsewhere")
    assert str(file) in await refused("cmd:echo x", inventory, state)


async def test_commands_that_fail_say_so_and_nothing_of_what_they_printed(make: Make, state: Path) -> None:
    inventory = make(f"cmd:echo {SECRET}; echo {SECRET} >&2; exit 3")
    agree(inventory, state)
    (text,) = secrets.commands(inventory).values()
    assert "its command failed with exit code 3; run it yourself to see why" in await refused(
        f"cmd:{text}", inventory, state
    )
    for text, words in (
        ("kill -9 $$", "signal 9"),
        ("true", "nothing in it"),
        ("echo; echo x", "nothing in it"),
        ("printf '\\377'", "not UTF-8"),
        ("printf 'a\\033b'", "control characters"),
    ):
        quoted = text.replace("'", "''")
        inventory = make(f"cmd:{quoted}")
        agree(inventory, state)
        assert words in await refused(f"cmd:{text}", inventory, state)


async def test_a_command_that_does_not_end_is_not_waited_for(make: Make, state: Path) -> None:
    inventory = make("cmd:sleep 300")
    agree(inventory, state)
    said = await refused("cmd:sleep 300", inventory, state, timeout=0.3)
    assert said.endswith("proxmox.lab.token: its command did not end within 0.3 s")


async def test_a_command_nobody_waits_for_any_more_is_killed_with_its_children(make: Make, state: Path) -> None:
    text = "cmd:sleep 300 & echo $! >child; echo x; wait"
    inventory = make(text)
    agree(inventory, state)
    assert inventory.path is not None
    note = inventory.path.parent / "child"
    asking = asyncio.create_task(secrets.resolve(text, inventory, state=state, timeout=60))
    await eventually(lambda: note.exists() and note.read_text().endswith("\n"), within=30)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: not _alive(int(note.read_text())), within=30)


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_a_child_that_stays_behind_holds_nothing_up(make: Make, state: Path) -> None:
    inventory = make("cmd:sleep 30 & echo $! >child; echo x")
    agree(inventory, state)
    try:
        async with asyncio.timeout(25):
            assert await secrets.resolve("cmd:sleep 30 & echo $! >child; echo x", inventory, state=state) == "x"
    finally:
        assert inventory.path is not None
        os.kill(int((inventory.path.parent / "child").read_text()), 9)


async def test_a_command_that_prints_without_end_is_bounded(make: Make, state: Path) -> None:
    inventory = make("cmd:yes | head -c 3000000")
    agree(inventory, state)
    assert await secrets.resolve("cmd:yes | head -c 3000000", inventory, state=state) == "y"


def test_trust_cannot_be_kept_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be"):
        trust.trust(tmp_path / "file", ["00"])
    assert issubclass(TimedOut, QuarterdeckError)
