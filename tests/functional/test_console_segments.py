"""Segments in the console: how many, who came from where, and who is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from chalicelib.core.effects import Effect
from chalicelib.core.facts import Facts
from chalicelib.core.groups import SHARDS
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.kinds import FACTS, ROLLUP, SIZES
from chalicelib.core.rollup import NOWHERE, Rollup, hour_of, name_of
from chalicelib.core.segment_sizes import Sizes, day_of
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer, guest
from chalicelib.flows.chronicle import from_stream
from chalicelib.flows.night_sizes import count_segments
from chalicelib.flows.segments import MOST_EXAMPLES, NIGHTS, Days, view_segments
from tests.browser import HOME, Browser, Document
from tests.chronicles import effects_event, ports
from tests.functional.test_console_people import customers_in, say
from tests.makers import order_event
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

HOUR_SECONDS = 3_600


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in who may do everything."""
    return Browser(shop).sign_in()


def night(
    shop: Storefront, counts: Mapping[str, int], *, days_ago: int = 0, whole: bool = True
) -> None:
    """What a night has counted."""
    sizes = Sizes(NOW - days_ago * DAY_SECONDS, counts, is_whole=whole)
    shop.store.write([Put(SIZES.key(day_of(sizes.at)), sizes, WHATEVER)], now=NOW)


def moved(shop: Storefront, counts: Mapping[str, int], *, hours_ago: int = 0) -> None:
    """What an hour has counted."""
    key = ROLLUP.key(name_of(hour_of(NOW - hours_ago * HOUR_SECONDS), "effects"))
    shop.store.write([Put(key, Rollup(counts), WHATEVER)], now=NOW)


def in_segment(shop: Storefront, *numbers: int, segment: str = "loyal") -> None:
    """Customers in a segment; the higher the number, the later they came."""
    for number in numbers:
        who = customer(f"c-{number}")
        facts = Facts(who, segment=segment, segment_at=Instant(NOW - 1_000 + number))
        shop.store.write([Put(FACTS.key(who.key), facts, WHATEVER)], now=NOW)


def row(page: Document, segment: str) -> str:
    """What the table says of a segment: the words that follow its name."""
    text = page.text
    return text[text.index(f" {segment} ", text.index("Moved out")) :]


# --- all of them --------------------------------------------------------------------------------


def test_before_the_first_night_the_page_says_when_it_comes(browser: Browser) -> None:
    """And what makes somebody move; the model's medians are there already."""
    page = browser.page("/console/segments")

    assert "No night has counted yet. The next one does, at 03:00 UTC" in page.text
    assert "Nobody changed segment in these 7 days" in page.text
    assert {"heat-0", "heat-4"} <= {
        name for each in page.all("td", "class") for name in each.split()
    }
    assert "figure" not in {tag for tag, _ in page.tags}


def test_sizes_shares_and_what_a_week_changed(browser: Browser) -> None:
    """Of the last night that counted every segment, and of the night a week before it."""
    night(browser.shop, {"loyal": 60, "at_risk": 40}, days_ago=8)
    night(browser.shop, {"loyal": 66, "at_risk": 33, "new": 1_234}, days_ago=1)
    night(browser.shop, {"loyal": 9}, whole=False)

    page = browser.page("/console/segments")

    assert f"night of {day_of(NOW - DAY_SECONDS)} : 1,333 customers" in page.text
    assert row(page, "loyal").startswith(" loyal 66 5.0 % +6 0 0")
    assert row(page, "at risk").startswith(" at risk 33 2.5 % −7 0 0")
    assert row(page, "new").startswith(" new 1,234 92.6 % – 0 0")
    assert "figure" in {tag for tag, _ in page.tags}
    assert f"{HOME}/segments/at_risk" in page.all("a", "href")


def test_movements_of_seven_days_or_of_twenty_eight(browser: Browser) -> None:
    """A link takes more hours; what is older than those is in neither."""
    moved(browser.shop, {"moved|loyal|at_risk": 2, f"moved|{NOWHERE}|loyal": 1, "planned|event": 9})
    moved(browser.shop, {"moved|loyal|at_risk": 5}, hours_ago=7 * 24)
    moved(browser.shop, {"moved|loyal|at_risk": 700}, hours_ago=28 * 24)

    week = browser.page("/console/segments")
    assert "3 changes of segment in 7 days" in week.text
    assert row(week, "loyal").startswith(" loyal – – – 1 2")
    [more] = [each for each in week.all("a", "href") if each.endswith("/segments?days=28")]
    month = browser.page(more.removeprefix("/api"))
    assert "8 changes of segment in 28 days" in month.text
    assert "no segment" in month.text
    browser.page("/console/segments?days=9", status=422)


