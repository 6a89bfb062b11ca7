"""The overview: what happens, what budgets and segments do, and what it says of nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib.core.allotments import Allotment
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import ALLOTMENT, ROLLUP, WATCHED
from chalicelib.core.rollup import HOUR_SECONDS, Rollup, hour_of, minute_of, name_of
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.watched import Watched
from chalicelib.flows.budgets import note_budgets
from chalicelib.flows.overview import DAYS, read_overview
from tests.browser import HOME, Browser, Document
from tests.coupon_makers import WINBACK, limited
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, shipped_rules

EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
MINUTE = minute_of(NOW)


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose winback offer has a budget and a count."""
    rules = shipped_rules(actions=limited(WINBACK, budget_minor=1_000, codes=50))
    with open_storefront(rules=rules) as storefront:
        yield storefront


def count(shop: Storefront, hour: int, stream: str, rollup: Rollup) -> None:
    """Store the counts of an hour of a stream."""
    shop.store.write([Put(ROLLUP.key(name_of(hour, stream)), rollup, WHATEVER)], now=NOW)


def busy(shop: Storefront) -> None:
    """Two days, two hours and two nights of everything."""
    hour = hour_of(NOW)
    seen = {"decisions|checkout|at_risk": 3, f"decisions|home|{EVIL}": 2, "chosen|winback-10": 9}
    count(shop, hour, "decisions", Rollup(seen, (), {"decisions": {MINUTE: 5}}))
    count(shop, hour - HOUR_SECONDS, "decisions", Rollup({"decisions|home|at_risk": 4}))
    count(shop, hour, "profiles", Rollup({}, (), {"events": {MINUTE: 7}}))
    watched = {
        1: Watched(segments={"at_risk": 30, "loyal": 10}),
        2: Watched(segments={"loyal": 5}),
        DAYS + 3: Watched(segments={"loyal": 99}),
        3: Watched(),
    }
    for back, day in watched.items():
        name = format_instant(NOW - back * DAY_SECONDS)[:10]
        shop.store.write([Put(WATCHED.key(name), day, WHATEVER)], now=NOW)
    for back, spent in ((1, 100), (0, 250)):
        shard = ALLOTMENT.key(WINBACK, "money", "7")
        put = Put(shard, Allotment(1_000, 400, held=50, spent=spent), WHATEVER)
        shop.store.write([put], now=NOW)
        if back:
            note_budgets(store=shop.store, policy=shop.rules.policy, now=NOW - DAY_SECONDS)


def charts_of(page: Document) -> dict[str, list[dict[str, object]]]:
    """The data of each chart, by the title that stands over it."""
    titles = [text for tag, text in page.texts if tag == "strong"]
    specs = [json.loads(each) for each in page.all("figure", "data-chart")]
    assert titles[0] == "The last hour, by minute"
    return {title: each["data"]["values"] for title, each in zip(titles[1:], specs, strict=True)}


def test_activity_is_drawn_told_and_looked_at_again(shop: Storefront) -> None:
    """The figure's data, the numbers beside it, the table, and where to ask every few seconds."""
    busy(shop)
    page = Browser(shop).sign_in().page("/console")

    [live] = [json.loads(each) for each in page.all("figure", "data-live")]
    assert {each["name"]: sum(each["values"]) for each in live["series"]} == {
        "Events accepted": 7,
        "Decisions": 5,
        "Mails sent": 0,
        "Codes redeemed": 0,
    }
    assert live["at"][-1] == NOW - NOW % 60
    assert len(live["at"]) == 60
    assert "Events accepted 7 in 5 minutes, 7 in the hour" in page.text
    assert page.all("div", "hx-get") == [f"{HOME}/activity"]
    assert page.all("div", "hx-trigger") == ["every 5s"]
    assert "stale" in page.all("p", "id")
    assert "Nothing was counted" not in page.text


