"""Who is kept out of the deployed console, what they are told, and that nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.console.session import COOKIE
from tests.e2e.browser.conftest import PACKAGED, Desk, Open
from tests.e2e.deployed import eventually

if TYPE_CHECKING:
    from ops.visit import Visit

pytestmark = pytest.mark.e2e
OVER = "Your session is over, or its key was revoked. Nothing was changed since."
STRANGER = "segue_000000000000_" + "A" * 43


def cookie(visit: Visit) -> dict[str, Any]:
    """The console's cookie in a window."""
    [found] = [each for each in visit.page.context.cookies() if each["name"] == COOKIE]
    return {**found}


def with_cookie(visit: Visit, **changes: Any) -> None:
    """Put another cookie in the place of the window's own."""
    changed: Any = {**cookie(visit), **changes}
    visit.page.context.clear_cookies()
    visit.page.context.add_cookies([changed])


def is_at_the_entrance(visit: Visit) -> bool:
    """Whether the window shows the sign-in page."""
    return visit.path.partition("?")[0] == "/sign-in" and visit.page.title() == "Sign in – Segue"


def test_without_a_key_every_page_leads_to_the_entrance(window: Open, desk: Desk) -> None:
    """Nothing of the page that was asked for is shown, and the form asks for the key."""
    visit = window()
    for path in ("", f"/customers/{desk.customer_id}", "/messages", "/switches/sending"):
        assert visit.go(path).status == 200
        assert is_at_the_entrance(visit)
        assert desk.customer_id not in visit.text
    assert visit.page.locator("#key").evaluate("field => field === document.activeElement")


def test_an_empty_form_is_not_sent(window: Open) -> None:
    """The browser says that the field is missing."""
    visit = window()
    visit.go("/sign-in")
    visit.page.get_by_role("button", name="Sign in").click()

    assert visit.page.locator("#key").evaluate("field => field.validity.valueMissing")
    assert is_at_the_entrance(visit)


@pytest.mark.parametrize(
    ("key_of", "says"),
    [
        (lambda _: "hello", "This key is not known here, or it was revoked."),
        (lambda _: STRANGER, "This key is not known here, or it was revoked."),
        (
            lambda desk: desk.issue("read", "privacy", "decide").text,
            "This key does not have the scope operate.",
        ),
    ],
    ids=["no key", "unknown key", "without the scope"],
)
def test_a_key_that_opens_nothing_is_told_why(
    window: Open, desk: Desk, key_of: Callable[[Desk], str], says: str
) -> None:
    """The page says what is wrong, does not repeat the key, and the overview stays closed."""
    visit, key = window(), key_of(desk)

    visit.sign_in(key)

    assert visit.page.get_by_role("alert").inner_text() == says
    assert key not in visit.page.content()
    visit.go()
    assert is_at_the_entrance(visit)


def test_a_page_that_the_key_does_not_open_names_the_scope(window: Open, desk: Desk) -> None:
    """A clear page with 403; the customer is not on it, and erasing them fails as well."""
    visit = window().sign_in(desk.issue("operate").text)
    for path, scope in (
        (f"/customers/{desk.customer_id}", "read"),
        (f"/customers/{desk.customer_id}/erase", "privacy"),
        ("/messages", "read"),
    ):
        assert visit.go(path).status == 403
        assert f"needs the scope {scope}" in visit.text
        assert f"python -m ops key create --scope operate --scope {scope}" in visit.text
    assert desk.call("GET", f"/v1/customers/{desk.customer_id}").status == 200


def test_a_revoked_key_ends_its_session_with_the_next_click(window: Open, desk: Desk) -> None:
    """In the middle of turning a switch: the form changes nothing, the entrance says why."""
    before = desk.switches()
    key = desk.issue()
    visit = window().sign_in(key.text)
    visit.go("/switches/sending")
    desk.revoke(key)

    visit.press("Turn sending mail off")

    assert visit.path == "/sign-in?expired=1"
    assert OVER in visit.text
    assert desk.switches() == before


def test_what_a_script_asks_for_after_the_end_leads_to_the_entrance_too(
    window: Open, desk: Desk
) -> None:
    """Htmx asks for more rows: the whole window goes to the entrance, not the table."""
    key = desk.issue()
    visit = window().sign_in(key.text)
    visit.go("/policies")
    desk.revoke(key)

    with visit.page.expect_navigation(url="**/sign-in?expired=1"):
        visit.page.evaluate("path => void htmx.ajax('GET', path, 'main')", f"{visit.home}/messages")

    assert is_at_the_entrance(visit)


def test_a_cookie_that_ran_out_is_as_good_as_none(operator: Visit, desk: Desk) -> None:
    """The browser lets go of it by itself."""
    operator.go()
    assert cookie(operator)["expires"] > 0
    with_cookie(operator, expires=1)

    operator.go("/policies")

    assert is_at_the_entrance(operator)


