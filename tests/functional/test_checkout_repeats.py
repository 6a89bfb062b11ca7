"""What stays the same when a checkout asks again: by Idempotency-Key, and within a session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.core.catalogue import Product
from chalicelib.core.control import Switches
from chalicelib.core.errors import Transient
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, RECORD
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.storage import AtVersion, Conflict, Delete, Put
from tests.storefront import MUGS, Storefront, open_storefront
from tests.unit.core.situations import NOW, buyer

KEY = {"Idempotency-Key": "order-4711"}
MORE = {"lines": [*MUGS["lines"], {"sku": "CUP", "quantity": 1, "unit_price": 1000}]}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, silent for 100 days, and sells a mug and a cup."""
    with open_storefront() as storefront:
        storefront.knows(Product("CUP", "USD", base_price_minor=1000, floor_minor=500))
        yield storefront


# --- Idempotency-Key ----------------------------------------------------------------------------


def test_the_same_key_and_body_get_the_same_answer(shop: Storefront) -> None:
    """A repeat is answered from the record, byte for byte, and writes nothing."""
    first = shop.decide(headers=KEY)
    shop.clock.forward(DAY_SECONDS)
    shop.calls()

    assert shop.decide(headers=KEY) == first
    assert shop.calls() == ["read"]


def test_the_first_call_with_a_key_is_still_one_read_and_one_write(shop: Storefront) -> None:
    """Looking for an earlier record is part of the one read."""
    shop.decide(headers=KEY)

    assert shop.calls() == ["read", "write"]


def test_the_same_key_with_another_body_is_refused(shop: Storefront) -> None:
    """422, naming the header; nothing is written."""
    shop.decide(headers=KEY)
    shop.calls()

    response = shop.call("POST", "/v1/decisions", body={"customer_id": "c-2"}, headers=KEY)

    assert response.status_code == 422
    assert response.json_body["type"] == "urn:segue:problem:idempotency-key-reused"
    assert response.json_body["errors"][0]["field"] == "Idempotency-Key"
    assert shop.calls() == ["read"]


def test_a_key_that_comes_first_within_a_session_is_remembered(shop: Storefront) -> None:
    """It gets a record of its own, with the session's tier and code: its reuse is noticed."""
    shown = shop.decide()

    first = shop.decide(headers=KEY)
    again = shop.decide(headers=KEY)
    other = shop.call("POST", "/v1/decisions", body={"customer_id": "c-1"}, headers=KEY)

    assert again == first
    assert other.status_code == 422
    assert (first["price"]["reason"], first["offers"]) == ("session_kept", shown["offers"])
    assert first["price"]["lines"] == shown["price"]["lines"]


def test_keys_of_different_callers_do_not_meet(shop: Storefront) -> None:
    """Two API keys may use the same Idempotency-Key for different things."""
    body = {"customer_id": "nobody"}
    answers = [
        shop.call("POST", "/v1/decisions", body=body, scopes=scopes, headers=KEY).json_body
        for scopes in (("decide",), ("decide", "read"))
    ]

    assert answers[0]["decision_id"] != answers[1]["decision_id"]


def test_the_loser_of_a_race_answers_what_the_winner_answered(shop: Storefront) -> None:
    """Two calls with one key: whoever writes second reads again and gives the winner's answer."""
    won: list[dict[str, Any]] = []
    shop.store.before_write = lambda: won.append(shop.decide(headers=KEY))

    answer = shop.decide(headers=KEY)

    assert answer == won[0]
    assert len(shop.store.all("record")) == 1
    assert len(shop.store.all("coupon")) == 1


@pytest.mark.parametrize(
    "key",
    ["", " ", "x" * 256, "tab\there", "ümlaut"],
    ids=["empty", "blank", "long", "tab", "umlaut"],
)
def test_a_malformed_key_is_refused(shop: Storefront, key: str) -> None:
    """400, naming the header; nothing is read or written."""
    response = shop.call(
        "POST", "/v1/decisions", body={"customer_id": "c-1"}, headers={"Idempotency-Key": key}
    )

    assert response.status_code == 400
    assert response.json_body["errors"][0]["field"] == "Idempotency-Key"
    assert shop.calls() == []


# --- sessions -----------------------------------------------------------------------------------


def test_a_refresh_shows_the_same_and_writes_nothing(shop: Storefront) -> None:
    """The same cart in the same session gets the same answer, quote and code included."""
    first = shop.decide()
    shop.clock.forward(60)
    shop.calls()

    assert shop.decide() == first
    assert shop.calls() == ["read"]


def test_an_order_within_the_session_changes_nothing(shop: Storefront) -> None:
    """A segment that moves under a checkout does not move its price."""
    first = shop.decide()
    order = OrderState("o-new", "c#c-1", completed=Amount(NOW, 9900, "USD"))
    shop.knows(recount(buyer(silent_days=100), before=None, after=order))

    assert shop.decide() == first


def test_a_changed_cart_keeps_tier_and_code_and_prices_its_new_lines(shop: Storefront) -> None:
    """The tier of the session applies to what was added; no second code is issued."""
    first = shop.decide()

    second = shop.decide(cart=MORE)

    assert second["decision_id"] != first["decision_id"]
    assert second["price"]["reason"] == "session_kept"
    assert [line["unit_price"] for line in second["price"]["lines"]] == [1900, 950]
    assert second["offers"] == first["offers"]
    assert len(shop.store.all("coupon")) == 1


