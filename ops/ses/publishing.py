"""Events on their way out: to a callable, or to the SNS topics of a configuration set.

SNS promises neither order nor that an event comes once. Told to, the publisher holds events back
and lets them go shuffled and more than once, by a seed that repeats the same shuffle.
"""

from __future__ import annotations

import json
import queue
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ops.ses.events import Event

SUBJECT = "Amazon SES Email Event Notification"
Sink = Callable[[Event], object]


@dataclass(frozen=True, slots=True)
class Routed:
    """An event and the configuration set whose destinations are to have it."""

    event: Event
    configuration_set: str


class Topics(Protocol):
    """Where events for topics go: ``TopicSink``, or a stack that is not there yet."""

    def publish(self, event: Event, *, topic_arn: str) -> None:
        """Publish one event to one topic."""


class TopicSink:
    """Publishes to SNS topics at one endpoint."""

    def __init__(self, sns: Any) -> None:
        """Take a boto3 client for SNS."""
        self._sns = sns

    def publish(self, event: Event, *, topic_arn: str) -> None:
        """Publish one event as SES does."""
        self._sns.publish(TopicArn=topic_arn, Subject=SUBJECT, Message=json.dumps(event))


class Publisher:
    """Lets events go, at once and in order unless it is told otherwise.

    Attributes:
        published: every event that went out, in that order, repetitions included.
        failed: what a sink raised.
        route: names the topics of an event; the stand-in sets it.
    """

    def __init__(self, sink: Sink | None = None, topics: Topics | None = None) -> None:
        """Take where events go besides ``published``."""
        self.published: list[Event] = []
        self.failed: list[Exception] = []
        self.route: Callable[[Routed], Sequence[str]] = lambda _: ()
        self._sink = sink
        self._topics = topics
        self._holding = False
        self._copies = 1
        self._held: list[Routed] = []
        self._queue: queue.SimpleQueue[Routed | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="ses-events", daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Keep events back until ``release``."""
        with self._lock:
            self._holding = True

    def duplicate(self, copies: int) -> None:
        """Publish each event so many times."""
        with self._lock:
            self._copies = copies

    def release(self, *, seed: int | None = None, copies: int = 1) -> int:
        """Let go of what was held, shuffled when a seed is given; returns how many went out."""
        with self._lock:
            going = self._held * copies
            self._held = []
            self._holding = False
            if seed is not None:
                random.Random(seed).shuffle(going)  # noqa: S311 - an order that can be repeated
            for each in going:
                self._enqueue(each)
        return len(going)

    def take(self, *events: Routed) -> None:
        """Publish events, or hold them."""
        with self._lock:
            for each in events:
                if self._holding:
                    self._held.append(each)
                    continue
                for _ in range(self._copies):
                    self._enqueue(each)

    def drain(self, *, within_seconds: float = 10.0) -> None:
        """Wait until everything that was let go is out; raises TimeoutError."""
        with self._idle:
            if not self._idle.wait_for(lambda: self._waiting == 0, within_seconds):
                raise TimeoutError("events are still on their way out")

    def close(self) -> None:
        """Publish what was let go, and end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _enqueue(self, routed: Routed) -> None:
        with self._idle:
            self._waiting += 1
        self._queue.put(routed)

    def _run(self) -> None:
        while (routed := self._queue.get()) is not None:
            try:
                self._publish(routed)
            except Exception as error:  # a sink of any kind; the next event must still go out
                self.failed.append(error)
            finally:
                with self._idle:
                    self._waiting -= 1
                    self._idle.notify_all()

    def _publish(self, routed: Routed) -> None:
        self.published.append(routed.event)
        if self._sink is not None:
            self._sink(routed.event)
        if self._topics is not None:
            for topic_arn in self.route(routed):
                self._topics.publish(routed.event, topic_arn=topic_arn)
