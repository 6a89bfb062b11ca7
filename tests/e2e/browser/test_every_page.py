"""Every page of the deployed console in a real browser, each found by following the links."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.visit import WIDE, Visit, visit
from tests.e2e.browser import looking
from tests.e2e.browser.conftest import Desk
from tests.e2e.browser.looking import (
    ROUTES,
    Saved,
    Seen,
    Typed,
    View,
    is_page,
    look,
    noted,
    type_through,
    walk,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.browser.conftest import Open

pytestmark = pytest.mark.e2e
# No link leads to what scripts and pages fetch for themselves.
FETCHED = frozenset({"/static/{name}", "/activity"})
# To what no link leads yet where the demo's data are all there is: no experiment is in force.
UNLINKED = ("/experiments/programme",)


@dataclass(frozen=True, slots=True)
class Walk:
    """Everything that was found by following the links."""

    seen: Sequence[Seen]
    typed: Sequence[Typed]
    saved: Sequence[Saved]


@pytest.fixture(scope="module")
def walked(browser: Browser, desk: Desk, album: Path) -> Walk:
    """Each kind of page, looked at in three ways and gone through by keyboard."""
    beginnings = (
        "",
        f"/customers/{desk.customer_id}",
        f"/decisions/{desk.decision_id}",
        f"/drops/{desk.drop_id}",
        f"/policies/{desk.policy_hash}",
        "/messages?state=DELIVERED",
        *(path for path in UNLINKED if is_page(path)),
    )
    seen: list[Seen] = []
    typed: list[Typed] = []
    saved: list[Saved] = []
    with visit(browser, desk.url) as stranger, visit(browser, desk.url) as operator:
        operator.sign_in(desk.key.text)
        entrance = look(stranger, "/sign-in", album=album)
        begun = simulate(operator, f"/policies/{desk.policy_hash}")
        for found in (entrance, *walk(operator, (*beginnings, *begun), album=album)):
            if isinstance(found, Saved):
                saved.append(found)
            else:
                seen += found[0]
                typed.append(found[1])
    return Walk(seen, typed, saved)


def simulate(operator: Visit, policy: str) -> Sequence[str]:
    """Let the console simulate a policy where its page offers that; where one follows it."""
    operator.go(policy)
    form = operator.page.locator('main form[action$="/simulation"]')
    if form.count() == 0:
        return ()
    with operator.page.expect_navigation():
        form.get_by_role("button").click()
    return (operator.path,)


@pytest.fixture(scope="module")
def looked(walked: Walk) -> Sequence[Seen]:
    """What was looked at."""
    return walked.seen


def test_every_page_is_found(walked: Walk) -> None:
    """From the overview on, links lead to a page of every route that there is."""
    kinds = {each.kind for each in walked.seen} | {each.kind for each in walked.saved}

    assert set(ROUTES) - FETCHED - {kind.partition("?")[0] for kind in kinds} == set()


def test_what_a_link_saves_is_a_file(walked: Walk) -> None:
    """The export of a customer, the rejects of a file, the list of mails."""
    assert len(walked.saved) >= 3
    assert [each for each in walked.saved if each.status != 200 or not each.is_attached] == []


def test_every_page_comes_and_the_browser_has_nothing_against_it(looked: Sequence[Seen]) -> None:
    """Status 200; no error or warning in the console, no violation of the policy for content."""
    assert {str(each): each.status for each in looked if each.status != 200} == {}
    assert {str(each): each.complaints for each in looked if each.complaints} == {}


def test_no_page_asks_for_anything_elsewhere(looked: Sequence[Seen]) -> None:
    """Whatever a page loads comes from the console itself."""
    assert {str(each): each.elsewhere for each in looked if each.elsewhere} == {}


def test_every_page_has_its_landmarks(looked: Sequence[Seen]) -> None:
    """A language, a title, one heading, one main part; no id twice; names for fields and links."""
    faults = {
        str(each): wrong
        for each in looked
        if (
            wrong := {
                name: each.facts[name]
                for name in ("unlabelled", "nameless", "twice")
                if each.facts[name]
            }
            | ({} if each.facts["lang"] == "en" else {"lang": each.facts["lang"]})
            | ({} if each.facts["title"].endswith(" – Segue") else {"title": each.facts["title"]})
            | ({} if each.facts["mains"] == 1 else {"main": each.facts["mains"]})
            | (
                {}
                if len(each.facts["headings"]) == 1 and each.facts["headings"][0]
                else {"h1": each.facts["headings"]}
            )
        )
    }
    assert faults == {}


def test_every_page_can_be_read_in_light_and_in_dark(looked: Sequence[Seen]) -> None:
    """Each text stands out from what is behind it, 4.5 to 1, or 3 to 1 where it is large."""
    assert {str(each): each.facts["faint"] for each in looked if each.facts["faint"]} == {}


def test_no_page_is_wider_than_a_telephone(looked: Sequence[Seen]) -> None:
    """At 400 pixels, and at 1,280, nothing of the page lies outside; wide tables scroll inside."""
    assert {str(each): each.facts["outside"] for each in looked if each.facts["wider_by"] > 0} == {}


def test_every_page_can_be_used_by_keyboard(walked: Walk) -> None:
    """The tab key reaches all that can be clicked on, and one sees where it is."""
    assert {each.kind: each.missed for each in walked.typed if each.missed} == {}
    assert {each.kind: each.unmarked for each in walked.typed if each.unmarked} == {}


def test_the_first_stop_leads_past_the_head(operator: Visit) -> None:
    """The link to the page is seen once it has the focus, and goes behind the links of the head."""
    operator.go("/policies")
    page = operator.page
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("each => each === document.activeElement")
    assert (skip.bounding_box() or {"height": 0})["height"] > 10

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.closest('main') !== null")


FAULTY = """<!doctype html><html lang="en"><title>Faulty – Segue</title>
<body style="background: #fff; color: #999"><h1>One</h1><h1>Two</h1><main>
<p id="a">faint</p><p id="a" style="width: 3000px; color: #000">broad</p>
<input name="q"><a href="/x"></a><a href="/y" tabindex="-1" style="outline: none">y</a>
<button style="outline: none">no mark</button>
<img src="http://192.0.2.1/a.png" alt="a"><script>console.error("told"); gone();</script></main>"""


def test_what_is_looked_for_is_found(window: Open) -> None:
    """A page with each fault is told each of them, and nothing reaches another machine."""
    visit = window()
    visit.page.route(
        "**/faulty", lambda route: route.fulfill(body=FAULTY, content_type="text/html")
    )
    answer = visit.go("/faulty")

    seen = noted(visit, answer, "/faulty", View("light", WIDE))
    typed = type_through(visit, "/faulty")

    assert seen.elsewhere == ("http://192.0.2.1/a.png",)
    assert any("told" in each for each in seen.complaints)
    assert any("gone is not defined" in each for each in seen.complaints)
    assert any("ERR_PROXY_CONNECTION_FAILED" in each for each in seen.complaints)
    facts = seen.facts
    assert (facts["headings"], facts["mains"], facts["twice"]) == (["One", "Two"], 1, ["a"])
    assert facts["wider_by"] > 1000
    assert [name.split()[0] for name in facts["unlabelled"]] == ["<input>"]
    assert len(facts["nameless"]) == 1
    assert any(each.startswith("<p#a> faint") for each in facts["faint"])
    assert not any("broad" in each for each in facts["faint"])
    assert any("no mark" in each for each in typed.unmarked)


def test_the_policy_for_content_stops_what_is_inline(operator: Visit) -> None:
    """Were a script to get into a page, it would not run, and the browser would say so."""
    operator.go("/policies")
    operator.notes.clear()
    operator.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        }"""
    )

    assert operator.page.evaluate("window.ran") is None
    assert any("policy for content: script-src" in each for each in operator.notes.complaints)


def test_the_examples_in_the_docstrings_are_true() -> None:
    """Each shows what its function gives."""
    result = doctest.testmod(looking)

    assert (result.failed, result.attempted > 0) == (0, True)
