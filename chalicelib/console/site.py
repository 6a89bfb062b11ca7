"""Where the console is: links with the stage's prefix, and the cookie that fits there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from chalicelib.console.session import COOKIE

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HOME = "/console"


@dataclass(frozen=True, slots=True)
class Site:
    """The console's place under the public URL.

    Attributes:
        prefix: what stands before ``/console`` in every path: the stage, or nothing.
        is_secure: whether the cookie may travel by HTTPS alone; else the URL is this machine's.
    """

    prefix: str
    is_secure: bool

    @classmethod
    def under(cls, public_url: str) -> Site:
        """The console of the API with this base URL."""
        parts = urlsplit(public_url)
        here = parts.scheme == "http" and parts.hostname in LOOPBACK
        return cls(parts.path.rstrip("/"), is_secure=not here)

    def path(self, *steps: str) -> str:
        """A path to a page; each step is encoded, so that an id stays one step.

        >>> Site("/api", True).path("customers", "a/b")
        '/api/console/customers/a%2Fb'
        """
        return "/".join((self.prefix + HOME, *(quote(step, safe="") for step in steps)))

    def set_cookie(self, value: str, *, seconds: int) -> str:
        """The header that gives a browser its cookie; zero seconds take it away."""
        parts = [
            f"{COOKIE}={value}",
            f"Path={self.path()}",
            f"Max-Age={seconds}",
            "HttpOnly",
            "SameSite=Strict",
        ]
        return "; ".join([*parts, "Secure"] if self.is_secure else parts)


def cookie_of(header: str | None) -> str:
    """Our cookie's value in a ``Cookie`` header; empty where it is not there.

    >>> cookie_of("a=b; segue_console=x.y.z")
    'x.y.z'
    """
    for part in (header or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
