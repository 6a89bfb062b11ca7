"""The template's resources made by plain calls, for a moto that drops half of a template.

moto's CloudFormation leaves out bucket notifications, TTL, recovery and lifecycle rules without
a word, and cannot transform SAM. So tests and ``make local`` read the same merge template that is
deployed, and make from it what it describes: tables with their indexes, stream and TTL, queues
with their redrive, buckets with their notification, topics with the queues that listen, the bus,
the configuration set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boto3.session import Session

from ops.signing import ensure_signing_keys
from ops.template import environment, read_template, resources_of

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

PARAMETERS: Mapping[str, str] = {
    "Stage": "local",
    "Sender": "Example Shop <shop@example.com>",
    "SenderIdentity": "shop@example.com",
    "PostalAddress": "Example Shop, 1 Example Street, Springfield",
    "PublicUrl": "http://127.0.0.1:8000",
    "ShopUrl": "https://shop.example",
    "MailsPerSecond": "100",
    "MailsPerDay": "50000",
    "DropWritesPerSecond": "1000",
    "FreshWithinHours": "events=48,orders=744",
    "SigningKeysParameter": "/segue/local/signing-keys",
    "PartsAtOnce": "0",  # here is nothing that would run a state machine
    "DivideAboveBytes": "64000000",
}


def create_resources(
    session: Session,
    *,
    prefix: str = "segue-local",
    parameters: Mapping[str, str] = PARAMETERS,
) -> dict[str, str]:
    """Make everything that functions need, and return the environment that they are given.

    Names derive from ``prefix`` and the logical id alone, see ``physical_name``.
    """
    template = read_template()
    values = dict(PARAMETERS) | dict(parameters)
    tables = session.client("dynamodb")
    for name, properties in resources_of(template, "AWS::DynamoDB::Table"):
        values[name] = physical_name(name, prefix=prefix)
        _create_table(tables, values[name], properties)
    queues = session.client("sqs")
    values |= _create_queues(queues, template, prefix)
    objects = session.client("s3")
    for name, properties in resources_of(template, "AWS::S3::Bucket"):
        values[name] = physical_name(name, prefix=prefix)
        objects.create_bucket(Bucket=values[name])
        _configure_bucket(objects, values[name], properties)
        notify = properties.get("NotificationConfiguration", {}).get("QueueConfigurations", ())
        for one in notify:
            target = _queue_arn(queues, values[one["Queue"]["Fn::GetAtt"][0]])
            _notify(objects, values[name], queue_arn=target, event=one["Event"])
    for name, _ in resources_of(template, "AWS::Events::EventBus"):
        values[name] = physical_name(name, prefix=prefix)
        session.client("events").create_event_bus(Name=values[name])
    values |= _create_topics(session, template, values, prefix)
    mail = session.client("sesv2")
    for name, _ in resources_of(template, "AWS::SES::ConfigurationSet"):
        values[name] = physical_name(name, prefix=prefix)
        mail.create_configuration_set(ConfigurationSetName=values[name])
    mail.create_email_identity(EmailIdentity=values["SenderIdentity"])
    ensure_signing_keys(session, values["SigningKeysParameter"])
    return environment(template, values)


def physical_name(logical_id: str, *, prefix: str = "segue-local") -> str:
    """The name that ``create_resources`` gives the thing with this logical id."""
    return f"{prefix}-{logical_id.lower()}"


def queue_url(session: Session, logical_id: str, *, prefix: str = "segue-local") -> str:
    """The URL of one queue of the template, such as ``DropsQueue``."""
    name = physical_name(logical_id, prefix=prefix)
    return session.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def _create_table(tables: DynamoDBClient, name: str, properties: Mapping[str, Any]) -> None:
    optional: dict[str, Any] = {}
    if "GlobalSecondaryIndexes" in properties:
        optional["GlobalSecondaryIndexes"] = properties["GlobalSecondaryIndexes"]
    if "StreamSpecification" in properties:
        optional["StreamSpecification"] = {
            "StreamEnabled": True,
            **properties["StreamSpecification"],
        }
    tables.create_table(
        TableName=name,
        AttributeDefinitions=properties["AttributeDefinitions"],
        KeySchema=properties["KeySchema"],
        BillingMode=properties["BillingMode"],
        SSESpecification={"Enabled": properties["SSESpecification"]["SSEEnabled"]},
        **optional,
    )
    tables.update_time_to_live(
        TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
    )
    tables.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification=properties["PointInTimeRecoverySpecification"],
    )


def _create_queues(queues: SQSClient, template: Mapping[str, Any], prefix: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    described = dict(resources_of(template, "AWS::SQS::Queue"))
    # A queue names its dead-letter queue, which therefore comes first.
    for name in sorted(described, key=lambda name: "RedrivePolicy" in described[name]):
        attributes: dict[Any, str] = {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in described[name].items()
            if key != "RedrivePolicy"
        }
        redrive = described[name].get("RedrivePolicy")
        if redrive is not None:
            target = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
            arn = _queue_arn(queues, urls[target])
            attributes["RedrivePolicy"] = json.dumps({**redrive, "deadLetterTargetArn": arn})
        physical = physical_name(name, prefix=prefix)
        created = queues.create_queue(QueueName=physical, Attributes=attributes)
        urls[name] = created["QueueUrl"]
    return urls


def _create_topics(
    session: Session, template: Mapping[str, Any], values: Mapping[str, str], prefix: str
) -> dict[str, str]:
    """Topics by their ARN, each with the queues that listen to it."""
    topics, queues = session.client("sns"), session.client("sqs")
    arns = {
        name: topics.create_topic(Name=physical_name(name, prefix=prefix))["TopicArn"]
        for name, _ in resources_of(template, "AWS::SNS::Topic")
    }
    for _, properties in resources_of(template, "AWS::SNS::Subscription"):
        if properties["Protocol"] == "sqs":
            topics.subscribe(
                TopicArn=arns[properties["TopicArn"]["Ref"]],
                Protocol="sqs",
                Endpoint=_queue_arn(queues, values[properties["Endpoint"]["Fn::GetAtt"][0]]),
                Attributes={"RawMessageDelivery": str(properties["RawMessageDelivery"]).lower()},
            )
    return arns


def _configure_bucket(objects: S3Client, name: str, properties: Mapping[str, Any]) -> None:
    objects.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"],
    )
    if "VersioningConfiguration" in properties:
        objects.put_bucket_versioning(
            Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"]
        )


def _notify(objects: S3Client, name: str, *, queue_arn: str, event: Any) -> None:
    objects.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue_arn, "Events": [event]}]
        },
    )


def _queue_arn(queues: SQSClient, url: str) -> str:
    answer = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
