"""One way to write a JSON value, so that equal values have equal bytes and equal hashes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
    check_circular=False,  # what is stored is a tree; looking costs a sixth
).encode


def canonical_json(value: Any) -> bytes:
    """Serialise with sorted keys, no spaces, UTF-8, shortest round-trip floats.

    Raises ValueError on NaN and infinities.
    """
    if isinstance(value, Encoded):
        return value.encoded
    return _encode(value).encode()


class Encoded(dict[str, Any]):
    """A JSON object that already knows its canonical bytes; whoever makes one vouches for them."""

    def __init__(self, value: Mapping[str, Any], encoded: bytes) -> None:
        super().__init__(value)
        self.encoded = encoded


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of ``data`` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def content_hash(value: Any) -> str:
    """Name a JSON value by its content: ``sha256:`` and 64 hex digits."""
    return "sha256:" + sha256_hex(canonical_json(value))


def short_hash(*parts: str, digits: int = 32) -> str:
    """A stable id from its parts; the separator cannot occur in a part unescaped by length.

    Each part is prefixed by its length, so ("ab", "c") and ("a", "bc") differ.
    """
    material = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(material.encode()).hexdigest()[:digits]


def keyed_digest(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104); the schedule of each key is kept, which halves the cost."""
    keyed = _keyed(key).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)


def share_of(*parts: str) -> float:
    """A uniform number in [0, 1) from stable ids: the only randomness that decisions use."""
    return int(short_hash(*parts, digits=13), 16) / 16**13
