"""A browser, and a deployed console with something to see on every page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.aws.items import key_of
from chalicelib.core.control import SCOPES
from chalicelib.core.kinds import NIGHT_KEY
from chalicelib.core.policy import policy_from_toml
from ops.chromium import open_browser
from ops.key import IssuedKey, create_key, key_store, revoke_key
from ops.places import BUILD, ROOT
from ops.seed import SeedFile
from ops.story.play import Venue, await_drop, call_the_night, put_file, read_segments
from ops.story.script import checkout, pick_shopper
from ops.story.shop import Answer, Shop
from ops.story.telling import Telling
from ops.visit import Visit, visit
from tests.e2e.deployed import Filled, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACKAGED = policy_from_toml((ROOT / "policies" / "default.toml").read_text())
ALBUM = BUILD / "screenshots"
BAD_ORDERS = (
    b"order_id,customer_id,ordered_at,quantity,currency,amount\n"
    b"bad-1,c-bad,2026-01-01T00:00:00Z,1,USD,no-such-amount\n"
)


@dataclass(frozen=True, slots=True)
class Desk:
    """A deployed console, and what an operator can look at there.

    Attributes:
        venue: where it is deployed.
        key: of an operator who may do everything.
        other: of the second operator.
        customer_id: somebody with orders and decisions.
        decision_id: at their checkout.
        drop_id: of a file with a rejected record.
        policy_hash: stored and simulated by the second operator, and not active.
    """

    venue: Venue
    key: IssuedKey
    other: IssuedKey
    customer_id: str
    decision_id: str
    drop_id: str
    policy_hash: str

    @property
    def url(self) -> str:
        """Where the interface is."""
        return self.venue.shop.public_url

    def issue(self, *scopes: str) -> IssuedKey:
        """A new key."""
        client = self.venue.session.client("dynamodb")
        store = key_store(client, control_table=self.venue.outputs["ControlTable"])
        return create_key(store, scopes=scopes or SCOPES, now=int(time.time()))

    def revoke(self, key: IssuedKey) -> None:
        """End a key."""
        client, table = self.venue.session.client("dynamodb"), self.venue.outputs["ControlTable"]
        revoke_key(
            key_store(client, control_table=table),
            client,
            control_table=table,
            key_id=key.api_key.key_id,
            now=int(time.time()),
        )

    def call(
        self, method: str, path: str, body: object = None, *, by: IssuedKey | None = None
    ) -> Answer:
        """Ask the interface, by the second operator unless told otherwise."""
        return Shop(self.url, key=(by or self.other).text).call(method, path, body=body)

    def switches(self) -> Any:
        """How the switches stand, by the interface."""
        return self.call("GET", "/v1/control").body

    def store_policy(self, **changes: Any) -> str:
        """Store and simulate a policy as the second operator; its hash."""
        document = {**PACKAGED.model_dump(mode="json"), **changes}
        stored = self.call("POST", "/v1/policies", document)
        assert stored.status == 201, stored.body
        policy_hash: str = stored.body["hash"]
        simulation = {
            "subject": "decisions of the last week",
            "figures": {"policy": policy_hash, "cases": 150, "changed": 12},
        }
        told = self.call("POST", f"/v1/policies/{policy_hash}/simulations", simulation)
        assert told.status == 201, told.body
        return policy_hash


Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each has windows and cookies of its own."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def desk(venue: Venue, filled: Filled) -> Desk:
    """The filled deployment, with a checkout, a rejected record, a night and another policy."""
    control_table = venue.outputs["ControlTable"]
    store = key_store(venue.session.client("dynamodb"), control_table=control_table)
    key, other = (create_key(store, scopes=SCOPES, now=int(time.time())) for _ in range(2))
    segments = read_segments(venue, filled.drops[-1].drop_id)
    shopper = pick_shopper(filled.seed.contacts, segments, policy=PACKAGED, region="NY")
    request = checkout(shopper.customer_id, country="US", region="NY", session_id="browser")
    decided = venue.shop.decide(request).body
    bad = SeedFile("orders/with-an-error.csv", BAD_ORDERS, 1)
    drop_id, _ = put_file(venue, bad)
    await_drop(venue, drop_id, bad, Telling())
    work_a_night(venue)
    found = Desk(venue, key, other, shopper.customer_id, decided["decision_id"], drop_id, "")
    stored = found.store_policy(name="half-an-hour", quote_valid_seconds=1800)
    return replace(found, policy_hash=stored)


def work_a_night(venue: Venue) -> None:
    """Call the night, and wait for its note."""
    call_the_night(venue)
    tables = venue.session.client("dynamodb")

    def noted() -> bool | None:
        found = tables.get_item(
            TableName=venue.outputs["ControlTable"], Key=key_of(NIGHT_KEY), ConsistentRead=True
        )
        return True if "Item" in found else None

    eventually(noted, within_seconds=150, what="a night")


@pytest.fixture
def window(browser: Browser, desk: Desk) -> Iterator[Open]:
    """Opens windows, in which nobody has signed in; they are closed with the test."""
    with ExitStack() as opened:
        yield lambda **how: opened.enter_context(visit(browser, desk.url, **how))


@pytest.fixture
def operator(window: Open, desk: Desk) -> Visit:
    """A window in which an operator who may do everything has signed in."""
    return window().sign_in(desk.key.text)


@pytest.fixture(scope="module")
def album(request: pytest.FixtureRequest) -> Path:
    """Where a module keeps pictures of pages, with whatever else was built; without older ones."""
    place = ALBUM / request.path.stem.removeprefix("test_").replace("_", "-")
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.png"):
        old.unlink()
    return place
