"""Experiments end to end: who is told what, and an exposure is counted when it happened, once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.errors import MailInDoubt
from chalicelib.core.policy import Policy
from chalicelib.core.subject import customer
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import MemoryMailer
from tests.mail_events import hear, ses_event
from tests.mail_makers import World
from tests.makers import NOW, identify, rules_with
from tests.shop import ANN, Shop, bought
from tests.storefront import Storefront, open_storefront
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import buyer, shipped_rules

OFFER = {"kind": "percent_off", "value": 10, "valid_days": 7}
MAIL = {"template": "winback", "repeat_after_days": 3}
ARMS = [
    {"id": "as-ever", "share_percent": 50},
    {"id": "new", "share_percent": 50, "levers": {"a-0": 2.0}},
]
PUSH = {"id": "push", "salt": "push-1", "arms": ARMS}


def policy_of(*experiments: dict[str, Any], **action: Any) -> Policy:
    """One action for checkout, mail and batch."""
    return policy_with(
        {
            "placements": ["checkout", "mail", "batch"],
            "triggers": ["segment_changed"],
            "offer": OFFER,
            "mail": MAIL,
            **action,
        },
        experiments=list(experiments),
    )


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is said outside."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield stream
    telemetry.configure(stage="unset")


def exposures(log: io.StringIO) -> list[dict[str, Any]]:
    """The exposures that were told, without what every line has."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    named = ("experiment", "arm", "placement", "decision_id", "Exposures")
    return [{n: line[n] for n in named} for line in lines if line["event"] == "exposed"]


# --- where somebody asks ------------------------------------------------------------------------


@pytest.fixture
def front() -> Iterator[Storefront]:
    """A shop with an experiment about its one action."""
    rules = replace(shipped_rules(), policy=policy_of(PUSH))
    with open_storefront(rules=rules) as storefront:
        yield storefront


def test_an_answer_is_one_exposure(front: Storefront) -> None:
    """However often the same session asks again; the record says the same."""
    told = [front.decide() for _ in range(3)]

    arm = told[0]["experiment"]["arms"]["push"]
    assert told[0] == told[1] == told[2]
    assert exposures(front.log) == [
        {
            "experiment": "push",
            "arm": arm,
            "placement": "checkout",
            "decision_id": told[0]["decision_id"],
            "Exposures": 1,
        }
    ]
    path = f"/v1/decisions/{told[0]['decision_id']}"
    record = front.call("GET", path).json_body
    assert record["decision"]["exposures"] == ["push"]
    assert record["decision"]["arms"] == {"push": arm}
    assert record["explanation"]["procedure"].count(
        "By chance you are in one of the groups in which the shop compares ways of deciding."
    )
    assert front.call("POST", f"{path}/replay").json_body == {"same": True, "differences": []}


def test_an_assignment_without_a_difference_is_no_exposure(front: Storefront) -> None:
    """Whoever opted out is shown nothing, and counted nowhere."""
    told = front.decide(pricing_opt_out=True)

    assert told["experiment"]["arms"] == {}
    assert exposures(front.log) == []


def test_arms_are_the_same_across_sessions_and_processes(front: Storefront) -> None:
    """By the customer alone: both arms occur, and nobody changes."""
    arms: dict[str, set[str]] = {}
    for _ in range(2):
        for n in range(12):
            front.knows(buyer(silent_days=100, subject=customer(f"c-{n}")))
            told = front.decide(f"c-{n}", session_id=None)
            arms.setdefault(f"c-{n}", set()).add(told["experiment"]["arms"]["push"])
        front.start()

    assert all(len(each) == 1 for each in arms.values())
    assert {arm for each in arms.values() for arm in each} == {"as-ever", "new"}


# --- mail ---------------------------------------------------------------------------------------


def lapsed(policy: Policy, customer_id: str = "c-1") -> Shop:
    """A shop whose customer, who agreed to mail, has just turned out to be at risk."""
    shop = Shop(rules=replace(rules_with(), policy=policy))
    shop.send(identify(user=customer_id, **ANN))
    shop.send(bought(customer_id, "o-1", days_ago=100))
    return shop


def world_of(shop: Shop) -> World:
    """The worker's side of the same storage."""
    return World(store=shop.store)


