"""What an operator may look up, and what they never see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.api import views
from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import Drop, drop_from_json
from chalicelib.core.effects import Effect, effect_id
from chalicelib.core.kinds import ADDRESS, DROP, EFFECT, RECORD
from chalicelib.core.plan import put_effect
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from tests.fakes import SIGNING_KEYS
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, RecencyScorer

XAVER = {
    "email": Stamped("xaver@example.com", NOW),
    "first_name": Stamped("Xaver", NOW),
    "consent_marketing_email": Stamped(True, NOW),
}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, silent for 100 days, and sells a mug."""
    with open_storefront() as storefront:
        yield storefront


def get(shop: Storefront, path: str, *, status: int = 200) -> dict[str, Any]:
    """Look something up."""
    response = shop.call("GET", path)
    assert response.status_code == status, response.body
    body: dict[str, Any] = response.json_body
    return body


# --- decisions ----------------------------------------------------------------------------------


def test_a_record_shows_inputs_outcome_and_reasons(shop: Storefront) -> None:
    """Everything that was known, everything that came of it, moments as ISO 8601."""
    answer = shop.decide()

    record = get(shop, f"/v1/decisions/{answer['decision_id']}")

    views.DecisionRecord.model_validate(record)
    assert record["decided_at"] == "2026-11-18T11:06:40Z"
    assert record["situation"]["facts"]["orders"] == 3
    assert record["situation"]["facts"]["recent_orders"][0]["at"] == "2026-06-11T11:06:40Z"
    assert record["situation"]["lines"] == [{"sku": "MUG", "quantity": 2, "unit_price": 2000}]
    assert record["situation"]["products"][0]["floor_price"] == 1500
    assert record["decision"]["offers"] == answer["offers"]
    assert record["decision"]["quote_expires_at"] == answer["expires_at"]
    assert record["reasons"] == answer["reasons"]
    assert record["policy"] == answer["policy"]


def test_a_record_says_that_the_cart_had_another_price(shop: Storefront) -> None:
    """A difference from the catalogue is among the record's reasons, too."""
    answer = shop.decide(cart={"lines": [{"sku": "MUG", "quantity": 1, "unit_price": 2500}]})

    record = get(shop, f"/v1/decisions/{answer['decision_id']}")

    views.DecisionRecord.model_validate(record)
    assert record["reasons"] == answer["reasons"]
    assert record["reasons"][-1]["action"] == "cart_price"


def test_a_record_names_the_request_that_led_to_it(shop: Storefront) -> None:
    """The correlation id of the call stands in the record."""
    shop.decide(headers={"X-Correlation-Id": "checkout-4711"})
    [stored] = shop.store.all("record").values()

    record = get(shop, f"/v1/decisions/{stored['decision_id']}")

    assert record["correlation_id"] == "checkout-4711"


def test_what_a_session_held_stands_in_the_record(shop: Storefront) -> None:
    """A kept tier and code are inputs, and shown as such."""
    first = shop.decide()
    second = shop.decide(cart=None)

    record = get(shop, f"/v1/decisions/{second['decision_id']}")

    assert record["situation"]["held"] == {"tier": "winback", "offers": first["offers"]}


def test_a_degraded_answer_leaves_no_record(shop: Storefront) -> None:
    """Its id names nothing, and the 404 says why."""
    body = get(shop, "/v1/decisions/degraded_00", status=404)

    assert body["errors"][0]["field"] == "decision_id"
    assert "degraded" in body["errors"][0]["problem"]


@pytest.mark.parametrize("tier", ["winback", "base"])
def test_a_record_decides_again_to_the_same(shop: Storefront, tier: str) -> None:
    """Replay of an untouched record finds no difference, also for a stranger."""
    answer = shop.decide("c-1" if tier == "winback" else "nobody")
    assert answer["price"]["tier"] == tier

    response = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay")

    assert response.json_body == {"same": True, "differences": []}


def test_an_altered_record_is_found_out(shop: Storefront) -> None:
    """Replay names the part of the record that does not come out."""
    answer = shop.decide()
    [record] = shop.store.all("record").values()
    forged = {**record, "decision": {**record["decision"], "tier": "base"}}
    key = RECORD.key(answer["decision_id"])
    shop.store.write([Put(key, forged, WHATEVER)], now=NOW)

    response = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay")

    assert response.json_body == {"same": False, "differences": ["witness", "tier"]}


