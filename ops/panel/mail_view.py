"""One mail taken apart for a page: headers, text, links. Nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from html.parser import HTMLParser
from urllib.parse import urlsplit

from ops.ses.mails import decoded, parse_headers
from ops.story.letters import SentMail

MOST_LINKS = 20
# What a mail's own HTML may do in its frame: look like itself. No script, no form, no request to
# anywhere, no way out of the frame; its origin is nobody's.
MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail as its page shows it.

    Attributes:
        number: its place in the inbox, from 1.
        subject, recipient, text: as it says.
        headers: every header in order, unfolded and decoded.
        links: the web addresses in its HTML, each once.
        has_html: whether it has an HTML part.
    """

    number: int
    subject: str
    recipient: str
    text: str
    headers: Sequence[tuple[str, str]]
    links: Sequence[str]
    has_html: bool


def view_mail(number: int, mail: SentMail) -> MailView:
    """Take a mail apart."""
    headers = [(name, _words(str(value))) for name, value in parse_headers(mail.raw).items()]
    return MailView(
        number,
        mail.subject,
        mail.recipient,
        mail.text,
        headers,
        links_in(mail.html),
        has_html=bool(mail.html),
    )


def links_in(html: str) -> list[str]:
    """The http and https addresses that a document links to, each once, in order."""
    found = _Links()
    found.feed(html)
    found.close()
    return list(dict.fromkeys(filter(_is_web, found.addresses)))[:MOST_LINKS]


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:
        return False


def _words(value: str) -> str:
    unfolded = " ".join(value.split())
    try:
        return decoded(unfolded)
    except (HeaderParseError, LookupError, ValueError):  # it does not say in what it is written
        return unfolded


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [
            value.strip() for name, value in attrs if tag == "a" and name == "href" and value
        ]
