"""Switches, policies and the model in the console, and what moves under an operator's hands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.console.policy_diff import changes
from chalicelib.core.breaker import Counts, Restart, Tally
from chalicelib.core.control import Switches
from chalicelib.core.errors import BadInput, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER, RESTARTS, RESTARTS_NAME, SWITCH
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.flows import switches
from chalicelib.flows.rulebook import ALIAS_COPIES
from tests.browser import HOME, Browser, Document
from tests.fakes import MemoryStore
from tests.functional.test_policies import document, live, simulate, store, unit_price
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in."""
    return Browser(shop).sign_in()


def standing(shop: Storefront) -> set[Switches | None]:
    """How the copies of the switches stand in storage."""
    return {shop.store.one(SWITCH.key(str(copy))) for copy in range(16)}


# --- how everything stands ----------------------------------------------------------------------


def test_the_overview_says_what_runs_in_four_reads(browser: Browser) -> None:
    """Switches, breaker, policy, model and versions."""
    page = browser.page("/console")

    for told in ("Sending mail on", "closed", "default", "recency-1.0.0", "Segue 0."):
        assert told in page.text, told
    assert browser.shop.calls() == ["read", "read", "read", "read"]


def test_an_open_breaker_and_a_count_begun_anew_are_told(browser: Browser) -> None:
    """With what opened it, and the operator's words."""
    today = NOW // DAY_SECONDS
    tally = Tally({today: Counts(sent=2_000, bounced=100)})
    restart = Restart(NOW - 60, "the list of <May> is deleted", {})
    browser.shop.store.write(
        [
            Put(BREAKER.key("0"), tally, WHATEVER),
            Put(RESTARTS.key(RESTARTS_NAME), (restart,), WHATEVER),
        ],
        now=NOW,
    )

    page = browser.page("/console")

    assert "Open (breaker bounces)." in page.text
    assert "100 (5.0 %)" in page.text
    assert "the list of <May> is deleted" in page.text


# --- switches -----------------------------------------------------------------------------------


def test_turning_a_switch_asks_says_what_happens_and_leaves_the_others(browser: Browser) -> None:
    """The very next decision obeys; the audit line names the key."""
    page = browser.page("/console/switches/pricing")
    assert "Every checkout shows the published price" in page.text
    assert standing(browser.shop) == {None}

    response = browser.submit(page.form_to("/pricing"))

    assert response.headers["Location"] == HOME
    assert standing(browser.shop) == {Switches(pricing=False)}
    assert browser.shop.decide()["price"]["tier"] == "base"
    [line] = browser.shop.lines("control_flipped")
    assert len(line["key_id"]) == 12
    assert (line["sending"], line["pricing"]) == (True, False)

    browser.submit(browser.page("/console/switches/pricing").form_to("/pricing"))
    assert standing(browser.shop) == {Switches()}


def test_a_switch_that_was_turned_meanwhile_is_left_and_said(browser: Browser) -> None:
    """Two operators press the same button."""
    form = browser.page("/console/switches/sending").form_to("/sending")
    browser.submit(form)
    browser.shop.calls()

    response = browser.submit(form)

    assert response.status_code == 409
    assert "turned off meanwhile, so nothing was changed" in Document(response.body.decode()).text
    assert browser.shop.calls() == ["read"]


def test_two_operators_turn_different_switches_at_once_and_both_get_their_way() -> None:
    """Stopping mail is not undone by somebody who stops offers and had read before."""
    twin = MemoryStore()

    def stop_offers() -> None:
        switches.flip(
            Switches(offers=False), store=twin, now=NOW, key_id="k-2", correlation_id="r-2"
        )

    twin.before_write = stop_offers
    control = switches.flip_one(
        "sending", on=False, store=twin, now=NOW, key_id="k-1", correlation_id="r-1"
    )

    assert control == switches.Control(Switches(sending=False, offers=False), agreed=True)


def test_a_flip_that_is_cut_short_is_told_and_repeated(browser: Browser) -> None:
    """The copies disagree until somebody presses again."""
    form = browser.page("/console/switches/sending").form_to("/sending")
    browser.shop.store.fail_writes(None, None, *[Transient("throttled")] * 4)

    assert browser.submit(form).status_code == 503
    assert "a flip was cut short" in browser.page("/console").text
    again = browser.page("/console/switches/sending")
    assert "a flip was cut short" in again.text

    browser.submit(again.form_to("/sending"), to="off")
    assert standing(browser.shop) == {Switches(sending=False)}


