"""What a browser is answered: a page, a way elsewhere, a file to save, or a file of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Cross-Origin-Opener-Policy": "same-origin",
}
FRESH = {"Cache-Control": "no-store"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page: the template that it is made with, and what that is told.

    Attributes:
        template: file name without its ending.
        title: of the page and of the browser's tab.
        values: what the template is told besides.
        status: of the answer.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Go on with another page, by GET; the cookie is set on the way where there is one."""

    location: str
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file to save."""

    text: str
    content_type: str
    name: str


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file of the console's own, named after its content."""

    text: str
    content_type: str
