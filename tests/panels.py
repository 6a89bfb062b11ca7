"""The demo's panel without a stack: fakes of the public ways in, and the real console in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from chalicelib.core.instants import parse_instant
from ops.panel.gate import Gate
from ops.panel.lapsing import Lapse
from ops.panel.news import Entry, Link, News, Step
from ops.panel.press import Presser
from ops.panel.proxy import Reply, Upstream
from ops.panel.site import Asked, Site
from ops.panel.words import Pages, Turn
from ops.story.letters import SentMail, from_mime
from ops.story.shop import Answer
from tests.browser import HOME, PREFIX
from tests.loopback import Bytes, Loopback, Request
from tests.storefront import Storefront
from tests.unit.core.situations import NOW

PORT = 8123
HOST = f"127.0.0.1:{PORT}"
TOKEN = "token-of-this-panel"
PAGES = Pages(HOME)


@dataclass
class Clock:
    """Time that passes only while somebody waits."""

    now: float = NOW

    def __call__(self) -> float:
        """The moment."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class FakeWays:
    """The public ways in, answered from memory.

    Attributes:
        clock: when it is.
        slow_seconds: how long events take to be stored.
        lapses_at: when the one who lapses does.
        sent: every event.
        dropped: files by key.
        asked: every decision asked for.
        runs: when the schedule's function was run.
        mails: the inbox.
        requests: what the stand-in's admin was asked.
        is_down: whether SES fails after it has taken a mail.
    """

    clock: Clock
    slow_seconds: float = 0.0
    lapses_at: Callable[[Sequence[Mapping[str, Any]]], float] = lambda _: float("inf")
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    dropped: dict[str, bytes] = field(default_factory=dict)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    mails: list[SentMail] = field(default_factory=list)
    requests: list[tuple[str, Mapping[str, Any] | None]] = field(default_factory=list)
    is_down: bool = False
    looks: int = 0
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put_file(self, key: str, body: bytes) -> str:
        """Take a file."""
        self.dropped[key] = body
        return "d" * 32

    def drop(self, drop_id: str) -> Mapping[str, Any] | None:
        """Begun at the second look, done at the third."""
        self.looks += 1
        if self.looks < 3:
            return None if self.looks == 1 else {"state": "RUNNING", "counts": {}}
        [body] = self.dropped.values()
        return {"drop_id": drop_id, "state": "COMPLETE", "counts": counted(body)}

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Store events; a checkout left alone long ago sets off a reminder."""
        self.sent += messages
        self.clock.pause(self.slow_seconds)
        who = str(messages[0]["userId"])
        orders = [each for each in messages if each.get("event") == "Order Completed"]
        segment = "champions" if self.clock() < self.lapses_at(orders) else "at_risk"
        self.customers[who] = {
            "facts": {"announced_segment": segment if orders else None},
            "decisions": [],
            "messages": [],
        }
        if len(messages) > 1 and not orders:
            self._mail(who, "You left something")

    def decide(self, request: Mapping[str, Any]) -> Answer:
        """A price below the published one, and an offer."""
        self.asked.append(request)
        body = {
            "decision_id": "d_1",
            "degraded": False,
            "segment": {"name": "at_risk"},
            "price": {"tier": "winback", "total": 5118, "currency": "USD"},
            "offers": [{"action": "winback-10", "code": "ABC"}],
        }
        return Answer(200, body, 0.05)

    def customer(self, customer_id: str) -> Mapping[str, Any] | None:
        """What is known of them; a mail in doubt is settled once SES tells of it."""
        return self.customers.get(customer_id)

    def run_review(self) -> None:
        """Whoever has lapsed is noticed, and written to twice."""
        self.runs.append(self.clock())
        for who, known in list(self.customers.items()):
            known["facts"]["announced_segment"] = "at_risk"
            known["decisions"] = [{"decision_id": "d_2"}]
            self._mail(who, "Come back")
            self._mail(who, "You left something")

    def mails_to(self, address: str) -> Sequence[tuple[int, SentMail]]:
        """The inbox, searched."""
        numbered = enumerate(self.mails, start=1)
        return [(number, mail) for number, mail in numbered if mail.recipient == address]

    def ses(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The stand-in's admin."""
        self.requests.append((path, body))
        if path == "script" and body is not None:
            self.is_down = bool(body["steps"])
        if path == "events" and body == {"do": "release"}:
            for known in list(self.customers.values()):
                for message in known["messages"]:
                    message["state"] = "DELIVERED"
            return {"released": 2}
        return {"posts": [{"tags": {"effect_id": _effect_of(mail)}} for mail in self.mails]}

    def _mail(self, who: str, subject: str) -> None:
        state = "IN_DOUBT" if self.is_down else "DELIVERED"
        mail = mail_of(subject, to=f"{who}@example.com")
        message = {"effect_id": _effect_of(mail), "state": state, "reason": "no_answer"}
        self.customers[who]["messages"].append(message)
        self.mails.append(mail)


