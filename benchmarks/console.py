"""Pages of the console on 10,000 customers: time of the server, and calls to AWS, page by page.

Everything is as it is deployed, DynamoDB's client included; DynamoDB itself is a stub on loopback
that answers at once, so a page's time is ours; what AWS adds is told as a number of calls. A
scan is refused by the stub. Each page is asked for by the same operator, signed in.
"""

from __future__ import annotations

import base64
import gc
import itertools
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chalice.test import Client

import app as ours
from benchmarks.decision import KEYS
from benchmarks.people import CATALOGUE, People, checkout_event, read_people
from benchmarks.processes import Server, running
from benchmarks.settings import AWS
from benchmarks.with_aws import install
from chalicelib import wiring
from chalicelib.aws.clients import Clients
from chalicelib.aws.items import item_of
from chalicelib.console.render import SECTIONS
from chalicelib.console.session import COOKIE, SESSION_SECONDS, Session, open_session
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import SCOPES, ApiKey, Drop
from chalicelib.core.effects import Effect, State, effect_id
from chalicelib.core.facts import Facts
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import API_KEY, CONTACT, DROP, EFFECT, FACTS, PRODUCT
from chalicelib.core.storage import Key, Put
from chalicelib.core.subject import customer
from ops.places import BUILD

CUSTOMERS = 10_000
HISTORIES = 2_357
DECISIONS = 12
MOST_MS = 300  # what a page may take, AWS included
SOMEBODY = "c-00042"
SEGMENT = "at_risk"  # of all of them: no index of a segment is longer
DROP_ID = sha256_hex(b"a drop")[:32]
KEY_HASH = sha256_hex(b"the operator's key")
STATES: Sequence[State] = ("DELIVERED",) * 6 + ("SUPPRESSED", "BOUNCED", "ACCEPTED", "FAILED")
READING = frozenset({"BatchGetItem", "GetItem", "Query"})


@dataclass(frozen=True, slots=True)
class PageCost:
    """What a page costs.

    Attributes:
        path: under the console.
        p50_ms: half of the answers took at most so long, on the clock of this machine.
        p95_ms: 95 of 100; on a busy machine most of it is waiting for a core.
        cpu_p50_ms: CPU time of our process, in the middle.
        cpu_p95_ms: the same of 95 of 100.
        calls: calls to AWS, the most of any answer.
        kilobytes: of the page.
    """

    path: str
    p50_ms: float
    p95_ms: float
    cpu_p50_ms: float
    cpu_p95_ms: float
    calls: int
    kilobytes: float

    @property
    def room_ms(self) -> float:
        """How long each call to AWS may take before the page takes more than it may."""
        return (MOST_MS - self.cpu_p95_ms) / self.calls


def measure(*, rounds: int) -> list[PageCost]:
    """Measure every page of the head, and one segment, customer, decision, drop and policy."""
    os.environ.update(AWS)
    people = read_people(HISTORIES)
    with shelves(people) as server:
        clients = Clients(endpoint_url=server.url)
        install(people, clients)
        asked: list[str] = []
        for client in (clients.dynamodb_fast(), clients.dynamodb_patient()):
            client.meta.events.register(
                "before-call", lambda model, **_: asked.append(model.name), unique_id="console"
            )
        decision_id = _decide()
        session = Session("0123456789ab", KEY_HASH, people.now + SESSION_SECONDS)
        cookie = open_session(KEYS, session, nonce="n")
        browser = Client(ours.app)
        gc.collect()
        gc.freeze()  # a function holds no customers, and does not go through them looking for waste
        try:
            return [
                _ask(browser, path, cookie=cookie, asked=asked, rounds=rounds)
                for path in paths(decision_id)
            ]
        finally:
            wiring.install(None)


def paths(decision_id: str) -> Iterator[str]:
    """What is asked for: whatever the head of each page leads to, and what lies behind it."""
    for step, _ in SECTIONS:
        yield f"/{step}".rstrip("/")
    yield "/messages?state=DELIVERED"
    yield f"/customers/{SOMEBODY}"
    yield f"/decisions/{decision_id}"
    yield f"/drops/{DROP_ID}"
    yield f"/policies/{wiring.parts().rules.policy.hash}"
    yield "/switches/sending"
    yield "/activity"
    yield f"/segments/{SEGMENT}"
    yield "/experiments/programme"
    yield "/breaker"
    yield f"/customers/{SOMEBODY}/erase"


