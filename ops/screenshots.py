"""``make screenshots``: play the demo on a local stack, and take the pictures that the docs show.

Whatever the head of the console leads to is taken as a wide page in light colours; beside it
one customer, one decision and one policy, a page in the dark, and one as on a telephone. They are
WebP and small, since they live in the repository, and taken anew whenever pages change.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from chalicelib.core.control import SCOPES
from chalicelib.core.policy import Policy, policy_from_toml
from ops.chromium import open_browser
from ops.demo import open_venue
from ops.key import create_key, key_store
from ops.package import build_from_environment, ensure_package
from ops.places import LOCAL, ROOT
from ops.seed import build_seed
from ops.stack import running
from ops.story.play import Played, StoryStalled, Venue, call_the_night, play
from ops.story.shop import Shop
from ops.story.telling import Telling
from ops.visit import NARROW, WIDE, Scheme, Visit, visit

PICTURES = ROOT / "docs" / "screenshots"
LARGEST_BYTES = 80_000
# The first that makes a picture small enough; letters stay sharp with all of them.
QUALITIES = (80, 65, 50, 35)
TALLEST = 1_000
LEAST_CHURN = 0.85  # of an offer, by the policy that is simulated
MOST_SECONDS = 120
# Forms, and lists that are empty on a demo's first day, which show nothing of what there is.
DULL = frozenset({"customers", "messages", "experiments"})


class PictureTooLarge(click.ClickException):
    """A picture cannot be made small enough to live in the repository."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        name: of the file, without its ending.
        path: of the page, under the console.
        scheme: of the colours.
        width: of the window.
    """

    name: str
    path: str
    scheme: Scheme = "light"
    width: int = WIDE


@dataclass(frozen=True, slots=True)
class Sights:
    """What the demo left that is worth a look."""

    customer_id: str
    decision_id: str
    policy_hash: str


def shots(sections: Sequence[str], sights: Sights) -> Iterator[Shot]:
    """Every picture to take; ``sections`` are the first steps of the head's addresses."""
    for step in sections:
        if step not in DULL:
            yield Shot(step or "overview", f"/{step}".rstrip("/"))
    customer, decision = f"/customers/{sights.customer_id}", f"/decisions/{sights.decision_id}"
    yield Shot("messages", "/messages?state=DELIVERED")
    yield Shot("customer", customer)
    yield Shot("decision", decision)
    yield Shot("policy", f"/policies/{sights.policy_hash}")
    yield Shot("simulation", f"/policies/{sights.policy_hash}/simulation")
    yield Shot("decision-dark", decision, scheme="dark")
    yield Shot("overview-dark", "", scheme="dark")
    yield Shot("customer-narrow", customer, width=NARROW)


def take(visit: Visit, shot: Shot, *, into: Path) -> Path:
    """Take a picture of the upper part of a page; raises PictureTooLarge."""
    page = visit.page
    page.emulate_media(color_scheme=shot.scheme)
    page.set_viewport_size({"width": shot.width, "height": TALLEST})
    visit.go(shot.path)
    tall: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": shot.width, "height": min(tall, TALLEST)})
    visit.settle()
    devtools = page.context.new_cdp_session(page)
    for quality in QUALITIES:
        told = devtools.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = base64.b64decode(told["data"])
        if len(picture) <= LARGEST_BYTES:
            place = into / f"{shot.name}.webp"
            place.write_bytes(picture)
            return place
    raise PictureTooLarge(f"{shot.name} has {len(picture):,} bytes, at most {LARGEST_BYTES:,} fit")


def _sections(visit: Visit) -> Sequence[str]:
    """The first step of every address that the head leads to."""
    links = visit.page.locator("nav a")
    found = [links.nth(each).get_attribute("href") or "" for each in range(links.count())]
    return [each.rpartition("/console")[2].strip("/") for each in found]


def _sights(venue: Venue, played: Played, key: str, policy: Policy) -> Sights:
    """Somebody who was at the checkout, and a policy that offers less than the packaged one."""
    known = played.checkouts[0]
    document = {**policy.model_dump(mode="json"), "name": "fewer-winbacks"}
    for action in document["actions"]:
        if action["id"] == "winback-10":
            action["min_churn"] = LEAST_CHURN
    stored = Shop(venue.shop.public_url, key=key).call("POST", "/v1/policies", body=document)
    return Sights(
        known.request["customer_id"], known.answer.body["decision_id"], stored.body["hash"]
    )


def _simulate(operator: Visit, policy_hash: str) -> None:
    """Simulate a policy as an operator does, and wait for the end; raises StoryStalled."""
    operator.go(f"/policies/{policy_hash}")
    operator.press("Simulate")
    until = time.monotonic() + MOST_SECONDS
    while "may activate" not in operator.text:
        if time.monotonic() > until:
            raise StoryStalled(f"the simulation stands: {operator.text[:200]}")
        time.sleep(1)


@click.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=PICTURES,
    help="Where pictures are saved.  [default: docs/screenshots]",
)
def screenshots(into: Path) -> None:
    """Play the demo on a local stack and take pictures of the console."""
    telling = Telling()
    into.mkdir(parents=True, exist_ok=True)
    policy = policy_from_toml((ROOT / "policies" / "default.toml").read_text())
    package = ensure_package(build_from_environment(local=True), say=telling.say)
    telling.begin()
    with running(LOCAL / "screenshots") as stack, open_browser() as browser:
        venue = open_venue(package, stack, say=telling.say)
        seed = build_seed(today=datetime.now(UTC).date())
        played = play(venue, seed, policy=policy, telling=telling)
        client = venue.session.client("dynamodb")
        store = key_store(client, control_table=venue.outputs["ControlTable"])
        key = create_key(store, scopes=SCOPES, now=int(time.time())).text
        sights = _sights(venue, played, key, policy)
        call_the_night(venue)
        with visit(browser, venue.shop.public_url) as operator:
            operator.sign_in(key)
            _simulate(operator, sights.policy_hash)
            for shot in shots(_sections(operator), sights):
                place = take(operator, shot, into=into)
                telling.say(f"{place.name}: {place.stat().st_size:,} bytes")
