"""The seal of a record: any altered byte of it is found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.seal import SEAL, is_intact, sealed
from tests.unit.core.situations import KEYS, checkout
from tests.unit.core.test_record import recorded

RECORD = sealed(recorded(checkout()), KEYS)
BYTES = canonical_json(RECORD)


def found(altered: bytes) -> bool:
    """Whether stored bytes are known not to be what was written: unreadable, or unsealed."""
    try:
        record = json.loads(altered)
    except ValueError:
        return True
    if not isinstance(record, dict) or not is_intact(record, KEYS):
        return True
    return canonical_json(record) != altered


def test_a_record_as_it_was_written_is_intact() -> None:
    """Through storage and back, in whatever order its fields come."""
    assert json.loads(BYTES) == RECORD
    assert canonical_json(dict(RECORD)) == BYTES
    assert is_intact(RECORD, KEYS)
    assert is_intact(dict(reversed(json.loads(BYTES).items())), KEYS)


@given(place=st.integers(0, len(BYTES) - 1), byte=st.integers(1, 255))
def test_any_altered_byte_is_found(place: int, byte: int) -> None:
    """Whatever byte becomes whatever other one."""
    altered = bytearray(BYTES)
    altered[place] ^= byte

    assert found(bytes(altered))


@pytest.mark.parametrize("change", [{"subject": "c#c-2"}, {"correlation_id": "other"}, {"x": 1}])
def test_what_decides_nothing_is_sealed_as_well(change: dict[str, Any]) -> None:
    """Whom it was about and what it was tied to, and that nothing was added."""
    assert not is_intact({**RECORD, **change}, KEYS)


@pytest.mark.parametrize("seal", [None, "", 3, "é", RECORD[SEAL][:-1], "0" * 32])
def test_no_other_seal_is_taken(seal: Any) -> None:
    """Missing, of another type, cut short or made up."""
    assert not is_intact({**RECORD, SEAL: seal}, KEYS)


def test_a_seal_outlives_the_rotation_of_signing_keys() -> None:
    """A record lives for 400 days, a signing key need not."""
    rotated = replace(KEYS, current="k2", keys={"k2": b"n" * 32})
    elsewhere = replace(KEYS, coupon_secret=b"x" * 32)

    assert is_intact(RECORD, rotated)
    assert not is_intact(RECORD, elsewhere)


def test_a_number_that_json_does_not_have_is_no_seal() -> None:
    """Nothing that cannot be written down canonically is what was written down."""
    assert not is_intact({**RECORD, "decided_at": float("nan")}, KEYS)
