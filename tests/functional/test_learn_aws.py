"""From decisions to what the next ones know, on DynamoDB (moto): decide, redeem, learn, decide."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from chalice.test import Client

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.api.edge import Access
from chalicelib.aws.clients import Clients
from chalicelib.core.exploration import NOTHING
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.settings import read_settings
from ops.decision_log import Tables, write_log
from ops.estimate import judged, logged_by_placement
from ops.key import create_key
from ops.learn import Learned, closing_line, learn_stage, publish_learning, table_names
from ops.why import rules_of as model_rules
from tests.fakes import FixedClock
from tests.makers import order_event
from tests.stack import Stack
from tests.storefront import MUGS, TEXAS
from tests.unit.core.situations import MUG, NOW, buyer
from tests.unit.core.test_engagement_conditions import policy_with

PEOPLE = 16
SHIPPED = model_rules({}, model="cdnow-1.0.0")
OFFER = {
    "segments": SHIPPED.scorer.segments,
    "offer": {"kind": "percent_off", "value": 5, "valid_days": 30},
}
POLICY = policy_with(
    {**OFFER, "propensity": 0.12},
    {**OFFER, "propensity": 0.1},
    exploration={"reward_window_days": 7, "prior_strength": 4, "min_control_decisions": 30},
)
RULES = replace(SHIPPED, policy=POLICY)


class Town:
    """A shop on moto and its customers."""

    def __init__(self, stack: Stack, clients: Clients) -> None:
        self.clock = FixedClock(NOW)
        settings = read_settings(stack.environment)
        adapters = aws_adapters(settings, clients)
        # Nothing here is about the deadline of a checkout, and many tests share this machine.
        patient = Access(adapters.store, lambda: adapters.signing_keys(NOW))
        adapters = replace(adapters, hurried=lambda: patient)
        parts = wiring.Parts(settings, adapters, clock=self.clock)
        parts.__dict__["rules"] = RULES
        wiring.install(parts)
        self.store = adapters.store
        self._client = Client(segue.app)
        key = create_key(self.store, scopes=("decide", "read", "events"), now=NOW)
        self._headers = {
            "Authorization": f"Bearer {key.text}",
            "Content-Type": "application/json",
        }
        self._names = table_names(stack.environment)
        people = [buyer(silent_days=100, subject=customer(f"c-{n}")) for n in range(PEOPLE)]
        self.store.write(
            [
                Put(PRODUCT.key(MUG.sku), MUG, WHATEVER),
                *(Put(FACTS.key(facts.subject.key), facts, WHATEVER) for facts in people),
            ],
            now=NOW,
        )

    def post(self, path: str, body: object) -> Any:
        """Call the API; the decoded answer."""
        response = self._client.http.request(
            "POST", path, headers=self._headers, body=json.dumps(body).encode()
        )
        assert response.status_code in (200, 202), response.body
        return response.json_body

    def decide(self, number: int, session_id: str = "s-1") -> dict[str, Any]:
        """What a customer is offered."""
        context = {**TEXAS, "session_id": session_id}
        body = {"customer_id": f"c-{number}", "context": context, "cart": MUGS}
        answer: dict[str, Any] = self.post("/v1/decisions", body)
        return answer

    def choice(self, answer: dict[str, Any]) -> dict[str, Any]:
        """How it was chosen."""
        response = self._client.http.request(
            "GET", f"/v1/decisions/{answer['decision_id']}", headers=self._headers
        )
        choice: dict[str, Any] = response.json_body["decision"]["choice"]
        return choice

    def tables(self) -> Tables:
        """The tables, as a command looks through them now."""
        return Tables(boto3.client("dynamodb"), self._names, self.clock())

    def learn(self, seed: int = 7) -> Learned:
        """Learn and publish."""
        learned = learn_stage(self.tables(), rules=RULES, seed=seed)
        publish_learning(learned.learning, store=self.store, now=self.clock())
        return learned


@pytest.fixture
def town(stack: Stack, clients: Clients) -> Iterator[Town]:
    """The shop, and nobody's parts afterwards."""
    town = Town(stack, clients)
    telemetry.configure(stage="test", stream=io.StringIO())
    try:
        yield town
    finally:
        wiring.install(None)
        telemetry.configure(stage="unset")


def redeem(town: Town, number: int, answer: dict[str, Any]) -> None:
    """Use the code that a customer was shown, by call."""
    [offer] = answer["offers"]
    town.post(
        f"/v1/offers/{offer['code']}/redeem",
        {"customer_id": f"c-{number}", "order_id": f"r-{number}", "amount": 200, "currency": "USD"},
    )


