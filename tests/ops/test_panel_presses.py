"""What each button does through the public ways in, and what it tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chalicelib.api.schemas import DecisionRequest
from chalicelib.core.messages import parse_message
from chalicelib.core.rules import Rules
from ops.panel.checkout import start_checkout
from ops.panel.drop_file import CUSTOMERS, RECORDS, drop_file, orders_file
from ops.panel.lapse import MARGINS_SECONDS, let_lapse
from ops.panel.lapsing import Lapse, find_lapse
from ops.panel.mail_fails import break_ses, doubt, let_recover
from ops.panel.words import PressFailed
from ops.seed import make_contact
from ops.stage_rules import packaged_rules
from tests.panels import PAGES, Clock, FakeWays, Told, by_silence, counted, turn
from tests.unit.core.situations import NOW


@pytest.fixture(scope="module")
def rules() -> Rules:
    """The policy and the model that ship."""
    return packaged_rules()


@pytest.fixture(scope="module")
def lapse(rules: Rules) -> Lapse:
    """The lapse that the demo plays."""
    return find_lapse(rules)


@pytest.fixture
def ways() -> FakeWays:
    """Fakes of the public ways in."""
    return FakeWays(Clock())


# --- drop a file --------------------------------------------------------------------------------


def test_a_file_is_dropped_and_followed_to_its_end(ways: FakeWays) -> None:
    """The last entry has the counts, which add up, and every entry links to the file's page."""
    told = Told()
    drop_file(ways, turn(ways.clock), told)

    assert told.steps == ["begun", "done"]
    assert told.facts["state"] == "COMPLETE"
    assert told.facts["records"] == RECORDS == told.facts["folded"] + 2
    for _, _, links, _ in told.entries:
        assert [link.address for link in links] == [PAGES.drop("d" * 32).address]


def test_its_file_shows_a_duplicate_and_a_reject() -> None:
    """One line stands there twice and one cannot be read; equal arguments give equal bytes."""
    body = orders_file("t1", now=NOW)

    assert counted(body) == {
        "records": RECORDS,
        "folded": RECORDS - 2,
        "duplicate": 1,
        "rejected": 1,
        "scored": CUSTOMERS,
    }
    assert body == orders_file("t1", now=NOW)


def test_two_files_share_no_customer() -> None:
    """A second press shows new rows, not duplicates of the first."""
    first, second = (set(orders_file(tag, now=NOW).splitlines()[1:]) for tag in ("t1", "t2"))

    assert not first & second


# --- start a checkout ---------------------------------------------------------------------------


def test_a_checkout_asks_for_a_known_customer(ways: FakeWays, rules: Rules) -> None:
    """The request is one the interface takes; price, offer and code are told with links."""
    shopper, told = make_contact("00112"), Told()
    start_checkout(ways, turn(ways.clock), told, shopper=shopper, policy=rules.policy)

    [request] = ways.asked
    DecisionRequest.model_validate(request)
    assert request["customer_id"] == "00112"
    _, text, links, _ = told.entries[0]
    for words in (
        "at_risk",
        "tier winback",
        "51.18 USD in place of 51.97 USD",
        "winback-10 with ABC",
    ):
        assert words in text
    assert [link.address for link in links] == [
        PAGES.decision("d_1").address,
        PAGES.customer("00112").address,
    ]
    assert [each["event"] for each in ways.sent] == ["Checkout Started"]


def test_without_customers_a_history_comes_first(ways: FakeWays, rules: Rules) -> None:
    """Over an empty stack the shop sends somebody's orders before their checkout asks."""
    start_checkout(ways, turn(ways.clock), Told(), shopper=None, policy=rules.policy)

    said = [each.get("event", each["type"]) for each in ways.sent]
    assert said == ["identify", *["Order Completed"] * 3, "Checkout Started"]
    assert ways.asked[0]["customer_id"] == ways.sent[0]["userId"]


# --- let a customer lapse -----------------------------------------------------------------------


