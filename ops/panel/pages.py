"""The panel's own pages, and the bar that it puts onto the console's: every value is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.console.static_files import name_of
from ops.panel.mail_view import MailView
from ops.panel.press import Button, Presser

_TEMPLATES = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SHOWN_NEWS = 12
WORDS: Mapping[Button, str] = {
    "drop": "Drop a file",
    "checkout": "Start a checkout",
    "lapse": "Let a customer lapse",
    "mail-fails": "Make SES fail",
}
RECOVER = "Let SES recover"


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page of the panel needs.

    Attributes:
        home: the path of the console's overview.
        token: what forms carry.
    """

    home: str
    token: str

    @property
    def stylesheet(self) -> str:
        """The console's own, so that both look alike."""
        return f"{self.home}/static/{name_of('console.css')}"


def head() -> str:
    """What the bar needs in the head of a page."""
    return _render("head.j2", {})


def bar(frame: Frame, presser: Presser, *, back: str) -> str:
    """The bar: buttons, the inbox, and what just happened; ``back`` is the page's own address."""
    is_failing = presser.is_failing
    told = {
        "frame": frame,
        "words": {**WORDS, "mail-fails": RECOVER} if is_failing else WORDS,
        "is_failing": is_failing,
        "busy": presser.busy,
        "news": presser.news.latest(SHOWN_NEWS),
        "back": back,
    }
    return _render("bar.j2", told)


def entrance(frame: Frame, *, key: str) -> str:
    """The first page: one click signs in."""
    return _render("entrance.j2", {"frame": frame, "key": key})


def inbox(frame: Frame, *, mails: Sequence[MailRow], count: int, older: int | None) -> str:
    """The list of mails, newest first; ``older`` is the number that the next page begins with."""
    told = {"frame": frame, "mails": mails, "count": count, "older": older}
    return _render("inbox.j2", told)


def mail(frame: Frame, view: MailView, *, newer: int | None) -> str:
    """One mail: HTML, text and headers."""
    return _render("mail.j2", {"frame": frame, "mail": view, "newer": newer})


def problem(frame: Frame, *, title: str, text: str) -> str:
    """What went wrong."""
    return _render("problem.j2", {"frame": frame, "title": title, "text": text})


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail in the list."""

    number: int
    subject: str
    recipient: str


def _render(template: str, told: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(**told)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    return environment


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
