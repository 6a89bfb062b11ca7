"""How mail events come in: what SES publishes, who may hand it on, and what the function may do."""

from __future__ import annotations

from typing import get_args

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
    """In its envelope, which the code checks again; what cannot be delivered is parked."""
    queue = template["Resources"]["MailEventsQueuePolicy"]["Properties"]
    allowed = [s for s in queue["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    subscription = template["Resources"]["MailEventsSubscription"]["Properties"]

    assert [one["Principal"] for one in allowed] == [{"Service": "sns.amazonaws.com"}]
    assert allowed[0]["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "MailEventsTopic"}}}
    assert allowed[0]["Action"] == "sqs:SendMessage"
    assert subscription["Endpoint"] == arn_of("MailEventsQueue")
    assert subscription["RawMessageDelivery"] is False
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": arn_of("MailEventsDeadLetters")}


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
