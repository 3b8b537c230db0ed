"""What can go wrong, as one tree; every error says what happened, where, and what to do next.

::

    QuarterdeckError
    ├── ConfigurationError      hosts.yaml or an option is wrong                 exit 2
    ├── Clash                   two declarations claim one key, verb or name     (a defect in the program)
    ├── Unsupported             this resource or backend cannot do that          exit 4
    ├── Refused                 the guard said no                                exit 4
    │   └── Busy                somebody else works on it just now               exit 4
    ├── Declined                the operator said no                             exit 4
    ├── WitnessError            the log could not be written or read
    ├── Missing                 the thing acted on is not there
    ├── BadAnswer               the other side answered something we cannot read
    └── Unreachable             no connection
        ├── TimedOut            nothing answered in time
        └── Denied              it answered, and would not let us in
            └── HostKeyError    the host did not prove who it is
                ├── UnknownHostKey      never seen: refused with the command that adds it
                ├── ChangedHostKey      another key than the known one: refused, loudly
                └── RevokedHostKey      marked @revoked in known_hosts: refused, loudly
"""

from __future__ import annotations


class QuarterdeckError(Exception):
    """Base of every error an operator may see.

    ``what`` is one sentence without a full stop, ``where`` names the file, host or option,
    ``todo`` is the next step in the imperative, often a command to type. None of them carries a secret.
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.todo}" if self.todo else line


class ConfigurationError(QuarterdeckError):
    """hosts.yaml or an option is wrong."""


class Clash(QuarterdeckError):
    """Two declarations claim one key, verb or name."""


class Unsupported(QuarterdeckError):
    """This resource, or the backend behind it, cannot do that."""

    def __init__(self, what: str = "not offered here", *, where: str = "", todo: str = "") -> None:
        super().__init__(what, where=where, todo=todo)


class Refused(QuarterdeckError):
    """The guard said no."""


class Busy(Refused):
    """Somebody else works on it just now: nothing was tried."""


class Declined(QuarterdeckError):
    """The operator said no."""


class WitnessError(QuarterdeckError):
    """The witness could not be written or read."""


class Missing(QuarterdeckError):
    """The thing acted on is not there."""


class BadAnswer(QuarterdeckError):
    """The other side answered something that cannot be read."""


class Unreachable(QuarterdeckError):
    """There is no connection."""


class TimedOut(Unreachable):
    """Nothing answered in time."""


class Denied(Unreachable):
    """It answered, and would not let us in."""


class HostKeyError(Denied):
    """The host did not prove who it is."""


class UnknownHostKey(HostKeyError):
    """The host's key was never seen before."""


class ChangedHostKey(HostKeyError):
    """The host shows another key than the known one."""


class RevokedHostKey(HostKeyError):
    """The host shows a key that is marked as revoked."""
