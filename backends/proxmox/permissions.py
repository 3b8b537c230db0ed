"""What a login may do, as ``GET /access/permissions`` tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Permissions:
    """Privileges by path: ``/``, ``/vms``, ``/vms/100``, ``/nodes/pve1``, ``/storage/nfs``, ``/pool/lab``.

    A path of the answer holds all that is in force there, inherited ones as well; what lies below one that the answer
    does not name has those of the nearest path above that are passed on.
    """

    known: Mapping[str, Mapping[str, bool]] | None = field(default=None)
    """Path -> privilege -> whether it is passed on to what lies below; ``None``: not asked."""

    @classmethod
    def of(cls, answer: Any) -> Permissions:
        """Of the answer's data; whatever is not understood in it grants nothing."""
        if not isinstance(answer, Mapping):
            return cls({})
        said = cast("Mapping[Any, Any]", answer)
        known = {
            _tidy(str(path)): MappingProxyType(
                {str(one): str(passed) not in ("0", "False", "") for one, passed in _items(privileges)}
            )
            for path, privileges in said.items()
        }
        return cls(MappingProxyType(known))

    def may(self, path: str, privilege: str) -> bool | None:
        """Whether a privilege is held at a path; ``None`` while nothing is known."""
        if self.known is None:
            return None
        at = _tidy(path)
        here = self.known.get(at)
        if here is not None:
            return privilege in here
        while at != "/":
            at = at.rpartition("/")[0] or "/"
            above = self.known.get(at)
            if above is not None:
                return above.get(privilege, False)
        return False

    def missing(self, path: str, *privileges: str) -> tuple[str, ...]:
        """Those that are certainly not held there, in the order given; none while nothing is known."""
        return tuple(one for one in privileges if self.may(path, one) is False)

    def somewhere(self, privilege: str, *paths: str) -> bool:
        """Whether a privilege may be held at some of these paths or below one; True while nothing is known."""
        if self.known is None:
            return True
        below = tuple(f"{_tidy(path)}/" for path in paths)
        return any(self.may(path, privilege) for path in paths) or any(
            privilege in granted for path, granted in self.known.items() if path.startswith(below)
        )

    @property
    def nothing(self) -> bool:
        """Nothing at all is granted: what a token of its own starts with, and what makes a cluster look empty."""
        return self.known is not None and not any(self.known.values())


def _tidy(path: str) -> str:
    return "/" + path.strip("/")


def _items(said: Any) -> list[tuple[Any, Any]]:
    return list(cast("Mapping[Any, Any]", said).items()) if isinstance(said, Mapping) else []
