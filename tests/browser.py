"""An operator's browser, for tests of the console: it keeps its cookie and reads its pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

from chalice.test import HTTPResponse

from chalicelib.console.session import COOKIE
from tests.storefront import SETTINGS, Storefront

PREFIX = "/api"
HOME = f"{PREFIX}/console"
assert SETTINGS.public_url.endswith(PREFIX)
FORM = "application/x-www-form-urlencoded"
ALL = ("operate", "read", "privacy")


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, and its fields with what they hold."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Document(HTMLParser):
    """A page taken apart: every tag with its attributes, every text, every form and link."""

    def __init__(self, html: str) -> None:
        """Take a page apart."""
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, and what belongs to a form."""
        values = dict(attrs)
        self.tags.append((tag, values))
        self._open.append(tag)
        if tag == "form":
            self.forms.append(Form(values.get("method") or "get", values.get("action") or ""))
        name = values.get("name")
        if tag in ("input", "button", "select", "textarea") and name and self.forms:
            self.forms[-1].fields[name] = values.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a tag."""
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note a text with the tag that it stands in."""
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data.strip()))

    @property
    def text(self) -> str:
        """All that a reader sees, in one line."""
        return " ".join(" ".join(text for _, text in self.texts).split())

    def all(self, tag: str, attribute: str) -> list[str]:
        """An attribute of every such tag that has it."""
        return [
            value for name, values in self.tags if name == tag and (value := values.get(attribute))
        ]

    def form_to(self, end: str) -> Form:
        """The one form whose action ends so."""
        [form] = [each for each in self.forms if each.action.endswith(end)]
        return form


@dataclass(slots=True)
class Browser:
    """A browser on the console of a shop; ``last`` is the latest answer."""

    shop: Storefront
    cookie: str = ""
    last: HTTPResponse | None = None

    def get(self, path: str, **headers: str) -> HTTPResponse:
        """Ask for a page, ``path`` with or without the stage's prefix."""
        return self._send("GET", path, b"", headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> HTTPResponse:
        """Post a form."""
        return self._send("POST", path, urlencode(form).encode(), {"Content-Type": FORM, **headers})

    def submit(self, form: Form, **filled: str) -> HTTPResponse:
        """Fill in a form of a page and press its button."""
        return self.post(form.action, {**form.fields, **filled})

    def page(self, path: str, *, status: int = 200) -> Document:
        """A page, which must come with this status."""
        response = self.get(path)
        assert response.status_code == status, response.body.decode()
        return Document(response.body.decode())

    def sign_in(self, *scopes: str) -> Browser:
        """Sign in with a key of these scopes; all that the console knows when none is named."""
        return self.sign_in_with(self.shop.issue_key(*(scopes or ALL)))

    def sign_in_with(self, key: str) -> Browser:
        """Sign in with a key."""
        response = self.submit(self.page("/console/sign-in").form_to("/sign-in"), key=key)
        assert response.status_code == 303, response.body.decode()
        self.shop.store.calls.clear()
        return self

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, Any]) -> HTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = f"other=1; {COOKIE}={self.cookie}"
        path = path.removeprefix(PREFIX)
        self.last = self.shop.client.http.request(method, path, headers=sent, body=body)
        set_cookie = self.last.headers.get("Set-Cookie")
        if set_cookie is not None:
            self.cookie = set_cookie.partition(";")[0].removeprefix(f"{COOKIE}=")
        return self.last


def step(name: str) -> str:
    """An id as one step of a path."""
    return quote(name, safe="")
