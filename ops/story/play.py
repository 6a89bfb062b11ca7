"""Plays the story against a deployed stack: drops files, sends events, asks, and waits."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.control import Drop
from chalicelib.core.policy import Policy
from chalicelib.flows.drop_notice import Arrived
from ops.schedule import scheduled_event
from ops.seed import Contact, Seed, SeedFile
from ops.story.books import Books, read_books, waiting
from ops.story.letters import Inbox, SentMail
from ops.story.script import Json, Scene, checkout, guest_checkout, pick_shopper, scenes
from ops.story.shop import Answer, Shop
from ops.story.telling import Telling

if TYPE_CHECKING:
    from boto3.session import Session

MOST_DROP_SECONDS = 300
MOST_QUIET_SECONDS = 120
POLL_SECONDS = 1.0
NEVER_SEEN = "demo-nobody-has-heard-of-me"


class StoryStalled(Exception):
    """Something did not happen within its time: what, and how far it was."""


@dataclass(frozen=True, slots=True)
class Venue:
    """Where the story is played.

    Attributes:
        session: speaks to the stack.
        outputs: what the stack printed.
        endpoint_url: the local stack.
        shop: speaks to the API.
        inbox: every mail that was taken.
        mail_url: the stand-in for SES; None where the stack takes mail itself.
    """

    session: Session
    outputs: Mapping[str, str]
    endpoint_url: str
    shop: Shop
    inbox: Inbox
    mail_url: str | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """One call of the story: what it shows, what was asked and what was answered."""

    shows: str
    request: Json
    answer: Answer


@dataclass(frozen=True, slots=True)
class Played:
    """The story, played to its end.

    Attributes:
        drops: the files as Segue reports them, the orders last.
        segments: the segment of every scored customer.
        checkouts: the calls, the known customer's first.
        books: the ledger when everything was quiet.
        mails: the inbox at that moment.
    """

    drops: Sequence[Drop]
    segments: Mapping[str, str]
    checkouts: Sequence[Checkout]
    books: Books
    mails: Sequence[SentMail]


def play(venue: Venue, seed: Seed, *, policy: Policy, telling: Telling) -> Played:
    """Play the whole story; raises StoryStalled, ShopRefused."""
    first = [put_file(venue, seed.customers), put_file(venue, seed.catalogue)]
    drops = [_taken_in(await_drop(venue, *each, telling)) for each in first]
    before, after = _halves(scenes(seed.contacts, now=int(time.time()), policy=policy))
    for scene in before:
        _send(venue.shop, scene, telling)
    orders = _taken_in(await_drop(venue, *put_file(venue, seed.orders), telling))
    for scene in after:
        _send(venue.shop, scene, telling)
    segments = read_segments(venue, orders.drop_id)
    await_quiet(venue, telling)
    checkouts = _checkouts(venue.shop, seed.contacts, segments, policy)
    for each in checkouts:
        telling.checkout(each.shows, each.answer)
    telling.say("silence takes until the next run of the schedule, at most a minute")
    books, mails = await_quiet(venue, telling, until=lambda books: books.reminders > 0)
    return Played([*drops, orders], segments, checkouts, books, mails)


def read_segments(venue: Venue, drop_id: str) -> dict[str, str]:
    """Each scored customer's segment, from the files that the drop's manifest lists."""
    objects = venue.session.client("s3")

    def read(name: str) -> str:
        key = f"results/{drop_id}/{name}"
        answer = objects.get_object(Bucket=venue.outputs["ResultsBucket"], Key=key)
        return answer["Body"].read().decode()

    names = [file["name"] for file in json.loads(read("manifest.json"))["files"]]
    return {
        row["customer_id"]: row["segment"]
        for name in names
        if name.startswith("scores")
        for row in csv.DictReader(io.StringIO(read(name), newline=""))
    }


def _halves(story: Sequence[Scene]) -> tuple[Sequence[Scene], Sequence[Scene]]:
    """What happens before the histories are there, and what happens after."""
    return story[:2], story[2:]


def put_file(venue: Venue, file: SeedFile) -> tuple[str, SeedFile]:
    """Drop a file; returns the id under which its progress is told, and the file."""
    bucket = venue.outputs["DropsBucket"]
    put = venue.session.client("s3").put_object(Bucket=bucket, Key=file.key, Body=file.body)
    arrived = Arrived(bucket, file.key, put.get("VersionId"), put["ETag"].strip('"'))
    return arrived.drop_id, file


def call_the_night(venue: Venue) -> None:
    """Send what the rule of 03:00 UTC sends: days are worked through, and segments are counted."""
    body = json.dumps(scheduled_event("measured", int(time.time())))
    queue = venue.outputs["DropsQueue"]
    venue.session.client("sqs").send_message(QueueUrl=queue, MessageBody=body)


def await_drop(venue: Venue, drop_id: str, file: SeedFile, telling: Telling) -> Drop:
    """Show a file's progress until it is done; raises StoryStalled."""
    until = time.monotonic() + MOST_DROP_SECONDS
    with telling.progress(file.key, total=file.records) as show:
        while time.monotonic() < until:
            reported = venue.shop.drop(drop_id)
            if reported is not None:
                show(reported.get("counts", {}))
                if reported["state"] != "RUNNING":
                    return _drop(reported)
            time.sleep(POLL_SECONDS)
    raise StoryStalled(f"{file.key}: no end after {MOST_DROP_SECONDS} s (drop {drop_id})")