def order(town: Town, number: int, *, coupon: str | None = None) -> None:
    """Tell of an order, with a code or without."""
    more = {} if coupon is None else {"coupon": coupon}
    at = town.clock()
    message = order_event(
        "Order Completed",
        f"e-{number}",
        total=38,
        at=at,
        user=f"c-{number}",
        currency="USD",
        **more,
    )
    told = town.post("/v1/events", message)
    assert told["rejected"] == []


def test_what_was_redeemed_is_what_the_next_decisions_know(town: Town) -> None:
    """Decisions, redemptions, learning, and decisions that use it: all of it on the tables."""
    prior = town.learn()
    assert prior.observed.counted == frozenset()
    first = {number: town.decide(number) for number in range(PEOPLE)}
    shown = {number: answer["offers"][0]["action"] for number, answer in first.items()}
    assert set(shown.values()) == {"a-0", "a-1"}
    assert {town.choice(each)["learning"] for each in first.values()} == {prior.learning.hash}

    town.clock.forward(DAY_SECONDS)
    takers = [number for number, action in shown.items() if action == "a-1"]
    redeem(town, takers[0], first[takers[0]])
    for number in takers[1:]:
        order(town, number, coupon=first[number]["offers"][0]["code"])
    bystander, other, *_ = [number for number, action in shown.items() if action == "a-0"]
    order(town, other)
    assert town.learn().observed.counted == frozenset()  # the reward window is still open

    town.clock.forward(7 * DAY_SECONDS)
    learned = town.learn()
    segment = first[0]["segment"]["name"]
    refused, taken = (learned.observed.tallies[segment, name] for name in ("a-0", "a-1"))
    estimates = learned.learning.of(segment)

    assert len(learned.outcomes) == PEOPLE
    assert taken.accepted == taken.shown == len(takers)
    assert (refused.accepted, refused.ordered) == (0, 1)
    assert estimates["a-1"].mean > 0.5 > estimates["a-0"].mean
    assert {each.basis for each in estimates.values()} == {"response"}

    choice = town.choice(town.decide(bystander, session_id="s-9"))
    assert choice["learning"] == learned.learning.hash
    assert choice["action"] == "a-1"
    assert choice["action_probability"] > 0.9
    answer = town.decide(bystander, session_id="s-10")
    replayed = town.post(f"/v1/decisions/{answer['decision_id']}/replay", {})
    assert replayed == {"same": True, "differences": []}


def test_learning_again_learns_the_same(town: Town) -> None:
    """It starts from nothing each time, so a run that is repeated counts nothing twice."""
    for number in range(4):
        town.decide(number)
    town.clock.forward(8 * DAY_SECONDS)

    once, again = town.learn(), town.learn()

    assert once.learning.hash == again.learning.hash
    assert closing_line(once, town.tables(), published=True) == {
        "decisions": 4,
        "lift": 0,
        "response": len(SHIPPED.scorer.segments) * 2,
        "unreadable": 0,
        "learning": once.learning.hash,
        "published": True,
    }


def test_an_unreadable_record_is_counted_and_left_out(town: Town, stack: Stack) -> None:
    """One bad item does not keep the others from being learned from."""
    for number in range(3):
        town.decide(number)
    broken = town.decide(3)["decision_id"]
    client = boto3.client("dynamodb")
    client.update_item(
        TableName=stack.tables["decisions"],
        Key={"pk": {"S": f"d#{broken}"}, "sk": {"S": "record"}},
        UpdateExpression="SET body = :b",
        ExpressionAttributeValues={":b": {"B": b"?"}},
    )
    town.clock.forward(8 * DAY_SECONDS)
    tables = town.tables()

    learned = learn_stage(tables, rules=RULES, seed=1)

    assert len(learned.outcomes) == 3
    assert tables.unreadable == {"record": 1}


def test_a_log_that_was_written_is_what_estimate_reads(town: Town) -> None:
    """Every line is a decision with its outcome; too few of them are refused with the reason."""
    town.learn()
    for number in range(PEOPLE):
        town.decide(number)
    order(town, 0)
    town.clock.forward(8 * DAY_SECONDS)
    out = io.StringIO()
    tables = town.tables()
    written = write_log(tables, learn_stage(tables, rules=RULES, seed=1).outcomes, out)
    lines = out.getvalue().splitlines()

    log = logged_by_placement(lines, policy=POLICY, reward="paid")["checkout"]

    assert written == len(lines) == len(log) == PEOPLE
    assert sum(each.reward for each in log) == 3800
    assert all(sum(each.logged.values()) == 1 for each in log)
    assert all(set(each.target) <= {"a-0", "a-1", NOTHING} for each in log)
    refusal = judged(log)
    assert "are needed" in getattr(refusal, "reason", "")