@contextmanager
def shelves(people: People) -> Iterator[Server]:
    """DynamoDB with 10,000 customers, each with a contact and a mail, in a process of its own."""
    held: dict[str, list[Any]] = defaultdict(list)
    for put in _puts(people):
        held[put.key.kind.table].append(item_of(put, version=1))
    path = BUILD / "console_stub.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(held, default=lambda raw: base64.b64encode(raw).decode()))
    command = [sys.executable, "-m", "benchmarks.console_stub", str(path)]
    with running(command, environment={"PATH": os.defpath}) as server:
        yield server


def _puts(people: People) -> Iterator[Put[Any]]:
    now = people.now
    yield _put(API_KEY.key(KEY_HASH), ApiKey("0123456789ab", tuple(SCOPES), created_at=now - 1))
    counts = {"records": CUSTOMERS, "folded": CUSTOMERS, "customers": CUSTOMERS}
    drop = Drop(DROP_ID, "orders/all.csv", "COMPLETE", now, now - 90, now - 9, counts)
    yield _put(DROP.key(DROP_ID), drop)
    for product in CATALOGUE:
        yield _put(PRODUCT.key(product.sku), product)
    for number, facts in enumerate(itertools.islice(itertools.cycle(people.facts), CUSTOMERS)):
        yield from _person(f"c-{number:05}", facts, number, now)


def _person(name: str, facts: Facts, number: int, now: int) -> Iterator[Put[Any]]:
    subject = customer(name)
    told = {
        "email": Stamped(f"{name}@example.com", now - number),
        "country": Stamped("US", now - number),
    }
    state, name_of_mail = STATES[number % len(STATES)], effect_id("mail", name)
    mail = Effect(
        name_of_mail,
        "mail",
        "winback-10",
        subject.key,
        None,
        "bench",
        planned_at=now - number - 60,
        payload={"template": "winback", "purpose": "marketing_email"},
        state=state,
        changed_at=now - number,
        reason="no_consent" if state == "SUPPRESSED" else None,
    )
    known = replace(facts, subject=subject, segment=SEGMENT, segment_at=Instant(now - number))
    yield _put(FACTS.key(subject.key), known)
    yield _put(CONTACT.key(subject.key), Contact(subject, told))
    yield _put(EFFECT.key(name_of_mail), mail)


def _put(key: Key[Any], value: Any) -> Put[Any]:
    return Put(key, value)


def _decide() -> str:
    """Some checkouts of somebody, which the stub keeps; the id of the last decision."""
    for number in range(DECISIONS):
        answer = ours.app(checkout_event(SOMEBODY, session_id=f"s-{number}"), None)
        if answer["statusCode"] != 200 or '"degraded":true' in answer["body"]:
            raise SystemExit(f"a decision failed: {answer['body']}")
    decision_id: str = json.loads(answer["body"])["decision_id"]
    return decision_id


def _ask(browser: Client, path: str, *, cookie: str, asked: list[str], rounds: int) -> PageCost:
    walls: list[float] = []
    cpus: list[float] = []
    calls = 0
    for number in range(rounds + 2):
        asked.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = browser.http.get(f"/console{path}", headers={"Cookie": f"{COOKIE}={cookie}"})
        spent = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
        if answer.status_code != 200:
            raise SystemExit(f"/console{path} answered {answer.status_code}: {answer.body!r}")
        if set(asked) - READING:
            raise SystemExit(f"/console{path} asked for {set(asked) - READING}")
        calls = max(calls, len(asked))
        if number >= 2:  # templates are compiled with the first
            walls.append(spent[0])
            cpus.append(spent[1])
    return PageCost(
        path or "/",
        statistics.median(walls),
        statistics.quantiles(walls, n=20)[-1],
        statistics.median(cpus),
        statistics.quantiles(cpus, n=20)[-1],
        calls,
        len(answer.body) / 1000,
    )
