"""The page Experiments, each comparison day by day, and what the model's page says of customers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.console import lift_words
from chalicelib.console.lift_words import told
from chalicelib.core.experiments import Experiment
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import MEASURED, WATCHED
from chalicelib.core.measured import Measured, measured_to_json
from chalicelib.core.measurement import PROGRAMME, Compared, window_days_of
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.watched import Watched
from tests.browser import HOME, Browser, Document
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, shipped_rules
from tests.unit.core.test_report import group, lift

DAYS = 30
ARMS = {"as-is": 0.5, "bold": 0.5}
EXPERIMENT = Experiment.model_validate(
    {
        "id": "x",
        "salt": "x-1",
        "arms": [
            {"id": "as-is", "share_percent": 50},
            {"id": "bold", "share_percent": 50, "off": ["winback-10"]},
        ],
    }
)
RULES = shipped_rules(experiments=(EXPERIMENT,))
WINDOW = window_days_of(RULES.policy)


def name_of(back: int) -> str:
    """A day so many days ago, as storage names it."""
    return format_instant(NOW - back * DAY_SECONDS)[:10]


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop with an experiment in force."""
    with open_storefront(rules=RULES) as storefront:
        yield storefront


def keep(shop: Storefront, *puts: Put[Any]) -> None:
    """Store what nights would have stored."""
    for start in range(0, len(puts), 90):
        shop.store.write(puts[start : start + 90], now=NOW)
    shop.store.calls.clear()


def measured_shop(shop: Storefront, *, bold: int = 200, window_days: int = WINDOW) -> None:
    """A month of measured days: an action that helps, one that few met, and an arm that harms."""
    day = Measured(
        {
            PROGRAMME: Compared(group(180, buyers=36), group(20, buyers=2)),
            "action:winback-10": Compared(group(100, buyers=40), group(100, buyers=10)),
            "action:welcome": Compared(group(1), group(1)),
        },
        {"x": {"as-is": group(200, buyers=40), "bold": group(bold, buyers=20, leavers=60)}},
        left_out=1,
    )
    stored = {**measured_to_json(day), "window_days": window_days}
    watched = Watched(
        decisions=400,
        customers=400,
        unknown=40,
        unknown_customers=40,
        arms={"x": {"as-is": 200, "bold": bold}},
        stated={"x": ARMS},
    )
    keep(
        shop,
        *(
            Put(MEASURED.key(name_of(n)), stored, WHATEVER)
            for n in range(WINDOW + 1, WINDOW + DAYS)
        ),
        *(Put(WATCHED.key(name_of(n)), watched, WHATEVER) for n in range(1, WINDOW + DAYS)),
    )


def charts_of(page: Document) -> list[dict[str, Any]]:
    """The specifications of a page's charts."""
    return [json.loads(text) for text in page.all("figure", "data-chart")]


def test_before_anything_was_measured_the_page_says_what_comes_next(shop: Storefront) -> None:
    """No table of zeros: when the first day is measured, and what there is to compare."""
    page = Browser(shop).sign_in().page("/console/experiments")

    assert f"a day is measured {WINDOW} days and a night after it was" in page.text
    assert "No day has been measured yet" in page.text
    assert "x day by day" in page.text


def test_a_policy_that_keeps_nothing_from_anybody_can_compare_nothing() -> None:
    """It says how both groups come about."""
    policy = RULES.policy.model_copy(
        update={
            "experiments": (),
            "holdout": RULES.policy.holdout.model_copy(update={"share_percent": 0.0}),
            "actions": tuple(
                each.model_copy(update={"control_share_percent": 0.0})
                for each in RULES.policy.actions
            ),
        }
    )
    with open_storefront(rules=replace(RULES, policy=policy)) as storefront:
        page = Browser(storefront).sign_in().page("/console/experiments")

    assert "have nothing to be compared with" in page.text
    assert "The policy in force states none." in page.text


def test_everything_that_is_compared_stands_with_verdict_and_interval(shop: Storefront) -> None:
    """Programme, actions and arms, each of orders and of revenue; by reads of keys alone."""
    measured_shop(shop)
    browser = Browser(shop).sign_in()

    page = browser.page("/console/experiments")

    assert shop.calls() == ["read"] * 9  # 400 days of two items each, a hundred with each call
    assert "of 29 days" in page.text
    assert f"orders within {WINDOW} days" in page.text
    assert "29 exposures of people who were erased since" in page.text
    for row in (
        "winback-10 ordered at all 40.00 % 10.00 % +30.00 points",
        "winback-10 revenue 8.00 USD 2.00 USD +6.00 USD",
        "x: bold ordered at all 10.00 % 20.00 % -10.00 points",
    ):
        assert row in page.text, row
    assert "2,900, 2,900" in page.text
    assert "wanted no more marketing: broken" in page.text
    verdicts = [values.get("class") or "" for tag, values in page.tags if tag == "span"]
    for verdict in ("better", "worse", "too-early"):
        assert f"state verdict-{verdict}" in verdicts


