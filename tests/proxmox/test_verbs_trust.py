"""Trusting a certificate, and stopping tasks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from app.paths import Paths
from tests.proxmox.acting import opened
from tests.servers.fakepve import Pve
from tests.waiting import eventually

pytestmark = pytest.mark.real("fakepve")


def pins() -> dict[str, dict[str, dict[str, str]]]:
    """What is kept."""
    path = Paths.find().state / "known_certificates"
    return json.loads(path.read_text()) if path.exists() else {}


async def test_it_is_shown_asked_about_and_kept(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web")
    async with opened(tmp_path, monkeypatch, pve, pin="") as lab:
        assert not list(lab.deck.feed.fleet.noun("vm"))
        outcome = await lab.one("trust", cluster="lab")
        assert str(outcome.outcome) == "done", outcome.message
        (question,) = lab.front.questions
        assert pins()["lab"][pve.url]["sha256"] == pve.fingerprint
        again = await lab.one("trust", cluster="lab")
        await eventually(lambda: list(lab.deck.feed.fleet.noun("vm")), within=30, what="the cluster is read by now")
    assert question.plan.steps[0].text == f"keep SHA-256 {pve.fingerprint} for {pve.url}"
    said = "\n".join(question.plan.notes)
    assert f"SHA-256 {pve.fingerprint}" in said
    assert "signed by" in said
    assert " from 20" in said
    assert outcome.message == f"{pve.url} is trusted by {pve.fingerprint}"
    assert again.message == f"nothing to do: {pve.url}: trusted already"
    mode = (Paths.find().state / "known_certificates").stat().st_mode
    assert mode & 0o777 == 0o600


async def test_another_than_the_one_trusted_before_is_told_loudly(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, pin="") as lab:
        await lab.one("trust", cluster="lab")
        old = pve.fingerprint
        pve.new_certificate()
        outcome = await lab.one("trust", cluster="lab")
        assert str(outcome.outcome) == "done", outcome.message
        notes = "\n".join(lab.front.questions[-1].plan.notes)
    assert f"another one was trusted until now, {old}" in notes
    assert pins()["lab"][pve.url]["sha256"] == pve.fingerprint


async def test_one_that_changes_while_the_question_is_up_is_not_kept(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, pin="") as lab:
        lab.front.meanwhile = pve.new_certificate
        outcome = await lab.one("trust", cluster="lab")
    assert str(outcome.outcome) == "failed"
    assert "it shows another certificate by now" in outcome.message
    assert pins() == {}


async def test_what_hosts_yaml_says_counts(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ":".join(["AB"] * 32)
    async with opened(tmp_path, monkeypatch, pve, pin=other) as lab:
        outcome = await lab.one("trust", cluster="lab")
    assert (str(outcome.outcome), outcome.exit_code) == ("refused", 4)
    assert f"hosts.yaml expects {other}, and {pve.url} shows {pve.fingerprint}" in outcome.message
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("trust", cluster="lab")
    assert outcome.message.startswith("nothing to do: hosts.yaml says which certificate to expect")
    assert pins() == {}


async def test_a_cluster_nobody_configured_and_one_that_is_away(
    pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve, pin="") as lab:
        unknown = await lab.one("trust", cluster="lap")
        pve.stop()
        away = await lab.one("trust", cluster="lab")
        pve.start()
    assert (str(unknown.outcome), unknown.exit_code) == ("failed", 2)
    assert "the nearest is lab" in unknown.message
    assert (str(away.outcome), away.exit_code) == ("failed", 1)


async def test_a_task_that_runs_is_stopped(pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pve.add_vm(101, "web", start_secs=3000)
    async with opened(tmp_path, monkeypatch, pve) as lab:
        starting = asyncio.ensure_future(lab.one("start", "lab/101"))
        await eventually(lambda: lab.handles() and pve.tasks("qmstart"))
        (upid,) = lab.handles()
        outcome = await lab.one("task-stop", upid=upid)
        assert (str(outcome.outcome), outcome.message) == ("done", "stopped")
        started = await starting
        assert await lab.state(101) == "stopped"
        again = await lab.one("task-stop", upid=upid)
        notes = lab.front.questions[-1].plan.notes
    assert str(started.outcome) == "failed"
    assert "received interrupt" in started.message
    assert notes[0].startswith("qmstart 101 on pve1, begun by deck@pve!console")
    assert (str(again.outcome), again.exit_code) == ("refused", 4)
    assert "it has ended already (error)" in again.message


@pytest.mark.parametrize(
    ("upid", "code"), [("nonsense", 2), ("UPID:pve1:0000ABCD:00000001:65000000:qmstart:101:root@pam:", 1)]
)
async def test_what_is_no_task_is_told(
    upid: str, code: int, pve: Pve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch, pve) as lab:
        outcome = await lab.one("task-stop", upid=upid)
        assert lab.called() == []
    assert (str(outcome.outcome), outcome.exit_code) == ("failed", code)