@pytest.mark.parametrize(
    "part",
    [
        {"situation": {}},
        {"situation": None},
        {"decision": {}},
        {"policy": "sha256:unknown"},
        {"correlation_id": "another"},
    ],
)
def test_whatever_was_altered_replay_says_that_the_seal_is_broken(
    shop: Storefront, part: dict[str, Any]
) -> None:
    """Also where what is left cannot be decided again, or would come out the same."""
    answer = shop.decide()
    [record] = shop.store.all("record").values()
    key = RECORD.key(answer["decision_id"])
    shop.store.write([Put(key, {**record, **part}, WHATEVER)], now=NOW)

    response = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay")

    assert response.status_code == 200, response.body
    assert response.json_body["differences"][0] == "witness"


@pytest.mark.parametrize("placement", ["checkout", "home", "product", "chat"])
def test_a_record_of_any_placement_is_shown_and_intact(shop: Storefront, placement: str) -> None:
    """Wherever the answer was shown."""
    request = {"customer_id": "c-1", "placement": placement, "context": {"country": "US"}}
    answer = shop.call("POST", "/v1/decisions", body=request).json_body

    told = shop.call("GET", f"/v1/decisions/{answer['decision_id']}").json_body

    assert (told["placement"], told["intact"]) == (placement, True)


def test_a_record_of_other_documents_is_not_replayed(shop: Storefront) -> None:
    """409 with the reason: another model is deployed than the one that decided."""
    answer = shop.decide()
    scorer = RecencyScorer()
    scorer.hash = "sha256:newer"
    shop.rules = replace(shop.rules, scorer=scorer)
    shop.start()

    response = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay")

    assert response.status_code == 409
    assert response.json_body["reason"] == "other_model"


# --- customers ----------------------------------------------------------------------------------


def test_a_customer_is_shown_without_address_and_name(shop: Storefront) -> None:
    """Facts, segment, scores, consent: never what would let anybody write to them."""
    shop.knows(Contact(customer("c-1"), fields=XAVER))

    view = get(shop, "/v1/customers/c-1")

    views.Customer.model_validate(view)
    assert view["segment"]["name"] == "at_risk"
    assert view["facts"]["orders"] == 3
    assert view["has_address"] is True
    assert view["consent"]["marketing_email"] == {
        "granted": True,
        "said_at": "2026-11-18T11:06:40Z",
    }
    assert view["consent"]["profiling"] == {"granted": None, "said_at": None}
    assert "xaver" not in json.dumps(view).lower()


def test_a_withdrawal_by_the_owner_of_the_address_counts(shop: Storefront) -> None:
    """Unsubscribing stands above what the account once said."""
    shop.knows(Contact(customer("c-1"), fields=XAVER))
    named = address_hash("xaver@example.com", secret=SIGNING_KEYS.address_secret)
    withdrawn = AddressState({"marketing_email": NOW + 5})
    shop.store.write([Put(ADDRESS.key(named), withdrawn)], now=NOW)

    view = get(shop, "/v1/customers/c-1")

    assert view["consent"]["marketing_email"]["granted"] is False


def test_recent_decisions_come_newest_first(shop: Storefront) -> None:
    """The latest decisions stand in a line each."""
    first = shop.decide(session_id="s-1")
    shop.clock.forward(60)
    second = shop.decide(session_id="s-2")

    view = get(shop, "/v1/customers/c-1")

    assert [each["decision_id"] for each in view["decisions"]] == [
        second["decision_id"],
        first["decision_id"],
    ]
    assert view["decisions"][0]["actions"] == ["winback-10"]


def test_mails_of_recent_decisions_are_shown_with_their_state(shop: Storefront) -> None:
    """A mail that was not sent says why."""
    answer = shop.decide()
    [record] = shop.store.all("record").values()
    mailed = {**record, "situation": {**record["situation"], "placement": "mail"}}
    decision_id = answer["decision_id"]
    mail = Effect(
        effect_id=effect_id("mail", decision_id, "winback-10"),
        kind="mail",
        action="winback-10",
        subject_key="c#c-1",
        decision_id=decision_id,
        correlation_id="r-1",
        planned_at=NOW,
        state="SUPPRESSED",
        reason="unsubscribed",
        changed_at=NOW + 1,
    )
    shop.store.write(
        [Put(RECORD.key(decision_id), mailed, WHATEVER), put_effect(mail, now=NOW)], now=NOW
    )

    [message] = get(shop, "/v1/customers/c-1")["messages"]

    assert (message["state"], message["reason"]) == ("SUPPRESSED", "unsubscribed")
    assert EFFECT.key(message["effect_id"]).partition in shop.store.all("effect")


