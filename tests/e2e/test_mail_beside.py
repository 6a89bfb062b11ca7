"""The stand-in for SES beside a real local stack: its sets, its topics, its queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ops.ses.inbox import ask
from ops.session import open_session
from ops.stack import LocalStack, running
from tests.e2e.deployed import eventually

pytestmark = pytest.mark.e2e
SET = "made-next-door"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A local stack with nothing deployed."""
    with running(tmp_path_factory.mktemp("beside")) as local:
        yield local


def test_events_of_a_mail_reach_the_stacks_queue(stack: LocalStack) -> None:
    """Set and identity of the stack count: events go by its topic to its queue, with the tag."""
    queue_url = _queue_of_events(stack)
    mail = open_session(endpoint_url=stack.endpoint_url, mail_url=stack.mail_url).client("sesv2")

    sent = mail.send_email(
        FromEmailAddress="shop@example.com",
        Destination={"ToAddresses": ["bounce@simulator.amazonses.com"]},
        Content={"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}},
        ConfigurationSetName=SET,
        EmailTags=[{"Name": "effect_id", "Value": "e-1"}],
    )

    taken: list[Any] = []
    sqs = open_session(endpoint_url=stack.endpoint_url).client("sqs")

    def look() -> bool | None:
        taken.extend(sqs.receive_message(QueueUrl=queue_url).get("Messages", []))
        return len(taken) >= 2 or None

    eventually(look, within_seconds=30, what="Send and Bounce")
    notices = [json.loads(message["Body"]) for message in taken]
    events = [json.loads(notice["Message"]) for notice in notices]
    assert {event["eventType"] for event in events} == {"Send", "Bounce"}
    assert {notice["TopicArn"].rpartition(":")[2] for notice in notices} == {"mail-events"}
    for event in events:
        assert event["mail"]["messageId"] == sent["MessageId"]
        assert event["mail"]["tags"]["effect_id"] == ["e-1"]


def test_an_unknown_set_is_refused(stack: LocalStack) -> None:
    """A set that neither knows is refused as SES refuses it."""
    mail = open_session(endpoint_url=stack.endpoint_url, mail_url=stack.mail_url).client("sesv2")
    content: Any = {"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}}

    with pytest.raises(mail.exceptions.NotFoundException):
        mail.send_email(
            FromEmailAddress="shop@example.com",
            Destination={"ToAddresses": ["success@simulator.amazonses.com"]},
            Content=content,
            ConfigurationSetName="nowhere",
        )

    assert stack.mail_url is not None
    assert ask(stack.mail_url, "posts")["posts"][-1]["refused"] == "NotFoundException"


def _queue_of_events(stack: LocalStack) -> str:
    session = open_session(endpoint_url=stack.endpoint_url, mail_url=stack.endpoint_url)
    sns: Any = session.client("sns")
    sqs, ses = session.client("sqs"), session.client("sesv2")
    topic = sns.create_topic(Name="mail-events")["TopicArn"]
    url = sqs.create_queue(QueueName="mail-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    ses.create_email_identity(EmailIdentity="shop@example.com")
    ses.create_configuration_set(ConfigurationSetName=SET)
    ses.create_configuration_set_event_destination(
        ConfigurationSetName=SET,
        EventDestinationName="feedback",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["SEND", "BOUNCE"],
            "SnsDestination": {"TopicArn": topic},
        },
    )
    return url
