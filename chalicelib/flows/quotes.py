"""Is this price still good: a quote proves itself, so nothing is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chalicelib.core.answer import QUOTE
from chalicelib.core.errors import BadInput
from chalicelib.core.situation import Line
from chalicelib.core.tokens import SigningKeys, verify


@dataclass(frozen=True, slots=True)
class Quote:
    """What a quote promised; amounts in minor units of ``currency``."""

    decision_id: str
    currency: str
    lines: tuple[Line, ...]
    total_minor: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a quote holds, and what it says; nothing of a quote that we did not sign."""

    reason: Literal["not_signed_here", "expired"] | None
    quote: Quote | None

    @property
    def valid(self) -> bool:
        """Whether the prices still hold."""
        return self.reason is None


def judge(token: str, *, keys: SigningKeys, now: int) -> Verdict:
    """Say whether a quote holds at this moment."""
    try:
        payload = verify(keys, token, purpose=QUOTE, field="quote")
    except BadInput:
        return Verdict("not_signed_here", None)
    quote = Quote(
        decision_id=payload["d"],
        currency=payload["c"],
        lines=tuple(Line(*line) for line in payload["l"]),
        total_minor=payload["t"],
        expires_at=payload["x"],
    )
    return Verdict("expired" if quote.expires_at <= now else None, quote)