def test_an_arm_that_fills_ill_is_not_to_be_believed(shop: Storefront) -> None:
    """The warning stands above the numbers, on both pages; arms that fit have none."""
    measured_shop(shop, bold=100)
    browser = Browser(shop).sign_in()
    for path in ("/console/experiments", "/console/experiments/experiment:x"):
        text = browser.page(path).text
        assert "do not fill as dealt: believe none of its lifts" in text
        assert "33.3 % 50.0 %" in text
    measured_shop(shop)
    assert "believe none" not in browser.page("/console/experiments").text


def test_an_experiment_is_told_day_by_day(shop: Storefront) -> None:
    """A sentence, guardrails, an interval for each day, and who came to each arm."""
    measured_shop(shop)
    browser = Browser(shop).sign_in()

    page = browser.page("/console/experiments/experiment:x")

    assert shop.calls() == ["read"] * 9  # 400 days of two items each, a hundred with each call
    assert "ordered at all : worse: between" in page.text
    assert "wanted no more marketing: broken, worse: between" in page.text
    assert "revenue: broken" in page.text
    filled, conversion, revenue = charts_of(page)
    assert {row["y"] for row in filled["data"]["values"]} == {43 * 200}
    days = conversion["data"]["values"]
    assert 20 < len(days) <= 29
    widths = [each["high"] - each["low"] for each in days]
    assert widths == sorted(widths, reverse=True)
    assert days[-1]["y"] == pytest.approx(-0.1, abs=1e-6)
    assert days[-1]["high"] < 0.0
    assert revenue["data"]["values"][-1]["y"] == pytest.approx(-2.0, abs=1e-6)


def test_an_action_and_the_programme_are_told_day_by_day(shop: Storefront) -> None:
    """Whatever has no interval yet has no chart, and says so."""
    measured_shop(shop)
    browser = Browser(shop).sign_in()

    action = browser.page("/console/experiments/action:winback-10")
    assert "better: between" in action.text
    assert "no harm to be seen; the interval reaches to" in action.text
    assert len(charts_of(action)) == 2
    assert charts_of(browser.page("/console/experiments/programme"))
    young = browser.page("/console/experiments/action:welcome")
    assert "too early: it takes 100 customers in each group" in young.text
    assert "There is no interval yet." in young.text
    quiet = browser.page("/console/experiments/action:cart-reminder")
    assert "Nothing has been measured of it yet" in quiet.text


def test_what_nobody_measures_has_no_page(shop: Storefront) -> None:
    """An experiment of another policy, an action that never was."""
    browser = Browser(shop).sign_in()
    for what in ("experiment:gone", "action:gone", "gone"):
        assert browser.get(f"/console/experiments/{what}").status_code == 404


def test_days_of_another_window_are_left_out_and_counted(shop: Storefront) -> None:
    """An order counts within one and the same window for everybody in a comparison."""
    measured_shop(shop, window_days=WINDOW + 7)

    page = Browser(shop).sign_in().page("/console/experiments")

    assert "29 days that were measured under another window" in page.text
    assert "No day has been measured yet" in page.text


def test_every_link_leads_somewhere(shop: Storefront) -> None:
    """From the overview of all to each comparison, and back."""
    measured_shop(shop)
    browser = Browser(shop).sign_in()
    found = {
        each
        for each in browser.page("/console/experiments").all("a", "href")
        if each.startswith(f"{HOME}/experiments/")
    }
    assert len(found) == 4
    for each in found:
        assert browser.get(each).status_code == 200, each


@pytest.mark.parametrize(("buyers", "word"), [(400, "not significant"), (800, "better")])
def test_a_sentence_says_what_can_be_told(buyers: int, word: str) -> None:
    """What is not significant names what could not have been seen."""
    of = lift("conversion", group(4_000, buyers=buyers), group(4_000, buyers=400))

    sentence = told("conversion", of, currency="USD").sentence

    assert sentence.startswith(f"{word}: between")
    assert ("cannot be told from nothing" in sentence) is (word == "not significant")


def test_the_examples_in_the_docstrings_are_true() -> None:
    """Each shows what its function gives."""
    import doctest  # noqa: PLC0415

    assert doctest.testmod(lift_words).failed == 0
