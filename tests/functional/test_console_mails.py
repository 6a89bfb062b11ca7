"""Messages and drops in the console: who was not sent and why, and what was rejected of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from chalicelib.aws.beginnings import S3Beginnings
from chalicelib.console.drop_page import MOST_SHOWN, SHOWN_BYTES, shown_rows
from chalicelib.console.message_page import OFFERED
from chalicelib.core.control import Drop, Failure
from chalicelib.core.effects import effect_id
from chalicelib.core.errors import NotFound
from chalicelib.core.kinds import DROP, EFFECT
from chalicelib.core.mail_list import ASKABLE
from chalicelib.core.ports import Beginning
from chalicelib.core.storage import WHATEVER, Put
from tests.browser import HOME, Browser
from tests.functional.test_list_mails import MAIL
from tests.persons import ANN, settle_in
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

DROP_ID = "0123456789abcdef0123456789abcdef"
REJECTS = f"results/{DROP_ID}/rejects.csv"
DONE = Drop(
    DROP_ID,
    "orders/march.csv",
    "COMPLETE",
    as_of=NOW,
    started_at=NOW - 60,
    changed_at=NOW,
    counts={"records": 12_345, "folded": 12_343, "rejected": 2},
    reason=None,
)
TABLE = "record,column,value,reason\n7,amount,'=1+1,must be a number\n9,currency,usd,is unknown\n"


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def browser(shop: Storefront) -> Browser:
    """A browser in which an operator has signed in."""
    return Browser(shop).sign_in()


def suppressed(shop: Storefront, count: int) -> list[str]:
    """So many mails that no consent let go out, a second apart; the actions, newest first."""
    mails = [
        replace(
            MAIL,
            effect_id=effect_id(f"mail {number}"),
            action=f"action-{number:03}",
            state="SUPPRESSED",
            reason="no_consent",
            changed_at=NOW + number,
        )
        for number in range(count)
    ]
    for mail in mails:
        shop.store.write([Put(EFFECT.key(mail.effect_id), mail, WHATEVER)], now=NOW)
    shop.store.calls.clear()
    return [mail.action for mail in reversed(mails)]


def arrived(shop: Storefront, drop: Drop = DONE, *, table: str | None = TABLE) -> None:
    """Store how a drop stands, and what it left behind."""
    shop.store.write([Put(DROP.key(drop.drop_id), drop, WHATEVER)], now=NOW)
    if table is not None:
        shop.objects.arrive("results", key=REJECTS, body=table.encode())
    shop.store.calls.clear()


# --- messages -----------------------------------------------------------------------------------


def test_what_is_offered_can_be_asked_for() -> None:
    """Each choice of the page is a state that the list knows."""
    assert OFFERED.keys() <= ASKABLE.keys()


def test_without_any_mail_the_page_says_what_that_means(browser: Browser) -> None:
    """Nobody is left out, or nothing was planned."""
    assert "Every mail that was planned has gone out" in browser.page("/console/messages").text
    assert "No mail stands there." in browser.page("/console/messages?state=BOUNCED").text


def test_who_was_not_sent_stands_there_with_the_reason_page_by_page(browser: Browser) -> None:
    """Newest first, none twice, none left out, and each page costs the same."""
    expected = suppressed(browser.shop, 120)
    page = browser.page("/console/messages")
    costs = [len(browser.shop.calls())]
    found = [text for tag, text in page.texts if tag == "td" and text.startswith("action-")]
    while following := [
        each for each in page.all("a", "href") if "cursor=" in each and "csv" not in each
    ]:
        page = browser.page(following[-1])
        costs.append(len(browser.shop.calls()))
        found += [text for tag, text in page.texts if tag == "td" and text.startswith("action-")]

    assert found == expected
    assert "the customer did not agree to marketing mail" in page.text
    assert len(costs) == 3
    assert max(costs) <= 25  # four shards of six states, and one read


def test_a_mail_leads_to_its_customer_and_its_decision_until_they_are_erased(
    browser: Browser,
) -> None:
    """Afterwards it stands there under nobody's name."""
    settle_in(browser.shop)
    page = browser.page("/console/messages?state=PLANNED")
    links = page.all("a", "href")
    assert f"{HOME}/customers/{ANN}" in links
    assert any(f"{HOME}/decisions/" in link for link in links)

    browser.shop.call("DELETE", f"/v1/customers/{ANN}")
    after = browser.page("/console/messages")

    assert "erased" in after.text
    assert not [link for link in after.all("a", "href") if f"{HOME}/customers/" in link]


def test_the_list_is_a_file_to_save(browser: Browser) -> None:
    """From the page on which one stands; a thousand rows at most."""
    expected = suppressed(browser.shop, 60)
    page = browser.page("/console/messages?state=SUPPRESSED")
    [link] = [each for each in page.all("a", "href") if "format=csv" in each]
    [more] = [each for each in page.all("a", "href") if "cursor=" in each]
    [rest] = [each for each in browser.page(more).all("a", "href") if "format=csv" in each]

    for address, actions in ((link, expected), (rest, expected[50:])):
        response = browser.get(address)
        rows = list(csv.DictReader(io.StringIO(response.body.decode())))
        assert response.headers["Content-Disposition"] == 'attachment; filename="SUPPRESSED.csv"'
        assert [row["action"] for row in rows] == actions
        assert {row["reason"] for row in rows} == {"no_consent"}


