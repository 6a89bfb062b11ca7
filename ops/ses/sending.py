"""One SendEmail: may it be sent, what was taken, and what will be said of it."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from ops.ses.account import Account, ConfigurationSet, Identity
from ops.ses.errors import SesError, bad_request, not_found, not_imitated, rejected, sending_paused
from ops.ses.events import Event, event_of, send_event, suppressed_event
from ops.ses.mails import Mail, addresses_in, compose_simple, parse_headers
from ops.ses.script import Fates, is_simulated

MOST_RECIPIENTS = 50
MOST_BYTES = 40 * 1024 * 1024
MOST_TAGS = 50
_TAG = re.compile(r"[A-Za-z0-9_.@-]{1,256}")
_LOCAL_PART = re.compile(r"[!-~]+")
# The harmless file that every virus scanner knows; SES takes such a mail and then rejects it.
_EICAR = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"


@dataclass(frozen=True, slots=True)
class Request:
    """A SendEmail request that is well formed.

    Attributes:
        source: the From mailbox.
        recipients: every address, bare.
        raw: the MIME source.
        tags: names and values.
        configuration_set: as named; None for none.
    """

    source: str
    recipients: tuple[str, ...]
    raw: bytes
    tags: Mapping[str, str]
    configuration_set: str | None


def read_request(body: Mapping[str, Any]) -> Request:
    """Read the body of a request; raises SesError (BadRequestException, NotImitated)."""
    destination = body.get("Destination") or {}
    named = [_list(destination, f"{kind}Addresses") for kind in ("To", "Cc", "Bcc")]
    raw, source = _content(body, named)
    recipients = addresses_in(*(each for group in named for each in group))
    if not recipients:
        headers = parse_headers(raw)
        values = [str(v) for kind in ("To", "Cc", "Bcc") for v in headers.get_all(kind, [])]
        recipients = addresses_in(*values)
    _check_recipients(recipients, sum(map(len, named)))
    if len(raw) > MOST_BYTES:
        raise bad_request(f"Message length is more than {MOST_BYTES} bytes long: {len(raw)}.")
    return Request(
        source=source,
        recipients=tuple(recipients),
        raw=raw,
        tags=_tags(body.get("EmailTags") or []),
        configuration_set=body.get("ConfigurationSetName"),
    )


def judge(request: Request, account: Account, known: ConfigurationSet | None) -> Identity:
    """The identity that may send this; raises SesError for what SES would not take.

    Args:
        request: what is to be sent.
        account: who sends.
        known: the configuration set that the request names, None when there is none.
    """
    _check_open(request, account, known)
    address = parseaddr(request.source)[1]
    identity = account.identity_of(address)
    unverified = [] if account.verified(address) else [request.source]
    unverified += _strangers(request, account)
    if unverified or identity is None:
        raise rejected(
            "Email address is not verified. The following identities failed the check in region"
            f" {account.region.upper()}: {', '.join(dict.fromkeys(unverified))}"
        )
    if identity.mail_from_domain is not None and identity.mail_from_status == "FAILED":
        raise SesError(
            "MailFromDomainNotVerifiedException",
            f"{identity.mail_from_domain} is not verified as a MAIL FROM domain.",
        )
    return identity


def _strangers(request: Request, account: Account) -> list[str]:
    """Recipients to whom the sandbox does not send."""
    if account.production:
        return []
    return [
        each for each in request.recipients if not is_simulated(each) and not account.verified(each)
    ]


def _check_open(request: Request, account: Account, known: ConfigurationSet | None) -> None:
    """Whether the account and the configuration set send at all; raises SesError."""
    if account.enforcement == "SHUTDOWN":
        raise SesError("AccountSuspendedException", "The account is suspended.")
    if not account.sending_enabled:
        raise sending_paused("Email sending is disabled for your account.")
    if request.configuration_set is not None:
        if known is None:
            raise not_found(f"Configuration set <{request.configuration_set}> does not exist.")
        if not known.sending_enabled:
            raise sending_paused(f"Sending is paused for configuration set {known.name}.")


def accept(request: Request, account: Account, identity: Identity, *, now: float) -> Mail:
    """Take the mail: it counts, and it has a name; raises SesError (TooManyRequests)."""
    counted = [each for each in request.recipients if not is_simulated(each)]
    account.spend(len(request.recipients), counted=len(counted), now=now)
    return Mail(
        message_id=new_message_id(now),
        accepted_at=now,
        source=request.source,
        destination=request.recipients,
        raw=request.raw,
        tags=request.tags,
        configuration_set=request.configuration_set or identity.configuration_set,
        identity=identity.name,
    )


def new_message_id(now: float) -> str:
    """A name in the shape of SES's: milliseconds in hex, a UUID, and six zeros."""
    return f"0100{round(now * 1000):012x}-{uuid.uuid4()}-000000"


