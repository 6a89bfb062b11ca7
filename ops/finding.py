"""One thing that stands in the way of real sending, or may, with its fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["blocks", "warns", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way, or may.

    Attributes:
        severity: whether it keeps mail from going out, spoils it, or could not be looked up.
        topic: one word.
        says: what is the case.
        fix: what to do about it.
    """

    severity: Severity
    topic: str
    says: str
    fix: str


def unknown(topic: str, says: str, command: str) -> Finding:
    """What could not be looked up: silence is not health."""
    return Finding("unknown", topic, says, f"look yourself: {command}")
