"""Signed tokens with key rotation: quotes and unsubscribe links carry their own proof."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from chalicelib.core.canonical import keyed_digest
from chalicelib.core.errors import BadInput, Broken

_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # base64url (RFC 4648, section 5)
_SIGNATURE_BYTES = 16  # 128 bits of HMAC-SHA256 (RFC 2104 allows half the digest)


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Keys by id, the one that signs, and two secrets that never rotate.

    Attributes:
        current: id of the key that signs new tokens.
        keys: every key that still verifies, by id.
        address_secret: names addresses; rotating it would forget every suppression.
        coupon_secret: names coupon codes.
    """

    current: str
    keys: Mapping[str, bytes]
    address_secret: bytes
    coupon_secret: bytes

    @classmethod
    def from_json(cls, text: str) -> SigningKeys:
        """Read the parameter's value; raises Broken when it is not what deploy writes."""
        try:
            stored = json.loads(text)
            keys = {kid: base64.b64decode(key) for kid, key in stored["keys"].items()}
            loaded = cls(
                stored["current"],
                keys,
                base64.b64decode(stored["address_secret"]),
                base64.b64decode(stored["coupon_secret"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Broken(f"signing keys are unreadable ({type(error).__name__})") from None
        if loaded.current not in keys or any(len(key) < 32 for key in keys.values()):
            raise Broken("signing keys name no current key of at least 32 bytes")
        return loaded


def sign(keys: SigningKeys, *, purpose: str, payload: Mapping[str, Any]) -> str:
    """Make ``kid.payload.signature``; the purpose is signed too, so tokens cannot be swapped."""
    body = _encode(to_json(payload))
    head = f"{keys.current}.{body}"
    return f"{head}.{_encode(_signature(keys.keys[keys.current], purpose, head))}"


def verify(keys: SigningKeys, token: str, *, purpose: str, field: str) -> Mapping[str, Any]:
    """Return the payload of a token that we signed for this purpose.

    Raises BadInput naming ``field``; the answer is the same for every kind of forgery.
    """
    refused = BadInput.of(field, "is not a token that this service signed")
    head, _, signature = token.rpartition(".")
    kid, _, body = head.partition(".")
    key = keys.keys.get(kid)
    if key is None:
        raise refused
    expected = _encode(_signature(key, purpose, head))
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise refused
    try:
        payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        raise refused from None
    if not isinstance(payload, dict):
        raise refused
    return payload


def _signature(key: bytes, purpose: str, head: str) -> bytes:
    return keyed_digest(key, f"{purpose}:{head}".encode())[:_SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()
