"""What moto is given is what the template describes."""

import json

import pytest

from ops.resources import PARAMETERS, create_resources, physical_name, queue_url
from ops.template import environment, read_template, resources_of
from tests.stack import session


@pytest.fixture
def made(aws: None) -> dict[str, str]:
    """The environment of the resources, made on an empty moto."""
    return create_resources(session())


def test_every_variable_has_a_value(made: dict[str, str]) -> None:
    """Functions are told the same variables here as in a deployed stack."""
    variables = read_template()["Globals"]["Function"]["Environment"]["Variables"]

    assert set(made) == set(variables)
    assert all(made.values())
    assert made["SEGUE_SENDER"] == PARAMETERS["Sender"]


def test_a_missing_value_is_an_error() -> None:
    """A variable whose resource nobody made is named, not left empty."""
    with pytest.raises(KeyError, match="Stage"):
        environment(read_template(), {})


def test_tables_have_their_keys_indexes_ttl_and_stream(made: dict[str, str]) -> None:
    """Each table of the template is there with its indexes, its TTL and its stream."""
    tables = session().client("dynamodb")

    for name, properties in resources_of(read_template(), "AWS::DynamoDB::Table"):
        found = tables.describe_table(TableName=physical_name(name))["Table"]
        indexes = {index["IndexName"] for index in found.get("GlobalSecondaryIndexes", ())}
        wanted = {index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", ())}
        ttl = tables.describe_time_to_live(TableName=physical_name(name))
        assert [key["AttributeName"] for key in found["KeySchema"]] == ["pk", "sk"]
        assert indexes == wanted
        assert ttl["TimeToLiveDescription"].get("AttributeName") == "expires_at"
        assert ("LatestStreamArn" in found) == ("StreamSpecification" in properties)


def test_queues_park_as_the_template_says(made: dict[str, str]) -> None:
    """A queue of the template keeps its visibility, and its dead-letter queue after five tries."""
    queues = session().client("sqs")

    url = queue_url(session(), "DropsQueue")
    found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    redrive = json.loads(found["RedrivePolicy"])
    assert found["VisibilityTimeout"] == "5400"
    assert redrive["maxReceiveCount"] == 5
    assert redrive["deadLetterTargetArn"].endswith(physical_name("DropsDeadLetters"))


def test_a_dropped_file_is_announced(made: dict[str, str]) -> None:
    """Putting a file under any prefix puts a notification on the queue."""
    objects = session().client("s3")
    queues = session().client("sqs")

    objects.put_object(Bucket=made["SEGUE_DROPS_BUCKET"], Key="unknown/a.csv", Body=b"x")

    received = queues.receive_message(
        QueueUrl=queue_url(session(), "DropsQueue"), MaxNumberOfMessages=10
    )
    events = [json.loads(message["Body"]) for message in received["Messages"]]
    records = [record for event in events for record in event.get("Records", ())]
    assert [record["s3"]["object"]["key"] for record in records] == ["unknown%2Fa.csv"]


def test_two_stacks_can_stand_side_by_side(aws: None) -> None:
    """The prefix names everything that the functions are told."""
    one = create_resources(session(), prefix="one", parameters={"Stage": "one"})
    names = {name: value for name, value in one.items() if "one-" in value}

    assert one["SEGUE_STAGE"] == "one"
    assert {"SEGUE_PROFILES_TABLE", "SEGUE_DROPS_BUCKET", "SEGUE_EFFECTS_QUEUE_URL"} <= set(names)
