"""The sample-ratio check: true shares pass, lost customers ring, and an unknown arm is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.sample_ratio import check_ratio

HALVES = {"a": 0.5, "b": 0.5}


@given(st.integers(0, 10**7))
def test_equal_counts_of_equal_shares_never_ring(count: int) -> None:
    """Counts that are exactly as stated are no evidence against the shares."""
    found = check_ratio({"a": count, "b": count}, HALVES)
    assert not found.mismatched
    assert found.evidence <= 1e-6


def test_a_lost_tenth_of_an_arm_rings() -> None:
    """10,000 customers against 9,000 of equal halves are a mismatch; 100 against 90 are none."""
    assert check_ratio({"a": 10_000, "b": 9_000}, HALVES).mismatched
    assert not check_ratio({"a": 100, "b": 90}, HALVES).mismatched


def test_an_arm_without_anybody_counts_as_empty() -> None:
    """An arm that is missing from the counts has nobody in it."""
    assert check_ratio({"a": 1_000}, HALVES).mismatched


def test_an_arm_without_a_share_is_an_error() -> None:
    """An arm that the policy does not deal cannot be judged; it is named."""
    with pytest.raises(ValueError, match="without a share: c"):
        check_ratio({"a": 1, "b": 1, "c": 1}, HALVES)
