"""SES's events as SNS hands them to a queue, read into what Segue understands.

An address is hashed where it is read and goes no further: not into a value, a log line or an
error. The shapes are those of SES's event publishing; fields that nobody needs are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parseaddr
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import EFFECT_ID_PATTERN
from chalicelib.core.errors import Refused
from chalicelib.core.feedback import (
    COMPLAINT,
    DELIVERY,
    HARD_BOUNCE,
    REJECT,
    SEND,
    SOFT_BOUNCE,
    Feedback,
    Glance,
    MailEvent,
)
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.kinds import EFFECT_WINDOW_SECONDS

EventKind = Literal["Send", "Delivery", "Bounce", "Complaint", "Reject", "Open", "Click"]
EFFECT_TAG = "effect_id"
# What SES publishes once, in plain words, when a topic becomes a destination of its events.
_GREETING = "Successfully validated SNS topic for Amazon SES event publishing"
# What SES calls kinds of bounces and complaints, as words of ours. Whatever else may stand there is
# "other": a word is kept, listed and logged, so nobody else may choose it.
_SUBTYPES = frozenset(
    "general noemail suppressed onaccountsuppressionlist unsubscribedrecipient mailboxfull"
    " messagetoolarge contentrejected attachmentrejected undetermined abuse authfailure fraud virus"
    " unspecified".split()
)
# Programs that fetch what a mail links to before, or instead of, a person.
_SCANNERS = re.compile(
    r"bot\b|crawler|spider|preview|scan|proofpoint|barracuda|mimecast|safelinks|symantec|trendmicro"
    r"|fortinet|sophos|cloudmark|python|curl|wget|java/|go-http|okhttp|headless|GoogleImageProxy"
    r"|YahooMailProxy|^Mozilla/5\.0$",
    re.IGNORECASE,
)
Hasher = Callable[[str], str]
T = TypeVar("T", bound=BaseModel)


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Envelope(_Shape):
    type: str = Field(alias="Type")
    topic: str = Field(alias="TopicArn")
    message: str = Field(alias="Message")


class _At(_Shape):
    timestamp: AwareDatetime


class _Mail(_At):
    message_id: str = Field(alias="messageId", pattern=r"^[0-9A-Za-z._-]{1,256}$")
    destination: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = {}


class _Recipient(_Shape):
    address: str = Field(alias="emailAddress")


class _Bounce(_At):
    kind: Literal["Permanent", "Transient", "Undetermined"] = Field(alias="bounceType")
    subtype: str = Field(default="undetermined", alias="bounceSubType")
    recipients: tuple[_Recipient, ...] = Field(default=(), alias="bouncedRecipients")


class _Complaint(_At):
    recipients: tuple[_Recipient, ...] = Field(default=(), alias="complainedRecipients")
    kind: str | None = Field(default=None, alias="complaintFeedbackType")
    subtype: str | None = Field(default=None, alias="complaintSubType")


class _Seen(_At):
    agent: str = Field(default="", alias="userAgent")
    link: str | None = None


class _Event(_Shape):
    kind: str = Field(alias="eventType")
    mail: _Mail
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _At | None = None
    open: _Seen | None = None
    click: _Seen | None = None


def read_mail_event(body: str, *, topic: str, hashed: Hasher, now: int) -> MailEvent | None:
    """Read the body of one queue message; None for SES's greeting to a new topic.

    Args:
        body: SNS's envelope around the event (raw delivery is off).
        topic: ARN of the only topic that is believed.
        hashed: names an address.
        now: epoch seconds.

    Raises:
        Refused: ``foreign_topic``, ``unreadable``, ``untagged``, ``unknown_kind``,
            ``not_a_complaint``, ``clock_ahead`` for what lies more than five minutes in the
            future, ``too_old`` for a mail that the ledger has forgotten.
    """
    envelope = _parse(_Envelope, body)
    if envelope.topic != topic:
        raise Refused("foreign_topic")
    if envelope.type != "Notification":
        raise Refused("unreadable")
    if envelope.message.startswith(_GREETING):
        return None
    event = _parse(_Event, envelope.message)
    read = _glance(event) or _feedback(event, hashed)
    happened_at = read.at if isinstance(read, Feedback) else read.at_ms // 1000
    sent_at = _seconds(event.mail)
    if max(happened_at, sent_at) > now + CLOCK_SKEW_SECONDS:
        raise Refused("clock_ahead")
    if sent_at <= now - EFFECT_WINDOW_SECONDS:
        raise Refused("too_old")
    return read


def _parse(shape: type[T], text: str) -> T:
    try:
        return shape.model_validate_json(text)
    except ValidationError:
        # The error quotes what it met, which may be an address.
        raise Refused("unreadable") from None


def _effect_id(event: _Event) -> str:
    values = event.mail.tags.get(EFFECT_TAG, ())
    # Another sender may go through our configuration set: its words get into no log and no copy.
    if len(values) != 1 or not re.fullmatch(EFFECT_ID_PATTERN, values[0]):
        raise Refused("untagged")
    return values[0]


def _glance(event: _Event) -> Glance | None:
    kind: Literal["open", "click"]
    match event.kind:
        case "Open":
            kind, seen = "open", event.open
        case "Click":
            kind, seen = "click", event.click
        case _:
            return None
    if seen is None:
        raise Refused("unreadable")
    return Glance(
        effect_id=_effect_id(event),
        kind=kind,
        at_ms=int(seen.timestamp.timestamp() * 1000),
        sent_ms=int(event.mail.timestamp.timestamp() * 1000),
        link=None if seen.link is None else short_hash("link", seen.link, digits=16),
        scanner=not seen.agent.strip() or _SCANNERS.search(seen.agent) is not None,
    )


def _feedback(event: _Event, hashed: Hasher) -> Feedback:
    at: _At | None
    recipients: tuple[_Recipient, ...] = ()
    match event.kind:
        case "Send":
            word, at = SEND, event.mail
        case "Reject":
            word, at = REJECT, event.mail
        case "Delivery":
            word, at = DELIVERY, event.delivery
        case "Bounce" if event.bounce is not None:
            word, at, recipients = _bounce_word(event.bounce), event.bounce, event.bounce.recipients
        case "Complaint" if event.complaint is not None:
            word, at = _complaint_word(event.complaint), event.complaint
            recipients = event.complaint.recipients
        case "Bounce" | "Complaint":
            raise Refused("unreadable")
        case _:
            raise Refused("unknown_kind")
    if at is None:
        raise Refused("unreadable")
    addresses = [each.address for each in recipients] or event.mail.destination
    bare = {parseaddr(address)[1] for address in addresses}
    return Feedback(
        effect_id=_effect_id(event),
        word=word,
        at=_seconds(at),
        sent_at=_seconds(event.mail),
        provider_id=event.mail.message_id,
        address_hashes=tuple(sorted(hashed(address) for address in bare if address)),
    )


def _bounce_word(bounce: _Bounce) -> str:
    # What is undetermined may have arrived: it is no reason to give an address up.
    begins = HARD_BOUNCE if bounce.kind == "Permanent" else SOFT_BOUNCE
    return f"{begins}_{_plain(bounce.subtype)}"


def _complaint_word(complaint: _Complaint) -> str:
    if complaint.kind == "not-spam":
        raise Refused("not_a_complaint")  # somebody took it out of the spam folder
    return f"{COMPLAINT}_{_plain(complaint.kind or complaint.subtype or 'unspecified')}"


def _plain(name: str) -> str:
    """SES's name for a kind of bounce or complaint, as a word of ours."""
    word = re.sub(r"[^a-z]", "", name.lower())
    return word if word in _SUBTYPES else "other"


def _seconds(shape: _At) -> int:
    return int(shape.timestamp.timestamp())