def _taken_in(drop: Drop) -> Drop:
    """The story cannot go on with a file that was rejected as a whole."""
    if drop.state != "COMPLETE":
        raise StoryStalled(f"{drop.key} ended {drop.state}: {drop.reason}")
    return drop


def _drop(reported: Mapping[str, Any]) -> Drop:
    return Drop(
        drop_id=reported["drop_id"],
        key=reported["key"],
        state=reported["state"],
        as_of=0,
        started_at=0,
        changed_at=0,
        counts=reported["counts"],
        reason=reported.get("reason"),
    )


def _send(shop: Shop, scene: Scene, telling: Telling) -> None:
    answer = shop.send(scene.messages)
    telling.scene(scene.shows, answer)


def _checkouts(
    shop: Shop, contacts: Sequence[Contact], segments: Mapping[str, str], policy: Policy
) -> list[Checkout]:
    shopper = pick_shopper(contacts, segments, policy=policy, region="NY")
    known = checkout(shopper.customer_id, country="US", region="NY", session_id="demo-1")
    nobody = checkout(NEVER_SEEN, country="DE", region="BE", session_id="demo-2")
    asked = [
        ("a known customer in New York", known),
        ("a guest", guest_checkout()),
        ("a customer nobody has heard of", nobody),
    ]
    return [Checkout(shows, request, shop.decide(request)) for shows, request in asked]


def await_quiet(
    venue: Venue, telling: Telling, *, until: Callable[[Books], bool] = lambda _: True
) -> tuple[Books, tuple[SentMail, ...]]:
    """Wait until every effect has ended, every accepted mail has arrived, and ``until`` holds.

    Returns the ledger and the inbox as they stand then, quiet or not: the verdict names what is
    unfinished.
    """
    sqs, dynamodb = venue.session.client("sqs"), venue.session.client("dynamodb")
    last = time.monotonic() + MOST_QUIET_SECONDS
    with telling.waiting() as show:
        while True:
            queued = waiting(sqs, venue.outputs["EffectsQueue"])
            late = time.monotonic() > last
            if not queued or late:
                books = read_books(dynamodb, venue.outputs)
                mails = venue.inbox.read()
                quiet = not books.open and books.mails_accepted == len(mails)
                if late or (quiet and until(books)):
                    return books, mails
            show(queued)
            time.sleep(POLL_SECONDS)
