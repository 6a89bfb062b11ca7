"""What the stand-in says of a mail afterwards: SES's event publishing, and the simulator's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chalicelib.core.feedback import Glance
from chalicelib.mail.ses_events import read_mail_event
from ops.ses.events import Event
from ops.ses.publishing import SUBJECT, Publisher, TopicSink
from ops.ses.script import Fate, Hang, Step
from ops.ses.server import SesServer, serving
from ops.ses.stand_in import SesStandIn
from tests.ops.ses_makers import (
    RECIPIENT,
    SENDER,
    SET,
    SIMULATOR,
    client,
    production,
    raw_request,
    ses,
)

TOPIC = "arn:aws:sns:us-east-1:000000000000:mail-events"
EFFECT_ID = "e" * 32
ALL_TYPES = ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT", "OPEN", "CLICK"]


def events_of(server: SesServer, recipient: str = RECIPIENT, **changes: Any) -> Sequence[Event]:
    """Send one mail and return what is said of it."""
    client(server).send_email(**raw_request(recipient, **changes))
    server.stand_in.publisher.drain()
    return server.stand_in.publisher.published


def types(events: Sequence[Event]) -> list[str]:
    """What happened, in order."""
    return [event["eventType"] for event in events]


def test_a_mail_is_sent_and_delivered() -> None:
    """Left alone, a mail is followed by Send and Delivery."""
    with ses() as server:
        assert types(events_of(server)) == ["Send", "Delivery"]


def test_every_event_names_the_mail_its_tags_and_its_headers() -> None:
    """``mail`` holds ids, addresses, headers, and tags as lists, with SES's own among them."""
    with ses() as server:
        send, delivery = events_of(server)

    mail = send["mail"]
    [taken] = server.stand_in.mails
    assert mail["messageId"] == taken.message_id
    assert (mail["source"], mail["destination"]) == (SENDER, [RECIPIENT])
    assert mail["tags"]["effect_id"] == ["e-1"]
    assert mail["tags"]["ses:configuration-set"] == [SET]
    assert mail["tags"]["ses:from-domain"] == ["example.com"]
    assert {"name": "Subject", "value": "We miss you"} in mail["headers"]
    assert mail["headersTruncated"] is False
    assert mail["commonHeaders"]["subject"] == "We miss you"
    assert mail["sourceArn"].endswith(":identity/example.com")
    assert mail["timestamp"].endswith("Z")
    assert send["send"] == {}
    assert delivery["delivery"]["recipients"] == [RECIPIENT]
    assert delivery["delivery"]["smtpResponse"].startswith("250")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("success", ["Send", "Delivery"]),
        ("bounce", ["Send", "Bounce"]),
        ("complaint", ["Send", "Delivery", "Complaint"]),
        ("ooto", ["Send", "Delivery", "Bounce"]),
        ("suppressionlist", ["Send", "Bounce"]),
        ("bounce+winback", ["Send", "Bounce"]),
    ],
)
def test_the_mailbox_simulator(name: str, said: list[str]) -> None:
    """Each of the simulator's addresses ends as SES documents it, with a label or without."""
    with ses() as server:
        events = events_of(server, f"{name}@{SIMULATOR}")

    assert types(events) == said
    assert server.stand_in.account.suppressed == {}


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        ("bounce", "Permanent", "General"),
        ("suppressionlist", "Permanent", "Suppressed"),
        ("ooto", "Transient", "General"),
    ],
)
def test_bounces_differ_by_type(name: str, kind: str, subtype: str) -> None:
    """A hard bounce is Permanent, an automatic answer Transient; the recipient is named."""
    with ses() as server:
        bounce = events_of(server, f"{name}@{SIMULATOR}")[-1]["bounce"]

    assert (bounce["bounceType"], bounce["bounceSubType"]) == (kind, subtype)
    [bounced] = bounce["bouncedRecipients"]
    assert bounced["emailAddress"] == f"{name}@{SIMULATOR}"
    assert bounced["diagnosticCode"]
    assert bounce["feedbackId"]


