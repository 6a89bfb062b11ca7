"""What the packaged template holds: the stack as it would be deployed, without its code."""

import json
import tomllib

import pytest

from ops.bytecode import RUNTIME
from ops.operating import OperatingTable
from ops.places import OPERATING_TABLE
from ops.refusals import functions_of, judge_template
from ops.template import resources_of
from tests.app.packaged import NAMES, Json, arn_of

NEW_ACCOUNT_CONCURRENCY = 10


def test_nothing_in_it_is_refused(template: Json) -> None:
    """Every batch flag is set, no action is a wildcard, and no two functions share a policy."""
    assert list(judge_template(template, runtime=RUNTIME)) == []


def test_functions_are_those_of_the_operating_table(template: Json, table: OperatingTable) -> None:
    """Each function has a row in the operating table, and each row a function."""
    assert set(functions_of(template)) == set(NAMES)
    assert set(table) == set(NAMES.values())


def test_functions_run_as_the_operating_table_says(template: Json, table: OperatingTable) -> None:
    """Memory, timeout, disk, batch size and concurrency in the template are the table's."""
    for function, properties in functions_of(template).items():
        row = table[NAMES[function]]
        mappings = [one["Properties"] for one in properties.get("Events", {}).values()]
        found = {
            "memory_mb": properties["MemorySize"],
            "timeout_seconds": properties["Timeout"],
            "ephemeral_mb": properties.get("EphemeralStorage", {"Size": 512})["Size"],
            "batch_size": next((one["BatchSize"] for one in mappings if "BatchSize" in one), None),
            "concurrency": next(
                (
                    one["ScalingConfig"]["MaximumConcurrency"]
                    for one in mappings
                    if "ScalingConfig" in one
                ),
                None,
            ),
        }
        assert found == {name: getattr(row, name) for name in found}, function


def test_a_slow_worker_is_never_raced_by_its_own_message(
    template: Json, table: OperatingTable
) -> None:
    """A queue hides a message for at least six times the timeout of the function that reads it."""
    for name, row in table.items():
        if row.queue is None:
            continue
        hidden = template["Resources"][row.queue]["Properties"]["VisibilityTimeout"]
        assert hidden == row.visibility_seconds, name
        assert hidden >= 6 * row.timeout_seconds, name


def test_batch_work_leaves_room_for_checkout_in_a_new_account(
    template: Json, table: OperatingTable
) -> None:
    """Of a new account's ten, files, workers and schedules leave an authorizer and a request."""
    batch = sum(row.concurrency for row in table.values() if row.concurrency)
    schedules = 2
    divided = [row.at_once for row in table.values() if row.at_once is not None]

    assert batch + schedules <= NEW_ACCOUNT_CONCURRENCY - 2
    assert divided == ["PartsAtOnce"]
    assert template["Parameters"]["PartsAtOnce"]["Default"] == 0


def test_nothing_is_reserved_unless_asked(template: Json) -> None:
    """A new account refuses every reservation, so the only one is behind a parameter."""
    reserved = {
        name: properties["ReservedConcurrentExecutions"]
        for name, properties in functions_of(template).items()
        if "ReservedConcurrentExecutions" in properties
    }

    assert reserved == {
        "APIHandler": {
            "Fn::If": ["ReserveCheckout", {"Ref": "CheckoutConcurrency"}, {"Ref": "AWS::NoValue"}]
        }
    }
    assert template["Parameters"]["CheckoutConcurrency"]["Default"] == 0


@pytest.mark.parametrize("function", ["OnReviewDue", "OnSweep"])
def test_scheduled_runs_never_overlap(template: Json, table: OperatingTable, function: str) -> None:
    """Each runs every minute and ends within it; a lost run is parked, not repeated."""
    properties = functions_of(template)[function]
    (event,) = properties["Events"].values()

    assert event["Properties"]["Schedule"] == "rate(1 minute)"
    assert table[NAMES[function]].timeout_seconds < 60
    assert event["Properties"]["DeadLetterConfig"] == {"Arn": arn_of("ScheduleDeadLetters")}
    assert properties["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    assert properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"][
        "Destination"
    ] == arn_of("ScheduleDeadLetters")


