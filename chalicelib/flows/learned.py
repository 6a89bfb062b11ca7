"""What outcomes have taught, as a process remembers it between the checkouts that it answers.

The published document is read in the one read of a decision, and only when what the process
remembers is older than a minute. So it costs a busy process next to nothing, no item is hot, and a
new document counts everywhere within that minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.core.decide import Decision
from chalicelib.core.kinds import LEARNING_KEY
from chalicelib.core.learning import Learning
from chalicelib.core.policy import Policy
from chalicelib.core.storage import Found, Key
from chalicelib.telemetry import emit_metrics

REMEMBERED_SECONDS = 60


@dataclass(slots=True)
class RememberedLearning:
    """The learning document as this process last saw it; whatever policy explores may use it."""

    _learning: Learning | None = None
    _read_at: int | None = None

    def keys(self, policy: Policy, *, now: int) -> list[Key[Any]]:
        """What has to be read: nothing where the policy does not explore, or nothing is stale."""
        if policy.exploration is None or self._is_fresh(now):
            return []
        return [LEARNING_KEY]

    def recall(self, found: Found, policy: Policy, *, now: int) -> Learning | None:
        """What was learned, from what stands under ``keys`` or from memory."""
        if policy.exploration is None:
            return None
        if not self._is_fresh(now):
            self._learning, self._read_at = found.value(LEARNING_KEY), now
            tell_if_refused(self._learning)
        return self._learning

    def _is_fresh(self, now: int) -> bool:
        read_at = self._read_at
        return read_at is not None and 0 <= now - read_at < REMEMBERED_SECONDS


def is_control(decision: Decision, policy: Policy) -> bool:
    """Whether a policy that learns compares others with this customer, to whom nothing was done."""
    choice = decision.choice
    return policy.exploration is not None and choice is not None and choice.withheld is not None


def tell_if_unused(decision: Decision) -> None:
    """Raise the alarm where a decision had to do without the document that stands there."""
    choice = decision.choice
    if choice is not None and choice.deterministic == "learning_refused":
        emit_metrics("learning_rejected", {"LearningRejected": 1}, reason="learning_refused")


def tell_if_refused(learning: Learning | None) -> None:
    """Raise the alarm where a document stands there that cannot be used."""
    if learning is not None and learning.refused is not None:
        emit_metrics("learning_rejected", {"LearningRejected": 1}, reason=learning.refused)
