"""Decisions that use what was learned: in the one read, within a minute, whatever stands there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.exploration import Exploration
from chalicelib.core.kinds import LEARNING_KEY
from chalicelib.core.learning import Learning
from chalicelib.core.storage import WHATEVER, Put
from tests.drops import DataTeam, drop_rules, order_row, orders_csv
from tests.makers import HOUR_SECONDS, SilenceScorer, identify
from tests.shop import Shop, bought
from tests.storefront import Storefront, open_storefront
from tests.unit.core.learnt import learned
from tests.unit.core.test_engagement_conditions import policy_with, rules_of
from tests.unit.core.test_exploration import exploring

OFFER = {
    "segments": ["at_risk"],
    "offer": {"kind": "percent_off", "value": 5, "valid_days": 30},
}
MAILED = {
    "placements": ["mail"],
    "triggers": ["segment_changed"],
    "segments": ["at_risk"],
    "mail": {"template": "winback", "repeat_after_days": 3},
}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose policy explores two offers."""
    with open_storefront(rules=rules_of(exploring(OFFER, OFFER))) as storefront:
        yield storefront


def publish(shop: Storefront | Shop, learning: Learning) -> None:
    """Let the learner publish, uncounted."""
    now = shop.clock() if isinstance(shop, Storefront) else shop.now
    shop.store.write([Put(LEARNING_KEY, learning, WHATEVER)], now=now)
    shop.store.calls.clear()


def choice_of(shop: Storefront, answer: dict[str, Any]) -> dict[str, Any]:
    """How the choice of an answered decision was made, as its record has it."""
    record = shop.call("GET", f"/v1/decisions/{answer['decision_id']}").json_body
    shop.store.calls.clear()
    choice: dict[str, Any] = record["decision"]["choice"]
    return choice


def calls_of(shop: Storefront) -> list[tuple[str, int]]:
    """The calls to storage so far and how many things each was about, which are then forgotten."""
    calls: list[tuple[str, int]] = [*shop.store.calls]
    shop.store.calls.clear()
    return calls


def test_a_decision_that_explores_is_still_one_read_and_one_write(shop: Storefront) -> None:
    """What was learned comes with the rest, and from memory the next time."""
    publish(shop, learned())

    first = shop.decide()
    asked_first = calls_of(shop)
    second = shop.decide(session_id="s-2")
    asked_then = calls_of(shop)

    assert [name for name, _ in asked_first] == [name for name, _ in asked_then]
    assert [name for name, _ in asked_first] == ["read", "write"]
    assert asked_first[0][1] == asked_then[0][1] + 1
    for answer in (first, second):
        assert choice_of(shop, answer)["learning"] == learned().hash
        replayed = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay").json_body
        assert replayed == {"same": True, "differences": []}


def test_a_new_document_counts_within_a_minute(shop: Storefront) -> None:
    """A process remembers the one that it has read for that long, and no longer."""
    publish(shop, learned())
    shop.decide()
    newer = learned({"a-0": [0.1, 0.1], "a-1": [0.2, 0.2]})
    publish(shop, newer)

    shop.clock.forward(59)
    assert choice_of(shop, shop.decide(session_id="s-2"))["learning"] == learned().hash
    shop.clock.forward(1)
    choice = choice_of(shop, shop.decide(session_id="s-3"))

    assert (choice["learning"], choice["action"]) == (newer.hash, "a-1")
    assert choice["action_probability"] == 1.0


def test_before_anything_was_learned_the_policy_stands(shop: Storefront) -> None:
    """The first deployment decides by stated propensities, and says that nothing was explored."""
    choice = choice_of(shop, shop.decide())

    assert (choice["deterministic"], choice["action_probability"]) == ("nothing_learned", 1.0)
    assert shop.lines("learning_rejected") == []


def test_a_document_that_cannot_be_used_alarms_and_decides_nothing(shop: Storefront) -> None:
    """The checkout is answered by the policy's own propensities, not degraded."""
    altered = replace(learned(), document={**learned().document, "learned_at": 1})
    publish(shop, altered)

    answer = shop.decide()
    shop.decide(session_id="s-2")

    assert answer["degraded"] is False
    assert [offer["action"] for offer in answer["offers"]] == ["a-0"]
    assert choice_of(shop, answer)["deterministic"] == "learning_refused"
    [alarm] = shop.lines("learning_rejected")
    assert (alarm["LearningRejected"], alarm["reason"]) == (1, "altered")


