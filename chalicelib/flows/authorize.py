"""Who is calling: a bearer key, looked up by its hash.

Storage knows a key by the SHA-256 of its 256 random bits and by nothing else, so a lookup tells
nobody anything about a key that they do not hold already; what is compared in the process is
compared in constant time.

A key that storage confirmed a while ago still counts while storage does not answer at all.
Otherwise a checkout could never be answered without storage, since nobody could ask.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.control import ApiKey
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import API_KEY
from chalicelib.core.ports import Store
from chalicelib.core.storage import Key

_BEARER = re.compile(r"[Bb]earer +(segue_([0-9a-z]{4,32})_[A-Za-z0-9_-]{32,128})\Z")
# How long a confirmed key counts without storage, and how many are kept in mind.
REMEMBERED_SECONDS = 600
MOST_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and what they may do."""

    key_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why nobody was recognised; ``key_id`` is what the caller claims to be, where readable."""

    reason: Literal["malformed", "unknown", "revoked"]
    key_id: str | None = None


@dataclass(slots=True)
class RememberedKeys:
    """The keys that this process saw confirmed, the latest last."""

    _seen: OrderedDict[Key[ApiKey], tuple[int, ApiKey]] = field(default_factory=OrderedDict)

    def remember(self, key: Key[ApiKey], api_key: ApiKey, *, now: int) -> None:
        """Note that storage has just confirmed a key."""
        self._seen[key] = (now, api_key)
        self._seen.move_to_end(key)
        while len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)

    def forget(self, key: Key[ApiKey]) -> None:
        """Note that storage no longer knows a key."""
        self._seen.pop(key, None)

    def recall(self, key: Key[ApiKey], *, now: int) -> ApiKey | None:
        """The key, if storage confirmed it a short while ago."""
        seen_at, api_key = self._seen.get(key, (0, None))
        return api_key if now - seen_at <= REMEMBERED_SECONDS else None


def recognise(
    header: str, *, store: Store, remembered: RememberedKeys, now: int
) -> Caller | Unknown:
    """Say who sent an ``Authorization`` header.

    Raises Transient when storage does not answer and the key was not confirmed lately.
    """
    match = _BEARER.match(header)
    if match is None:
        return Unknown("malformed")
    text, claimed_id = match.groups()
    key = API_KEY.key(sha256_hex(text.encode()))
    try:
        api_key = store.read([key], now=now).value(key)
    except Transient:
        api_key = remembered.recall(key, now=now)
        if api_key is None:
            raise
    else:
        if api_key is None:
            remembered.forget(key)
        else:
            remembered.remember(key, api_key, now=now)
    if api_key is None or not hmac.compare_digest(api_key.key_id, claimed_id):
        return Unknown("unknown", claimed_id)
    if api_key.revoked_at is not None:
        return Unknown("revoked", claimed_id)
    return Caller(api_key.key_id, api_key.scopes)
