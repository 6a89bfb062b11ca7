"""Mails that were sent, as files that a person can open: ``.eml``, ``.html`` and an index."""

from __future__ import annotations

import html
import json
import re
import threading
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesParser
from email.policy import default
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol

from ops.ses.admin import PREFIX
from ops.ses.inbox import delivered_mails

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail as the provider took it.

    Attributes:
        recipient: whom it was sent to.
        subject: its subject.
        text: the plain part.
        html: the HTML part.
        raw: the whole MIME message.
    """

    recipient: str
    subject: str
    text: str
    html: str
    raw: bytes


def from_mime(raw: bytes) -> SentMail:
    """Read a whole MIME message."""
    message = BytesParser(policy=default).parsebytes(raw)

    def part(kind: str) -> str:
        found = message.get_body(preferencelist=(kind,))
        return "" if found is None else str(found.get_content())

    return SentMail(str(message["To"]), str(message["Subject"]), part("plain"), part("html"), raw)


class Inbox(Protocol):
    """Every mail that was taken, oldest first.

    Attributes:
        url: where a person can look.
    """

    @property
    def url(self) -> str:
        """Where a person can look."""

    def read(self) -> tuple[SentMail, ...]:
        """Every mail so far."""


class StandInInbox:
    """The inbox of the stand-in for SES: whole messages, with every header, as delivered."""

    def __init__(self, mail_url: str) -> None:
        """Take what AWS_ENDPOINT_URL_SESV2 is."""
        self._mail_url = mail_url
        self._read: list[SentMail] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The list of what was taken."""
        return f"{self._mail_url}{PREFIX}/mails"

    def read(self) -> tuple[SentMail, ...]:
        """Every mail so far; only the new ones are fetched and taken apart, by one thread."""
        with self._lock:
            new = delivered_mails(self._mail_url, after=len(self._read))
            self._read += [from_mime(raw) for raw in new]
            return tuple(self._read)


class StackInbox:
    """The inbox of a local stack that takes mail itself.

    It keeps sender, recipient, subject and both parts, and no other header, so the messages are
    put together again without ``List-Unsubscribe``; the link in the text is whole.
    """

    def __init__(self, endpoint_url: str) -> None:
        """Take the stack's endpoint."""
        self._endpoint_url = endpoint_url

    @property
    def url(self) -> str:
        """The list of what was taken."""
        return f"{self._endpoint_url}/_ministack/ses/messages"

    def read(self) -> tuple[SentMail, ...]:
        """Every mail so far."""
        entries = sorted(_entries(self.url), key=lambda each: each["Timestamp"])
        return tuple(_rebuilt(entry) for entry in entries)


def _entries(url: str) -> list[Mapping[str, Any]]:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 (127.0.0.1)
        accounts: Mapping[str, Sequence[Mapping[str, Any]]] = json.load(response)["messages"]
    return [entry for account in accounts.values() for entry in account]


def _rebuilt(entry: Mapping[str, Any]) -> SentMail:
    text, markup = entry["BodyText"] or "", entry["BodyHtml"] or ""
    # The old classes: the new ones take 3 ms for a mail, and there are hundreds.
    message = MIMEMultipart("alternative")
    message["From"] = entry["Source"]
    message["To"] = ", ".join(entry["To"])
    message["Subject"] = entry["Subject"]
    message["Date"] = format_datetime(datetime.fromtimestamp(entry["Timestamp"], UTC))
    message.attach(MIMEText(text, "plain", "utf-8"))
    message.attach(MIMEText(markup, "html", "utf-8"))
    raw = message.as_bytes()
    return SentMail(message["To"], entry["Subject"], text, markup, raw)


def save_mails(mails: Iterable[SentMail], directory: Path, *, first: int = 1) -> list[Path]:
    """Write each mail as ``NNNN-subject.eml``, its HTML beside it; returns the former."""
    directory.mkdir(parents=True, exist_ok=True)
    saved = []
    for number, mail in enumerate(mails, start=first):
        path = directory / f"{number:04}-{_slug(mail.subject)}.eml"
        path.write_bytes(mail.raw)
        path.with_suffix(".html").write_text(mail.html, encoding="utf-8")
        saved.append(path)
    return saved


def save_index(mails: Sequence[SentMail], saved: Sequence[Path], directory: Path) -> Path:
    """Write ``index.html``, from which every mail is one click away."""
    rows = "\n".join(
        f'<tr><td><a href="{path.with_suffix(".html").name}">{html.escape(mail.subject)}</a></td>'
        f'<td>{html.escape(mail.recipient)}</td><td><a href="{path.name}">eml</a></td></tr>'
        for mail, path in zip(mails, saved, strict=True)
    )
    index = directory / "index.html"
    index.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Mails sent</title>"
        "<style>body{font:16px/1.5 system-ui;margin:2rem}td{padding:.2rem 1rem .2rem 0}</style>"
        f"<h1>{len(mails)} mails</h1><table>{rows}</table></html>\n",
        encoding="utf-8",
    )
    return index


def clear_mails(directory: Path) -> None:
    """Remove what an earlier run left there; other files stay."""
    for pattern in ("[0-9]*-*.eml", "[0-9]*-*.html", "index.html"):
        for path in directory.glob(pattern):
            path.unlink()


def _slug(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:LONGEST_NAME] or "mail"