def test_planned_effects_are_relayed_from_the_first(template: Json) -> None:
    """The relay reads new effects and signals, oldest first; bad batches split, failures park."""
    (event,) = functions_of(template)["OnEffectsPlanned"]["Events"].values()
    mapping = event["Properties"]
    (pattern,) = mapping["FilterCriteria"]["Filters"]

    assert mapping["Stream"] == {"Fn::GetAtt": ["EffectsTable", "StreamArn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] > 0
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == arn_of("StreamDeadLetters")
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"sk": {"S": ["effect", "signal"]}}},
    }


def test_the_decision_log_reads_new_decisions_and_effects_whole_batches_at_a_time(
    template: Json,
) -> None:
    """A batch waits ten seconds for company, is never split, and comes again as it was."""
    events = functions_of(template)["OnDecided"]["Events"].values()
    read = {}
    for event in events:
        mapping = event["Properties"]
        patterns = mapping["FilterCriteria"]["Filters"]
        read[mapping["Stream"]["Fn::GetAtt"][0]] = [
            json.loads(each["Pattern"]) for each in patterns
        ]
        assert event["Type"] == "DynamoDB"
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        # Counts tell a batch that comes again by its first record.
        assert mapping["BisectBatchOnFunctionError"] is False
        assert mapping["MaximumBatchingWindowInSeconds"] == 10
        assert mapping["MaximumRetryAttempts"] > 0
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == arn_of(
            "StreamDeadLetters"
        )

    def stored(kind: str, how: str = "INSERT") -> Json:
        return {"eventName": [how], "dynamodb": {"Keys": {"sk": {"S": [kind]}}}}

    accepted = stored("effect", "MODIFY")
    accepted["dynamodb"]["NewImage"] = {"listed_under": {"S": [{"prefix": "ACCEPTED#"}]}}
    assert read == {
        "DecisionsTable": [stored("record")],
        "EffectsTable": [stored("effect"), accepted, stored("live", "MODIFY")],
        "ProfilesTable": [stored("message")],
    }


def test_the_stream_of_profiles_holds_no_person(template: Json) -> None:
    """Its one reader counts messages, and keys are all that it needs."""
    table = template["Resources"]["ProfilesTable"]["Properties"]

    assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}


def test_the_gateway_compresses_what_is_large(template: Json) -> None:
    """Scripts and pages; a checkout's answer is too small to wait for it."""
    assert template["Resources"]["RestAPI"]["Properties"]["MinimumCompressionSize"] == 20_000


def test_a_night_waits_in_the_queue_of_files(template: Json) -> None:
    """So that it runs as one of the two that files have, and is parked where files are."""
    rule = template["Resources"]["Nightly"]["Properties"]
    (target,) = rule["Targets"]

    assert rule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert target["Arn"] == arn_of("DropsQueue")
    assert target["DeadLetterConfig"] == {"Arn": arn_of("DropsDeadLetters")}


def test_queues_park_what_fails_five_times(template: Json) -> None:
    """Each working queue has a dead-letter queue of its own, and that one keeps longest."""
    queues = dict(resources_of(template, "AWS::SQS::Queue"))
    parked = {name: one["RedrivePolicy"] for name, one in queues.items() if "RedrivePolicy" in one}
    # Of mail events the function itself parks copies, see test_template_mail_events.py.
    tries = {"Drops": 5, "Effects": 5, "MailEvents": 1000}

    assert parked == {
        f"{name}Queue": {
            "deadLetterTargetArn": arn_of(f"{name}DeadLetters"),
            "maxReceiveCount": tries[name],
        }
        for name in tries
    }
    assert set(queues) - set(parked) == {
        f"{name}DeadLetters" for name in ("Drops", "Effects", "MailEvents", "Stream", "Schedule")
    }
    longest = max(one["MessageRetentionPeriod"] for one in queues.values())
    for name, one in queues.items():
        assert one["SqsManagedSseEnabled"] is True, name
        keeps_longest = name not in parked or name == "MailEventsQueue"
        assert (one["MessageRetentionPeriod"] == longest) == keeps_longest, name