def _effect_of(mail: SentMail) -> str:
    return f"{mail.recipient}: {mail.subject}"


def by_silence(lapse: Lapse) -> Callable[[Sequence[Mapping[str, Any]]], float]:
    """When somebody with these orders lapses."""

    def lapses_at(orders: Sequence[Mapping[str, Any]]) -> float:
        placed = [parse_instant(each["timestamp"], field="timestamp") for each in orders]
        return max(placed, default=0) + lapse.silent_seconds

    return lapses_at


def counted(body: bytes) -> dict[str, int]:
    """What becomes of a file of orders: each record is folded, known already, or unreadable."""
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    bad = [row for row in rows if not row["amount"].replace(".", "").isdecimal()]
    orders = {row["order_id"] for row in rows if row not in bad}
    return {
        "records": len(rows),
        "folded": len(orders),
        "duplicate": len(rows) - len(bad) - len(orders),
        "rejected": len(bad),
        "scored": len({row["customer_id"] for row in rows}),
    }


def mail_of(subject: str, *, to: str, html: str = "<p>Hello</p>", text: str = "Hello") -> SentMail:
    """A mail with both parts."""
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return from_mime(message.as_bytes())


@dataclass
class Told:
    """What a button told."""

    entries: list[tuple[Step, str, tuple[Link, ...], dict[str, Any]]] = field(default_factory=list)

    def __call__(self, step: Step, text: str, *links: Link, **facts: Any) -> None:
        """Note an entry."""
        self.entries.append((step, text, links, facts))

    @property
    def steps(self) -> list[Step]:
        """How far it was, entry by entry."""
        return [step for step, _, _, _ in self.entries]

    @property
    def facts(self) -> dict[str, Any]:
        """Those of the last entry."""
        return self.entries[-1][3]


def turn(clock: Clock, tag: str = "t1") -> Turn:
    """One press, in which waiting takes no time."""
    return Turn(clock, tag, PAGES, clock.pause)


@dataclass
class FixedInbox:
    """An inbox with these mails."""

    mails: Sequence[SentMail] = ()
    url: str = ""

    def read(self) -> tuple[SentMail, ...]:
        """All of them."""
        return tuple(self.mails)


def site_of(
    *,
    public_url: str = f"http://127.0.0.1:9{PREFIX}",
    mails: Sequence[SentMail] = (),
    ways: FakeWays | None = None,
    key: str = "segue_k_s",
) -> Site:
    """A panel over a console at this URL; by default nobody listens there."""
    clock = Clock()
    presser = Presser(ways or FakeWays(clock), PAGES, (), News(clock))
    return Site(Gate(PORT, TOKEN), Upstream(public_url), presser, FixedInbox(mails), key)


def get(site: Site, target: str, **headers: str) -> Reply:
    """What a browser on this machine is answered."""
    return site.answer(Asked("GET", target, {"host": HOST, **headers}))


def post(site: Site, target: str, body: str = "", **headers: str) -> Reply:
    """The same for a form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.answer(Asked("POST", target, {"host": HOST, **named}, body.encode()))


def entries_of(site: Site) -> tuple[Entry, ...]:
    """The news so far."""
    return site.presser.news.after(0)


@contextmanager
def console_of(shop: Storefront) -> Iterator[str]:
    """The real console of a shop in memory, over HTTP; yields the API's base URL."""

    def react(request: Request) -> Bytes:
        path = request.operation.removeprefix(PREFIX)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        answer = shop.client.http.request(request.method, path, headers=headers, body=request.body)
        return Bytes(answer.body, dict(answer.headers), answer.status_code)

    with Loopback(react) as server:
        yield f"{server.url}{PREFIX}"
