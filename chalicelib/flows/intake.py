"""What a body of POST /v1/events holds: one Segment-spec message, or a batch of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.messages import Message, parse_message

MOST_MESSAGES = 100
# What Segment's own libraries put beside the messages; Segue has no use for any of it.
BATCH_FIELDS = frozenset({"batch", "context", "integrations", "sentAt", "timestamp", "writeKey"})
# Any of these says that an object is meant as a message.
MESSAGE_FIELDS = frozenset({"type", "event", "userId", "anonymousId", "messageId"})
LONGEST_NAME = 64  # of a field that an error repeats


class Numbered(NamedTuple):
    """A message and its place in the body."""

    place: int
    message: Message


@dataclass(frozen=True, slots=True)
class Intake:
    """A body as it was read.

    Attributes:
        messages: each message id once.
        duplicates: how many messages repeat the id of another one in the body.
        rejected: what is wrong with the messages that cannot be read, by place.
    """

    messages: tuple[Numbered, ...]
    duplicates: int
    rejected: Mapping[int, tuple[FieldError, ...]]


def read_body(body: object, *, now: int, default_currency: str) -> Intake:
    """Read a decoded body.

    Raises BadInput when it is neither a message nor a batch, or holds a number that JSON does
    not have.
    """
    messages: dict[str, Numbered] = {}
    duplicates = 0
    rejected = {}
    for place, raw in enumerate(_messages_in(body)):
        try:
            message = parse_message(raw, now=now, default_currency=default_currency)
        except BadInput as error:
            rejected[place] = error.errors
            continue
        if message.envelope.message_id in messages:
            duplicates += 1
        else:
            messages[message.envelope.message_id] = Numbered(place, message)
    return Intake(tuple(messages.values()), duplicates, rejected)


def _messages_in(body: object) -> Sequence[object]:
    _refuse_impossible(body)
    match body:
        case {"batch": list(batch), **others}:
            for name in others:
                if name not in BATCH_FIELDS:
                    field = str(name)[:LONGEST_NAME]
                    raise BadInput.of(field, "is no field of a batch; it belongs in a message")
            if not 1 <= len(batch) <= MOST_MESSAGES:
                raise BadInput.of("batch", f"must hold 1 to {MOST_MESSAGES} messages")
            return batch
        case {"batch": _}:
            raise BadInput.of("batch", "must be a list of messages")
        case dict() if MESSAGE_FIELDS & body.keys():
            return [body]
        case _:
            raise BadInput.of("body", 'must be one message, or {"batch": [messages]}')


def _refuse_impossible(body: object) -> None:
    """Refuse NaN and infinities, which Python's decoder lets through, and bottomless nesting."""
    try:
        json.dumps(body, allow_nan=False, default=str)
    except RecursionError:
        raise BadInput.of("body", "is nested too deeply") from None
    except ValueError:
        raise BadInput.of(next(_impossible(body)), "must be a finite number") from None


def _impossible(body: object) -> Iterator[str]:
    """The paths of the numbers that JSON does not have."""
    waiting: list[tuple[str, object]] = [("", body)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case float() if not isfinite(value):
                yield path.removeprefix(".") or "body"
            case dict():
                waiting += ((f"{path}.{str(n)[:LONGEST_NAME]}", each) for n, each in value.items())
            case list():
                waiting += ((f"{path}[{index}]", each) for index, each in enumerate(value))
