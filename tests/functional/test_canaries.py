"""No personal data outside of the tables: canaries in every field and in every error's text.

Each run says something to the service with a canary in a field (or two) that it did not have, and
breaks what lies behind it with an error whose text quotes the canary, as AWS and botocore do. Then
every log line, metric, queue message, bus event, standard stream and escaping exception is
searched. Only what a caller chooses to be logged may hold their words: correlation ids.
"""

from __future__ import annotations

import contextlib
import io
import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError

from chalicelib import telemetry
from chalicelib.aws.bus import EventBridgeBus
from chalicelib.aws.mailer import SesMailer
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, Transient
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.storage import WHATEVER, Key, Put
from chalicelib.core.tokens import sign
from chalicelib.documents import Documents
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.drop import from_messages as drops_from_messages
from chalicelib.flows.drop_work import DropPorts
from chalicelib.flows.relay import from_stream
from chalicelib.flows.settled import EventPorts
from chalicelib.flows.silence import review_due
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.drops import DROPS, RESULTS, DataTeam, notification
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.mail_makers import SETTINGS, contact_of, mail_effect, sqs_event
from tests.makers import identify, order_event, track
from tests.persons import consent
from tests.storefront import MUGS, TEXAS, Storefront, open_storefront
from tests.stores import TABLES, no_sleep
from tests.unit.core.situations import NOW

CANARY = "quokka"
RUNS = 2_000
RUNS_IN_A_SHOP = 50
Body = dict[str, Any]


