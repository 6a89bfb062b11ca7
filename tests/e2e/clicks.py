"""An operator's browser on a deployed console: real HTTP, one cookie, no script."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from tests.browser import FORM, Document


@dataclass(slots=True)
class Clicks:
    """Asks for pages under a public URL; ``cookie`` is what it was given last."""

    public_url: str
    cookie: str = ""

    @property
    def home(self) -> str:
        """The path of the console, with the stage's prefix."""
        return urlsplit(self.public_url).path + "/console"

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, dict[str, str], str]:
        """Status, headers in small letters, and text of one answer."""
        place = urlsplit(self.public_url)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
        headers = {"Content-Type": FORM} if body else {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        try:
            connection.request(method, path, body=body.encode() or None, headers=headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            text = answer.read().decode()
        finally:
            connection.close()
        if "set-cookie" in told:
            self.cookie = told["set-cookie"].partition(";")[0]
        return answer.status, told, text

    def page(self, path: str) -> Document:
        """A page that must come with 200."""
        status, _, text = self.ask("GET", path)
        assert status == 200, (path, status, text)
        return Document(text)

    def submit(self, page: Document, end: str, **filled: str) -> tuple[int, dict[str, str], str]:
        """Fill in the form of a page whose action ends so, and press its button."""
        form = page.form_to(end)
        return self.ask("POST", form.action, urlencode({**form.fields, **filled}))
