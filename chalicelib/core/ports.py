"""What flows need from outside; each has a real implementation on AWS and an in-memory twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import Subject

LONGEST_DELAY_SECONDS = 900  # no queue delays a message longer


class Store(Protocol):
    """Reads and writes stored things."""

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """Bring back what stands under these keys, in as few calls as possible."""
        ...

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """Do all writes or none; raises Conflict naming those whose condition failed."""
        ...

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """Subjects of a shard whose ``review_at`` has come, oldest first."""
        ...


class Queue(Protocol):
    """Sends messages to one queue."""

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """Send every body; raises Transient when any could not be sent.

        Consumers see it ``delay_seconds`` later, at most LONGEST_DELAY_SECONDS; None is the
        queue's own delay.
        """
        ...


@dataclass(frozen=True, slots=True)
class AgainPorts:
    """Where mail events go that could not be taken in.

    Attributes:
        queue: the queue of mail events.
        dead_letters: where they wait for an operator.
    """

    queue: Queue
    dead_letters: Queue


@dataclass(frozen=True, slots=True)
class BusEvent:
    """An event for other systems; consumers drop an ``event_id`` that they have seen."""

    event_id: str
    detail_type: str
    correlation_id: str
    causation_id: str | None
    data: Mapping[str, Any]


class Bus(Protocol):
    """Publishes events."""

    def publish(self, events: Sequence[BusEvent]) -> None:
        """Publish every event; raises Transient when any was not taken."""
        ...


class Machine(Protocol):
    """Starts executions of one state machine."""

    def start(self, name: str, *, given: Mapping[str, Any]) -> bool:
        """Begin an execution of this name; False where one of that name was begun before.

        Raises Transient or Broken.
        """
        ...


class Mailer(Protocol):
    """Hands one mail to the provider, once."""

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """Return the provider's id; raises MailRefused, MailThrottled or MailInDoubt.

        MailTooFast is the MailThrottled that waiting alone cures.
        """
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of a file, and how many bytes it has."""

    body: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing comes after them."""
        return len(self.body) >= self.size


class Beginnings(Protocol):
    """Reads files of one bucket for somebody who looks at them."""

    def read(self, key: str, *, most_bytes: int) -> Beginning:
        """At most so many bytes; raises NotFound."""
        ...
