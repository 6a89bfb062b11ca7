"""The four buttons of the demo in a browser: each ends in what it says, on pages that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.panel import Panel, serving
from ops.panel.ways import VenueWays
from ops.story.play import Venue
from ops.visit import Visit, visit
from tests.e2e.browser.looking import Seen, Typed, look
from tests.e2e.deployed import Filled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.e2e
# What a button sets off takes seconds; on a busy machine the functions' start takes longer.
MOST_MS = 90_000


@pytest.fixture(scope="module")
def panel(venue: Venue, filled: Filled) -> Iterator[Panel]:
    """The demo's panel over the filled deployment; SES works again afterwards, whatever happens."""
    with serving(venue, shoppers=filled.seed.contacts) as opened:
        try:
            yield opened
        finally:
            ways = VenueWays(venue)
            ways.ses("script", {"clear": True, "steps": []})
            ways.ses("events", {"do": "release"})


@pytest.fixture(scope="module")
def visitor(browser: Browser, panel: Panel) -> Iterator[Visit]:
    """Somebody who opened the console by the one click of the first page."""
    with visit(browser, panel.console.removesuffix("/console")) as opened:
        opened.page.goto(panel.url)
        opened.page.locator("#demo-enter").click()
        opened.page.wait_for_url(panel.console)
        yield opened


def press(visitor: Visit, button: str, *steps: str) -> Locator:
    """Press a button on a page of the console; the entry with the last of these steps."""
    page = visitor.page
    before = page.locator(f'#demo-news [data-news="{button}"]').count()
    page.locator(f'[data-demo="{button}"]').click()
    entry = page.locator("nothing")
    for number, step in enumerate(steps, start=1):
        page.wait_for_function(
            """([button, least]) =>
              document.querySelectorAll(`#demo-news [data-news="${button}"]`).length >= least""",
            arg=[button, before + number],
            timeout=MOST_MS,
        )
        entry = page.locator(f'#demo-news [data-news="{button}"]').nth(-(before + number))
        assert entry.get_attribute("data-step") == step, entry.inner_text()
    return entry


def follow_first_link(visitor: Visit, entry: Locator) -> None:
    """Follow the first link of an entry."""
    with visitor.page.expect_navigation():
        entry.get_by_role("link").first.click()


def test_one_click_opens_the_console(visitor: Visit) -> None:
    """Without a key in anybody's hands; each page has the bar with the four buttons."""
    visitor.go()
    assert visitor.page.title() == "Overview – Segue"
    for path in ("", "/messages", "/policies"):
        visitor.go(path)
        buttons = visitor.page.locator("[data-demo]")
        names = [buttons.nth(each).get_attribute("data-demo") for each in range(buttons.count())]
        assert names == ["drop", "checkout", "lapse", "mail-fails"]


def test_a_dropped_file_adds_up(visitor: Visit) -> None:
    """The page of the drop shows that it is complete, with the duplicate and the rejected line."""
    visitor.go()
    entry = press(visitor, "drop", "begun", "done")
    assert "122 records = 120 folded + 1 duplicate + 1 rejected" in entry.inner_text()

    follow_first_link(visitor, entry)

    assert "/drops/" in visitor.path
    assert visitor.page.locator("main .state-complete").first.is_visible()
    assert "twelve" in visitor.text


def test_a_checkout_is_decided(visitor: Visit) -> None:
    """The entry says who got which price; its first link shows why."""
    visitor.go("/messages")
    entry = press(visitor, "checkout", "going", "done")

    follow_first_link(visitor, entry)

    assert "/decisions/" in visitor.path
    assert "Why this price" in visitor.text


def test_a_customer_lapses_and_is_written_to(visitor: Visit) -> None:
    """Silence alone changes their segment, and the mail is in the inbox with its link to leave."""
    visitor.go()
    entry = press(visitor, "lapse", "begun", "going", "done")

    follow_first_link(visitor, entry)

    assert "/demo/inbox/" in visitor.page.url
    shown = visitor.page.frame_locator("#mail-html").locator("body").inner_text(timeout=MOST_MS)
    assert "Unsubscribe" in shown or "unsubscribe" in shown
    assert "/u/" in visitor.page.locator("#mail-text").inner_text()
    assert "List-Unsubscribe" in visitor.page.locator("#mail-headers").inner_text()


def test_a_mail_in_doubt_is_sent_once(visitor: Visit) -> None:
    """SES fails: the mail is in doubt and not sent again; SES recovers: it arrived, once."""
    visitor.go()
    entry = press(visitor, "mail-fails", "begun", "going")
    assert "SES was asked once" in entry.inner_text()
    follow_first_link(visitor, entry)
    assert "in doubt" in visitor.text

    entry = press(visitor, "mail-fails", "going", "done")

    assert "SES was asked once, and the inbox has it once" in entry.inner_text()


def test_the_demo_can_be_looked_at_in_every_way(panel: Panel, visitor: Visit, album: Path) -> None:
    """Its own pages and the bar: no fault in the browser, light, dark, narrow and by keyboard."""
    seen: list[Seen] = []
    typed: list[Typed] = []
    here = Visit(visitor.page, panel.url.rstrip("/"), visitor.notes, runs_scripts=True)
    console = panel.console.removeprefix(here.home)
    pages = {"console": console, "inbox": "/demo/inbox", "mail": "/demo/inbox/1", "entrance": "/"}
    for name, path in pages.items():
        looked, stops = look(here, path, album=album, named=name)
        seen += looked
        typed.append(stops)

    assert {str(each): each.status for each in seen if each.status != 200} == {}
    assert faults(seen) == {}
    assert {each.kind: (each.missed, each.unmarked) for each in typed if each.missed} == {}


def faults(seen: Sequence[Seen]) -> dict[str, object]:
    """Whatever is wrong with a page, by its name."""
    return {
        str(each): wrong
        for each in seen
        if (
            wrong := [
                *each.complaints,
                *each.elsewhere,
                *each.facts["faint"],
                *each.facts["unlabelled"],
                *each.facts["nameless"],
                *each.facts["twice"],
                *(each.facts["outside"] if each.facts["wider_by"] > 0 else ()),
            ]
        )
    }
