"""Every handler of the app once through: what HTTP or Lambda hands over reaches its flow."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.local import LambdaContext

import app as segue
from chalicelib.core.address import address_hash
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.effects import Effect, effect_to_json
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import EFFECT
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from tests.chronicles import records_event
from tests.fakes import SIGNING_KEYS
from tests.mail_events import notification, ses_event
from tests.mail_events import queued as sqs_records
from tests.makers import order_event
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

CONTEXT = LambdaContext("test", 128)
TOKEN = sign(
    SIGNING_KEYS,
    purpose="unsubscribe",
    payload={
        "a": address_hash("ann@example.com", secret=SIGNING_KEYS.address_secret),
        "p": "marketing_email",
    },
)
FORM = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1."""
    with open_storefront() as storefront:
        yield storefront


def queued(*bodies: Any) -> dict[str, Any]:
    """An SQS event as Lambda hands it over."""
    return {
        "Records": [
            {"messageId": f"m-{n}", "receiptHandle": "r", "body": json.dumps(body)}
            for n, body in enumerate(bodies)
        ]
    }


def planned(shop: Storefront) -> dict[str, Any]:
    """A DynamoDB stream event for every effect that was planned."""
    return {
        "Records": [
            {
                "eventID": f"e-{n}",
                "eventName": "INSERT",
                "awsRegion": "us-east-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": NOW,
                    "Keys": {"pk": {"S": name}, "sk": {"S": "effect"}},
                    "NewImage": {
                        "body": {"S": json.dumps(effect_to_json(effect))},
                    },
                    "SequenceNumber": str(n),
                    "SizeBytes": 1,
                    "StreamViewType": "NEW_IMAGE",
                },
            }
            for n, (name, effect) in enumerate(shop.store.all("effect").items())
        ]
    }


def test_an_event_is_folded(shop: Storefront) -> None:
    """An order changes the profile, and sending it again changes nothing."""
    order = order_event("Order Completed", "o-9", total="30.00", user="c-9")

    first = shop.call("POST", "/v1/events", body=order)
    again = shop.call("POST", "/v1/events", body=order)

    assert first.status_code == 202
    assert (first.json_body["accepted"], again.json_body["duplicates"]) == (1, 1)
    assert shop.decide("c-9")["segment"]["name"] == "champions"


def test_a_refused_message_is_told_and_the_others_count(shop: Storefront) -> None:
    """202 with the place of the bad one."""
    batch = {"batch": [{"type": "page", "userId": "u"}, {"type": "track", "userId": "u"}]}

    told = shop.call("POST", "/v1/events", body=batch).json_body

    assert told["accepted"] == 1
    assert [(each["index"], each["errors"][0]["field"]) for each in told["rejected"]] == [
        (1, "event")
    ]


def test_a_refused_message_is_counted_once(shop: Storefront) -> None:
    """Whatever lines a request writes, its rejects add up to those that were told."""
    shop.call("POST", "/v1/events", body={"type": "track", "userId": "u"})

    written = [json.loads(line) for line in shop.log.getvalue().splitlines()]
    assert [line["Rejects"] for line in written if "Rejects" in line] == [1]


def test_effects_go_from_the_stream_to_the_queue_to_the_bus(shop: Storefront) -> None:
    """A decision's code and tier end as events for other systems, in the request's name."""
    answer = shop.decide(headers={"X-Correlation-Id": "checkout-4711"})

    relayed = segue.on_effects_planned(planned(shop), CONTEXT)
    performed = segue.on_effect(queued(*shop.queue.drain()), CONTEXT)

    assert relayed == performed == {"batchItemFailures": []}
    assert {event.detail_type for event in shop.bus.events} == {
        "Offer Issued",
        "Price Tier Assigned",
    }
    assert {event.correlation_id for event in shop.bus.events} == {"checkout-4711"}
    assert {effect.state for effect in shop.store.all("effect").values()} == {"ACCEPTED"}
    assert answer["offers"][0]["code"] in str(shop.bus.named("Offer Issued")[0].data)


