"""Packed bodies: small, read back whatever they were packed with, and never read as another."""

from __future__ import annotations

import zlib
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.packed import CURRENT, UnknownDictionary, pack, unpack
from ops.dictionary import bodies

# What zlib writes into every body that the shipped dictionaries packed. Bodies live for 400 days:
# a number that changes makes them unreadable.
CHECKSUMS = {1: "56b09b2f"}


@given(st.binary(max_size=4_000))
def test_a_body_comes_back_as_it_was(body: bytes) -> None:
    """Packing and unpacking any bytes gives the same bytes."""
    assert unpack(pack(body)) == body


@given(st.binary(max_size=4_000))
def test_a_body_from_before_dictionaries_is_read(body: bytes) -> None:
    """What was compressed without a dictionary says so, and is read without one."""
    assert unpack(zlib.compress(body)) == body


def test_a_dictionary_in_use_never_changes() -> None:
    """Each body names its dictionary by a checksum; those of the shipped ones are pinned."""
    named = pack(b"{}")[2:6].hex()
    assert named == CHECKSUMS[CURRENT]
    assert len(CHECKSUMS) == CURRENT


def test_a_body_of_a_later_version_is_refused_by_name() -> None:
    """A dictionary that is not here cannot be guessed."""
    packing = zlib.compressobj(zdict=b"a dictionary of a later version")
    later = packing.compress(b"{}") + packing.flush()
    with pytest.raises(UnknownDictionary, match=later[2:6].hex()):
        unpack(later)


@pytest.mark.parametrize("cut", [7, 20, -1])
def test_a_body_that_ends_too_early_is_an_error(cut: int) -> None:
    """Half a body is not taken for a whole one."""
    with pytest.raises(zlib.error):
        unpack(pack(b'{"decision_id":"d_1","what":"else"}' * 20)[:cut])


def test_a_record_fits_into_one_write_unit() -> None:
    """DynamoDB bills by the kilobyte: packed records leave room for keys and index within one."""
    sizes = [len(pack(body)) for body in bodies()]
    assert mean(sizes) < 450
    assert max(sizes) < 900
