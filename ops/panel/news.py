"""What just happened: entries in order, each about one button, kept for the length of the demo."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

# What an entry is about: a button, or the story that the demo plays by itself.
What = Literal["drop", "checkout", "lapse", "mail-fails", "story"]
# How far that is; "done" and "failed" end it.
Step = Literal["begun", "going", "done", "failed"]
MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Link:
    """Where to see it: words, and a path on the panel."""

    words: str
    address: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        number: counts from 1, without gaps.
        at: epoch seconds.
        what: which button it is about.
        step: how far that is.
        text: in words; never markup.
        links: where to see it.
        facts: what a test or a verdict asks for.
    """

    number: int
    at: float
    what: What
    step: Step
    text: str
    links: tuple[Link, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As the panel's script and the verdict read it."""
        return {
            "number": self.number,
            "at": self.at,
            "what": self.what,
            "step": self.step,
            "text": self.text,
            "links": [{"words": link.words, "address": link.address} for link in self.links],
            "facts": dict(self.facts),
        }


@dataclass
class News:
    """The entries so far; any thread may add and read."""

    clock: Callable[[], float] = time.time
    _entries: list[Entry] = field(default_factory=list)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, what: What, step: Step, text: str, *links: Link, **facts: Any) -> Entry:
        """Add an entry; the oldest go when there are too many."""
        with self._lock:
            self._count += 1
            entry = Entry(self._count, self.clock(), what, step, text, links, tuple(facts.items()))
            self._entries.append(entry)
            del self._entries[:-MOST_ENTRIES]
            return entry

    def after(self, number: int) -> tuple[Entry, ...]:
        """Every entry with a higher number, oldest first."""
        with self._lock:
            return tuple(entry for entry in self._entries if entry.number > number)

    def latest(self, count: int) -> tuple[Entry, ...]:
        """The last few, newest first."""
        with self._lock:
            return tuple(reversed(self._entries[-count:]))