def test_tables_are_kept_encrypted_recoverable_and_expire(template: Json) -> None:
    """On demand, with recovery, encryption and a TTL; deleting the stack keeps the data."""
    tables = dict(resources_of(template, "AWS::DynamoDB::Table"))

    assert len(tables) == 5
    for name, one in tables.items():
        resource = template["Resources"][name]
        assert one["BillingMode"] == "PAY_PER_REQUEST", name
        assert one["SSESpecification"] == {"SSEEnabled": True}, name
        assert one["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True, name
        assert one["TimeToLiveSpecification"] == {
            "AttributeName": "expires_at",
            "Enabled": True,
        }, name
        assert [key["AttributeName"] for key in one["KeySchema"]] == ["pk", "sk"], name
        assert resource["UpdateReplacePolicy"] == "Retain", name
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name


def test_indexes_hold_keys_alone(template: Json) -> None:
    """What is due, decided, somebody's, unfinished or mailed is found by indexes of keys alone."""
    tables = dict(resources_of(template, "AWS::DynamoDB::Table"))
    indexes = {
        (name, index["IndexName"]): (
            [key["AttributeName"] for key in index["KeySchema"]],
            index["Projection"],
        )
        for name, one in tables.items()
        for index in one.get("GlobalSecondaryIndexes", ())
    }

    keys_only = {"ProjectionType": "KEYS_ONLY"}
    assert indexes == {
        ("ProfilesTable", "due"): (["due_shard", "review_at"], keys_only),
        ("ProfilesTable", "by_owner"): (["owned_by"], keys_only),
        ("EffectsTable", "by_owner"): (["owned_by"], keys_only),
        ("DecisionsTable", "by_subject"): (["subject", "decided_at"], keys_only),
        ("EffectsTable", "open"): (["open_shard", "look_at"], keys_only),
        ("EffectsTable", "mails"): (["listed_under", "listed_at"], keys_only),
    }
    streams = {name for name, one in tables.items() if "StreamSpecification" in one}
    assert streams == {"DecisionsTable", "EffectsTable", "ProfilesTable"}


def test_every_dropped_file_is_announced(template: Json) -> None:
    """Also a file under an unknown prefix reaches the queue, to be rejected with a reason."""
    bucket = template["Resources"]["DropsBucket"]["Properties"]

    assert bucket["NotificationConfiguration"] == {
        "QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": arn_of("DropsQueue")},
        ]
    }
    assert template["Resources"]["DropsBucket"]["DependsOn"] == "DropsQueuePolicy"


def test_buckets_are_private_encrypted_and_empty_within_30_days(template: Json) -> None:
    """No public access, encryption at rest and in transit, and nothing older than 30 days."""
    buckets = dict(resources_of(template, "AWS::S3::Bucket"))

    assert set(buckets) == {"DropsBucket", "ResultsBucket"}
    work = buckets["ResultsBucket"]["LifecycleConfiguration"]["Rules"].pop()
    assert work == {
        "Id": "WorkGoneWithin8Days",
        "Status": "Enabled",
        "Prefix": "work/",
        "ExpirationInDays": 7,
    }
    for name, one in buckets.items():
        assert set(one["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert "BucketEncryption" in one, name
        rules = one["LifecycleConfiguration"]["Rules"]
        waits = [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]
        waits += [
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules
            if "NoncurrentVersionExpiration" in rule
        ]
        # S3 rounds each wait up to the next midnight.
        assert sum(wait + 1 for wait in waits) == 30, name
        assert all(rule["Status"] == "Enabled" for rule in rules), name


def test_the_operating_table_has_no_unknown_rows(table: OperatingTable) -> None:
    """The table on file is read whole: a misspelt row would be an error, not a default."""
    written = tomllib.loads(OPERATING_TABLE.read_text())

    assert {name: row.model_dump(exclude_none=True) for name, row in table.items()} == written
