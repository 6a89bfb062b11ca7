"""Learning documents and outcomes for tests."""

from __future__ import annotations

from typing import Any

from chalicelib.core.learning import LEARNING_SCHEMA, Learning, publish
from chalicelib.core.outcomes import Outcome, Trial
from tests.unit.core.situations import NOW

# Two actions of one value: a-0 wins under the first three samples, a-1 under the last.
SAMPLES = {"a-0": [0.3, 0.4, 0.2, 0.1], "a-1": [0.1, 0.1, 0.1, 0.5]}


def estimate(*samples: float, **more: Any) -> dict[str, Any]:
    """What is published of one action; the mean is that of the samples."""
    mean = sum(samples) / len(samples)
    told = {"basis": "response", "mean": mean, "spend_minor": 0.0, "samples": list(samples)}
    return {**told, **more}


def document(estimates: dict[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A learning document over these estimates by segment."""
    first = next(iter(next(iter(estimates.values())).values()))
    samples = len(first["samples"])
    return {"schema": LEARNING_SCHEMA, "samples": samples, "estimates": estimates, **changes}


def learned(by_action: dict[str, list[float]] | None = None, segment: str = "at_risk") -> Learning:
    """What was learned of some actions in one segment."""
    by_action = SAMPLES if by_action is None else by_action
    return publish(document({segment: {a: estimate(*s) for a, s in by_action.items()}}))


def trial(decision_id: str = "d_1", **changes: Any) -> Trial:
    """A choice at a checkout that showed a code."""
    given: dict[str, Any] = {
        "decision_id": decision_id,
        "subject_key": "c#c-1",
        "placement": "checkout",
        "session_id": None,
        "segment": "at_risk",
        "action": "a-0",
        "withheld": False,
        "decided_at": NOW,
        "code": "CODE",
    }
    return Trial(**{**given, **changes})


def outcome(decision_id: str = "d_1", **changes: Any) -> Outcome:
    """Nothing came of a choice, unless told otherwise; a change of a trial's field goes there."""
    of_trial = {name: changes.pop(name) for name in list(changes) if name in Trial._fields}
    given: dict[str, Any] = {
        "trial": trial(decision_id, **of_trial),
        "shown": not of_trial.get("withheld", False),
        "accepted": False,
        "ordered": False,
        "paid_minor": 0,
        "discount_minor": 0,
    }
    return Outcome(**{**given, **changes})
