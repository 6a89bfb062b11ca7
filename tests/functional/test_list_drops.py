"""The files that were dropped of late: over the interface, and as a page of the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.api import views
from chalicelib.core.control import Drop
from chalicelib.core.kinds import DROP
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.tokens import sign
from chalicelib.flows import list_mails
from chalicelib.flows.list_drops import LARGEST_PAGE, PURPOSE
from tests.browser import HOME, Browser, Document
from tests.fakes import SIGNING_KEYS
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

DROP_OF = Drop("0" * 32, "orders/a.csv", "COMPLETE", NOW, NOW, NOW, {"records": 9, "rejected": 2})


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in."""
    return Browser(shop).sign_in()


def dropped(shop: Storefront, count: int, **changes: Any) -> list[str]:
    """So many drops, two in each second; their ids, newest first."""
    drops = [
        replace(
            DROP_OF,
            drop_id=f"{number:032}",
            key=f"orders/{number:03}.csv",
            started_at=NOW - 100 + number // 2,
            **changes,
        )
        for number in range(count)
    ]
    for drop in drops:
        stored(shop, drop)
    shop.store.calls.clear()
    return [drop.drop_id for drop in reversed(drops)]


def stored(shop: Storefront, drop: Drop) -> None:
    """Store how a drop stands."""
    shop.store.write([Put(DROP.key(drop.drop_id), drop, WHATEVER)], now=NOW)


def ask(shop: Storefront, *, status: int = 200, **query: Any) -> Any:
    """Ask the interface for a page."""
    response = shop.call("GET", f"/v1/drops?{urlencode(query)}", scopes=["read"])
    assert response.status_code == status, response.body
    return response.json_body


# --- the interface ------------------------------------------------------------------------------


def test_every_drop_is_listed_once_newest_first(shop: Storefront) -> None:
    """Page by page, each of them with one query and one read."""
    expected = dropped(shop, 7)
    found: list[list[str]] = []
    cursor: dict[str, Any] = {}
    while True:
        shop.store.calls.clear()
        body = ask(shop, limit=3, **cursor)
        views.DropList.model_validate(body)
        assert shop.calls() == ["listed", "read"]
        found.append([each["drop_id"] for each in body["drops"]])
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}

    assert [len(page) for page in found] == [3, 3, 1]
    assert [each for page in found for each in page] == expected


def test_a_drop_in_the_list_is_told_as_by_itself(shop: Storefront) -> None:
    """State, counts, progress: whoever lists does not have to look each of them up."""
    dropped(shop, 1, state="RUNNING", phase="folding")

    [listed] = ask(shop)["drops"]

    assert listed == shop.call("GET", f"/v1/drops/{listed['drop_id']}").json_body
    assert listed["progress"]["phase"] == "folding"


