"""A letter into bytes: one MIME message, the same to the byte for the same arguments.

The headers that one-click unsubscribing needs (RFC 8058) are set here, and SES signs them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import Broken, Refused

if TYPE_CHECKING:
    from chalicelib.mail.render import Letter

ONE_CLICK = "List-Unsubscribe=One-Click"


class _Policy(EmailPolicy):
    """SMTP's rules; what has no blank to fold at stays on one line.

    Python would rewrite a long URL as encoded words, which no mail program takes for a URL.
    """

    _WHOLE = frozenset({"list-unsubscribe", "message-id"})

    def fold(self, name: str, value: Any) -> str:
        """Fold a header into text."""
        if name.lower() in self._WHOLE:
            return f"{name}: {value}{self.linesep}"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Fold a header into bytes."""
        if name.lower() in self._WHOLE:
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


_POLICY: EmailPolicy = _Policy(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who writes: the name shown, and the bare address."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]

    @property
    def brand(self) -> str:
        """What the mail calls the sender: the name, or the domain of one without a name."""
        return self.name or self.domain


def parse_mailbox(text: str) -> Mailbox:
    """Read ``Name <address>`` or a bare address; raises Broken when it is neither.

    >>> parse_mailbox("Example Shop <hello@shop.example>").brand
    'Example Shop'
    """
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    if not local or "." not in domain or not address.isascii() or _smuggles(text):
        raise Broken("the sender is no mailbox such as Example Shop <hello@shop.example>")
    return Mailbox(name, address)


def deliverable(email: str) -> str:
    """The address as SMTP carries it, an international domain in its ASCII form.

    Raises Refused(``address_unusable``) for one that SES cannot carry: SES takes no letters
    beyond ASCII before the @, and nothing is ever delivered to a reserved domain.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  (mail only)

    try:
        ascii_email = validate_email(email, check_deliverability=False).ascii_email
    except EmailNotValidError:
        raise Refused("address_unusable") from None
    if ascii_email is None:
        raise Refused("address_unusable")
    return ascii_email


def to_bytes(
    letter: Letter,
    *,
    effect_id: str,
    sender: Mailbox,
    recipient: str,
    unsubscribe_url: str | None,
    now: int,
) -> bytes:
    """Build the message.

    Raises Refused(``header_unsafe``) when a header would hold a line break, NUL, another control
    character or a bidirectional override.

    Args:
        letter: what the mail says.
        effect_id: names the mail: Message-ID, boundary and ``X-Segue-Effect`` derive from it.
        sender: the From mailbox.
        recipient: the bare address, ASCII.
        unsubscribe_url: None leaves both one-click headers out (transactional mail).
        now: what Date says, in epoch seconds.
    """
    message = EmailMessage(policy=_POLICY)
    headers: dict[str, Any] = {
        "From": Address(display_name=sender.name, addr_spec=sender.address),
        "To": Address(addr_spec=recipient),
        "Subject": letter.subject,
        "Date": format_datetime(datetime.fromtimestamp(now, UTC)),
        "Message-ID": f"<{effect_id}@{sender.domain}>",
        "X-Segue-Effect": effect_id,
    }
    if unsubscribe_url is not None:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = ONE_CLICK
    for name, value in headers.items():
        if _smuggles(str(value)):
            raise Refused("header_unsafe")
        message[name] = value
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    for part in message.iter_parts():
        del part["MIME-Version"]  # it belongs to the whole message alone (RFC 2045, section 4)
    # Without it the boundary is random, and the same mail has other bytes each time.
    message.set_boundary(f"segue-{effect_id}")
    return message.as_bytes()


def _smuggles(text: str) -> bool:
    """Whether a text could end a header line or show itself as something that it is not."""
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)
