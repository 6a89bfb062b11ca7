"""The seal of a decision record: whether it is, to the last byte, what was written down.

Re-executing a record proves its outcome; the seal proves its inputs, too, such as a time zone that
changed nothing. It is an HMAC over the canonical form with a secret that does not rotate, since a
record outlives several signing keys.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from chalicelib.core.canonical import Encoded, canonical_json, keyed_digest
from chalicelib.core.tokens import SigningKeys

SEAL = "witness"  # the last name of a record in canonical order, so that it is simply appended
_NAME = SEAL.encode()
_SEAL_BYTES = 16


def sealed(record: Mapping[str, Any], keys: SigningKeys) -> Encoded:
    """The record with its seal, and with its canonical form, which storage need not make again."""
    body = canonical_json(record)
    seal = _seal(body, keys)
    return Encoded({**record, SEAL: seal}, b'%s,"%s":"%s"}' % (body[:-1], _NAME, seal.encode()))


def is_intact(record: Mapping[str, Any], keys: SigningKeys) -> bool:
    """Whether a record carries the seal of exactly what it says."""
    unsealed = {name: value for name, value in record.items() if name != SEAL}
    seal = record.get(SEAL)
    if not isinstance(seal, str):
        return False
    try:
        return hmac.compare_digest(_seal(canonical_json(unsealed), keys).encode(), seal.encode())
    except (ValueError, TypeError):  # a value that no canonical form has, such as NaN
        return False


def _seal(body: bytes, keys: SigningKeys) -> str:
    # Of all secrets the one that names codes: like it, it must hold for as long as a record lives.
    return keyed_digest(keys.coupon_secret, b"record:" + body)[:_SEAL_BYTES].hex()
