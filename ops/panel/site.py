"""What the panel answers to each request, without HTTP: routes, and a page for what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs

from ops.panel import pages
from ops.panel.entering import enter
from ops.panel.gate import Gate, TurnedAway
from ops.panel.mail_view import MAIL_POLICY, view_mail
from ops.panel.pages import Frame, MailRow
from ops.panel.press import BUTTONS, Presser
from ops.panel.proxy import NoConsole, Reply, Upstream, with_bar
from ops.panel.words import INBOX
from ops.story.letters import Inbox, SentMail

ROWS = 100
_SAFE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: method, target (path and query), headers with names in lower case, body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    def query(self, name: str) -> str:
        """A parameter of the address; empty where it is not there."""
        return parse_qs(self.target.partition("?")[2]).get(name, [""])[-1]

    def field(self, name: str) -> str:
        """A field of a posted form; empty where it is not there."""
        return parse_qs(self.body.decode(errors="replace")).get(name, [""])[-1]


@dataclass(frozen=True)
class Site:
    """Everything that the panel shows and does.

    Attributes:
        gate: who may speak to it.
        upstream: the console.
        presser: the buttons.
        mails: the inbox.
        key: the operator's key for the console.
    """

    gate: Gate
    upstream: Upstream
    presser: Presser
    mails: Inbox
    key: str

    @cached_property
    def _frame(self) -> Frame:
        return Frame(self.upstream.home, self.gate.token)

    def answer(self, asked: Asked) -> Reply:
        """Answer a request; whatever is wrong with it is an answer as well."""
        try:
            self.gate.check_host(asked.headers)
            if asked.method == "POST":
                self.gate.check_origin(asked.headers)
            if self.upstream.has(asked.path):
                return self._console(asked)
            return self._own(asked)
        except TurnedAway as away:
            return self._problem(away.status, "Not from here", str(away))
        except NoConsole as error:
            return self._problem(502, "The console does not answer", str(error))

    def _own(self, asked: Asked) -> Reply:
        routes: Mapping[tuple[str, str], Callable[[Asked], Reply]] = {
            ("GET", "/"): self._entrance,
            ("GET", "/demo/news"): self._news,
            ("GET", INBOX): self._inbox,
            ("POST", "/demo/enter"): self._enter,
            ("POST", "/demo/press"): self._press,
        }
        route = routes.get((asked.method, asked.path))
        if route is not None:
            return route(asked)
        if asked.method == "GET" and asked.path.startswith("/demo/static/"):
            return self._file(asked.path.removeprefix("/demo/static/"))
        if asked.method == "GET" and asked.path.startswith(f"{INBOX}/"):
            return self._mail(asked.path.removeprefix(f"{INBOX}/"))
        return self._problem(404, "There is no such page", f"{asked.method} {asked.path}")

    def _console(self, asked: Asked) -> Reply:
        reply = self.upstream.ask(asked.method, asked.target, asked.headers, asked.body)
        if reply.status == 303 or "hx-request" in asked.headers:
            return reply
        back = asked.target if asked.method == "GET" else self.upstream.home
        shown = pages.bar(self._frame, self.presser, back=back)
        return with_bar(reply, head=pages.head(), bar=shown)

    def _entrance(self, _: Asked) -> Reply:
        return _page(pages.entrance(self._frame, key=self.key))

    def _enter(self, asked: Asked) -> Reply:
        self.gate.check_token(asked.field("token"))
        return enter(self.upstream, key=self.key)

    def _press(self, asked: Asked) -> Reply:
        self.gate.check_token(asked.field("token"))
        button = next((each for each in BUTTONS if each == asked.field("button")), None)
        if button is None:
            return self._problem(400, "No such button", f"there are {', '.join(BUTTONS)}")
        begun = self.presser.press(button)
        if asked.headers.get("accept") == "application/json":
            return _json({"begun": begun})
        back = asked.field("back")
        location = back if self._is_a_page(back) else self.upstream.home
        return Reply(303, [("Location", location), *_SAFE], b"")

    def _is_a_page(self, back: str) -> bool:
        """Whether a form leads back to a page of the console, and nowhere else."""
        plain = all("!" <= character <= "~" for character in back)
        return plain and back.startswith("/") and self.upstream.has(back.partition("?")[0])

    def _news(self, asked: Asked) -> Reply:
        after = asked.query("after")
        presser = self.presser
        busy = sorted(presser.busy)  # first: whoever is not busy any more has told all
        entries = presser.news.after(int(after) if after.isdecimal() else 0)
        return _json(
            {
                "entries": [entry.as_json() for entry in entries],
                "busy": busy,
                "is_failing": presser.is_failing,
                "words": pages.RECOVER if presser.is_failing else pages.WORDS["mail-fails"],
            }
        )

    def _inbox(self, asked: Asked) -> Reply:
        mails = self.mails.read()
        said = asked.query("from")
        newest = min(int(said), len(mails)) if said.isdecimal() else len(mails)
        oldest = max(newest - ROWS, 0)
        rows = [
            MailRow(number, mails[number - 1].subject, mails[number - 1].recipient)
            for number in range(newest, oldest, -1)
        ]
        return _page(pages.inbox(self._frame, mails=rows, count=len(mails), older=oldest or None))

    def _mail(self, named: str) -> Reply:
        number, _, part = named.partition("/")
        mails = self.mails.read()
        if not number.isdecimal() or not 0 < int(number) <= len(mails) or part not in ("", "html"):
            return self._problem(404, "There is no such mail", f"there are {len(mails)}")
        at = int(number)
        if part == "html":
            return _mail_html(mails[at - 1])
        newer = at + 1 if at < len(mails) else None
        return _page(pages.mail(self._frame, view_mail(at, mails[at - 1]), newer=newer))

    def _file(self, name: str) -> Reply:
        found = {path.name: path for path in pages.STATIC.iterdir()}.get(name)
        if found is None:
            return self._problem(404, "There is no such file", name)
        content_type = _TYPES[found.suffix.removeprefix(".")]
        return Reply(200, [("Content-Type", content_type), *_SAFE], found.read_bytes())

    def _problem(self, status: int, title: str, text: str) -> Reply:
        return _page(pages.problem(self._frame, title=title, text=text), status=status)


def _page(html: str, *, status: int = 200) -> Reply:
    headers = [("Content-Type", _HTML), ("Content-Security-Policy", pages.POLICY), *_SAFE]
    return Reply(status, headers, html.encode())


def _mail_html(mail: SentMail) -> Reply:
    headers = [("Content-Type", _HTML), ("Content-Security-Policy", MAIL_POLICY), *_SAFE]
    return Reply(200, headers, mail.html.encode())


def _json(body: Mapping[str, object], *, status: int = 200) -> Reply:
    headers = [("Content-Type", "application/json"), *_SAFE]
    return Reply(status, headers, json.dumps(body).encode())