def test_a_customer_lapses_by_silence(ways: FakeWays, rules: Rules, lapse: Lapse) -> None:
    """They are one thing when stored and another after the review, which waits until it is due."""
    ways.lapses_at = by_silence(lapse)
    told = Told()
    let_lapse(ways, turn(ways.clock), told, lapse=lapse, policy=rules.policy)

    assert told.steps == ["begun", "going", "done"]
    assert (told.facts["before"], told.facts["after"]) == (lapse.before, lapse.after)
    assert told.facts["mails"] == 2
    [ran_at] = ways.runs
    assert ran_at > ways.lapses_at(_orders(ways))
    assert [link.address for link in told.entries[-1][2]][:2] == ["/demo/inbox/1", "/demo/inbox/2"]


def test_slow_events_get_more_time(ways: FakeWays, rules: Rules, lapse: Lapse) -> None:
    """Who had lapsed before they were stored shows nothing, so another customer gets longer."""
    ways.lapses_at = by_silence(lapse)
    ways.slow_seconds = MARGINS_SECONDS[0] + 1
    told = Told()
    let_lapse(ways, turn(ways.clock), told, lapse=lapse, policy=rules.policy)

    assert told.steps == ["begun", "going", "done"]
    assert "had lapsed before they were stored" in told.entries[0][1]
    assert len(ways.customers) == 2


def test_events_that_are_never_stored_in_time_are_told(
    ways: FakeWays, rules: Rules, lapse: Lapse
) -> None:
    """After the last margin the button says what took too long; nothing is made up."""
    ways.lapses_at = by_silence(lapse)
    ways.slow_seconds = MARGINS_SECONDS[-1] + 1

    with pytest.raises(PressFailed, match="75 s to be stored"):
        let_lapse(ways, turn(ways.clock), Told(), lapse=lapse, policy=rules.policy)
    assert ways.runs == []


def test_everything_a_button_says_is_taken(ways: FakeWays, rules: Rules, lapse: Lapse) -> None:
    """Every event of every button parses, none lies in the future, no id comes twice."""
    ways.lapses_at = by_silence(lapse)
    policy = rules.policy
    let_lapse(ways, turn(ways.clock, "a"), Told(), lapse=lapse, policy=policy)
    start_checkout(ways, turn(ways.clock, "b"), Told(), shopper=None, policy=policy)
    break_ses(ways)
    doubt(ways, turn(ways.clock, "c"), Told(), policy=policy)

    now = ways.clock.now
    for message in ways.sent:
        parsed = parse_message(dict(message), now=int(now), default_currency="USD")
        assert parsed.envelope.at <= now
    assert len({each["messageId"] for each in ways.sent}) == len(ways.sent)


# --- make SES fail ------------------------------------------------------------------------------


def test_a_mail_in_doubt_is_settled_and_never_sent_again(ways: FakeWays, rules: Rules) -> None:
    """SES is asked once, before and after it recovers, and the inbox has one mail."""
    failing, recovering = Told(), Told()
    break_ses(ways)
    doubted = doubt(ways, turn(ways.clock), failing, policy=rules.policy)
    let_recover(ways, turn(ways.clock), recovering, doubted=doubted)

    assert failing.facts == {"state": "IN_DOUBT", "posts": 1}
    assert recovering.facts == {"state": "DELIVERED", "posts": 1, "mails": 1}
    assert failing.entries[-1][2][0] == PAGES.messages("IN_DOUBT")


def test_ses_recovers_without_a_doubt(ways: FakeWays) -> None:
    """Where no mail was planned meanwhile, SES works again all the same."""
    told = Told()
    break_ses(ways)
    let_recover(ways, turn(ways.clock), told, doubted=None)

    assert told.steps == ["done"]
    assert not ways.is_down


def _orders(ways: FakeWays) -> Sequence[Mapping[str, Any]]:
    return [each for each in ways.sent if each.get("event") == "Order Completed"]