def test_a_kept_tier_is_announced_once(shop: Storefront) -> None:
    """A price tier's effect is planned when the tier is chosen, not with every changed cart."""
    shop.decide()
    shop.decide(cart=MORE)

    kinds = [effect.kind for effect in shop.store.all("effect").values()]
    assert kinds.count("price_tier") == 1


def test_another_session_is_another_decision(shop: Storefront) -> None:
    """Stickiness ends with the session; the one live code goes on."""
    first, second = shop.decide(session_id="s-1"), shop.decide(session_id="s-2")

    assert second["decision_id"] != first["decision_id"]
    assert second["offers"] == first["offers"]


def test_without_a_session_the_answer_holds_as_long_as_its_quote(shop: Storefront) -> None:
    """900 seconds by the shipped policy; then the checkout is decided anew."""
    first = shop.decide(session_id=None)
    shop.clock.forward(899)
    assert shop.decide(session_id=None) == first

    shop.clock.forward(1)
    again = shop.decide(session_id=None)

    assert again["decision_id"] != first["decision_id"]
    assert again["price"]["reason"] == "tier_fits"


def test_a_named_session_gets_a_new_quote_when_the_old_one_ends(shop: Storefront) -> None:
    """Within half an hour the tier stays, and no answer shows a quote that has expired."""
    first = shop.decide()
    shop.clock.forward(900)

    again = shop.decide()

    assert again["price"]["reason"] == "session_kept"
    assert again["expires_at"] > first["expires_at"]
    assert again["offers"] == first["offers"]


def test_a_session_ends_half_an_hour_after_its_last_decision(shop: Storefront) -> None:
    """After 30 minutes without one, the tier is chosen anew."""
    shop.decide()
    shop.clock.forward(1800)

    assert shop.decide()["price"]["reason"] == "tier_fits"


def test_a_kill_switch_overrides_the_session(shop: Storefront) -> None:
    """Flipped between two calls, it stops the price that the session was shown."""
    shop.decide()
    shop.knows(Switches(pricing=False, offers=False))

    answer = shop.decide()

    assert (answer["price"]["tier"], answer["offers"]) == ("base", [])
    assert answer["price"]["reason"] == "pricing_switched_off"


def test_an_opt_out_overrides_the_session(shop: Storefront) -> None:
    """Whoever objects within a session is a stranger from that call on."""
    shop.decide()

    answer = shop.decide(pricing_opt_out=True)

    assert (answer["price"]["tier"], answer["offers"]) == ("base", [])


def test_a_ban_that_begins_at_midnight_overrides_the_session() -> None:
    """Law is dated: what was shown before midnight is not shown after a ban took effect."""
    midnight = (NOW // DAY_SECONDS + 1) * DAY_SECONDS
    with open_storefront() as shop:
        table = shop.rules.jurisdictions
        since = datetime.fromtimestamp(midnight, UTC).date()
        ban = table.rows[0].model_copy(update={"id": "us-ban", "since": since, "mode": "ban"})
        banned = table.model_copy(update={"rows": (*table.rows, ban)})
        shop.rules = replace(shop.rules, jurisdictions=banned)
        shop.start()
        shop.clock.now = midnight - 30
        shown = shop.decide()
        assert (shown["price"]["tier"], len(shown["offers"])) == ("winback", 1)

        shop.clock.forward(60)
        answer = shop.decide()

        assert (answer["price"]["reason"], answer["offers"]) == ("banned", [])


def test_a_profile_that_is_gone_takes_the_session_with_it(shop: Storefront) -> None:
    """What was shown for a profile is shown no longer than there is one."""
    shop.decide()
    shop.store.write([Delete(FACTS.key("c#c-1"), AtVersion(1))], now=NOW)

    answer = shop.decide()

    assert (answer["price"]["tier"], answer["offers"]) == ("base", [])


def test_two_tabs_are_shown_the_same(shop: Storefront) -> None:
    """The same checkout twice at once: the second to write answers what the first was told."""
    won: list[dict[str, Any]] = []
    shop.store.before_write = lambda: won.append(shop.decide())

    assert shop.decide() == won[0]
    assert len(shop.store.all("coupon")) == 1


def test_a_code_issued_meanwhile_is_the_one_that_is_shown(shop: Storefront) -> None:
    """Another session issues the customer's one live code first: both show that one."""
    won: list[dict[str, Any]] = []
    shop.store.before_write = lambda: won.append(shop.decide(session_id="s-2"))

    answer = shop.decide(session_id="s-1")

    assert answer["offers"] == won[0]["offers"]
    assert answer["decision_id"] != won[0]["decision_id"]


def test_a_write_whose_reply_was_lost_is_found_by_the_repeat(shop: Storefront) -> None:
    """The answer was degraded and the write applied all the same: a repeat gives what is stored."""
    shop.store.lose_replies(Transient("reply lost"))
    assert shop.decide(headers=KEY)["degraded"]
    stored = set(shop.store.all("record"))

    answer = shop.decide(headers=KEY)

    assert {f"d#{answer['decision_id']}"} == stored


def test_our_own_write_is_recognised_after_a_false_conflict(shop: Storefront) -> None:
    """Storage applied the write, lost the reply and refused the copy: the one answer stands."""
    wanted = Conflict([Put(RECORD.key("d_any"), {})])
    shop.store.lose_replies(wanted)

    answer = shop.decide("nobody")

    assert {f"d#{answer['decision_id']}"} == set(shop.store.all("record"))
    assert shop.calls() == ["read", "write", "read"]