@pytest.mark.parametrize(
    ("name", "to", "status"),
    [("mail", "off", 404), ("sending", "maybe", 422), ("sending", "", 422)],
)
def test_no_other_switch_and_no_other_way(
    browser: Browser, name: str, to: str, status: int
) -> None:
    """Nothing is changed by a form that was made up."""
    token = browser.page("/console/switches/sending").form_to("/sending").fields["form"]

    response = browser.post(f"/console/switches/{name}", {"form": token, "to": to})

    assert response.status_code == status
    assert standing(browser.shop) == {None}


def test_the_flow_knows_no_other_switch() -> None:
    """A name that is no field is refused before anything is written."""
    with pytest.raises(BadInput, match="must be one of sending, pricing, offers"):
        switches.flip_one(
            "mail", on=True, store=MemoryStore(), now=NOW, key_id="k", correlation_id="r"
        )


# --- policies -----------------------------------------------------------------------------------


def test_the_list_says_which_decides_and_what_to_do_without_any(browser: Browser) -> None:
    """An empty list says where policies come from."""
    page = browser.page("/console/policies")

    assert "None was stored yet." in page.text
    assert "default" in page.text
    assert browser.shop.calls() == ["read"]


def test_the_page_of_a_policy_says_field_by_field_what_it_changes(browser: Browser) -> None:
    """Against the one that decides, or any other."""
    stored = store(browser.shop, document(discount=900))
    browser.shop.calls()

    page = browser.page(f"/console/policies/{stored}")

    assert "price_tiers[winback].discount_basis_points" in page.text
    assert "900" in page.text
    assert "None is stored with it." in page.text
    assert len(browser.shop.calls()) <= 4


@pytest.mark.parametrize("is_first", [False, True])
def test_a_second_key_approves_and_the_very_next_decision_follows(
    browser: Browser, is_first: bool
) -> None:
    """The author's own key is told why it may not; so is whoever comes before a simulation."""
    shop = browser.shop
    if not is_first:
        live(shop, document(discount=800))
    stored = store(shop, document(discount=900))
    author = Browser(shop).sign_in("operate")
    unseen = browser.page(f"/console/policies/{stored}")
    assert "nobody has simulated it" in unseen.text
    assert not [form for form in unseen.forms if form.action.endswith("/activate")]
    simulate(shop, stored)

    alone = author.page(f"/console/policies/{stored}")
    assert "a second person activates it" in alone.text
    assert not [form for form in alone.forms if form.action.endswith("/activate")]
    page = browser.page(f"/console/policies/{stored}")
    assert "decisions of last week" in page.text
    response = browser.submit(page.form_to("/activate"))

    assert response.headers["Location"] == f"{HOME}/policies"
    assert unit_price(shop.decide(session_id="s-9")) == 1820
    assert "decides" in browser.page(f"/console/policies/{stored}").text


def test_what_ships_needs_no_simulation_and_says_so(browser: Browser) -> None:
    """One may go back to it, whatever else decides."""
    shop = browser.shop
    live(shop, document(discount=900))

    packaged = shop.rules.policy.hash
    assert "may be gone back to without one" in browser.page(f"/console/policies/{packaged}").text


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize(
    ("simulated", "says"), [(False, "Nobody has simulated"), (True, "second person")]
)
def test_a_form_that_was_made_up_is_refused_by_the_flow(
    browser: Browser, simulated: bool, says: str, is_first: bool
) -> None:
    """What the page does not offer, the rules do not allow either."""
    shop = browser.shop
    deciding = shop.rules.policy.hash if is_first else live(shop, document(discount=800))
    stored = store(shop, document(discount=900))
    if simulated:
        simulate(shop, stored)
    author = Browser(shop).sign_in("operate")
    token = author.page("/console").form_to("/sign-out").fields["form"]

    response = author.post(
        f"/console/policies/{stored}/activate", {"form": token, "in_place_of": deciding}
    )

    assert response.status_code == 409
    assert says in Document(response.body.decode()).text
    assert shop.decide()["policy"] == deciding
    assert unit_price(shop.decide()) == (1900 if is_first else 1840)