def test_an_objection_to_profiling_hides_the_scores(shop: Storefront) -> None:
    """Whoever objects is not scored for a look-up either."""
    shop.knows(Contact(customer("c-1"), fields={"consent_profiling": Stamped(False, NOW)}))

    view = get(shop, "/v1/customers/c-1")

    assert view["segment"] == {"name": "unknown", "model": "recency-1.0.0", "fallback": True}
    assert view["scores"]["churn"] is None


def test_a_customer_known_by_contact_alone_is_shown(shop: Storefront) -> None:
    """A row of a customers file is enough to be found."""
    shop.knows(Contact(customer("c-7"), fields=XAVER))

    view = get(shop, "/v1/customers/c-7")

    views.Customer.model_validate(view)
    assert view["facts"] is None


@pytest.mark.parametrize("customer_id", ["ann@example.com", "a b", "à/é", "50% + 1", "#7"])
def test_an_id_in_a_path_may_be_percent_encoded(shop: Storefront, customer_id: str) -> None:
    """Every id that an event may carry can be looked up."""
    shop.knows(Contact(customer(customer_id), fields=XAVER))

    view = get(shop, f"/v1/customers/{quote(customer_id, safe='')}")

    assert view["customer_id"] == customer_id


def test_an_unknown_customer_is_404(shop: Storefront) -> None:
    """Nobody spoke of them; the problem document names the field."""
    assert get(shop, "/v1/customers/nobody", status=404)["errors"][0]["field"] == "customer_id"


# --- drops --------------------------------------------------------------------------------------


def test_a_drop_tells_its_state_and_counts(shop: Storefront) -> None:
    """How far a file is, and how its records add up so far."""
    drop = Drop(
        "0" * 32, "orders/cdnow/a.csv", "RUNNING", NOW, NOW, NOW + 3, {"records": 5, "folded": 4}
    )
    shop.store.write([Put(DROP.key(drop.drop_id), drop)], now=NOW)

    view = get(shop, f"/v1/drops/{drop.drop_id}")

    views.Drop.model_validate(view)
    assert (view["state"], view["counts"]) == ("RUNNING", {"records": 5, "folded": 4})
    assert view["changed_at"] == "2026-11-18T11:06:43Z"


def test_a_drop_tells_how_fast_it_goes_and_when_it_will_be_done(shop: Storefront) -> None:
    """Pace and time left stand there while records are worked on, and go with the end."""
    counts = {"records": 100, "folded": 30, "duplicate": 5, "rejected": 5}
    drop = Drop(
        "1" * 32, "orders/a.csv", "RUNNING", NOW, NOW - 60, NOW, counts,
        phase="folding", phase_at=NOW - 16,
    )  # fmt: skip
    shop.store.write([Put(DROP.key(drop.drop_id), drop)], now=NOW)

    running = get(shop, f"/v1/drops/{drop.drop_id}")
    ending = replace(drop, state="COMPLETE")
    shop.store.write([Put(DROP.key(drop.drop_id), ending, WHATEVER)], now=NOW)
    ended = get(shop, f"/v1/drops/{drop.drop_id}")

    views.Drop.model_validate(running)
    views.Drop.model_validate(ended)
    assert running["progress"] == {
        "phase": "folding",
        "records": 100,
        "done": 40,
        "rejected": 5,
        "records_per_second": 2.5,
        "seconds_left": 24,
        "parts": None,
        "parts_done": None,
    }
    assert ended["progress"] is None


def test_a_drop_of_an_earlier_release_is_still_told(shop: Storefront) -> None:
    """What was stored before there were phases says less, and is no error."""
    old = {"drop_id": "2" * 32, "key": "orders/a.csv", "state": "RUNNING", "as_of": NOW,
           "started_at": NOW, "changed_at": NOW, "counts": {}, "reason": None}  # fmt: skip
    shop.store.write([Put(DROP.key("2" * 32), drop_from_json(old))], now=NOW)

    view = get(shop, f"/v1/drops/{'2' * 32}")

    assert (view["progress"]["phase"], view["progress"]["records"]) == (None, None)


def test_an_unknown_drop_is_404(shop: Storefront) -> None:
    """A drop appears when work on its file begins."""
    assert get(shop, "/v1/drops/none", status=404)["status"] == 404
