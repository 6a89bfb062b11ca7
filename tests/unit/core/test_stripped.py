"""Copies of mail events: everything that is done with an event, nothing else, and ours alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import Refused, UnknownKey
from chalicelib.core.feedback import Feedback, Glance, MailEvent
from chalicelib.core.stripped import PURPOSE, Copy, read_copy, signed_body
from chalicelib.core.tokens import sign
from tests.unit.core.situations import KEYS

TOPIC = "arn:aws:sns:us-east-1:123456789012:mail-events"
MOMENTS = st.integers(min_value=0, max_value=2**40)
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=64)
EVENTS: st.SearchStrategy[MailEvent] = st.one_of(
    st.builds(Feedback, WORDS, WORDS, MOMENTS, MOMENTS, WORDS, st.lists(WORDS).map(tuple)),
    st.builds(
        Glance,
        WORDS,
        st.sampled_from(["open", "click"]),
        MOMENTS,
        MOMENTS,
        st.none() | WORDS,
        st.booleans(),
    ),
)
BOUNCE = Feedback("e" * 32, "bounce_permanent_general", 5, 4, "ses-1", ("h",))
COPY = Copy(BOUNCE, TOPIC, failures=1)


def written(copy: Copy = COPY) -> str:
    """The body of the message, as a queue has it."""
    return json.dumps(signed_body(copy, keys=KEYS))


@given(EVENTS, st.integers(0, 9))
def test_a_copy_says_all_that_is_done_with_an_event(event: MailEvent, failures: int) -> None:
    """What was put aside comes back as it was."""
    copy = Copy(event, TOPIC, failures)

    assert read_copy(written(copy), topic=TOPIC, keys=KEYS) == copy


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        '{"Type": "Notification", "TopicArn": "t", "Message": "{}"}',
        '{"stripped": 1}',
        '{"stripped": "a.b.c", "Type": "Notification"}',
        "[" * 100_000,
    ],
)
def test_what_sns_wraps_is_no_copy(body: str) -> None:
    """Nor is anything else that is not of the one shape; who reads it next says what it is."""
    assert read_copy(body, topic=TOPIC, keys=KEYS) is None


@given(st.integers(0, 10_000), st.characters(exclude_characters='"\\'))
def test_a_tampered_copy_is_refused(place: int, letter: str) -> None:
    """Changing any character of it to any other: refused, or of a key that nobody has."""
    token = signed_body(COPY, keys=KEYS)["stripped"]
    index = place % len(token)
    altered = token[:index] + letter + token[index + 1 :]
    if altered == token:
        return
    with pytest.raises((Refused, UnknownKey)) as raised:
        read_copy(json.dumps({"stripped": altered}), topic=TOPIC, keys=KEYS)
    assert str(raised.value) == "forged" or raised.type is UnknownKey


@pytest.mark.parametrize("purpose", ["unsubscribe", "quote", "mail_list"])
def test_what_was_signed_for_something_else_is_forged(purpose: str) -> None:
    """An unsubscribe link, which everybody has, is no mail event."""
    payload = {"about": "feedback", "event": {}, "topic": TOPIC, "failures": 0}
    body = json.dumps({"stripped": sign(KEYS, purpose=purpose, payload=payload)})

    with pytest.raises(Refused, match="forged"):
        read_copy(body, topic=TOPIC, keys=KEYS)


def test_a_copy_of_another_topic_is_refused() -> None:
    """As is the event itself."""
    with pytest.raises(Refused, match="foreign_topic"):
        read_copy(written(replace(COPY, topic=f"{TOPIC}-2")), topic=TOPIC, keys=KEYS)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"about": "feedback", "event": {"word": "send"}, "topic": TOPIC, "failures": 0},
        {"about": "glance", "event": {"colour": "red"}, "topic": TOPIC, "failures": 0},
        {"about": "feedback", "event": None, "topic": TOPIC, "failures": 0},
    ],
)
def test_what_another_version_of_ours_wrote_is_unreadable(payload: dict[str, object]) -> None:
    """It is refused by a name that rings, like an event that SES has changed."""
    body = json.dumps({"stripped": sign(KEYS, purpose=PURPOSE, payload=payload)})

    with pytest.raises(Refused, match="unreadable"):
        read_copy(body, topic=TOPIC, keys=KEYS)


def test_copies_survive_a_rotation_both_ways() -> None:
    """An old key verifies while it is kept; a new one is waited for, not called a forgery."""
    rotated = replace(KEYS, current="k2", keys={**KEYS.keys, "k2": b"n" * 32})
    fresh = json.dumps(signed_body(COPY, keys=rotated))

    assert read_copy(written(), topic=TOPIC, keys=rotated) == COPY
    assert read_copy(fresh, topic=TOPIC, keys=rotated) == COPY
    with pytest.raises(UnknownKey):
        read_copy(fresh, topic=TOPIC, keys=KEYS)
