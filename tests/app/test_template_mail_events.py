"""How mail events come in: what SES publishes, who may hand it on, and what the function may do."""

from __future__ import annotations

from typing import get_args

import pytest

from chalicelib.core.kinds import ADDRESS, BREAKER
from chalicelib.mail.ses_events import EventKind
from ops.template import resources_of
from tests.app.packaged import Json, arn_of, statements_of


def test_ses_publishes_every_kind_that_is_read(template: Json) -> None:
    """Through the configuration set of every mail, to the topic."""
    [(_, destination)] = resources_of(template, "AWS::SES::ConfigurationSetEventDestination")
    said = destination["EventDestination"]

    assert destination["ConfigurationSetName"] == {"Ref": "ConfigurationSet"}
    assert said["Enabled"] is True
    assert said["SnsDestination"] == {"TopicARN": {"Ref": "MailEventsTopic"}}
    assert set(said["MatchingEventTypes"]) == {kind.lower() for kind in get_args(EventKind)}


def test_only_the_configuration_set_publishes(template: Json) -> None:
    """Of this account, and no other of its configuration sets."""
    policy = template["Resources"]["MailEventsTopicPolicy"]["Properties"]
    [statement] = policy["PolicyDocument"]["Statement"]

    assert policy["Topics"] == [{"Ref": "MailEventsTopic"}]
    assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }
    source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert source.endswith("configuration-set/${ConfigurationSet}")


def test_the_queue_admits_only_that_topic(template: Json) -> None:
    """In its envelope, which the code checks again; into the dead letters it may write nothing."""
    queue = template["Resources"]["MailEventsQueuePolicy"]["Properties"]
    allowed = [s for s in queue["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    subscription = template["Resources"]["MailEventsSubscription"]["Properties"]

    assert [one["Principal"] for one in allowed] == [{"Service": "sns.amazonaws.com"}]
    assert allowed[0]["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "MailEventsTopic"}}}
    assert allowed[0]["Action"] == "sqs:SendMessage"
    assert allowed[0]["Resource"] == arn_of("MailEventsQueue")
    assert subscription["Endpoint"] == arn_of("MailEventsQueue")
    assert subscription["RawMessageDelivery"] is False
    assert "RedrivePolicy" not in subscription


def test_no_event_as_published_is_ever_parked(template: Json) -> None:
    """Nobody's address gets into the dead letters, even if the function never runs.

    Only the function writes there, and only copies without addresses. SQS would move an event that
    was delivered too often, but forgets it before: it keeps none for as many timeouts as that. SNS
    would park what it cannot deliver, but has nowhere to; that rings instead.
    """
    queue = template["Resources"]["MailEventsQueue"]["Properties"]
    longest = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    undelivered = [
        one
        for _, one in resources_of(template, "AWS::CloudWatch::Alarm")
        if (one["Namespace"], one["MetricName"]) == ("AWS/SNS", "NumberOfNotificationsFailed")
    ]

    assert longest > queue["MessageRetentionPeriod"]
    assert [one["Dimensions"] for one in undelivered] == [
        [{"Name": "TopicName", "Value": {"Fn::GetAtt": ["MailEventsTopic", "TopicName"]}}]
    ]


def test_the_function_puts_aside_what_fails(template: Json) -> None:
    """It may write into its own queue and its own dead letters, and knows where they are."""
    [resources] = [
        statement["Resource"]
        for statement in statements_of(template, "OnMailEvent")
        if "sqs:SendMessage" in statement["Action"]
    ]
    told = template["Globals"]["Function"]["Environment"]["Variables"]

    assert resources == [arn_of("MailEventsQueue"), arn_of("MailEventsDeadLetters")]
    assert told["SEGUE_MAIL_EVENTS_QUEUE_URL"] == {"Ref": "MailEventsQueue"}
    assert told["SEGUE_MAIL_EVENTS_DEAD_LETTERS_URL"] == {"Ref": "MailEventsDeadLetters"}


@pytest.mark.parametrize("reason", ["foreign_topic", "unreadable", "forged"])
def test_what_should_never_come_rings(template: Json, reason: str) -> None:
    """Another's topic, events that we cannot read, copies that we did not sign."""
    assert [
        one["Threshold"]
        for _, one in resources_of(template, "AWS::CloudWatch::Alarm")
        if one.get("MetricName") == "MailEventsRefused"
        and {"Name": "reason", "Value": reason} in one["Dimensions"]
    ] == [0]


def test_the_function_writes_addresses_counts_and_effects_alone(template: Json) -> None:
    """Not a profile, not a kill switch, not an API key, although they share its tables."""
    writes = {
        statement["Resource"]["Fn::GetAtt"][0]: statement.get("Condition")
        for statement in statements_of(template, "OnMailEvent")
        if "dynamodb:PutItem" in statement["Action"]
    }

    def keys(prefix: str) -> Json:
        return {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{prefix}*"]}}

    assert writes == {
        "EffectsTable": None,
        "ProfilesTable": keys(ADDRESS.prefix),
        "ControlTable": keys(BREAKER.prefix),
    }
