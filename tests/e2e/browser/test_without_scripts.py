"""The console does what it does without a single script: in a browser that runs none."""

from __future__ import annotations

import pytest

from chalicelib.flows.read import MOST_DECISIONS
from tests.e2e.browser.conftest import Desk, Open

pytestmark = pytest.mark.e2e


def test_an_operator_needs_no_scripts(window: Open, desk: Desk) -> None:
    """Sign in, find a customer, read why, turn a switch off and on, each with its question."""
    visit = window(scripts=False)
    visit.sign_in(desk.key.text)
    assert visit.page.title() == "Overview – Segue"

    visit.page.get_by_role("link", name="Customers").click()
    visit.page.get_by_label("Customer id or e-mail address").fill(desk.customer_id)
    visit.press("Look up")
    assert visit.path == f"/customers/{desk.customer_id}"
    visit.page.get_by_role("link", name="Why this decision").first.click()
    assert "Why this price" in visit.text

    for before, after in (("on", "off"), ("off", "on")):
        visit.page.get_by_role("link", name="Overview").click()
        row = visit.page.get_by_role("row").filter(has_text="Offers").first
        assert row.locator(".state").inner_text() == before
        row.get_by_role("link").click()
        assert f"If you turn it {after}:" in visit.text
        assert desk.switches()["offers"] is (before == "on")
        visit.press(f"Turn offers {after}")
        assert desk.switches()["offers"] is (after == "on")
    assert visit.notes.complaints == []
    assert visit.notes.elsewhere == []


def test_more_rows_come_as_another_page(window: Open, desk: Desk) -> None:
    """Where a script would add rows, the link leads to a page with them."""
    known = {"type": "identify", "userId": "browser-regular", "messageId": "regular"}
    desk.venue.shop.send([{**known, "traits": {"country": "US"}}])
    lines = [{"sku": "CD-1001", "quantity": 1, "unit_price": 1599}]
    for number in range(MOST_DECISIONS + 2):
        context = {"country": "US", "region": "NY", "currency": "USD", "session_id": f"{number}"}
        asked = {"customer_id": "browser-regular", "context": context, "cart": {"lines": lines}}
        desk.venue.shop.decide(asked)
    visit = window(scripts=False).sign_in(desk.key.text)
    visit.go("/customers/browser-regular")
    rows = visit.page.locator("#decisions tbody tr")
    assert rows.count() == MOST_DECISIONS

    with visit.page.expect_navigation():
        visit.page.get_by_role("link", name="Show earlier decisions").click()

    assert "Earlier decisions" in visit.text
    assert rows.count() == 2
