"""What was taken: one mail with its whole MIME source, and how many there were by tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import SMTP, compat32
from email.utils import format_datetime, getaddresses

MAIL_DOMAIN = "email.amazonses.com"
_OVERRIDDEN = frozenset({b"message-id", b"date", b"bcc"})


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it was taken.

    Attributes:
        message_id: SES's name for it.
        accepted_at: epoch seconds.
        source: the From mailbox.
        destination: every recipient's address, bare.
        raw: the MIME source as it was handed over; for Simple content, as it was put together.
        tags: names and values.
        configuration_set: what it went through; None for none.
        identity: the identity that was allowed to send it.
    """

    message_id: str
    accepted_at: float
    source: str
    destination: tuple[str, ...]
    raw: bytes
    tags: Mapping[str, str]
    configuration_set: str | None
    identity: str

    @property
    def delivered(self) -> bytes:
        """The source as recipients get it: SES sets Message-ID and Date, and removes Bcc."""
        date = format_datetime(datetime.fromtimestamp(self.accepted_at, UTC))
        own = f"Date: {date}\r\nMessage-ID: <{self.message_id}@{MAIL_DOMAIN}>\r\n".encode()
        return own + b"".join(_kept_lines(self.raw))

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """Every header of the source in order, unfolded."""
        message = parse_headers(self.raw)
        return [(name, " ".join(str(value).split())) for name, value in message.items()]


def parse_headers(raw: bytes) -> Message:
    """The headers of a MIME source."""
    return BytesHeaderParser(policy=compat32).parsebytes(raw)


def addresses_in(*fields: str) -> list[str]:
    """The bare addresses in header values, in order."""
    return [address for _, address in getaddresses(fields) if address]


def decoded(value: str) -> str:
    """A header value without RFC 2047's encoding."""
    return str(make_header(decode_header(value)))


def compose_simple(
    *,
    source: str,
    to: Sequence[str],
    cc: Sequence[str],
    subject: str,
    text: str | None,
    html: str | None,
    headers: Sequence[tuple[str, str]],
) -> bytes:
    """Put the MIME source of Simple content together, which SES does itself."""
    message = EmailMessage(policy=SMTP)
    message["From"] = source
    if to:
        message["To"] = ", ".join(to)
    if cc:
        message["Cc"] = ", ".join(cc)
    message["Subject"] = subject
    for name, value in headers:
        message[name] = value
    if text is not None:
        message.set_content(text)
    if html is not None and text is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message.as_bytes()


def _kept_lines(raw: bytes) -> Sequence[bytes]:
    """The lines of a source without the headers that SES sets or removes."""
    lines = raw.splitlines(keepends=True)
    kept: list[bytes] = []
    dropping = False
    for index, line in enumerate(lines):
        if not line.strip():
            return [*kept, *lines[index:]]
        if not line.startswith((b" ", b"\t")):
            dropping = line.partition(b":")[0].strip().lower() in _OVERRIDDEN
        if not dropping:
            kept.append(line)
    return kept