def test_a_decision_reaches_the_log_and_a_night_the_queue_of_files(shop: Storefront) -> None:
    """What the stream says is logged; the schedule's message is a night's work, and no file."""
    answer = shop.decide()
    event = records_event(shop.store.all("record").values())

    logged = segue.on_decided(event, CONTEXT)
    measured = segue.on_drop(queued({"detail-type": "Scheduled Event"}), CONTEXT)

    assert logged == measured == {"batchItemFailures": []}
    [key] = [each for each in shop.objects.keys("results") if each.startswith("log/decisions/")]
    assert answer["decision_id"] in gzip.decompress(shop.objects.body("results", key)).decode()
    assert shop.lines("night_worked_through")
    assert list(shop.store.all("night")) == ["night#measured"]


def test_a_mail_event_reaches_its_flow(shop: Storefront) -> None:
    """It is judged by the settings' topic; what that one says of a mail is in the ledger."""
    mail = Effect("e" * 32, "mail", "welcome", "c#c-1", None, "r-1", NOW, {}, state="ACCEPTED")
    shop.store.write([Put(EFFECT.key(mail.effect_id), mail)], now=NOW)
    body = notification(ses_event("delivery", sent_at=NOW - 60, timestamp=format_instant(NOW)))
    foreign = notification(ses_event("bounce", sent_at=NOW), TopicArn="arn:aws:sns:::x")

    answer = segue.on_mail_event(sqs_records(body, foreign), CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert [effect.state for effect in shop.store.all("effect").values()] == ["DELIVERED"]
    assert [line["reason"] for line in shop.lines("mail_event_refused")] == ["foreign_topic"]


def test_a_drop_reaches_its_flow(shop: Storefront) -> None:
    """A message that is no notification fails alone; a test event is nothing."""
    answer = segue.on_drop(queued({"Event": "s3:TestEvent"}, {"no": "notification"}), CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_a_part_reaches_its_flow(shop: Storefront) -> None:
    """The plan of a file that is gone ends the drop: there is nothing to map over."""
    gone = {"bucket": "drops", "key": "orders/a.csv", "version_id": None, "etag": "e"}

    answer = segue.work_part({"task": "plan", "attempt": "a", "drop": gone}, CONTEXT)

    assert answer == {"next": "nothing"}


@pytest.mark.parametrize(
    ("handler", "line"), [("on_review_due", "reviewed"), ("on_sweep", "swept")]
)
def test_a_schedule_reaches_its_flow(shop: Storefront, handler: str, line: str) -> None:
    """The run's id is the correlation id of what it finds."""
    event = {
        "version": "0",
        "id": "run-1",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-11-22T09:30:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {},
    }

    getattr(segue, handler)(event, CONTEXT)

    assert [each["correlation_id"] for each in shop.lines(line)] == ["run-1"]


def test_looking_at_an_unsubscribe_link_changes_nothing(shop: Storefront) -> None:
    """GET shows a page and touches no storage, since mail scanners follow every link."""
    response = shop.call("GET", f"/u/{TOKEN}", scopes=None)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert shop.calls() == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", FORM),
        ("multipart/form-data; boundary=b", MULTIPART),
        ("text/plain", b""),
    ],
)
def test_posting_an_unsubscribe_link_acts(shop: Storefront, content_type: str, body: bytes) -> None:
    """Mail programs post forms of either kind (RFC 8058), without cookies or keys."""
    headers = {"Content-Type": content_type}

    response = shop.call("POST", f"/u/{TOKEN}", scopes=None, body=body, headers=headers)

    assert response.status_code == 200
    [state] = shop.store.all("address").values()
    assert state.withdrawn == {"marketing_email": NOW}
    shop.knows(Contact(customer("c-1"), fields={"email": Stamped("ann@example.com", NOW)}))
    consent = shop.call("GET", "/v1/customers/c-1").json_body["consent"]
    assert consent["marketing_email"]["granted"] is False


def test_a_forged_unsubscribe_link_is_a_page_too(shop: Storefront) -> None:
    """A person sees a page, not a problem document."""
    response = shop.call("POST", "/u/forged", scopes=None)

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