def test_a_complaint_says_who_and_why() -> None:
    """A complaint names its recipient and the feedback's type."""
    with ses() as server:
        complaint = events_of(server, f"complaint@{SIMULATOR}")[-1]["complaint"]

    assert complaint["complainedRecipients"] == [{"emailAddress": f"complaint@{SIMULATOR}"}]
    assert complaint["complaintFeedbackType"] == "abuse"


@pytest.mark.parametrize(
    ("fates", "said"),
    [
        (["bounce"], ["Send", "Bounce"]),
        (["transient_bounce"], ["Send", "Bounce"]),
        (["delay", "delivery"], ["Send", "DeliveryDelay", "Delivery"]),
        (["open", "click"], ["Send", "Delivery", "Open", "Click"]),
        (["silence"], ["Send"]),
        (["reject"], ["Reject"]),
    ],
    ids=str,
)
def test_any_address_by_script(fates: list[Fate], said: list[str]) -> None:
    """By script a mail to any address ends in any way."""
    with ses() as server:
        server.stand_in.fates.set(RECIPIENT, *fates)

        assert types(events_of(server)) == said


def test_what_happens_later() -> None:
    """An open, a click or a complaint can come long after the delivery."""
    with ses() as server:
        events_of(server)
        server.stand_in.happen(server.stand_in.mails[0].message_id, "open", "click", "complaint")
        server.stand_in.publisher.drain()

    events = server.stand_in.publisher.published
    assert types(events) == ["Send", "Delivery", "Open", "Click", "Complaint"]
    assert events[3]["click"]["link"].startswith("https://")
    assert events[2]["open"]["userAgent"]


def test_a_virus_is_accepted_and_then_rejected() -> None:
    """SES takes the mail, answers with an id, and then says Reject instead of Send."""
    virus = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    raw = b"From: shop@example.com\r\nTo: " + RECIPIENT.encode() + b"\r\n\r\n" + virus
    with ses() as server:
        [event] = events_of(server, Content={"Raw": {"Data": raw}})

    assert event["reject"] == {"reason": "Bad content"}


def test_hard_bounces_and_complaints_fill_the_suppression_list() -> None:
    """The next mail to such an address is still accepted and sent, and bounces at SES itself."""
    with ses() as server:
        server.stand_in.fates.set(RECIPIENT, "bounce")
        events_of(server)
        again = events_of(server)[2:]
        listed = client(server).get_suppressed_destination(EmailAddress=RECIPIENT)

    assert listed["SuppressedDestination"]["Reason"] == "BOUNCE"
    assert types(again) == ["Send", "Bounce"]
    assert again[1]["bounce"]["bounceSubType"] == "OnAccountSuppressionList"


def test_without_a_configuration_set_nothing_is_published() -> None:
    """Events with tags come only through a configuration set."""
    with ses() as server:
        assert events_of(server, ConfigurationSetName=None) == []


def test_a_mail_whose_answer_was_lost_is_told_of_by_its_tag() -> None:
    """After a hang the sender has no id, and the events carry the tag all the same."""
    with ses() as server:
        server.stand_in.script.add(Step(Hang(), after_accepting=True))
        impatient = client(server, read_timeout=0.3, retries={"total_max_attempts": 1})
        with pytest.raises(Exception, match="timeout"):
            impatient.send_email(**raw_request())
        server.stand_in.publisher.drain()

    said = [event["mail"]["tags"]["effect_id"] for event in server.stand_in.publisher.published]
    assert said == [["e-1"], ["e-1"]]


def test_events_go_to_a_callable() -> None:
    """A test can take events as they come; one that it chokes on does not stop the next."""
    taken: list[Event] = []

    def sink(event: Event) -> None:
        taken.append(event)
        if event["eventType"] == "Send":
            raise ValueError("choked")

    with ses(sink=sink) as server:
        events_of(server)

    assert types(taken) == ["Send", "Delivery"]
    assert [str(error) for error in server.stand_in.publisher.failed] == ["choked"]


