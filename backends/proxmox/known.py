"""The certificates that ``vm trust`` pinned: one file of the state folder, 0600, read again when it changes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from app.errors import ConfigurationError
from backends.proxmox.cluster import Cluster
from backends.proxmox.tls import Certificate, Trust

FILE = "known_certificates"


@dataclass(frozen=True, slots=True)
class Pin:
    """One certificate that an operator compared and accepted."""

    fingerprint: str
    not_after: datetime | None = None
    """When it ends, UTC: a server that shows another one shortly before has most likely renewed it."""


class KnownCertificates:
    """Pins by cluster and URL. Every look costs one ``stat``, so that a pin made elsewhere counts at once."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE
        self._read: tuple[int, int] | None = None
        self._pins: Mapping[str, Mapping[str, Pin]] = {}

    def of(self, cluster: str, url: str) -> Pin | None:
        """The pin of one URL. Raises ConfigurationError where the file cannot be read or others may write it."""
        self._look()
        return self._pins.get(cluster, {}).get(url)

    def trust(self, cluster: Cluster, url: str) -> Trust:
        """What makes the server at one of a cluster's URLs believed: hosts.yaml's pins, then ours, then a CA."""
        if cluster.fingerprints:
            return Trust(cluster.fingerprints)
        pin = self.of(cluster.name, url)
        if pin is not None:
            return Trust((pin.fingerprint,), configured=False, ends=pin.not_after)
        return Trust(ca=cluster.ca)

    def pin(self, cluster: str, url: str, certificate: Certificate) -> None:
        """Believe that certificate, and no other, at that URL from now on."""
        self._look()
        pins = {name: dict(urls) for name, urls in self._pins.items()}
        pins.setdefault(cluster, {})[url] = Pin(certificate.fingerprint, certificate.not_after)
        self._write(pins)

    def forget(self, cluster: str) -> None:
        """Believe none of a cluster's pinned certificates any more."""
        self._look()
        self._write({name: urls for name, urls in self._pins.items() if name != cluster})

    def _look(self) -> None:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            self._read, self._pins = None, {}
            return
        except OSError as error:
            raise self._unreadable(error.strerror or "not readable") from None
        if there.st_mode & 0o022 or there.st_uid not in (os.getuid(), 0):
            raise ConfigurationError(
                "others may write it, so nothing in it can be believed",
                where=str(self.path),
                todo=f"chmod 600 {self.path} after a look at it, or remove it and run quarterdeck vm trust again",
            )
        stamp = (there.st_mtime_ns, there.st_ino)
        if stamp == self._read:
            return
        try:
            self._pins = _parsed(json.loads(self.path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise self._unreadable("it is not what vm trust wrote") from None
        self._read = stamp

    def _unreadable(self, why: str) -> ConfigurationError:
        todo = "repair or remove it; quarterdeck vm trust CLUSTER writes it anew"
        return ConfigurationError(f"the known certificates cannot be read: {why}", where=str(self.path), todo=todo)

    def _write(self, pins: Mapping[str, Mapping[str, Pin]]) -> None:
        """Replace the file as a whole: who reads it meanwhile sees the old one or the new one."""
        said = {
            name: {
                url: {"sha256": pin.fingerprint, "not_after": pin.not_after and pin.not_after.isoformat()}
                for url, pin in urls.items()
            }
            for name, urls in pins.items()
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=f".{FILE}-", dir=self.path.parent)  # 0600 from the start
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(said, file, indent=1, sort_keys=True)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            why = error.strerror or "no reason given"
            raise ConfigurationError(f"the pin could not be written down: {why}", where=str(self.path)) from None
        self._read = None


def _parsed(said: Any) -> Mapping[str, Mapping[str, Pin]]:
    clusters = cast("Mapping[str, Mapping[str, Mapping[str, Any]]]", said)
    return {
        name: {url: Pin(str(pin["sha256"]), _date(pin.get("not_after"))) for url, pin in urls.items()}
        for name, urls in clusters.items()
    }


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    date = datetime.fromisoformat(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
