"""The API behind the gateway: who gets in, what is decided, and what silence brings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from chalicelib.core.control import SCOPES
from chalicelib.core.policy import policy_from_toml
from ops.cli import main
from ops.key import create_key, key_store, revoke_key
from ops.places import ROOT
from ops.story.letters import SentMail
from ops.story.play import Venue, read_segments
from ops.story.script import checkout, pick_shopper, scenes
from ops.story.shop import Shop
from tests.e2e.deployed import Filled, eventually

pytestmark = pytest.mark.e2e
POLICY = policy_from_toml((ROOT / "policies" / "default.toml").read_text())


@dataclass(frozen=True, slots=True)
class Begun:
    """What takes its time, begun before the first test so that the last ones need not wait long.

    Attributes:
        leaver: the address of a customer who left a checkout alone.
        mails: how many mails had gone there by then.
        revoked: a shop whose key has just been revoked.
    """

    leaver: str
    mails: int
    revoked: Shop


@pytest.fixture(scope="module", autouse=True)
def begun(venue: Venue, filled: Filled) -> Begun:
    """A checkout left alone, and a key revoked."""
    leaver = leave_a_checkout(venue, filled)
    mails = mails_to(leaver, venue.inbox.read())
    return Begun(leaver, mails, use_and_revoke_a_key(venue))


def test_no_key_and_a_wrong_key_are_kept_out(venue: Venue) -> None:
    """Without a key 401, with one that does not exist 403, both before any handler runs."""
    body = checkout("c-1", country="US", region="NY", session_id="s-1")

    for key, status in ((None, 401), ("segue_000000000000_" + "A" * 43, 403)):
        answer = Shop(venue.shop.public_url, key=key).call("POST", "/v1/decisions", body=body)
        assert answer.status == status


def test_a_key_opens_what_its_scope_says(venue: Venue) -> None:
    """A key for events decides nothing, and the refusal is a problem document."""
    client = venue.session.client("dynamodb")
    store = key_store(client, control_table=venue.outputs["ControlTable"])
    others = [scope for scope in SCOPES if scope != "decide"]
    shop = Shop(
        venue.shop.public_url, key=create_key(store, scopes=others, now=int(time.time())).text
    )

    body = checkout("c-1", country="US", region="NY", session_id="s-1")
    answer = shop.call("POST", "/v1/decisions", body=body)

    assert answer.status == 403
    assert answer.body["status"] == 403
    assert answer.body["type"] == "urn:segue:problem:forbidden"


def test_health_is_open(venue: Venue) -> None:
    """Health needs no key and tells what decides."""
    answer = Shop(venue.shop.public_url, key=None).call("GET", "/v1/health")

    assert answer.status == 200
    assert answer.body["model"]["fallback"] is False


def test_a_known_customer_gets_a_price_of_their_own(venue: Venue, filled: Filled) -> None:
    """Segment, tier, prices that only go down, a quote that verifies, a record that replays."""
    segments = read_segments(venue, filled.drops[-1].drop_id)
    shopper = pick_shopper(filled.seed.contacts, segments, policy=POLICY, region="NY")
    request = checkout(shopper.customer_id, country="US", region="NY", session_id="e2e")

    decided = venue.shop.decide(request).body

    assert decided["degraded"] is False
    assert decided["segment"]["name"] == segments[shopper.customer_id]
    assert decided["segment"]["fallback"] is False
    for line in decided["price"]["lines"]:
        assert line["unit_price"] <= line["base_unit_price"]
    quote = {"quote": decided["price"]["quote"]}
    assert venue.shop.call("POST", "/v1/quotes/verify", body=quote).status == 200
    found = venue.shop.call("GET", f"/v1/decisions/{decided['decision_id']}")
    assert found.status == 200
    replayed = venue.shop.call("POST", f"/v1/decisions/{decided['decision_id']}/replay")
    assert replayed.status == 200
    assert replayed.body["same"] is True


def test_an_unknown_customer_is_answered_too(venue: Venue) -> None:
    """Nobody is turned away at the checkout: base prices, the fallback segment, no offer."""
    request = checkout("e2e-unknown", country="US", region="NY", session_id="s-1")

    decided = venue.shop.decide(request).body

    assert decided["segment"]["fallback"] is True
    assert decided["offers"] == []
    for line in decided["price"]["lines"]:
        assert line["unit_price"] == line["base_unit_price"]


def test_the_same_message_twice_counts_once(venue: Venue) -> None:
    """A redelivered event is a duplicate, in another request too."""
    message = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "e2e-view-1",
        "userId": "e2e-viewer",
        "properties": {"sku": "CD-1001"},
    }

    first, second = (venue.shop.send([message]).body for _ in range(2))

    assert (first["accepted"], first["duplicates"]) == (1, 0)
    assert (second["accepted"], second["duplicates"]) == (0, 1)


def test_the_schedule_finds_a_checkout_left_alone(
    begun: Begun, inbox: Callable[[], list[SentMail]]
) -> None:
    """Nothing more is sent, and still the reminder goes out within two runs of the schedule."""
    eventually(
        lambda: mails_to(begun.leaver, inbox()) > begun.mails or None,
        within_seconds=150,
        what="the reminder",
    )


def test_a_revoked_key_stops_working(begun: Begun) -> None:
    """Once the authorizer's answer has left its cache, a revoked key is refused."""
    assert eventually(
        lambda: begun.revoked.call("GET", "/v1/decisions/none").status == 403 or None,
        within_seconds=150,
        what="the refusal of a revoked key",
    )