def test_held_events_come_shuffled_and_more_than_once_by_a_seed() -> None:
    """Told to, events are held, multiplied and shuffled; the same seed gives the same order."""
    orders = []
    for _ in range(2):
        with ses() as server:
            server.stand_in.publisher.hold()
            for number in range(4):
                tag = [{"Name": "effect_id", "Value": f"e-{number}"}]
                client(server).send_email(**raw_request(EmailTags=tag))
            assert server.stand_in.publisher.published == []
            assert server.stand_in.publisher.release(seed=7, copies=2) == 16
            server.stand_in.publisher.drain()
            orders.append([_named(each) for each in server.stand_in.publisher.published])

    assert orders[0] == orders[1]
    assert set(Counter(orders[0]).values()) == {2}
    in_order = [(kind, f"e-{n}") for n in range(4) for kind in ("Send", "Delivery")]
    assert list(dict.fromkeys(orders[0])) != in_order


def test_events_can_come_twice_as_they_happen() -> None:
    """Duplicates need no holding: each event comes as often as was asked."""
    with ses() as server:
        server.stand_in.publisher.duplicate(2)

        assert types(events_of(server)) == ["Send", "Send", "Delivery", "Delivery"]


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        ("delivery", "delivery"),
        ("bounce", "bounce_permanent_general"),
        ("suppressed", "bounce_permanent_suppressed"),
        ("transient_bounce", "bounce_transient_mailboxfull"),
        ("out_of_office", "bounce_transient_general"),
        ("complaint", "complaint_abuse"),
        ("reject", "reject"),
        ("silence", "send"),
        ("open", "open"),
        ("click", "click"),
    ],
)
def test_segue_reads_whatever_it_says(fate: Fate, said: str) -> None:
    """In SNS's envelope each event is one that Segue takes, for the mail of its tag."""
    with ses() as server:
        server.stand_in.fates.set(RECIPIENT, fate)
        tags = [{"Name": "effect_id", "Value": EFFECT_ID}]
        event = events_of(server, EmailTags=tags)[-1]

    [mail] = server.stand_in.mails
    body = json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": json.dumps(event)})
    now = int(mail.accepted_at) + 60
    read = read_mail_event(body, topic=TOPIC, hashed=str.upper, now=now)
    assert read is not None
    assert read.effect_id == EFFECT_ID
    if isinstance(read, Glance):
        assert (read.kind, read.scanner) == (said, False)
    else:
        assert (read.word, read.provider_id) == (said, mail.message_id)
        assert read.address_hashes == (RECIPIENT.upper(),)


class Topics:
    """SNS as far as the sink knows it."""

    def __init__(self) -> None:
        self.published: list[Mapping[str, str]] = []

    def publish(self, **request: str) -> None:
        """As boto3's SNS client."""
        self.published.append(request)


def test_destinations_choose_their_events() -> None:
    """A topic gets the event types that its destination names, with SES's subject, as JSON."""
    topics = Topics()
    stand_in = SesStandIn(production(), publisher=Publisher(topics=TopicSink(topics)))
    with serving(stand_in) as server:
        for name, wanted in (("bounces", ["BOUNCE"]), ("all", ALL_TYPES)):
            client(server).create_configuration_set_event_destination(
                ConfigurationSetName=SET,
                EventDestinationName=name,
                EventDestination={
                    "Enabled": True,
                    "MatchingEventTypes": wanted,
                    "SnsDestination": {"TopicArn": f"{TOPIC}-{name}"},
                },
            )
        events_of(server, f"bounce@{SIMULATOR}")

    told = [(each["TopicArn"].rpartition("-")[2], each["Message"]) for each in topics.published]
    assert [name for name, _ in told] == ["all", "bounces", "all"]
    assert types([json.loads(message) for _, message in told]) == ["Send", "Bounce", "Bounce"]
    assert {each["Subject"] for each in topics.published} == {SUBJECT}


def _named(event: Event) -> tuple[str, str]:
    return event["eventType"], event["mail"]["tags"]["effect_id"][0]