def test_a_cursor_is_good_for_its_own_state_and_none_that_is_forged(browser: Browser) -> None:
    """A clear page, and a way back."""
    suppressed(browser.shop, 60)
    page = browser.page("/console/messages?state=SUPPRESSED")
    [more] = [each for each in page.all("a", "href") if "cursor=" in each]
    [cursor] = parse_qs(urlsplit(more).query)["cursor"]

    for state, given in (("BOUNCED", cursor), ("SUPPRESSED", cursor[:-3]), ("SUPPRESSED", "é")):
        page = browser.page(f"/console/messages?state={state}&cursor={given}", status=422)
        assert f"{HOME}" in page.all("a", "href")
    assert "must be one of" in browser.page("/console/messages?state=all", status=422).text


# --- drops --------------------------------------------------------------------------------------


def test_a_drop_is_looked_up_by_its_id(browser: Browser) -> None:
    """The form leads to its page; an id that names none says when one appears."""
    assert browser.page("/console/drops").form_to("/drops").fields == {"drop_id": ""}
    location = browser.get(f"/console/drops?drop_id={DROP_ID}").headers["Location"]

    assert location == f"{HOME}/drops/{DROP_ID}"
    assert "it appears when work on the file begins" in browser.page(location, status=404).text


def test_the_page_says_how_the_records_add_up_and_what_was_rejected(browser: Browser) -> None:
    """With column, value and reason, in one read and one look at the results."""
    arrived(browser.shop)

    page = browser.page(f"/console/drops/{DROP_ID}")

    for told in ("orders/march.csv", "12,345", "The first 2 of 2", "'=1+1", "is unknown"):
        assert told in page.text, told
    assert browser.shop.calls() == ["read"]
    assert not [values for _, values in page.tags if "hx-trigger" in values]


def test_a_drop_that_runs_refreshes_itself(browser: Browser) -> None:
    """Every two seconds, with a bar, and its rejects wait for the end."""
    arrived(browser.shop, replace(DONE, state="RUNNING"), table=None)

    page = browser.page(f"/console/drops/{DROP_ID}")

    [bar] = [values for tag, values in page.tags if tag == "progress"]
    assert (bar["max"], bar["value"]) == ("100", "100")
    assert ("div", "every 2s") in [(tag, values.get("hx-trigger")) for tag, values in page.tags]
    assert "their file is written when the drop is complete" in page.text


def test_a_file_that_was_refused_as_a_whole_says_why(browser: Browser) -> None:
    """And nothing is counted."""
    refused = replace(DONE, state="REJECTED", counts={}, reason="no column customer_id")
    arrived(browser.shop, refused, table=None)

    assert "no column customer_id" in browser.page(f"/console/drops/{DROP_ID}").text


def test_a_drop_that_lacks_parts_is_not_called_refused(browser: Browser) -> None:
    """What is there counts; the page says what is missing and that rejects are still to come."""
    lacking = replace(
        DONE,
        state="PARTIAL",
        reason="range 2; to go on",
        failed_parts=("range 2", "contest 1"),
        failures=(Failure("range 2", "Broken: the disk is full"),),
    )
    arrived(browser.shop, lacking, table=None)

    text = browser.page(f"/console/drops/{DROP_ID}").text

    assert "Parts of the file are missing: range 2; to go on" in text
    assert "range 2 Broken: the disk is full" in " ".join(text.split())
    assert "Missing: range 2, contest 1." in text
    assert f"redrive-drop {DROP_ID}" in text
    assert "The whole file was refused" not in text
    assert "their file is written when the drop is complete" in text


def test_results_that_are_gone_are_said_to_be(browser: Browser) -> None:
    """The bucket keeps them for 29 days; counts stay."""
    arrived(browser.shop, table=None)

    assert "Results are kept for 29 days" in browser.page(f"/console/drops/{DROP_ID}").text
    browser.page(f"/console/drops/{DROP_ID}/rejects", status=404)


def test_the_rejects_are_a_file_to_save_unless_an_answer_cannot_hold_them(browser: Browser) -> None:
    """Too many are named with the place where they lie."""
    arrived(browser.shop)
    response = browser.get(f"/console/drops/{DROP_ID}/rejects")
    assert response.body.decode() == TABLE
    assert response.headers["Content-Disposition"] == 'attachment; filename="rejects.csv"'

    arrived(browser.shop, table=TABLE + "x" * 4_000_000)
    page = browser.page(f"/console/drops/{DROP_ID}/rejects", status=413)
    assert REJECTS in page.text


def test_rejects_are_taken_only_of_drops_that_there_are(browser: Browser) -> None:
    """No path of the results bucket can be asked for beside them."""
    browser.shop.objects.arrive("results", key="results/../secret/rejects.csv", body=b"x")

    browser.page("/console/drops/..%2Fsecret/rejects", status=404)


def test_a_hundred_whole_rows_are_shown_at_most() -> None:
    """What was cut off in the middle is left out."""
    rows = "".join(f"{number},amount,x,bad\n" for number in range(5_000))
    body = f"record,column,value,reason\n{rows}".encode()

    assert len(shown_rows(Beginning(body[:SHOWN_BYTES], len(body)))) == MOST_SHOWN
    assert shown_rows(Beginning(b"record,column,value,reason\n1,a,b,c\n2,d,e,", 99)) == [
        ("1", "a", "b", "c")
    ]


def test_the_beginning_of_an_object_is_read_with_one_request() -> None:
    """No more bytes than asked for, and how many there are; what is not there is NotFound."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="results")
        client.put_object(Bucket="results", Key="a.csv", Body=b"0123456789")
        results = S3Beginnings(lambda: client, bucket="results")

        assert results.read("a.csv", most_bytes=4) == Beginning(b"0123", 10)
        assert results.read("a.csv", most_bytes=100) == Beginning(b"0123456789", 10)
        assert not results.read("a.csv", most_bytes=4).is_whole
        with pytest.raises(NotFound):
            results.read("b.csv", most_bytes=4)
