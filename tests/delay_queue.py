"""The effects queue in memory, with its delays and with messages that come more than once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]


class DelayQueue:
    """A queue by its own clock.

    Attributes:
        now: the moment by which messages are visible, in epoch seconds.
        began: the first such moment.
        copies: how often a message comes when it is taken, as a queue may deliver it twice.
        waiting: from when on each message is visible.
        sent: how many messages were ever sent.
    """

    def __init__(self, now: int, *, copies: Callable[[], int] = lambda: 1) -> None:
        """Start empty."""
        self.now = self.began = now
        self.copies = copies
        self.waiting: list[tuple[int, Message]] = []
        self.sent = 0

    def send(self, bodies: Sequence[Message], *, delay_seconds: int | None = None) -> None:
        """As ``Queue.send``."""
        self.sent += len(bodies)
        self.waiting += [(self.now + (delay_seconds or 0), dict(body)) for body in bodies]

    def hide(self, message: Message, *, until: int) -> None:
        """Let a message that nobody was done with come back."""
        self.waiting.append((until, message))

    def take(self) -> list[Message]:
        """What is visible by now; each message once or, as a queue may, several times."""
        visible = [body for at, body in self.waiting if at <= self.now]
        self.waiting = [(at, body) for at, body in self.waiting if at > self.now]
        return [body for body in visible for _ in range(self.copies())]

    def names(self, effect_id: str) -> bool:
        """Whether a message of this effect is under way."""
        return any(body["effect_id"] == effect_id for _, body in self.waiting)
