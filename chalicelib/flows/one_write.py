"""Calls of a single write under an Idempotency-Key: the answer is part of that very write.

So there is nothing to be in flight: whoever loses a race reads the winner's answer, and a crash
leaves the effect with its answer or neither. Calls of several writes are ``once``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.kinds import REPEAT
from chalicelib.core.repeats import (
    REPEAT_WINDOW_SECONDS,
    Repeat,
    RepeatOf,
    answered_before,
    repeat_name,
)
from chalicelib.core.storage import AtVersion, Found, Key, Put, Write


@dataclass(frozen=True, slots=True)
class Keyed:
    """An Idempotency-Key and the call that it came with.

    Attributes:
        repeat_of: who asks, where, and the key; None when none was sent.
        request_hash: what a repeat must have in common with the first call.
    """

    repeat_of: RepeatOf | None
    request_hash: str

    @property
    def keys(self) -> tuple[Key[Repeat], ...]:
        """What must be read to know of an earlier call; nothing without an Idempotency-Key."""
        return () if self.repeat_of is None else (REPEAT.key(repeat_name(*self.repeat_of)),)

    def first_answer(self, found: Found, *, now: int) -> Mapping[str, Any] | None:
        """What the first call was answered, None when this is it; raises KeyReused."""
        for key in self.keys:
            return answered_before(found.value(key), request_hash=self.request_hash, now=now)
        return None

    def answer_writes(self, answer: Mapping[str, Any], found: Found, *, now: int) -> list[Write]:
        """The answer, for the write that makes it true."""
        done = Repeat(self.request_hash, answer)
        expires_at = now + REPEAT_WINDOW_SECONDS
        return [Put(key, done, AtVersion(found.version(key)), expires_at) for key in self.keys]
