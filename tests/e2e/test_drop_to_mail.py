"""From a dropped file through queues, functions and the ledger to mails in an inbox."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.kinds import EFFECT
from chalicelib.core.storage import WHATEVER, Delete
from ops.key import create_key, key_store
from ops.story.books import dead_letters, read_books, waiting
from ops.story.letters import SentMail
from ops.story.play import Venue, read_segments
from ops.story.script import Json
from ops.watching import follow, looking_at
from tests.e2e.deployed import CUSTOMERS, Filled, eventually, ledger_of, left_behind

pytestmark = pytest.mark.e2e


def test_every_record_of_every_file_finds_its_place(filled: Filled) -> None:
    """Records in = folded + duplicate + rejected, and every customer with orders is scored."""
    for drop in filled.drops:
        counts = drop.counts
        parts = (counts.get(name, 0) for name in ("folded", "duplicate", "rejected"))
        assert drop.state == "COMPLETE"
        assert counts["records"] == sum(parts)
    orders = filled.drops[-1].counts
    assert orders["records"] == filled.seed.orders.records
    assert orders["scored"] == orders["customers"] == CUSTOMERS


def test_results_name_every_customer(venue: Venue, filled: Filled) -> None:
    """The result file holds one segment for each customer of the orders file."""
    segments = read_segments(venue, filled.drops[-1].drop_id)

    assert segments.keys() == {contact.customer_id for contact in filled.seed.contacts}
    assert len(set(segments.values())) >= 3


def test_whom_a_file_could_not_score_is_named(venue: Venue, filled: Filled) -> None:
    """The customers file came before any order: each of its customers, with the reason."""
    [customers] = [drop for drop in filled.drops if drop.key.startswith("customers/")]
    objects, bucket = venue.session.client("s3"), venue.outputs["ResultsBucket"]

    body = objects.get_object(Bucket=bucket, Key=f"results/{customers.drop_id}/unscored.csv")[
        "Body"
    ]

    rows = csv.DictReader(io.StringIO(body.read().decode(), newline=""))
    told = {row["customer_id"]: row["reason"] for row in rows}
    assert customers.counts["unscored"] == len(told) == CUSTOMERS
    assert set(told.values()) == {"no_orders"}


def test_a_drop_is_watched_over_the_interface(venue: Venue, filled: Filled) -> None:
    """With a key that may read, as ``python -m ops drop --watch-id`` does it."""
    orders, client = filled.drops[-1], venue.session.client("dynamodb")
    store = key_store(client, control_table=venue.outputs["ControlTable"])
    issued = create_key(store, scopes=("read",), now=int(time.time()))
    look = looking_at(orders.drop_id, url=venue.shop.public_url, key=issued.text)

    ended = follow(look, show=lambda _: None)

    assert (ended["state"], ended["progress"]) == ("COMPLETE", None)
    assert ended["counts"] == dict(orders.counts)


def test_every_mail_was_accepted_once(filled: Filled) -> None:
    """The inbox holds as many mails as the ledger says, at most one for each address and text."""
    sent = [(mail.recipient, mail.subject) for mail in filled.mails]

    assert filled.books.mails_accepted == len(filled.mails) > 0
    assert len(set(sent)) == len(sent)
    assert filled.books.open == 0


def test_only_those_who_agreed_are_mailed(filled: Filled) -> None:
    """No consent, no mail."""
    agreed = {
        contact.email
        for contact in filled.seed.contacts
        if contact.consent_marketing_email == "true"
    }

    assert {mail.recipient for mail in filled.mails} <= agreed


def test_a_mail_has_both_parts_the_address_and_a_code(filled: Filled, venue: Venue) -> None:
    """Text and HTML say the same: who writes from where, the code, and how to unsubscribe."""
    mail = filled.mails[0]

    for part in (mail.text, mail.html):
        assert venue.outputs["PostalAddress"].split(",")[0] in part
        assert f"{venue.outputs['PublicUrl']}/u/" in part
        assert re.search(r"\b[0-9A-HJKMNP-TV-Z]{12}\b", part)


def test_a_redelivered_notification_does_nothing_twice(
    venue: Venue, filled: Filled, inbox: Callable[[], list[SentMail]]
) -> None:
    """S3 may notify twice: the second time changes no profile, no effect, no mail."""
    orders = filled.drops[-1]
    heard_of_all(venue)
    before = read_books(venue.session.client("dynamodb"), venue.outputs)
    mails = len(inbox())

    redeliver(venue, orders.key)
    drained(venue)

    after = read_books(venue.session.client("dynamodb"), venue.outputs)
    assert (after.by_state, after.coupons, after.records) == (
        before.by_state,
        before.coupons,
        before.records,
    )
    assert len(inbox()) == mails
    again = venue.shop.drop(orders.drop_id)
    assert again is not None
    assert again["counts"] == orders.counts


@pytest.fixture
def ledger(venue: Venue) -> DynamoStore:
    """The deployed ledger."""
    return ledger_of(venue.session.client("dynamodb"), venue.outputs["EffectsTable"])


def damaged(venue: Venue, ledger: DynamoStore) -> str:
    """A stored effect that nobody can read; no sweep looks at it within the hour."""
    name = left_behind(ledger, "damaged", state="CLAIMED", lease_until=int(time.time()) + 3600)
    venue.session.client("dynamodb").update_item(
        TableName=venue.outputs["EffectsTable"],
        Key={"pk": {"S": f"e#{name}"}, "sk": {"S": "effect"}},
        UpdateExpression="SET body = :body",
        ExpressionAttributeValues={":body": {"S": "no effect"}},
    )
    return name


@pytest.fixture
def unreadable(venue: Venue, ledger: DynamoStore) -> Iterator[str]:
    """The message of an effect that something has damaged, for as long as a test takes."""
    name = damaged(venue, ledger)
    yield json.dumps({"effect_id": name, "correlation_id": "e2e-damaged"})
    ledger.write([Delete(EFFECT.key(name), WHATEVER)], now=int(time.time()))


@pytest.mark.parametrize("queue", ["Drops", "Effects"])
def test_a_poison_message_is_parked_and_the_others_go_on(
    venue: Venue, filled: Filled, unreadable: str, queue: str
) -> None:
    """A file that is none, an effect that is damaged: parked after five tries, alone."""
    sqs = venue.session.client("sqs")
    url, dead = venue.outputs[f"{queue}Queue"], f"{queue}DeadLetters"
    # Waiting out the real timeouts would take half an hour and more.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    parked = dead_letters(sqs, venue.outputs)[dead]
    poison = {"Drops": "no JSON at all", "Effects": unreadable}[queue]

    sqs.send_message(QueueUrl=url, MessageBody=poison)

    eventually(
        lambda: dead_letters(sqs, venue.outputs)[dead] == parked + 1 or None,
        within_seconds=60,
        what=f"a message in {dead}",
    )
    assert waiting(sqs, url) == 0
    message = sqs.receive_message(QueueUrl=venue.outputs[dead])["Messages"][0]
    assert message["Body"] == poison
    sqs.delete_message(QueueUrl=venue.outputs[dead], ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize(
    "body",
    ["no JSON at all", '{"effect_id": "00000000000000000000000000000bad", "correlation_id": "c"}'],
)
def test_a_message_that_leads_nowhere_is_refused_and_gone(
    venue: Venue, filled: Filled, body: str
) -> None:
    """One that nobody can read, and one for an effect that the ledger does not have: not parked."""
    sqs = venue.session.client("sqs")
    url, dead = venue.outputs["EffectsQueue"], "EffectsDeadLetters"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    parked = dead_letters(sqs, venue.outputs)[dead]

    sqs.send_message(QueueUrl=url, MessageBody=body)

    eventually(
        lambda: waiting(sqs, url) == 0 or None, within_seconds=60, what="an empty effects queue"
    )
    assert dead_letters(sqs, venue.outputs)[dead] == parked


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
            b"One-Click\r\n--b--\r\n",
        ),
    ],
)
def test_the_link_in_a_mail_unsubscribes(
    venue: Venue, filled: Filled, content_type: str, body: bytes
) -> None:
    """A mail program posts a form of either kind (RFC 8058); opening the link changes nothing."""
    mail = filled.mails[1 if content_type.startswith("multipart") else 2]
    [customer_id] = [c.customer_id for c in filled.seed.contacts if c.email == mail.recipient]
    link = re.search(rf"{re.escape(venue.outputs['PublicUrl'])}(/u/\S+)", mail.text)
    assert link is not None

    shown = venue.shop.call("GET", link[1])
    assert shown.status == 200
    assert marketing_consent(venue, customer_id)["granted"] is True

    done = venue.shop.call("POST", link[1], body=body, headers={"Content-Type": content_type})

    assert done.status == 200
    assert marketing_consent(venue, customer_id)["granted"] is False


def marketing_consent(venue: Venue, customer_id: str) -> Json:
    """What is known of a customer's consent to marketing mail."""
    answer = venue.shop.call("GET", f"/v1/customers/{customer_id}")
    assert answer.status == 200
    consent: Json = answer.body["consent"]["marketing_email"]
    return consent