def test_the_part_that_is_asked_for_again_is_what_the_overview_shows(shop: Storefront) -> None:
    """The same figure and numbers; and it needs a session as the overview does."""
    busy(shop)
    browser = Browser(shop).sign_in()
    whole, part = browser.page("/console"), browser.page("/console/activity")

    assert part.all("figure", "data-live") == whole.all("figure", "data-live")
    assert part.text in whole.text
    response = Browser(shop).get("/console/activity", hx_request="true")
    assert response.status_code == 401
    assert response.headers["HX-Redirect"].endswith("/console/sign-in")


def test_segments_are_shown_by_day_and_by_hour(shop: Storefront) -> None:
    """Of days that had somebody; the name of a segment is text, whatever it is."""
    busy(shop)
    page = Browser(shop).sign_in().page("/console")

    charts = charts_of(page)
    days = charts["Customers who came by, by day"]
    told = {(each["moment"], each["series"]): each["y"] for each in days if each["series"] != EVIL}
    yesterday, before = (format_instant(NOW - n * DAY_SECONDS)[:10] for n in (1, 2))
    assert told == {
        (before, "at_risk"): 0,
        (before, "loyal"): 5,
        (yesterday, "at_risk"): 30,
        (yesterday, "loyal"): 10,
    }
    hours = charts["Decisions by hour"]
    assert {(each["series"], each["y"]) for each in hours} == {
        ("at_risk", 4),
        ("at_risk", 3),
        ("loyal", 0),
        (EVIL, 0),
        (EVIL, 2),
    }
    places = [
        {each["series"]: each["place"] for each in each_chart} for each_chart in (days, hours)
    ]
    assert places[0] == places[1]
    assert EVIL in page.text
    assert not {tag for tag, _ in page.tags} & {"img", "style"}


def test_budgets_are_shown_now_and_by_night(shop: Storefront) -> None:
    """Spent and held against the whole, in money and in codes, and how it came to that."""
    busy(shop)
    page = Browser(shop).sign_in().page("/console")

    assert "winback-10 2.50 USD 0.50 USD 7.00 USD 10.00 USD 30.0 %" in page.text
    assert "winback-10 0 codes 0 codes 50 codes 50 codes 0.0 %" in page.text
    used = charts_of(page)["Used of each budget"]
    assert [each["y"] for each in used if each["series"] == "winback-10 (money)"] == [0.15, 0.3]


def test_a_budget_that_is_used_up_says_so(shop: Storefront) -> None:
    """Not by the share alone."""
    shard = ALLOTMENT.key(WINBACK, "money", "0")
    shop.store.write([Put(shard, Allotment(1_000, 1_000, spent=1_000), WHATEVER)], now=NOW)

    assert "used up 100.0 %" in Browser(shop).sign_in().page("/console").text


def test_what_is_empty_says_what_fills_it() -> None:
    """No chart without data; each says what to do next."""
    with open_storefront() as shop:
        page = Browser(shop).sign_in().page("/console")

    assert page.all("figure", "data-chart") == []
    for told in (
        "Nothing was counted within the last hour. Send a shop's messages to POST /v1/events",
        "The deciding policy limits no offer. Give one limits.budget_minor",
        "No decision was counted yet. Ask POST /v1/decisions",
    ):
        assert told in page.text, told


def test_before_the_first_night_budgets_have_no_past(shop: Storefront) -> None:
    """The table is there, and the page says when the chart will be."""
    page = Browser(shop).sign_in().page("/console")

    assert "How they moved shows after the first night" in page.text
    assert "50 codes" in page.text


def test_all_of_it_is_read_by_key_a_hundred_at_once(shop: Storefront) -> None:
    """84 keys, and 16 for each limit: with two limits two calls, however busy the shop is."""
    busy(shop)
    shop.store.calls.clear()

    shown = read_overview(shop.store, policy=shop.rules.policy, now=NOW)

    assert shop.calls() == ["read", "read"]
    assert len(shown.days) == 2
    assert len(shown.hours) == 2