def outcomes(mail: Mail, account: Account, fates: Fates, *, now: float) -> list[Event]:
    """Every event that comes of a mail; bounces and complaints fill the suppression list."""
    region = account.region
    events: list[Event] = []
    if _EICAR in mail.raw or any("reject" in fates.of(each) for each in mail.destination):
        rejection = event_of("reject", mail, mail.destination[0], at=now, region=region)
        return [] if rejection is None else [rejection]
    events.append(send_event(mail, region=region))
    for recipient in mail.destination:
        if recipient.lower() in account.suppressed:
            events.append(suppressed_event(mail, recipient, at=now, region=region))
            continue
        for fate in _told(fates.of(recipient)):
            event = event_of(fate, mail, recipient, at=now, region=region)
            events += [] if event is None else [event]
            _suppress(account, recipient, fate, now)
    return events


def _told(fates: Sequence[Any]) -> Sequence[Any]:
    """Whoever complains, answers automatically, opens or clicks has got the mail before."""
    later = {"complaint", "out_of_office", "open", "click"}
    needs = bool(later.intersection(fates)) and "delivery" not in fates
    return ("delivery", *fates) if needs else fates


def _suppress(account: Account, recipient: str, fate: str, now: float) -> None:
    reason = {"bounce": "BOUNCE", "complaint": "COMPLAINT"}.get(fate)
    if reason in account.suppressed_reasons and not is_simulated(recipient):
        account.suppressed[recipient.lower()] = (reason, now)


def _list(destination: Mapping[str, Any], name: str) -> list[str]:
    found = destination.get(name) or []
    return [str(each) for each in found]


def _content(body: Mapping[str, Any], named: Sequence[Sequence[str]]) -> tuple[bytes, str]:
    """The MIME source and the From mailbox; exactly one kind of content is allowed."""
    content = body.get("Content") or {}
    kinds = [kind for kind in ("Simple", "Raw", "Template") if content.get(kind) is not None]
    if kinds == ["Template"]:
        raise not_imitated("templates: a missing variable fails only after the answer")
    if len(kinds) != 1:
        raise bad_request("Exactly one of Simple, Raw and Template must be given.")
    source = str(body.get("FromEmailAddress") or "")
    if kinds == ["Raw"]:
        raw = _decoded(content["Raw"].get("Data"))
        source = source or str(parse_headers(raw).get("From", ""))
    else:
        raw = _simple(content["Simple"], source, to=named[0], cc=named[1])
    if "@" not in parseaddr(source)[1]:
        raise bad_request("Missing required header 'From'.")
    return raw, source


def _decoded(data: Any) -> bytes:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise bad_request("Raw.Data must be base64.") from None
    if not raw.strip():
        raise bad_request("Raw.Data must not be empty.")
    return raw


def _simple(
    simple: Mapping[str, Any], source: str, *, to: Sequence[str], cc: Sequence[str]
) -> bytes:
    parts = simple.get("Body") or {}
    text = (parts.get("Text") or {}).get("Data")
    html = (parts.get("Html") or {}).get("Data")
    if text is None and html is None:
        raise bad_request("Body must hold Text or Html.")
    return compose_simple(
        source=source,
        to=to,
        cc=cc,
        subject=(simple.get("Subject") or {}).get("Data") or "",
        text=text,
        html=html,
        headers=[(each["Name"], each["Value"]) for each in simple.get("Headers") or []],
    )


def _check_recipients(recipients: Sequence[str], named: int) -> None:
    if len(recipients) > MOST_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MOST_RECIPIENTS}.")
    if not recipients and not named:
        raise bad_request("At least one recipient is needed.")
    for address in recipients:
        local, at, domain = address.rpartition("@")
        if not at or not domain:
            raise bad_request("Missing final '@domain'")
        if not _LOCAL_PART.fullmatch(local) or ".." in local or local[0] == "." or local[-1] == ".":
            raise bad_request("Local address contains control or whitespace")
    if len(recipients) < named:
        raise bad_request("Missing final '@domain'")


def _tags(said: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for each in said:
        name, value = str(each.get("Name", "")), str(each.get("Value", ""))
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            raise bad_request("A tag holds letters, digits, '_', '-', '.' and '@', at most 256.")
        if name in tags:
            raise bad_request("Duplicate tag name.")
        tags[name] = value
    if len(tags) > MOST_TAGS:
        raise bad_request(f"More than {MOST_TAGS} tags.")
    return tags