def heard_of_all(venue: Venue) -> None:
    """Wait until the provider has said of every mail that it took what became of it."""

    def none_waits() -> bool | None:
        answer = venue.shop.call("GET", "/v1/messages?state=ACCEPTED")
        assert answer.status == 200
        return answer.body["messages"] == [] or None

    eventually(none_waits, within_seconds=60, what="feedback to every mail")


def redeliver(venue: Venue, key: str) -> None:
    """Send the notification of an object once more."""
    objects = venue.session.client("s3")
    bucket = venue.outputs["DropsBucket"]
    head = objects.head_object(Bucket=bucket, Key=key)
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "s3": {
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": head["ContentLength"],
                "eTag": head["ETag"].strip('"'),
                "versionId": head["VersionId"],
                "sequencer": "0",
            },
        },
    }
    venue.session.client("sqs").send_message(
        QueueUrl=venue.outputs["DropsQueue"], MessageBody=json.dumps({"Records": [record]})
    )


def drained(venue: Venue) -> None:
    """Wait until both queues are empty."""
    sqs = venue.session.client("sqs")
    for queue in ("DropsQueue", "EffectsQueue"):
        eventually(
            lambda url=venue.outputs[queue]: waiting(sqs, url) == 0 or None,  # type: ignore[misc]
            within_seconds=60,
            what=f"an empty {queue}",
        )
