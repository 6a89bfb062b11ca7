"""Policies of offers for the tests: offers go to people who are known, whatever their segment."""

from __future__ import annotations

from typing import Any

from chalicelib.core.policy import Policy
from tests.unit.core import test_engagement_conditions as plain

KNOWN = ["champions", "loyal", "at_risk", "hibernating"]


def policy_with(*actions: dict[str, Any], **changes: Any) -> Policy:
    """The shipped policy with other actions; whoever is unknown is offered nothing."""
    told = [{"segments": KNOWN, **each} if "offer" in each else each for each in actions]
    return plain.policy_with(*told, **changes)