def test_a_forged_cookie_is_nobodys(operator: Visit) -> None:
    """Its payload changed, its signature cut, or another kind of token in its place."""
    operator.go("/switches/offers")
    mine = cookie(operator)["value"]
    version, payload, signature = mine.split(".")
    form = operator.page.locator("main [name=form]").get_attribute("value")
    for forged in (
        f"{version}.{payload[:-2]}AA.{signature}",
        f"{version}.{payload}.{signature[:-4]}AAAA",
        f"{version}.{payload}.",
        form,
    ):
        with_cookie(operator, value=forged)
        operator.go("/policies")
        assert is_at_the_entrance(operator), forged


def test_a_form_of_another_session_changes_nothing(
    operator: Visit, window: Open, desk: Desk
) -> None:
    """Two windows of the same key: the token of one is refused in the other, with 403."""
    before = desk.switches()
    other = window().sign_in(desk.key.text)
    operator.go("/switches/pricing")
    other.go("/switches/pricing")
    stolen = operator.page.locator("main [name=form]").get_attribute("value")
    for token in (stolen, "a.b.c", ""):
        other.go("/switches/pricing")
        other.page.locator("main [name=form]").evaluate("(field, to) => (field.value = to)", token)

        other.press("Turn personal prices off")

        assert "not from this session" in other.text
        assert "Nothing was changed." in other.text
    assert desk.switches() == before


def test_a_forged_cursor_is_told_so(operator: Visit, desk: Desk) -> None:
    """A page with 422 that says which part of the address is wrong."""
    for path in ("/messages?state=DELIVERED", f"/customers/{desk.customer_id}?"):
        answer = operator.go(f"{path}&cursor=v1.e30.AAAA")

        assert answer.status == 422
        assert "cursor" in operator.text
        assert operator.page.get_by_role("link", name="To the overview").is_visible()


def test_a_policy_that_changed_meanwhile_is_not_activated(operator: Visit, desk: Desk) -> None:
    """409, the difference that came in between, and the other operator's policy still decides."""
    mine = desk.store_policy(name="two-hours", quote_valid_seconds=7200)
    theirs = desk.store_policy(name="one-hour", quote_valid_seconds=3600)
    try:
        operator.go(f"/policies/{mine}")
        activated = desk.call("POST", f"/v1/policies/{theirs}/activate", by=desk.key)
        assert activated.status == 200, activated.body
        operator.page.get_by_label("I have read what it changes").check()

        with operator.page.expect_response("**/activate") as answered:
            operator.press("Approve and activate")

        assert answered.value.status == 409
        assert "Nothing was activated." in operator.text
        assert "one-hour" in operator.text
        changed = operator.page.get_by_role("row").filter(has_text="quote_valid_seconds").first
        assert (changed.locator("del").inner_text(), changed.locator("ins").inner_text()) == (
            "900",
            "3600",
        )
        assert desk.call("GET", "/v1/policies").body["active"] == theirs
    finally:
        back = desk.call("POST", f"/v1/policies/{PACKAGED.hash}/activate", by=desk.key)
        assert back.status == 200, back.body


def test_a_customer_who_was_erased_meanwhile_is_not_erased_twice(
    operator: Visit, desk: Desk
) -> None:
    """Another operator erased them while the form was open: a page says so, and there is nobody."""
    who = "browser-leaver"
    told = {"type": "identify", "userId": who, "messageId": "browser-leaver-1"}
    desk.venue.shop.send([{**told, "traits": {"firstName": "Leaver"}}])
    eventually(
        lambda: desk.call("GET", f"/v1/customers/{who}").status == 200 or None,
        within_seconds=30,
        what="the customer",
    )
    operator.go(f"/customers/{who}")
    assert "Leaver" in operator.text
    operator.go(f"/customers/{who}/erase")
    assert desk.call("DELETE", f"/v1/customers/{who}").status in (200, 202)
    operator.page.get_by_label("Type the customer's id").fill(who)

    with operator.page.expect_response("**/erase") as answered:
        operator.press("Erase for good")

    assert "Leaver" not in operator.page.content()
    assert answered.value.status in (200, 404, 410)
    assert "erased" in operator.text
    assert operator.go(f"/customers/{who}").status == 404
    assert desk.call("GET", f"/v1/customers/{who}").status == 404


def test_signing_out_closes_the_window(operator: Visit) -> None:
    """The cookie is gone, and going back shows nothing of the page."""
    operator.go("/model")
    with operator.page.expect_navigation():
        operator.page.get_by_role("button", name="Sign out").click()

    assert is_at_the_entrance(operator)
    operator.page.go_back()
    assert is_at_the_entrance(operator)