class Quoting:
    """An AWS client whose every call fails with a text that quotes the canary."""

    def __init__(self, chance: Random) -> None:
        """Take what chooses between the ways to fail."""
        self._chance = chance

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Any operation."""

        def fail(**request: Any) -> Any:
            text = f"{CANARY}@example.com is bad: {request}"
            code, status = self._chance.choice(
                [
                    ("ValidationException", 400),
                    ("InternalServerError", 500),
                    ("MessageRejected", 400),
                    ("ConditionalCheckFailedException", 400),
                    ("TransactionCanceledException", 400),
                    ("ThrottlingException", 400),
                ]
            )
            response: Any = {
                "Error": {"Code": code, "Message": text},
                "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r"},
                "CancellationReasons": [{"Code": "ValidationError", "Message": text}],
                "Item": {"body": {"S": text}},
            }
            errors: list[Exception] = [
                ClientError(response, operation),
                ParamValidationError(report=text),
                ReadTimeoutError(endpoint_url=f"https://example.com/{CANARY}"),
            ]
            raise self._chance.choice(errors)

        return fail


def errors(chance: Random) -> Exception:
    """What an adapter may raise: our own errors, and a bug that quotes a customer."""
    return chance.choice(
        [
            Transient("no answer"),
            RuntimeError(f"no row for {CANARY}@example.com"),
            KeyError(CANARY),
            ValueError(f"invalid literal: '{CANARY}'"),
        ]
    )


def spoil(value: Any, chance: Random, words: Callable[[], Any], odds: float = 0.25) -> Any:
    """The same value with canaries in some places, as values, as keys, or instead of a whole."""
    if isinstance(value, dict):
        spoilt = {name: spoil(each, chance, words, odds) for name, each in value.items()}
        if chance.random() < odds / 4:
            spoilt[f"{CANARY}_{chance.randrange(9)}"] = words()
        return spoilt
    if isinstance(value, list):
        return [spoil(each, chance, words, odds) for each in value]
    return words() if chance.random() < odds else value


@dataclass
class Zoo:
    """One shop, with everything that it lets out."""

    shop: Storefront
    chance: Random
    memory: MemoryStore

    def word(self) -> Any:
        """A canary in one of many shapes."""
        number = self.chance.randrange(10**6)
        return self.chance.choice(
            [
                f"{CANARY}-{number}",
                f"{CANARY}{number}@example.com",
                f"{CANARY.title()} {number}",
                f'"{CANARY}\n{{{{{number}}}}}',
                f"{CANARY}\u202e\x00{number}",
                [f"{CANARY}-{number}"],
                {CANARY: number},
                f"{CANARY}-" * 200,
            ]
        )

    def events(self) -> None:
        """Messages of all kinds, with canaries."""
        name = f"{CANARY}-{self.chance.randrange(30)}"
        at = NOW - self.chance.randrange(10**7)
        batch = [
            identify(
                user=name,
                visitor=f"{name}-guest",
                email=f"{name}@example.com",
                firstName=f"{CANARY} Ann",
                consent_marketing_email=True,
                at=at,
            ),
            track("Product Viewed", user=name, sku=f"{name}-sku", at=at),
            order_event("Order Completed", f"{name}-o", user=name, total=30, at=at),
            order_event("Order Refunded", f"{name}-o", user=name, total=3, at=at),
            track("Checkout Started", visitor=f"{name}-guest", at=at, note=name),
        ]
        body: Body = {"batch": self.chance.sample(batch, self.chance.randrange(1, 6))}
        self.call("POST", "/v1/events", spoil(body, self.chance, self.word, 0.08))

    def checkout(self) -> None:
        """A checkout with canaries, perhaps with an Idempotency-Key that is one."""
        body = {
            "customer_id": f"{CANARY}-{self.chance.randrange(30)}",
            "placement": "checkout",
            "context": {**TEXAS, "session_id": f"{CANARY}-s"},
            "cart": MUGS,
        }
        headers = {"Idempotency-Key": f"{CANARY}-{self.chance.randrange(99)}"}
        spoilt = spoil(body, self.chance, self.word, 0.1)
        self.call("POST", "/v1/decisions", spoilt, headers if self.chance.random() < 0.4 else {})

    def look_up(self) -> None:
        """Paths that hold canaries."""
        name = f"{CANARY}-{self.chance.randrange(30)}"
        method, path = self.chance.choice(
            [
                ("GET", f"/v1/customers/{name}"),
                ("GET", f"/v1/customers/{name}/export"),
                ("DELETE", f"/v1/customers/{name}"),
                ("GET", f"/v1/decisions/{name}"),
                ("POST", f"/v1/decisions/{name}/replay"),
                ("GET", f"/v1/drops/{name}"),
                ("GET", f"/u/{name}"),
                ("POST", f"/u/{name}"),
                ("GET", f"/v1/{name}"),
            ]
        )
        self.call(method, path, None)

    def consent(self) -> None:
        """A statement with canaries."""
        said = {
            "purpose": "marketing_email",
            "granted": self.chance.random() < 0.5,
            "wording": f"{CANARY}-{self.chance.randrange(5)}",
            "source": f"{CANARY} form",
            "said_at": format_instant(NOW - self.chance.randrange(10**6)),
        }
        name = f"{CANARY}-{self.chance.randrange(30)}"
        consent(self.shop, name, **spoil(said, self.chance, self.word, 0.1))

    def quote(self) -> None:
        """A quote, a control body and a form that are canaries."""
        path, method = self.chance.choice(
            [("/v1/quotes/verify", "POST"), ("/v1/control", "PUT"), (f"/u/{self.token()}", "POST")]
        )
        body = {"quote": CANARY, "sending": True, "choice": CANARY}
        self.call(method, path, spoil(body, self.chance, self.word))

    def stranger(self) -> None:
        """A key that is a canary."""
        headers = {"Authorization": f"Bearer segue_{CANARY}_{CANARY}", "User-Agent": CANARY}
        self.shop.call("GET", "/v1/control", scopes=None, headers=headers)

    def act(self) -> None:
        """Mails to canaries, through what may quote them; and messages nobody can read."""
        subject_id = f"{self.chance.randrange(10**9):032x}"
        world_effect = mail_effect(subject_id, sku=f"{CANARY}-sku", title=CANARY)
        contact = contact_of(
            first_name=f"{CANARY} Ann",
            email=self.chance.choice([f"{CANARY}@example.com", f"{CANARY}@exa mple", None]),
        )
        self._knows(CONTACT.key(contact.subject.key), contact)
        self._knows(EFFECT.key(subject_id), world_effect)
        self.break_something()
        broken: list[Exception] = [
            MailRefused("message_rejected"),
            MailThrottled("SendEmail: x"),
            MailInDoubt("SendEmail: y"),
            errors(self.chance),
        ]
        if self.chance.random() < 0.5:
            self.shop.mailer.fail_next(self.chance.choice(broken))
        mailer: Any = self.shop.mailer
        bus: Any = self.shop.bus
        queue: Any = self.shop.queue
        if self.chance.random() < 0.4:
            mailer = SesMailer(lambda: Quoting(self.chance), configuration_set="c")  # type: ignore[arg-type, return-value]
            bus = EventBridgeBus(lambda: Quoting(self.chance), name="b", sleep=no_sleep)  # type: ignore[arg-type, return-value]
            queue = SqsQueue(lambda: Quoting(self.chance), url="u", sleep=no_sleep)  # type: ignore[arg-type, return-value]
        ports = ActPorts(self.shop.store, bus, mailer, queue, SIGNING_KEYS, SETTINGS)
        ids = [subject_id, *(e.effect_id for e in self.memory.all("effect").values())][:9]
        event = sqs_event(*ids, bodies={"m-x": f'{{"effect_id": "{CANARY}"}}', "m-y": CANARY})
        from_messages(event, ports=ports, now=NOW, worker="w")

    def relay(self) -> None:
        """Stream records of effects and signals that name canaries, and unreadable ones."""
        body = {
            "effect_id": "e",
            "correlation_id": "c",
            "state": "PLANNED",
            "subject": f"c#{CANARY}",
            "payload": {"sku": CANARY},
        }
        said = {"half_life_seconds": 60, "demand": {CANARY: [1.0, 0.0, NOW]}, "statements": []}
        kind, readable = self.chance.choice([("effect", body), ("signal", said)])
        text = self.chance.choice([json.dumps(readable), CANARY, json.dumps({CANARY: 1})])
        record = {
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": {"pk": {"S": f"e#{CANARY}"}, "sk": {"S": kind}},
                "NewImage": {"body": {"S": text}},
                "SequenceNumber": "1",
            },
        }
        self.break_something()
        from_stream({"Records": [record]}, queue=self.shop.queue, store=self.shop.store, now=NOW)

    def drop(self) -> None:
        """Files with canaries in every column, in headers, and in bytes that are no text."""
        team = DataTeam(store=self.shop.store)
        name = f"{CANARY}-{self.chance.randrange(30)}"
        key, text = self.chance.choice(
            [
                (
                    "customers/a.csv",
                    f"customer_id,email,first_name,country,{CANARY}_score\n"
                    f"{name},{name}@example.com,{CANARY},US,1\n"
                    f"{name}-b,no mail {CANARY},,{CANARY},x\n",
                ),
                (
                    "orders/a.csv",
                    "order_id,customer_id,ordered_at,quantity,currency,amount\n"
                    f"{name}-o,{name},{CANARY},1,USD,30\n{name}-p,{name},2026-01-01,1,USD,{CANARY}\n"
                    f"{name}-q,{name},2026-01-01,1,USD,30\n",
                ),
                ("orders/a.jsonl", f'{{"order_id": "{CANARY}", "{CANARY}": "{CANARY}"\n{CANARY}'),
                ("customers/a.csv", f"{CANARY},{CANARY}\n{CANARY}\n"),
                ("customers/a.csv.gz", CANARY),
                ("catalog/a.csv", f"sku,base_price,{CANARY}\n{CANARY},{CANARY},1\n"),
                ("customers/a.csv", f'customer_id,email\n"{CANARY},\x00{CANARY}\xff\n'),
            ]
        )
        arrived = team.put(key, text.encode("latin-1"))
        if self.chance.random() < 0.3:
            team.objects.fail_next(*[None] * self.chance.randrange(3), errors(self.chance))
        body = self.chance.choice([json.dumps({"Records": [notification(arrived)]}), CANARY])
        ports = DropPorts(team.store, team.objects, RESULTS, Documents().mapping, team.limits)
        event = {"Records": [{"messageId": "m-1", "body": body}]}
        self.break_something()
        drops_from_messages(event, ports=ports, rules=team.rules, keys=SIGNING_KEYS, now=NOW)
        assert arrived.bucket == DROPS

    def silence(self) -> None:
        """The schedule, months later."""
        self.break_something()
        review_due(
            ports=EventPorts(self.shop.store),
            rules=self.shop.rules,
            keys=SIGNING_KEYS,
            now=NOW + self.chance.randrange(10**7),
            correlation_id="run",
        )

    def call(self, method: str, path: str, body: Any, headers: Mapping[str, str] = {}) -> None:
        """Call the API, with a body that is perhaps no JSON."""
        sent = f'{{"{CANARY}": '.encode() if self.chance.random() < 0.03 else body
        self.break_something()
        response = self.shop.call(method, path, body=sent, headers=headers)
        if response.status_code >= 500:
            assert CANARY not in response.body.decode().casefold()

    def token(self) -> str:
        """A link of a mail to a canary."""
        payload = {"a": "0" * 40, "p": "marketing_email", "e": CANARY}
        return sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=payload)

    def break_something(self) -> None:
        """Let some of the next calls to storage fail with a text that quotes the canary."""
        how = self.chance.random()
        calls = [None] * self.chance.randrange(3)
        if how < 0.2:
            self.memory.fail_reads(*calls, errors(self.chance))
        elif how < 0.4:
            self.memory.fail_writes(*calls, errors(self.chance))
        elif how < 0.5:
            self.memory.lose_replies(*calls, Transient("reply lost"))
        elif how < 0.6:
            self.shop.queue.fail_next(errors(self.chance))

    def _knows(self, key: Key[Any], value: Any) -> None:
        """Store what a run begins with, whatever storage is like otherwise."""
        self.memory.mend()
        self.memory.write([Put(key, value, WHATEVER)], now=NOW)


WAYS: tuple[Callable[[Zoo], None], ...] = (
    Zoo.events,
    Zoo.events,
    Zoo.checkout,
    Zoo.checkout,
    Zoo.look_up,
    Zoo.consent,
    Zoo.quote,
    Zoo.stranger,
    Zoo.act,
    Zoo.act,
    Zoo.relay,
    Zoo.drop,
    Zoo.silence,
)


@contextlib.contextmanager
def zoo(seed: int, *, quoting: bool) -> Iterator[Zoo]:
    """A shop whose storage quotes in every error, or one in memory that breaks now and then."""
    chance = Random(seed)  # noqa: S311  (a seed, not a secret)
    with open_storefront() as shop:
        memory = shop.store
        if quoting:
            client: Any = Quoting(chance)
            broken: Any = DynamoStore(lambda: client, tables=TABLES, sleep=no_sleep)
            shop.store = _Sometimes(shop.store, broken, chance)  # type: ignore[assignment]
            shop.start()
        yield Zoo(shop, chance, memory)


class _Sometimes:
    """Storage that now and then is one on AWS that refuses and quotes."""

    def __init__(self, store: Any, broken: Any, chance: Random) -> None:
        self._store, self._broken, self._chance = store, broken, chance

    def __getattr__(self, name: str) -> Any:
        calls = ("read", "write", "due", "recent_decisions", "belongings")
        quotes = name in calls and self._chance.random() < 0.2
        return getattr(self._broken if quotes else self._store, name)


@pytest.mark.slow
@pytest.mark.parametrize("quoting", [False, True], ids=["bugs", "aws"])
@pytest.mark.sweep
def test_no_canary_gets_out(quoting: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """In 2,000 seeded runs: 0 in any log line, metric, dead letter, bus event or exception."""
    hits: list[str] = []
    runs = 0
    for seed in range(RUNS // 2 // RUNS_IN_A_SHOP):
        with zoo(seed, quoting=quoting) as one:
            for _ in range(RUNS_IN_A_SHOP):
                runs += 1
                hits += [f"seed {seed}: {hit}" for hit in one_run(one)]
        streams = capsys.readouterr()
        hits += _hits("streams", streams.out + streams.err)

    assert runs == RUNS // 2
    assert hits == [], hits[:9]


def one_run(
    one: Zoo, way: Callable[[Zoo], None] | None = None, *, log: io.StringIO | None = None
) -> list[str]:
    """Say one thing; what got out that should not."""
    way = way or one.chance.choice(WAYS)
    log = log or io.StringIO()
    telemetry.configure(stage="test", stream=log)
    escaped = ""
    try:
        way(one)
    except AssertionError:
        raise
    except Exception as error:
        escaped = "".join(traceback.format_exception(error))
    letters = json.dumps(one.shop.queue.drain())
    name = way.__name__
    return [
        *_hits(f"{name} log", log.getvalue()),
        *_hits(f"{name} queue", letters),
        *_hits(f"{name} exception", escaped),
    ]


def _hits(where: str, text: str) -> list[str]:
    at = text.casefold().find(CANARY)
    return [] if at < 0 else [f"{where}: …{text[max(0, at - 200) : at + 60]}…"]


def test_the_search_finds_what_gets_out() -> None:
    """A line, a message or an exception that quotes somebody is a hit: green means something."""
    with zoo(0, quoting=False) as one:
        told: list[Callable[[Zoo], None]] = [
            lambda _: telemetry.log_event("request", reason=f"no mail for {CANARY}@example.com"),
            lambda z: z.shop.queue.send([{"subject": f"c#{CANARY}"}]),
        ]
        for way in told:
            assert one_run(one, way)


def test_canaries_reach_every_table_and_every_refusal() -> None:
    """The runs are no dry runs: they are stored, refused, sent, dropped and broken."""
    with zoo(1, quoting=False) as one:
        seen: set[str] = set()
        for _ in range(400):
            log = io.StringIO()
            one_run(one, log=log)
            seen |= {json.loads(line)["event"] for line in log.getvalue().splitlines()}
        kinds = {line.split(" ")[0] for line in one.memory.dump().splitlines() if CANARY in line}

    assert {"facts", "contact", "order", "record", "session", "effect", "consent"} <= kinds
    assert {
        "consent_recorded",
        "customer_erased",
        "drop_failed",
        "drop_finished",
        "effect_failed",
        "effect_moved",
        "effect_unreadable",
        "flow_broke",
        "key_refused",
        "message_unreadable",
        "request",
        "reviewed",
    } <= seen
