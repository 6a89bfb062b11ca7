"""How budgets stand: over all shards now, and as every night has noted it."""

from __future__ import annotations

import doctest

import pytest

from chalicelib.core import budgets as budgets_module
from chalicelib.core.allotments import SHARDS, Allotment
from chalicelib.core.budgets import Budget, Budgets, budgets_from_json, budgets_to_json, standing
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import ALLOTMENT, BUDGETS
from chalicelib.core.policy import Policy
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows.budgets import budget_keys, budgets_of, note_budgets
from tests.coupon_makers import WINBACK, budget_of, limited
from tests.crash.gate import FaultGate, Mode
from tests.crash.ports import GatedObjects, GatedStore
from tests.fakes import MemoryStore
from tests.functional.test_night import Town
from tests.gate import Died
from tests.storefront import open_storefront
from tests.unit.core.situations import NOW, default_policy, shipped_rules

LIMITED = default_policy(actions=limited(WINBACK, budget_minor=1_000, codes=50))
DAY = NOW // DAY_SECONDS
TODAY = format_instant(NOW)[:10]


def stand(store: MemoryStore, policy: Policy = LIMITED) -> tuple[Budget, ...]:
    """How the budgets of a policy stand."""
    return budgets_of(policy, store.read(budget_keys(policy), now=NOW))


def test_untouched_budgets_are_whole() -> None:
    """Nothing was stored yet: nothing is used of either."""
    assert stand(MemoryStore()) == (
        Budget(WINBACK, "money", 1_000, 0, 0),
        Budget(WINBACK, "codes", 50, 0, 0),
    )
    assert len(budget_keys(LIMITED)) == 2 * SHARDS


def test_what_a_cart_holds_and_an_order_spends_is_what_shows() -> None:
    """The same as the books of the shards, from the shop's own calls."""
    with open_storefront(rules=shipped_rules(actions=LIMITED.actions)) as shop:
        [offer] = shop.decide()["offers"]
        use = {"customer_id": "c-1", "order_id": "o-1", "amount": 200, "currency": "USD"}
        reserved = shop.call("POST", f"/v1/offers/{offer['code']}/reserve", body=use)
        assert reserved.status_code == 200, reserved.body
        money, codes = stand(shop.store)
        assert (money.held, money.spent, money.left) == (200, 0, 800)
        assert codes.spent == 1

        redeemed = shop.call("POST", f"/v1/offers/{offer['code']}/redeem", body=use)
        assert redeemed.status_code == 200, redeemed.body
        money, _ = stand(shop.store)
        assert (money.held, money.spent) == budget_of(shop.store) == (0, 200)


def test_a_policy_without_limits_reads_and_notes_nothing() -> None:
    """There is nothing to be used up."""
    store = MemoryStore()
    note_budgets(store=store, policy=default_policy(), now=NOW)

    assert budget_keys(default_policy()) == []
    assert store.calls == []


def test_a_night_notes_how_they_stand_and_a_second_one_replaces_it() -> None:
    """One note a day, of the moment it was made."""
    store = MemoryStore()
    note_budgets(store=store, policy=LIMITED, now=NOW)
    shard = ALLOTMENT.key(WINBACK, "money", "3")
    store.write([Put(shard, Allotment(1_000, 100, held=10, spent=30), WHATEVER)], now=NOW)

    note_budgets(store=store, policy=LIMITED, now=NOW + 60)

    [(name, noted)] = store.all("budgets").items()
    assert name.endswith(TODAY)
    assert noted == Budgets(NOW + 60, stand(store))
    assert noted.standing[0] == Budget(WINBACK, "money", 1_000, 10, 30)
    assert budgets_from_json(budgets_to_json(noted)) == noted
    assert store.read([BUDGETS.key(TODAY)], now=NOW).value(BUDGETS.key(TODAY)) == noted


@pytest.mark.parametrize("mode", ["crash", "lost", "error"])
def test_whatever_call_of_a_night_breaks_its_note_is_made(mode: Mode) -> None:
    """Every call breaks in turn; done again, the note and the night are as if nothing had."""

    def town() -> Town:
        made = Town(LIMITED)
        shard = ALLOTMENT.key(WINBACK, "money", "3")
        made.store.write([Put(shard, Allotment(1_000, 100, spent=30), WHATEVER)], now=NOW)
        return made

    whole, gate = town(), FaultGate()
    whole.night(DAY, store=GatedStore(gate, whole.store), objects=GatedObjects(gate, whole.objects))
    assert len(whole.store.all("budgets")) == 1

    for broken in range(1, len(gate.passed) + 1):
        again, faults = town(), FaultGate({broken: mode})
        store, objects = GatedStore(faults, again.store), GatedObjects(faults, again.objects)
        try:
            again.night(DAY, store=store, objects=objects)
        except (Died, Transient):
            again.night(DAY, store=store, objects=objects)
        for kind in ("budgets", "night"):
            assert again.store.all(kind) == whole.store.all(kind), (broken, kind)


@pytest.mark.parametrize(
    ("total", "share", "left"), [(1_000, 0.4, 600), (400, 1.0, 0), (200, 2.0, 0), (0, 1.0, 0)]
)
def test_a_total_that_was_lowered_below_what_is_used_is_used_up(
    total: int, share: float, left: int
) -> None:
    """Nothing is left, and the share says by how much it is too much."""
    budget = standing("a", "money", total, [Allotment(1_000, 500, held=100, spent=300)])

    assert (budget.used_share, budget.left) == (share, left)


def test_the_examples_in_the_docstrings_are_true() -> None:
    """Each shows what its function gives."""
    result = doctest.testmod(budgets_module)

    assert (result.failed, result.attempted > 0) == (0, True)
