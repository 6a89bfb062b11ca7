"""The console of the deployed stack, passed on under the same path, with the bar on its pages.

Cookies, links and forms of the console hold a path and no host, so they work here as they do
there. Its own policy for content (``script-src 'self'``) stands unchanged: the bar's script and
stylesheet come from the panel, which is that very origin for the browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS = 60
# What the console reads of a request; nothing else of the browser goes on.
_PASSED_ON = (
    "accept",
    "accept-language",
    "content-type",
    "cookie",
    "user-agent",
    "hx-request",
    "hx-target",
    "hx-trigger",
    "hx-current-url",
)
# What is about this connection and not about the page.
_DROPPED = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
)


class NoConsole(Exception):
    """The console did not answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a browser: status, headers in order, body."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """A header's first value; empty where it is not there."""
        return next((value for each, value in self.headers if each.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The stack's console.

    Attributes:
        public_url: base URL of the API.
    """

    public_url: str

    @property
    def home(self) -> str:
        """The path of the console's overview, here and there."""
        return urlsplit(self.public_url).path.rstrip("/") + "/console"

    def has(self, path: str) -> bool:
        """Whether a path is one of the console's."""
        if {".", ".."} & set(unquote(path).split("/")):
            return False
        return path == self.home or path.startswith(f"{self.home}/")

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Pass a request on; raises NoConsole.

        Args:
            method: GET or POST.
            target: path and query as the browser sent them.
            headers: the browser's, names in lower case.
            body: of a form.
        """
        connection = HTTPConnection(urlsplit(self.public_url).netloc, timeout=TIMEOUT_SECONDS)
        kept = {name: headers[name] for name in _PASSED_ON if name in headers}
        try:
            connection.request(method, target, body or None, kept)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, HTTPException) as error:
            raise NoConsole(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        passed = [
            (name, value) for name, value in answer.getheaders() if name.lower() not in _DROPPED
        ]
        return Reply(answer.status, passed, text)


def with_bar(reply: Reply, *, head: str, bar: str) -> Reply:
    """A page with the bar on it; whatever is no whole page stays as it is."""
    if not reply.header("content-type").startswith("text/html"):
        return reply
    html = reply.body.decode()
    before_head, head_end, rest = html.partition("</head>")
    page, body_end, after = rest.rpartition("</body>")
    if not head_end or not body_end:
        return reply
    dressed = f"{before_head}{head}{head_end}{page}{bar}{body_end}{after}"
    return Reply(reply.status, reply.headers, dressed.encode())