def test_a_mail_is_an_exposure_when_it_was_accepted(log: io.StringIO) -> None:
    """Not when it was decided, and not again when it is delivered or its message comes twice."""
    shop = lapsed(policy_of(PUSH))
    [mail] = shop.mails()
    world = world_of(shop)
    assert exposures(log) == []

    for _ in range(2):
        assert world.act(mail.effect_id, now=NOW).state == "ACCEPTED"
    hear(world, ses_event("send", effect_id=mail.effect_id, sent_at=NOW), now=NOW)
    hear(world, ses_event("delivery", effect_id=mail.effect_id, sent_at=NOW), now=NOW)

    [record] = shop.store.all("record").values()
    assert exposures(log) == [
        {
            "experiment": "push",
            "arm": record["decision"]["arms"]["push"],
            "placement": "mail",
            "decision_id": record["decision_id"],
            "Exposures": 1,
        }
    ]
    assert record["decision"]["exposures"] == ["push"]


def test_an_event_before_the_confirmation_is_told_once(log: io.StringIO) -> None:
    """SES may publish before the worker has written down its answer."""
    shop = lapsed(policy_of(PUSH))
    [mail] = shop.mails()
    world = world_of(shop)

    class Quick:
        """A provider whose event arrives before its answer."""

        def __init__(self, word: str) -> None:
            self.word = word

        def send(self, raw: bytes, **arguments: Any) -> str:
            provider_id = world.mailer.send(raw, **arguments)
            hear(world, ses_event(self.word, effect_id=mail.effect_id, sent_at=NOW), now=NOW)
            return provider_id

    assert world.act(mail.effect_id, now=NOW, mailer=Quick("send")).state == "ACCEPTED"
    assert len(exposures(log)) == 1


def test_a_doubt_is_an_exposure_once_it_is_settled(log: io.StringIO) -> None:
    """While nobody knows whether a mail left, nobody was exposed to it."""
    shop = lapsed(policy_of(PUSH))
    [mail] = shop.mails()
    mailer = MemoryMailer()
    mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))
    world = replace(world_of(shop), mailer=mailer)

    world.act(mail.effect_id, now=NOW)
    assert (world.effect(mail.effect_id).state, exposures(log)) == ("IN_DOUBT", [])
    hear(world, ses_event("delivery", effect_id=mail.effect_id, sent_at=NOW), now=NOW)

    assert len(exposures(log)) == 1


def test_a_mail_that_is_never_sent_exposes_nobody(log: io.StringIO) -> None:
    """Whoever withdrew in time; that it was decided stands in the record all the same."""
    shop = lapsed(policy_of(PUSH))
    [mail] = shop.mails()
    world = world_of(shop)
    shop.send(identify(user="c-1", at=NOW + 1, consent_marketing_email=False))

    assert world.act(mail.effect_id, now=NOW + 2).state == "SUPPRESSED"
    assert exposures(log) == []


def test_a_control_group_is_decided_on_and_mailed_nothing(log: io.StringIO) -> None:
    """Its record says that the action would have competed: whom the others are compared with."""
    outcomes = set()
    for n in range(12):
        shop = lapsed(policy_of(control_share_percent=50), f"c-{n}")
        [record] = shop.store.all("record").values()
        reason = record["decision"]["candidates"][0][3]
        outcomes.add((reason, len(shop.mails()), len(shop.store.all("coupon"))))

    assert outcomes == {("control", 0, 0), ("highest_priority", 1, 1)}
    assert exposures(log) == []


# --- files --------------------------------------------------------------------------------------


def test_a_file_records_whoever_an_experiment_kept_something_from() -> None:
    """Without an experiment a decision that chose nothing leaves no record."""
    people = [f"c-{n}" for n in range(12)]
    rows = [order_row(f"o-{who}", who, days_ago=100) for who in people]
    held, plain = (
        DataTeam(rules=replace(shipped_rules(), policy=policy))
        for policy in (policy_of(control_share_percent=50), policy_of(min_churn=1.0))
    )
    for team in (held, plain):
        team.drop("orders/a.csv", orders_csv(*rows))
        columns = "customer_id,email,country,consent_marketing_email\n"
        lines = [f"{who},{who}@example.com,US,true\n" for who in people]
        drop = team.drop("customers/a.csv", columns + "".join(lines))
        assert drop.counts["scored"] == len(people)
        records = team.store.all("record").values()
        assert drop.counts["decisions"] == sum(bool(r["decision"]["chosen"]) for r in records)

    reasons = [r["decision"]["candidates"][0][3] for r in held.store.all("record").values()]
    assert len(reasons) == len(people)
    assert set(reasons) == {"control", "highest_priority"}
    mails = [e for e in held.store.all("effect").values() if e.kind == "mail"]
    assert len(mails) == reasons.count("highest_priority")
    assert plain.store.all("record") == {}
