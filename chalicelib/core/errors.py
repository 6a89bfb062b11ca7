"""One tree of errors; what happens next is decided by the class alone.

::

    SegueError
    ├── BadInput       the caller's fault: answered 4xx, or the record goes to the rejects
    │   └── Forbidden, NotFound, TooLarge, KeyReused   (answered 403, 404, 413, 422)
    ├── Refused        a rule said no: a named outcome, never an alarm
    ├── Transient      let it rise, the queue redelivers
    │   └── Throttled  nothing was done, and only time will help
    └── Broken         ours: alarm, dead-letter queue, no retry
"""

from __future__ import annotations

from dataclasses import dataclass


class SegueError(Exception):
    """The root of every error that Segue raises on purpose."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field, and what to do about it."""

    field: str
    problem: str


class BadInput(SegueError):
    """The caller sent something that cannot be used; ``errors`` names each field and the fix."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.field}: {error.problem}" for error in errors))

    @classmethod
    def of(cls, field: str, problem: str) -> BadInput:
        """Build the error for a single field."""
        return cls(FieldError(field, problem))


class TooLarge(BadInput):
    """The body is larger than the interface takes."""


class Forbidden(BadInput):
    """The caller is known and may not do this."""


class NotFound(BadInput):
    """What the caller named does not exist."""


class Replaced(BadInput):
    """What the caller named has become something else under the same name."""


class KeyReused(BadInput):
    """An Idempotency-Key came back with another body."""


class Refused(SegueError):
    """A rule said no; the reason is a code from the policy's vocabulary."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MessageRefused(Refused):
    """A queue message leads to nothing that may be done; it is named, counted and done with."""


class Transient(SegueError):
    """Storage or a provider did not answer; the same call may succeed later."""


class Throttled(Transient):
    """Storage or a provider was too busy: nothing was done, and time alone will help."""


class UnknownKey(Transient):
    """A signing key that this process has not read yet, or that there never was."""


class DeadlineExceeded(Transient):
    """There was no time left to ask storage once more."""


class Broken(SegueError):
    """Something of ours is damaged or misconfigured; retrying will not help."""


class MailRefused(Refused):
    """The provider said no for good: the mail was definitely not sent."""


class MailThrottled(Transient):
    """The provider asked to slow down: the mail was definitely not sent."""


class MailTooFast(MailThrottled):
    """The account's rate or quota is used up: not sent, and only time will help."""


class MailInDoubt(Transient):
    """The provider may or may not have taken the mail; nobody can tell from here."""
