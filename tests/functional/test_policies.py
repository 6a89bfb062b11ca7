"""Policies over the interface: the very next decision follows, and one call takes it back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.errors import DeadlineExceeded, Transient
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import STORED_POLICY
from chalicelib.core.policy import policy_from_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows.rulebook import ALIAS_COPIES
from tests.makers import order_event
from tests.storefront import Storefront, key_text, open_storefront
from tests.unit.core.situations import NOW, POLICIES, shipped_rules

AUTHOR, REVIEWER = ("operate",), ("operate", "read")
NONE = "/v1/policies/sha256:none"
FIGURES = {"customers": 3, "changed": 1}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


def document(discount: int = 700, **changes: Any) -> dict[str, Any]:
    """The shipped policy without a holdout and with another discount for those at risk."""
    policy = tomllib.loads((POLICIES / "default.toml").read_text())
    policy["holdout"]["share_percent"] = 0
    policy["price_tiers"][0]["discount_basis_points"] = discount
    return {**policy, **changes}


def store(shop: Storefront, policy: dict[str, Any], *scopes: str) -> str:
    """Store a policy; its hash."""
    response = shop.call("POST", "/v1/policies", body=policy, scopes=scopes or AUTHOR)
    assert response.status_code == 201, response.body
    stored: str = response.json_body["hash"]
    return stored


def simulate(shop: Storefront, stored: str) -> Any:
    """Write down a simulation."""
    said = {"subject": "decisions of last week", "figures": {**FIGURES, "policy": stored}}
    return shop.call("POST", f"/v1/policies/{stored}/simulations", body=said)


def activate(shop: Storefront, stored: str, *scopes: str) -> Any:
    """Activate a policy with the key of a reviewer."""
    return shop.call("POST", f"/v1/policies/{stored}/activate", scopes=scopes or REVIEWER)


def live(shop: Storefront, policy: dict[str, Any]) -> str:
    """Store, simulate and activate a policy."""
    stored = store(shop, policy)
    assert simulate(shop, stored).status_code == 201
    response = activate(shop, stored)
    assert response.status_code == 200, response.body
    return stored


def unit_price(answer: dict[str, Any]) -> int:
    """What a mug costs."""
    price: int = answer["price"]["lines"][0]["unit_price"]
    return price


def test_the_very_next_decision_follows_an_activation_and_a_rollback(shop: Storefront) -> None:
    """In another process, too: what decided is named in the answer."""
    before = shop.decide(session_id="s-1")
    deep = live(shop, document(discount=900))
    shop.start()  # another process, which has not heard of anything
    after = shop.decide(session_id="s-2")
    rolled_back = activate(shop, before["policy"])
    again = shop.decide(session_id="s-3")

    assert (unit_price(before), unit_price(after), unit_price(again)) == (1900, 1820, 1900)
    assert (after["policy"], again["policy"]) == (deep, before["policy"])
    assert rolled_back.json_body["active"] == before["policy"]


def test_a_session_keeps_its_tier_and_follows_the_policy(shop: Storefront) -> None:
    """The same session is not answered word for word from what another policy decided."""
    first = shop.decide()
    live(shop, document(discount=900))
    second = shop.decide()

    assert second["price"]["tier"] == first["price"]["tier"]
    assert unit_price(second) == 1820
    assert [o["code"] for o in second["offers"]] == [o["code"] for o in first["offers"]]


def test_following_costs_no_call_once_it_is_known(shop: Storefront) -> None:
    """One read and one write; only the first decision after an activation reads the policy."""
    live(shop, document())
    shop.calls()

    shop.decide(session_id="s-1")
    assert shop.calls() == ["read", "read", "read", "write"]
    shop.decide(session_id="s-2")
    assert shop.calls() == ["read", "write"]


def test_events_follow_as_well(shop: Storefront) -> None:
    """A message after the activation is folded by the new policy, in one read more, once."""
    live(shop, document(cart_abandoned_after_seconds=120))
    shop.start()
    started = order_event("Checkout Started", "o-1", user="c-1", at=NOW)
    response = shop.call("POST", "/v1/events", body=started)

    assert response.status_code == 202, response.body
    facts = shop.store.all("facts")["c#c-1"]
    assert facts.review_at == NOW + 120


@pytest.mark.parametrize("packaged", [False, True])
def test_the_first_policy_goes_live_seen_and_by_two(shop: Storefront, packaged: bool) -> None:
    """The packaged one decides meanwhile; to activate that one first spares nobody anything."""
    if packaged:
        assert activate(shop, shop.rules.policy.hash, *AUTHOR).status_code == 200
    first = store(shop, document(discount=900))

    unseen = activate(shop, first)
    meanwhile = shop.decide(session_id="s-1")
    simulate(shop, first)
    alone = activate(shop, first, *AUTHOR)
    still = shop.decide(session_id="s-2")
    together = activate(shop, first)

    assert (unseen.status_code, unseen.json_body["reason"]) == (409, "not_simulated")
    assert (alone.status_code, alone.json_body["reason"]) == (409, "own_policy")
    assert meanwhile["policy"] == still["policy"] == shop.rules.policy.hash
    assert (together.status_code, together.json_body["active"]) == (200, first)
    assert [each["policy"] for each in together.json_body["activations"]] == [first]
    assert shop.decide(session_id="s-3")["policy"] == first


def test_nothing_new_goes_live_unseen_or_alone(shop: Storefront) -> None:
    """Once a policy is live, the next needs its simulation and another key than its author's."""
    live(shop, document())
    other = store(shop, document(discount=100))

    unseen = activate(shop, other)
    simulate(shop, other)
    alone = activate(shop, other, *AUTHOR)

    assert (unseen.status_code, unseen.json_body["reason"]) == (409, "not_simulated")
    assert (alone.status_code, alone.json_body["reason"]) == (409, "own_policy")
    assert activate(shop, other).json_body["active"] == other


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"surprise": 1}, "surprise", "not permitted"),
        ({"fallbacks": {}}, "fallbacks.checkout", "needs a fallback"),
        (
            {"price_tiers": [
                {"name": "t", "segments": ["nobody"], "discount_basis_points": 5}
            ]},
            "price_tiers.0.segments",
            "nobody is no segment; there are",
        ),
        (
            {"price_tiers": [
                {
                    "name": "t",
                    "segments": ["at_risk"],
                    "discount_basis_points": 5,
                    "eligibility": ["region == 'NY'"],
                }
            ]},
            "price_tiers.0.eligibility.0.when",
            "nothing that touches a price",
        ),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_not_stored(
    shop: Storefront, change: dict[str, Any], path: str, words: str
) -> None:
    """Each error with its path and the fix; nothing is kept."""
    response = shop.call("POST", "/v1/policies", body={**document(), **change})

    assert response.status_code == 422
    [error] = [e for e in response.json_body["errors"] if e["field"] == path]
    assert words in error["problem"]
    assert shop.call("GET", "/v1/policies").json_body["policies"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", NONE, None, 404),
        ("POST", f"{NONE}/activate", None, 404),
        (
            "POST",
            "/v1/policies/sha256:none/simulations",
            {"subject": "x", "figures": {"a": 1}},
            404,
        ),
        ("POST", "/v1/policies/sha256:none/simulations", {"subject": "x", "figures": {}}, 422),
        ("POST", "/v1/policies/sha256:none/simulations", {"subject": "x"}, 422),
        ("POST", "/v1/policies", b"nonsense", 400),
        ("POST", "/v1/policies", [], 422),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(
    shop: Storefront, method: str, path: str, body: Any, status: int
) -> None:
    """By name, and nothing changes."""
    assert shop.call(method, path, body=body).status_code == status
    assert shop.store.all("policy") == {}


def test_the_list_says_who_stored_and_who_activated_what(shop: Storefront) -> None:
    """An auditor reads the life of every policy."""
    stored = live(shop, document())
    shop.clock.forward(60)
    packaged = shop.rules.policy.hash
    activate(shop, packaged)

    told = shop.call("GET", "/v1/policies").json_body

    assert told["policies"] == [
        {
            "hash": stored,
            "name": "default",
            "author": key_id(*AUTHOR),
            "stored_at": format_instant(NOW),
        }
    ]
    assert [(each["policy"], each["key_id"]) for each in told["activations"]] == [
        (stored, key_id(*REVIEWER)),
        (packaged, key_id(*REVIEWER)),
    ]
    assert (told["active"], told["packaged"], told["agreed"]) == (packaged, packaged, True)


def key_id(*scopes: str) -> str:
    """The id of the key that the shop makes for these scopes."""
    return key_text(f"{scopes} None").split("_")[1]


def test_storing_a_policy_again_keeps_author_and_simulations(shop: Storefront) -> None:
    """The hash is the name: the same document is the same policy."""
    stored = store(shop, document())
    simulate(shop, stored)

    assert store(shop, document(), *REVIEWER) == stored
    told = shop.call("GET", f"/v1/policies/{stored}").json_body
    assert told["author"] == key_id(*AUTHOR)
    assert [each["figures"] for each in told["simulations"]] == [{**FIGURES, "policy": stored}]
    assert policy_from_json(told["document"]).hash == stored


@pytest.mark.parametrize("figures", [FIGURES, {**FIGURES, "policy": "sha256:another"}])
def test_the_figures_of_another_policy_open_no_way(
    shop: Storefront, figures: dict[str, Any]
) -> None:
    """A simulation is one of that very document."""
    live(shop, document(discount=900))
    stored = store(shop, document(discount=800))

    noted = shop.call(
        "POST", f"/v1/policies/{stored}/simulations", body={"subject": "x", "figures": figures}
    )

    assert noted.status_code == 422
    assert noted.json_body["errors"][0]["field"] == "figures.policy"
    assert activate(shop, stored).json_body["reason"] == "not_simulated"


@pytest.mark.parametrize("damage", ["gone", "altered", "unreadable"])
def test_a_policy_that_cannot_be_used_falls_back_and_rings(shop: Storefront, damage: str) -> None:
    """A decision never fails because of a policy: the packaged one decides, and says so."""
    stored = live(shop, document(discount=900))
    key = STORED_POLICY.key(stored)
    policy = shop.store.all("policy")[key.partition]
    if damage == "gone":
        shop.store._rows.pop(key)
    else:
        changed = {**policy.document, "surprise" if damage == "unreadable" else "name": "x"}
        shop.store.write([Put(key, type(policy)(changed, policy.author, NOW), WHATEVER)], now=NOW)
    shop.start()

    answer = shop.decide(session_id="s-9")
    shop.decide(session_id="s-10")

    assert (unit_price(answer), answer["policy"]) == (1900, shop.rules.policy.hash)
    [line] = shop.lines("policy_rejected")
    assert (line["PolicyRejected"], line["policy"]) == (1, stored)


def test_a_record_is_replayed_by_the_policy_of_then(shop: Storefront) -> None:
    """Long after another policy decides, a decision re-executes to the same."""
    old = shop.decide(session_id="s-1")
    live(shop, document(discount=900))
    new = shop.decide(session_id="s-2")
    live(shop, document(discount=100))
    shop.start()

    for answer in (old, new):
        told = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay").json_body
        assert told == {"same": True, "differences": []}


def test_an_activation_that_was_cut_short_is_repeated(shop: Storefront) -> None:
    """Half of the copies name the old policy: the list says so, and asking again sets them."""
    stored = store(shop, document())
    simulate(shop, stored)

    log_and_half_of_the_copies = [None] * (1 + ALIAS_COPIES // 2)
    shop.store.fail_writes(*log_and_half_of_the_copies, Transient("storage is gone"))
    cut_short = activate(shop, stored)
    told = shop.call("GET", "/v1/policies").json_body
    again = activate(shop, stored)

    assert cut_short.status_code == 503
    assert (told["active"], told["agreed"]) == (stored, False)
    assert (again.status_code, again.json_body["agreed"]) == (200, True)


def test_a_policy_that_cannot_be_had_in_time_degrades_the_checkout(shop: Storefront) -> None:
    """Storage that answers once and then no more: base prices, no offers, and it says so."""
    live(shop, document())
    shop.start()
    shop.store.fail_reads(None, DeadlineExceeded("too slow"))
    answer = shop.decide()

    assert (answer["degraded"], answer["offers"]) == (True, [])
    assert unit_price(answer) == 2000


def test_the_packaged_policy_decides_before_any_other() -> None:
    """A stage on which nobody has stored anything."""
    with open_storefront(rules=shipped_rules()) as shop:
        told = shop.call("GET", "/v1/policies").json_body

        assert told["active"] == told["packaged"] == shop.decide()["policy"]
        assert (told["policies"], told["activations"], told["agreed"]) == ([], [], True)
