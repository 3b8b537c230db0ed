"""The peer itself: it is there, encrypted, and refuses what Proxmox refuses."""

from __future__ import annotations

import hashlib
import ssl

import httpx
import pytest

from tests.servers.fakepve import Pve

pytestmark = pytest.mark.real("fakepve")


def _client(pve: Pve) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(pve.ca))
    return httpx.Client(base_url=pve.api, headers=pve.headers, verify=context, timeout=20)


def test_a_token_sees_the_machines_over_tls(pve: Pve) -> None:
    pve.add_vm(101, "web", status="running", config={"memory": 2048})
    with _client(pve) as client:
        answer = client.get("/cluster/resources", params={"type": "vm"})
    assert [(one["vmid"], one["name"], one["status"]) for one in answer.json()["data"]] == [(101, "web", "running")]
    assert pve.requests()[-1]["path"] == "/cluster/resources"


def test_the_fingerprint_is_the_certificates(pve: Pve) -> None:
    shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((pve.host, 8006)))
    assert hashlib.sha256(shown).hexdigest().upper() == pve.fingerprint.replace(":", "")


def test_booleans_are_only_0_and_1(pve: Pve) -> None:
    pve.expect_violations()
    pve.add_vm(101, "web")
    with _client(pve) as client:
        answer = client.post("/nodes/pve1/qemu/101/clone", data={"newid": "102", "full": "true"})
    assert (answer.status_code, answer.reason_phrase) == (400, "Parameter verification failed.")
    assert answer.json()["errors"] == {"full": "type check ('boolean') failed - got 'true'"}
    assert pve.violations()[0]["errors"] == answer.json()["errors"]
