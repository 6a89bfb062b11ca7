"""A mail event without anybody's data, signed: what is kept of one that could not be taken in yet.

An event as SES publishes it holds an address and a subject, and must not lie in a dead-letter
queue. Its copy holds what is done with it and no more: the effect, the word, the moments, the
address as the hash that names it in storage. The queue's policy does not vouch for a copy, so its
signature does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from chalicelib.core.errors import BadInput, Refused, UnknownKey
from chalicelib.core.feedback import Feedback, Glance, MailEvent
from chalicelib.core.tokens import SigningKeys, sign, verify

PURPOSE = "mail_event"


@dataclass(frozen=True, slots=True)
class Copy:
    """A stripped mail event.

    Attributes:
        event: what is to be taken in.
        topic: ARN of the topic that published it.
        failures: how often it could not be taken in.
    """

    event: MailEvent
    topic: str
    failures: int


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    stripped: str


def signed_body(copy: Copy, *, keys: SigningKeys) -> dict[str, str]:
    """The body of the queue message that carries a copy."""
    payload = {
        "about": "feedback" if isinstance(copy.event, Feedback) else "glance",
        "event": asdict(copy.event),
        "topic": copy.topic,
        "failures": copy.failures,
    }
    return {"stripped": sign(keys, purpose=PURPOSE, payload=payload)}


def read_copy(body: str, *, topic: str, keys: SigningKeys) -> Copy | None:
    """Read a copy that we signed; None when the body is none, but perhaps what SES published.

    Args:
        body: of the queue message.
        topic: ARN of the only topic that is believed.
        keys: verify it, also after a rotation.

    Raises:
        Refused: ``forged`` for what we did not sign, ``foreign_topic``, ``unreadable`` for what
            another version of ours has signed.
        UnknownKey: it names a key that is not known here, or not yet.
    """
    try:
        token = _Body.model_validate_json(body).stripped
    except ValidationError:
        return None
    if token.partition(".")[0] not in keys.keys:
        raise UnknownKey("a mail event is signed with a key that is not known here")
    try:
        payload = verify(keys, token, purpose=PURPOSE, field="stripped")
    except BadInput:
        raise Refused("forged") from None
    copy = _copy(payload)
    if copy.topic != topic:
        raise Refused("foreign_topic")
    return copy


def _copy(payload: Mapping[str, Any]) -> Copy:
    try:
        return Copy(_event(payload), payload["topic"], payload["failures"])
    except (KeyError, TypeError):
        raise Refused("unreadable") from None


def _event(payload: Mapping[str, Any]) -> MailEvent:
    fields = payload["event"]
    if payload["about"] == "glance":
        return Glance(**fields)
    return Feedback(**{**fields, "address_hashes": tuple(fields["address_hashes"])})
