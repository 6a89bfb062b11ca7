"""Signed tokens: only what we signed for this purpose verifies, across key rotation."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput, Broken
from chalicelib.core.offers import CODE_LETTERS, coupon_code
from chalicelib.core.tokens import SigningKeys, sign, verify
from tests.unit.core.situations import KEYS

TOKEN = sign(KEYS, purpose="quote", payload={"t": 1})


def test_a_token_verifies_for_its_purpose_alone() -> None:
    """A quote is no unsubscribe link."""
    assert verify(KEYS, TOKEN, purpose="quote", field="quote") == {"t": 1}
    with pytest.raises(BadInput):
        verify(KEYS, TOKEN, purpose="unsubscribe", field="token")


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_an_altered_token_is_refused(index: int, letter: str) -> None:
    """Changing any character to any other breaks the token."""
    altered = TOKEN[:index] + letter + TOKEN[index + 1 :]
    if altered == TOKEN:
        return
    with pytest.raises(BadInput):
        verify(KEYS, altered, purpose="quote", field="quote")


@given(st.text(max_size=200))
def test_no_text_is_a_token(text: str) -> None:
    """Nothing that we did not sign verifies, and nothing breaks the verifier."""
    with pytest.raises(BadInput):
        verify(KEYS, text, purpose="quote", field="quote")


def test_an_old_token_survives_rotation_until_its_key_is_removed() -> None:
    """A new current key signs; the old one verifies as long as it is kept."""
    rotated = replace(KEYS, current="k2", keys={**KEYS.keys, "k2": b"n" * 32})
    assert verify(rotated, TOKEN, purpose="quote", field="quote") == {"t": 1}

    forgotten = replace(rotated, keys={"k2": b"n" * 32})
    with pytest.raises(BadInput):
        verify(forgotten, TOKEN, purpose="quote", field="quote")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"current":"a","keys":{}}'])
def test_unreadable_keys_are_ours_to_mend(text: str) -> None:
    """A damaged parameter is Broken, and its content is not in the message."""
    with pytest.raises(Broken, match="signing keys"):
        SigningKeys.from_json(text)


def test_short_keys_are_refused() -> None:
    """A signing key has at least 256 bits."""
    short = base64.b64encode(b"short").decode()
    stored = {"current": "a", "keys": {"a": short}, "address_secret": short, "coupon_secret": short}

    with pytest.raises(Broken):
        SigningKeys.from_json(json.dumps(stored))


def test_codes_are_unguessable_and_repeatable() -> None:
    """The same effect has the same code; 10,000 effects have 10,000 codes."""
    codes = {coupon_code(b"s" * 32, effect_id=str(n)) for n in range(10_000)}

    assert len(codes) == 10_000
    assert coupon_code(b"s" * 32, effect_id="1") == coupon_code(b"s" * 32, effect_id="1")
    assert coupon_code(b"s" * 32, effect_id="1") != coupon_code(b"t" * 32, effect_id="1")
    assert all(len(code) == CODE_LETTERS for code in codes)