def test_a_policy_that_does_not_explore_reads_nothing_more() -> None:
    """Its decisions know of no learning, whatever was published."""
    asked = []
    for policy in (policy_with(OFFER, OFFER), exploring(OFFER, OFFER)):
        with open_storefront(rules=rules_of(policy)) as shop:
            publish(shop, learned())
            answer = shop.decide()
            asked.append(calls_of(shop)[0])
            if policy.exploration is None:
                choice = choice_of(shop, answer)
                assert (choice["deterministic"], choice["learning"]) == ("off", None)

    assert asked[0] == ("read", asked[1][1] - 1)


def test_a_session_meets_one_sample(shop: Storefront) -> None:
    """Whoever comes back with another cart is shown the same offer with the same code."""
    publish(shop, learned())

    first, again = shop.decide(), shop.decide(cart=None)

    assert first["offers"] == again["offers"]


def triggered(*, learning: Learning) -> Shop:
    """A customer who lapses, under a policy that would mail them one of two things."""
    policy = policy_with(MAILED, MAILED, exploration={})
    shop = Shop(rules=replace(rules_of(policy), scorer=SilenceScorer()))
    publish(shop, learning)
    shop.send(identify(user="ann", email="ann@example.com", consent_marketing_email=True))
    shop.send(bought("ann", "o-1", days_ago=59))
    shop.now += 48 * HOUR_SECONDS
    shop.review()
    return shop


def choices(shop: Shop) -> list[dict[str, Any]]:
    """The choices of all decisions that were stored."""
    return [record["decision"]["choice"] for record in shop.store.all("record").values()]


def test_a_triggered_mail_is_explored_too() -> None:
    """Silence decides from the same document, and the mail that was chosen is planned."""
    shop = triggered(learning=learned())
    choice = choices(shop)[-1]

    assert choice["learning"] == learned().hash
    assert [mail.action for mail in shop.mails()][-1] == choice["action"]
    assert choice["action_probability"] in (0.25, 0.75)


def test_a_lapse_without_a_document_that_can_be_used_alarms_and_mails_all_the_same() -> None:
    """What nobody waits for goes by the policy's own propensities as well."""
    out = io.StringIO()
    telemetry.configure(stage="test", stream=out)
    try:
        shop = triggered(learning=replace(learned(), document={"schema": 9}))
    finally:
        telemetry.configure(stage="unset")

    assert choices(shop)[-1]["deterministic"] == "learning_refused"
    assert [mail.action for mail in shop.mails()] == ["a-0"]
    assert '"event":"learning_rejected"' in out.getvalue()


def test_a_file_leaves_a_record_of_whom_nothing_was_done_to_where_the_policy_learns() -> None:
    """Without them a batch would have no control group; nothing else is planned for them."""
    rules = drop_rules()
    half = rules.policy.holdout.model_copy(update={"share_percent": 50.0})
    people = [f"c-{number}" for number in range(12)]
    rows = "".join(f"{each},{each}@example.com,US,true\n" for each in people)
    recorded = {}
    for exploration in (None, Exploration()):
        policy = rules.policy.model_copy(update={"holdout": half, "exploration": exploration})
        team = DataTeam(rules=replace(rules, policy=policy))
        team.drop(
            "orders/a.csv",
            orders_csv(*(order_row(f"o-{each}", each, days_ago=100) for each in people)),
        )
        team.drop("customers/a.csv", f"customer_id,email,country,consent_marketing_email\n{rows}")
        effects = team.store.all("effect").values()
        mailed = sum(effect.kind == "mail" for effect in effects)
        choices = [record["decision"]["choice"] for record in team.store.all("record").values()]
        withheld = [choice for choice in choices if choice["withheld"] == "global_holdout"]
        recorded[exploration is not None] = len(withheld)

        assert 0 < mailed == len(choices) - len(withheld) < len(people)
        assert {choice["action"] for choice in choices} == {"winback-10"}

    assert recorded[False] == 0 < recorded[True]