def test_a_change_of_segment_gets_from_the_event_to_the_page(browser: Browser) -> None:
    """Fold, announcement, stream, hour, page; and profile, index, night, page."""
    shop = browser.shop
    say(shop, order_event("Order Completed", "o-9", user="c-9", total=30, at=NOW - 60))
    effects: list[Effect] = list(shop.store.all("effect").values())
    from_stream(effects_event(effects), ports=ports(shop.store, shop.objects), now=NOW)
    facts = shop.store.all("facts")["c#c-9"]
    count_segments(store=shop.store, segments=(facts.segment,), now=NOW)

    page = browser.page("/console/segments")
    one = browser.page(f"/console/segments/{facts.segment}")

    assert row(page, facts.segment).startswith(f" {facts.segment} 1 100.0 % – 1 0")
    assert facts.segment_at == NOW
    assert customers_in(one) == ["c-9"]
    assert "no segment" in one.text


@pytest.mark.parametrize(("days", "most"), [(7, 3), (28, 8)])
def test_the_overview_reads_by_name_whatever_the_size_of_the_shop(
    shop: Storefront, days: Days, most: int
) -> None:
    """Nights and hours together, a hundred with each call."""
    in_segment(shop, *range(300))
    shop.store.calls.clear()

    view_segments(store=shop.store, days=days, now=NOW)

    calls = list(shop.store.calls)
    assert [name for name, _ in calls] == ["read"] * most
    assert sum(keys for _, keys in calls) == NIGHTS + days * 24


# --- one of them --------------------------------------------------------------------------------


def test_a_segment_shows_description_medians_size_movements_and_who_came_last(
    browser: Browser,
) -> None:
    """Twenty customers at most, with links to them; the latest first."""
    shop = browser.shop
    night(shop, {"at_risk": 50, "loyal": 150})
    moved(shop, {"moved|loyal|at_risk": 7, "moved|at_risk|champions": 3})
    in_segment(shop, *range(40), segment="at_risk")
    shop.store.calls.clear()

    page = browser.page("/console/segments/at_risk")

    assert shop.calls() == ["read"] * 3 + ["members"] * SHARDS + ["read"]
    assert "Used to come back and have fallen silent" in page.text
    assert "25.0 %" in page.text
    assert "From where somebody came, in 7 days." in page.text
    assert customers_in(page) == [f"c-{number}" for number in range(39, 39 - MOST_EXAMPLES, -1)]


def test_who_left_expired_was_erased_or_is_a_guest_is_no_example(browser: Browser) -> None:
    """The index follows the table with a delay; the profile decides."""
    shop = browser.shop
    in_segment(shop, 1, 2, segment="champions")
    lena = Facts(guest("g-1"), segment="champions")
    shop.store.write([Put(FACTS.key(lena.subject.key), lena, WHATEVER)], now=NOW)
    gone = replace(shop.store.all("facts")["c#c-2"], subject=customer("c-3"))
    shop.store.write([Put(FACTS.key("c#c-3"), gone, WHATEVER, NOW - 1)], now=NOW)
    shop.call("DELETE", "/v1/customers/c-1")

    assert customers_in(browser.page("/console/segments/champions")) == ["c-2"]


def test_customers_are_shown_to_keys_that_may_read(shop: Storefront) -> None:
    """Others see sizes and movements alone."""
    in_segment(shop, 1, segment="champions")
    browser = Browser(shop).sign_in("operate")
    shop.store.calls.clear()

    page = browser.page("/console/segments/champions")

    assert "Customers are shown to keys with the scope read" in page.text
    assert customers_in(page) == []
    assert "members" not in shop.calls()


def test_a_segment_that_no_model_names_says_why_it_is_there(browser: Browser) -> None:
    """One of an earlier model; and a name that nobody ever had is not found."""
    night(browser.shop, {"golden": 3})

    page = browser.page("/console/segments/golden")

    assert "The model that is packaged has no segment of this name" in page.text
    assert "No customer is known to be in this segment" in page.text
    browser.page("/console/segments/no-such", status=404)
    browser.page(f"/console/segments/{NOWHERE}", status=404)
