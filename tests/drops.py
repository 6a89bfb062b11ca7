"""A data team's side of the drops bucket, for the tests of what becomes of a file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.actions import Action, MailTreatment, OfferTerms
from chalicelib.core.control import Drop
from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import FACTS
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.subject import customer
from chalicelib.documents import Documents
from chalicelib.flows.drop import from_messages, handle
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_people import at_once
from chalicelib.flows.drop_work import DropLimits, DropPorts
from tests.fakes import SIGNING_KEYS, MemoryObjects, MemoryStore
from tests.unit.core.situations import NOW, shipped_rules

# Actions of the tests' own, so that no change of the shipped policy changes what they prove.
WINBACK = Action(
    id="winback-10",
    placements=("batch", "mail"),
    triggers=("segment_changed",),
    segments=("at_risk",),
    min_churn=0.5,
    propensity=0.12,
    value_minor=2400,
    offer=OfferTerms(kind="percent_off", value=10, valid_days=14),
    mail=MailTreatment(template="winback", repeat_after_days=60),
)
THANKS = Action(
    id="thanks",
    placements=("batch",),
    segments=("champions",),
    propensity=0.3,
    value_minor=600,
    offer=OfferTerms(kind="free_shipping", value=0, valid_days=30),
)
DROPS, RESULTS = "drops", "results"


def standing_still() -> float:
    """A clock by which no second passes, so that no slow machine saves progress once more."""
    return 0.0


ORDER_COLUMNS = "order_id,customer_id,ordered_at,quantity,currency,amount"


def drop_rules() -> Rules:
    """A mail for those at risk, a code for champions."""
    return shipped_rules(actions=(WINBACK, THANKS))


@dataclass(slots=True)
class DataTeam:
    """Drops files and reads what came of them; ``shared`` is how the flow sees the store."""

    store: MemoryStore = field(default_factory=MemoryStore)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    rules: Rules = field(default_factory=drop_rules)
    limits: DropLimits = field(default_factory=DropLimits)
    shared: Store | None = None
    back_off: Callable[[int], None] = at_once

    @property
    def ports(self) -> DropPorts:
        """What the flow is given."""
        return DropPorts(
            self.shared or self.store,
            self.objects,
            RESULTS,
            Documents().mapping,
            self.limits,
            back_off=self.back_off,
        )

    def put(
        self, key: str, body: str | bytes, *, at: int = NOW, as_of: int | None = None
    ) -> Arrived:
        """Put a file into the bucket."""
        info = self.objects.arrive(
            DROPS,
            key=key,
            body=body.encode() if isinstance(body, str) else body,
            last_modified=at,
            metadata=None if as_of is None else {"as-of": format_instant(as_of)},
        )
        return Arrived(DROPS, key, info.version_id, info.etag)

    def handle(
        self, arrived: Arrived, *, now: int = NOW, clock: Callable[[], float] = standing_still
    ) -> Drop:
        """Let the flow handle a file."""
        return handle(
            arrived, ports=self.ports, rules=self.rules, keys=SIGNING_KEYS, now=now, clock=clock
        )

    def drop(self, key: str, body: str | bytes, **options: Any) -> Drop:
        """Put a file and handle it."""
        return self.handle(self.put(key, body, **options))

    def deliver(self, *bodies: Any, times: int = 1) -> list[str]:
        """Deliver queue messages for the nth time; returns the ids of those that failed."""
        records = [
            {
                "messageId": f"m-{index}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(times)},
            }
            for index, body in enumerate(bodies)
        ]
        answer = from_messages(
            {"Records": records},
            ports=self.ports,
            rules=self.rules,
            keys=SIGNING_KEYS,
            now=NOW,
            clock=standing_still,
        )
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def facts(self, customer_id: str) -> Facts | None:
        """What is known of a customer."""
        key = FACTS.key(customer(customer_id).key)
        return self.store.read([key], now=NOW).value(key)

    def summary(self, drop: Drop) -> dict[str, Any]:
        """``summary.json``."""
        summary: dict[str, Any] = json.loads(self.result(drop, "summary.json"))
        return summary

    def rejects(self, drop: Drop) -> list[dict[str, str]]:
        """``rejects.csv``, by column."""
        return list(csv.DictReader(io.StringIO(self.result(drop, "rejects.csv").decode())))

    def scores(self, drop: Drop) -> dict[str, dict[str, str]]:
        """``scores.csv``, by customer."""
        rows = csv.DictReader(io.StringIO(self.result(drop, "scores.csv").decode()))
        return {row["customer_id"]: row for row in rows}

    def unscored(self, drop: Drop) -> list[tuple[str, str]]:
        """``unscored.csv``: customer and reason."""
        rows = csv.DictReader(io.StringIO(self.result(drop, "unscored.csv").decode()))
        return [(row["customer_id"], row["reason"]) for row in rows]

    def result(self, drop: Drop, name: str) -> bytes:
        """A file of the results."""
        return self.objects.body(RESULTS, f"results/{drop.drop_id}/{name}")


def order_row(
    order_id: str, customer_id: str, *, days_ago: int, amount: str = "30.00", currency: str = "USD"
) -> str:
    """One canonical row of an orders file."""
    return (
        f"{order_id},{customer_id},{format_instant(NOW - days_ago * DAY_SECONDS)},1,"
        f"{currency},{amount}"
    )


def orders_csv(*rows: str) -> str:
    """A canonical orders file."""
    return "\n".join((ORDER_COLUMNS, *rows)) + "\n"


def notification(arrived: Arrived, *, key: str | None = None) -> dict[str, Any]:
    """What S3 says of an object."""
    return {
        "s3": {
            "bucket": {"name": arrived.bucket},
            "object": {
                "key": key or arrived.key,
                "eTag": arrived.etag,
                "versionId": arrived.version_id,
            },
        }
    }


def zipped(text: str) -> bytes:
    """The text as gzip, the same bytes every time."""
    return gzip.compress(text.encode(), mtime=0)
