"""Whom a profile is about: a customer, or a guest known only by an anonymous id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import BadInput

LONGEST_ID = 128
DUE_SHARDS = 8


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer or a guest.

    Attributes:
        kind: which of the two.
        id: the shop's id of a customer, or the anonymous id of a guest.
        key: the name under which storage knows them, ``c#<customer_id>`` or ``a#<anonymous_id>``.
    """

    kind: Literal["customer", "anonymous"]
    id: str
    key: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compose the key once: a checkout asks for it a dozen times."""
        object.__setattr__(self, "key", f"{self.kind[0]}#{self.id}")

    @property
    def due_shard(self) -> int:
        """Which of the shards of the due index holds this subject."""
        return int(short_hash(self.key, digits=8), 16) % DUE_SHARDS

    @classmethod
    def from_key(cls, key: str) -> Subject:
        """Undo ``key``."""
        prefix, _, rest = key.partition("#")
        return cls("customer" if prefix == "c" else "anonymous", rest)


def customer(customer_id: str) -> Subject:
    """The subject with this customer id."""
    return Subject("customer", customer_id)


def guest(anonymous_id: str) -> Subject:
    """The subject with this anonymous id."""
    return Subject("anonymous", anonymous_id)


def check_id(value: object, *, field: str) -> str:
    """Return an id that can serve as a key; raises BadInput otherwise."""
    if not isinstance(value, str) or not value:
        raise BadInput.of(field, "must be a non-empty string")
    if len(value) > LONGEST_ID:
        raise BadInput.of(field, f"must be at most {LONGEST_ID} characters")
    if not value.isprintable():
        raise BadInput.of(field, "must not contain control characters")
    return value


def is_id(value: object) -> bool:
    """Whether this can serve as a key."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_ID and value.isprintable()
