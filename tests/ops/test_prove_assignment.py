"""The figure of sticky assignment, measured on fewer ids than ``make prove`` takes."""

from __future__ import annotations

import pytest

from ops.prove import BoundBroken, assignment


def test_the_figure_is_measured_and_holds() -> None:
    """Shares within three standard errors, nobody drifts, nobody is in two of one layer."""
    found = assignment.figures(20_000)

    assert found["assignment_ids"] == 20_000
    assert 0 < found["assignment_worst_standard_errors"] < 3
    assert found["assignment_drifted"] == found["assignment_in_two_of_a_layer_or_none"] == 0


def test_a_share_that_is_not_as_stated_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth more than stated is told from chance at 20,000 ids already."""
    dealt = list(assignment.stated(assignment.policy_of([assignment.WATCHED])))
    monkeypatch.setattr(assignment, "stated", lambda _: [(n, share * 1.1) for n, share in dealt])

    with pytest.raises(BoundBroken, match="assignment_worst_standard_errors"):
        assignment.figures(20_000)


def test_a_salt_that_changes_is_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deals anew moves people, and the measurement sees it."""
    policies = [
        assignment.policy_of([{**assignment.WATCHED, "salt": salt}, assignment.BESIDE[2]])
        for salt in ("watched-1", "watched-2")
    ]
    monkeypatch.setattr(assignment, "policy_of", lambda _: policies.pop())

    with pytest.raises(BoundBroken, match="assignment_drifted is") as broken:
        assignment.figures(2_000)

    assert 0 < broken.value.figures["assignment_drifted"] < 2_000