def test_a_policy_that_changed_under_the_operators_hands_is_409_with_what_changed(
    browser: Browser,
) -> None:
    """Nothing is activated in place of something that the operator has not seen."""
    shop = browser.shop
    live(shop, document(discount=800))
    stored = store(shop, document(discount=900))
    simulate(shop, stored)
    form = browser.page(f"/console/policies/{stored}").form_to("/activate")
    live(shop, document(discount=600))

    response = browser.submit(form)
    page = Document(response.body.decode())

    assert response.status_code == 409
    assert "Nothing was activated." in page.text
    assert page.text.count("price_tiers[winback].discount_basis_points") == 2
    assert unit_price(shop.decide(session_id="s-2")) == 1880
    browser.submit(page.form_to("/activate"))
    assert unit_price(shop.decide(session_id="s-3")) == 1820


def test_activating_twice_is_no_conflict(browser: Browser) -> None:
    """The button pressed again, after the first answer was lost."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    simulate(shop, stored)
    form = browser.page(f"/console/policies/{stored}").form_to("/activate")
    browser.submit(form)

    assert browser.submit(form).status_code == 303


@pytest.mark.parametrize("is_stored", [False, True])
def test_one_operator_rolls_back_to_the_policy_that_ships(
    browser: Browser, is_stored: bool
) -> None:
    """At night one person must be able to undo, whether or not somebody stored it as well."""
    shop = browser.shop
    packaged = shop.rules.policy.hash
    if is_stored:
        assert store(shop, shop.rules.policy.model_dump(mode="json")) == packaged
    live(shop, document(discount=900))
    page = browser.page(f"/console/policies/{packaged}")

    assert "Roll back to it" in page.text
    browser.submit(page.form_to("/activate"))

    assert shop.decide(session_id="s-7")["policy"] == packaged
    assert "ships" in browser.page("/console/policies").text


def test_an_activation_that_was_cut_short_is_told(browser: Browser) -> None:
    """The overview and the list say to press once more."""
    shop = browser.shop
    stored = store(shop, document(discount=900))
    simulate(shop, stored)
    form = browser.page(f"/console/policies/{stored}").form_to("/activate")
    shop.store.fail_writes(None, *[None] * (ALIAS_COPIES // 2), Transient("throttled"))

    assert browser.submit(form).status_code == 503
    assert "an activation was cut short" in browser.page("/console").text
    assert "an activation was cut short" in browser.page("/console/policies").text


def test_a_policy_that_does_not_exist_is_a_clear_page(browser: Browser) -> None:
    """Neither the one that is looked at nor the one that it is compared with."""
    packaged = browser.shop.rules.policy.hash

    assert "names no stored policy" in browser.page("/console/policies/none", status=404).text
    browser.page(f"/console/policies/{packaged}?against=none", status=404)


def test_the_diff_knows_items_by_name_and_tells_what_came_and_went() -> None:
    """An item that was put in front is one item that came, not a list that changed."""
    before = {"tiers": [{"name": "a", "d": 1}], "gone": True, "list": [1, 2], "empty": {}}
    after = {"tiers": [{"name": "new", "d": 3}, {"name": "a", "d": 2}], "list": [2], "empty": {}}

    told = {change.path: (change.before, change.after) for change in changes(before, after)}

    assert told == {
        "tiers[a].d": ("1", "2"),
        "tiers[new].name": (None, '"new"'),
        "tiers[new].d": (None, "3"),
        "gone": ("true", None),
        "list": ("[1,2]", "[2]"),
    }
    assert changes(before, before) == []


# --- the model ----------------------------------------------------------------------------------


def test_the_page_of_the_model_shows_segments_metrics_and_baselines(browser: Browser) -> None:
    """From the document that serves, and what nights have stored of the customers since."""
    page = browser.page("/console/model")

    for told in (
        "champions",
        "5 orders",
        "1 order ",
        "13.3 %",
        "31.55 USD",
        "held out auc",
        "59.1 %",
        "Model card: cdnow",
    ):
        assert told in page.text, told
    assert {"heat-0", "heat-4"} <= {
        name
        for tag, values in page.tags
        if tag == "td"
        for name in (values.get("class") or "").split()
    }
    assert browser.shop.calls() == ["read"]