def leave_a_checkout(venue: Venue, filled: Filled) -> str:
    """Start a checkout that nobody ends; returns whose, by address."""
    [left] = [
        scene
        for scene in scenes(filled.seed.contacts, now=int(time.time()), policy=POLICY)
        if any(message.get("event") == "Checkout Started" for message in scene.messages)
    ]
    leaver = left.messages[-1]["userId"]
    [address] = [c.email for c in filled.seed.contacts if c.customer_id == leaver]
    venue.shop.send(left.messages)
    return address


def use_and_revoke_a_key(venue: Venue) -> Shop:
    """Make a key, use it, so that the authorizer's answer is remembered, and revoke it."""
    client = venue.session.client("dynamodb")
    control_table = venue.outputs["ControlTable"]
    store = key_store(client, control_table=control_table)
    issued = create_key(store, scopes=("read",), now=int(time.time()))
    shop = Shop(venue.shop.public_url, key=issued.text)
    assert shop.call("GET", "/v1/decisions/none").status == 404
    revoke_key(
        store,
        client,
        control_table=control_table,
        key_id=issued.api_key.key_id,
        now=int(time.time()),
    )
    return shop


def mails_to(address: str, mails: Iterable[SentMail]) -> int:
    """How many mails went to an address."""
    return sum(mail.recipient == address for mail in mails)


def test_keys_are_made_listed_and_ended_by_command(venue: Venue) -> None:
    """``python -m ops key`` finds the stack by itself, and names keys by their id alone."""

    def ops(*arguments: str) -> list[str]:
        done = CliRunner().invoke(main, ["key", *arguments, "--endpoint-url", venue.endpoint_url])
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    [text] = ops("create", "--scope", "read", "--scope", "decide")
    key_id = text.split("_")[1]
    assert Shop(venue.shop.public_url, key=text).call("GET", "/v1/decisions/none").status == 404
    [listed] = [line for line in ops("list") if line.startswith(key_id)]
    ops("revoke", key_id)
    [ended] = [line for line in ops("list") if line.startswith(key_id)]

    assert "decide,read" in listed
    assert "revoked" not in listed
    assert "revoked" in ended
    assert not any(text.rpartition("_")[2] in line for line in ops("list"))