def test_a_shop_without_drops_has_an_empty_list(shop: Storefront) -> None:
    """And no next page."""
    assert ask(shop) == {"drops": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": LARGEST_PAGE + 1}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "x" * 2_000}, "cursor"),
        ({"state": "RUNNING"}, "state"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(
    shop: Storefront, query: dict[str, Any], field: str
) -> None:
    """400, as for every address that is wrong."""
    assert field in str(ask(shop, status=400, **query))


def test_a_cursor_of_another_list_is_none_of_this_one(shop: Storefront) -> None:
    """Both are signed with the same keys, each for its own purpose."""
    foreign = sign(SIGNING_KEYS, purpose=list_mails.PURPOSE, payload={"before": "0"})
    own = sign(SIGNING_KEYS, purpose=PURPOSE, payload={"before": "0"})

    ask(shop, status=400, cursor=foreign)
    assert ask(shop, cursor=own)["drops"] == []


def test_the_list_asks_for_the_scope_read(shop: Storefront) -> None:
    """As one drop does."""
    assert shop.call("GET", "/v1/drops", scopes=["decide", "events"]).status_code == 403


# --- the page -----------------------------------------------------------------------------------


def cells(page: Document) -> list[str]:
    """What stands in the table."""
    return [text for tag, text in page.texts if tag in ("td", "a", "span", "time")]


def polls(page: Document) -> list[str]:
    """The addresses that the page asks for again, every two seconds."""
    return [str(v["hx-get"]) for _, v in page.tags if v.get("hx-trigger") == "every 2s"]


def test_drops_are_listed_with_state_records_and_rejects(browser: Browser) -> None:
    """Each leads to its page; nothing is asked for again where nothing moves."""
    [drop_id] = dropped(browser.shop, 1)

    page = browser.page("/console/drops")

    assert f"{HOME}/drops/{drop_id}" in page.all("a", "href")
    told = cells(page)
    for expected in ("orders/000.csv", "complete", "9", "2", "1 min 40 s"):
        assert expected in told, expected
    assert polls(page) == []
    assert [tag for tag, _ in page.tags if tag == "progress"] == []


def test_a_page_costs_the_same_however_many_drops_there_are(browser: Browser) -> None:
    """Newest first, none twice, none left out; a query and a read besides the session's key."""
    expected = dropped(browser.shop, 60)
    page = browser.page("/console/drops")
    found, costs = [], []
    while True:
        costs.append(browser.shop.calls())
        found += [each.rpartition("/")[2] for each in page.all("a", "href") if "/drops/" in each]
        older = [each for each in page.all("a", "href") if "cursor=" in each]
        if not older:
            break
        page = browser.page(older[0])

    assert found == expected
    assert costs == [["listed", "read"]] * 3
    assert f"{HOME}/drops" in page.all("a", "href")


def test_a_page_on_which_a_drop_runs_asks_for_itself_again(browser: Browser) -> None:
    """The bar moves while the operator looks, and the page is quiet once all have ended."""
    shop = browser.shop
    dropped(shop, 30)
    running = replace(
        DROP_OF,
        drop_id="f" * 32,
        state="RUNNING",
        phase="folding",
        phase_at=NOW - 10,
        started_at=NOW - 20,
        counts={"records": 200, "folded": 50},
    )
    stored(shop, running)

    page = browser.page("/console/drops")
    [bar] = [values for tag, values in page.tags if tag == "progress"]
    assert (bar["aria-label"], bar["value"]) == ("orders/a.csv", "25")
    assert "folding, 50 of 200 records, 5 a second, 30 s left" in cells(page)
    assert polls(page) == [f"{HOME}/drops"]
    [older] = [each for each in page.all("a", "href") if "cursor=" in each]
    assert polls(browser.page(older)) == []

    stored(shop, replace(running, counts={"records": 200, "folded": 150}))
    page = browser.page("/console/drops")
    assert [values["value"] for tag, values in page.tags if tag == "progress"] == ["75"]
    stored(shop, replace(running, state="COMPLETE"))
    assert polls(browser.page("/console/drops")) == []


def test_an_older_page_asks_for_itself_and_not_for_the_newest(browser: Browser) -> None:
    """A big file runs for hours, and others are dropped meanwhile."""
    dropped(browser.shop, 30, state="RUNNING", phase="reading")

    [older] = [e for e in browser.page("/console/drops").all("a", "href") if "cursor=" in e]

    assert polls(browser.page(older)) == [older]


def test_what_cannot_be_known_is_a_bar_without_an_end(browser: Browser) -> None:
    """A file of which nobody has read a record has no share that is done."""
    dropped(browser.shop, 1, state="RUNNING", phase="fetching", counts={})

    page = browser.page("/console/drops")

    [bar] = [values for tag, values in page.tags if tag == "progress"]
    assert "value" not in bar
    assert "fetching" in cells(page)


@pytest.mark.parametrize(("phase", "value"), [("reading", "40"), ("folding", "50")])
def test_a_divided_file_is_read_by_parts_and_folded_by_records(
    browser: Browser, phase: Any, value: str
) -> None:
    """While it is read nobody knows how many records there are."""
    counts = {"records": 100, "folded": 50, "ranges": 5, "ranges_done": 2, "partitions": 4}
    dropped(browser.shop, 1, state="RUNNING", phase=phase, counts=counts)

    page = browser.page("/console/drops")

    assert [values["value"] for tag, values in page.tags if tag == "progress"] == [value]


def test_a_shop_without_files_says_how_one_is_dropped(browser: Browser) -> None:
    """An empty list is no dead end."""
    page = browser.page("/console/drops")

    assert "python -m ops drop FILE --to" in page.text
    assert page.form_to("/drops").fields == {"drop_id": ""}


def test_a_forged_cursor_is_refused_with_a_way_back(browser: Browser) -> None:
    """A clear page, and a link."""
    assert HOME in browser.page("/console/drops?cursor=x", status=422).all("a", "href")
