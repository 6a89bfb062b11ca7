"""What SES says of a mail afterwards, in the documented form of its event publishing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ops.ses.account import ACCOUNT_ID
from ops.ses.mails import Mail, addresses_in, decoded, parse_headers
from ops.ses.script import Fate

Event = Mapping[str, Any]
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
REPORTING_MTA = "dns; a8-50.smtp-out.amazonses.com"


def send_event(mail: Mail, *, region: str) -> Event:
    """SES took the mail and will try to deliver it."""
    return {"eventType": "Send", "mail": mail_object(mail, region=region), "send": {}}


def event_of(fate: Fate, mail: Mail, recipient: str, *, at: float, region: str) -> Event | None:
    """The event that a fate brings, None for silence.

    Args:
        fate: what became of the mail.
        mail: the mail.
        recipient: of which of its recipients.
        at: when, in epoch seconds.
        region: where it was sent.
    """
    kind, detail = _detail(fate, mail, recipient, at)
    if kind is None:
        return None
    name = kind[0].lower() + kind[1:]
    return {"eventType": kind, "mail": mail_object(mail, region=region), name: detail}


def mail_object(mail: Mail, *, region: str) -> dict[str, Any]:
    """The part of an event that names the mail, its tags and its headers."""
    headers = parse_headers(mail.raw)
    common: dict[str, Any] = {
        "from": _as_list(headers.get("From")),
        "to": _as_list(headers.get("To")),
        "messageId": mail.message_id,
        "subject": decoded(str(headers.get("Subject", ""))),
    }
    return {
        "timestamp": instant(mail.accepted_at),
        "source": mail.source,
        "sourceArn": f"arn:aws:ses:{region}:{ACCOUNT_ID}:identity/{mail.identity}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": mail.message_id,
        "destination": list(mail.destination),
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in mail.headers],
        "commonHeaders": common,
        "tags": _tags(mail),
    }


def instant(moment: float) -> str:
    """ISO 8601 in UTC with milliseconds, as SES writes it."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def feedback_id(mail: Mail, recipient: str) -> str:
    """SES's name for a bounce or a complaint; the same one when it is published again."""
    start = mail.message_id.rpartition("-")[0]
    return f"{start}-{mail.destination.index(recipient):06}"


def _tags(mail: Mail) -> dict[str, list[str]]:
    own: dict[str, list[str]] = {
        "ses:operation": ["SendEmail"],
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [addresses_in(mail.source)[0].rpartition("@")[2]],
        "ses:caller-identity": ["stand-in"],
    }
    if mail.configuration_set is not None:
        own["ses:configuration-set"] = [mail.configuration_set]
    return own | {name: [value] for name, value in mail.tags.items()}


def _as_list(value: Any) -> list[str]:
    return [] if value is None else [decoded(str(value))]


def _detail(fate: Fate, mail: Mail, recipient: str, at: float) -> tuple[str | None, dict[str, Any]]:
    """The event's type and the object of that name."""
    if fate in _BOUNCES:
        return "Bounce", _bounce(mail, recipient, at, *_BOUNCES[fate])
    match fate:
        case "delivery":
            return "Delivery", _delivery(mail, recipient, at)
        case "complaint":
            return "Complaint", _complaint(mail, recipient, at)
        case "reject":
            return "Reject", {"reason": "Bad content"}
        case "delay":
            return "DeliveryDelay", _delay(recipient, at)
        case "open":
            return "Open", _visit(at)
        case "click":
            return "Click", {**_visit(at), "link": "https://shop.example/", "linkTags": None}
    return None, {}


# Automatic answers are reported as bounces that say nothing against the address.
_BOUNCES: Mapping[Fate, tuple[str, str]] = {
    "bounce": ("Permanent", "General"),
    "suppressed": ("Permanent", "Suppressed"),
    "transient_bounce": ("Transient", "MailboxFull"),
    "out_of_office": ("Transient", "General"),
}


def _delivery(mail: Mail, recipient: str, at: float) -> dict[str, Any]:
    return {
        "timestamp": instant(at),
        "processingTimeMillis": max(0, round((at - mail.accepted_at) * 1000)),
        "recipients": [recipient],
        "smtpResponse": "250 2.6.0 Message received",
        "reportingMTA": REPORTING_MTA.removeprefix("dns; "),
    }


_DIAGNOSES = {
    ("Permanent", "General"): ("5.1.1", "smtp; 550 5.1.1 user unknown"),
    ("Permanent", "Suppressed"): (
        "5.1.1",
        "Amazon SES has suppressed sending to this address because it has a recent history of"
        " bouncing as an invalid address.",
    ),
    ("Permanent", "OnAccountSuppressionList"): (
        "5.1.1",
        "Amazon SES did not send the message to this address because it is on the suppression"
        " list for your account.",
    ),
    ("Transient", "MailboxFull"): ("4.2.2", "smtp; 452 4.2.2 mailbox full"),
    ("Transient", "General"): ("4.0.0", "smtp; 450 4.0.0 automatic reply"),
}


def suppressed_event(mail: Mail, recipient: str, *, at: float, region: str) -> Event:
    """The bounce of a mail to an address on the account's own suppression list."""
    detail = _bounce(mail, recipient, at, "Permanent", "OnAccountSuppressionList")
    return {"eventType": "Bounce", "mail": mail_object(mail, region=region), "bounce": detail}


def _bounce(mail: Mail, recipient: str, at: float, kind: str, subtype: str) -> dict[str, Any]:
    status, diagnosis = _DIAGNOSES[kind, subtype]
    return {
        "feedbackId": feedback_id(mail, recipient),
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": [
            {
                "emailAddress": recipient,
                "action": "failed",
                "status": status,
                "diagnosticCode": diagnosis,
            }
        ],
        "timestamp": instant(at),
        "reportingMTA": REPORTING_MTA,
    }


def _complaint(mail: Mail, recipient: str, at: float) -> dict[str, Any]:
    return {
        "feedbackId": feedback_id(mail, recipient),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": recipient}],
        "timestamp": instant(at),
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": instant(mail.accepted_at),
    }


def _delay(recipient: str, at: float) -> dict[str, Any]:
    return {
        "timestamp": instant(at),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": instant(at + 50_400),
        "delayedRecipients": [
            {
                "emailAddress": recipient,
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }
        ],
    }


def _visit(at: float) -> dict[str, Any]:
    return {"ipAddress": "192.0.2.1", "timestamp": instant(at), "userAgent": AGENT}
