"""Who may do what: the policies of the packaged template."""

import json

import pytest

from ops.places import CHALICE
from ops.template import resources_of
from tests.app.packaged import NAMES, Json, statements_of


def test_buckets_and_queues_speak_tls_alone(template: Json) -> None:
    """Every bucket and every queue denies a request that is not encrypted."""
    covered = set()
    for kind, targets in (("AWS::S3::BucketPolicy", "Bucket"), ("AWS::SQS::QueuePolicy", "Queues")):
        for name, one in resources_of(template, kind):
            denials = [
                statement
                for statement in one["PolicyDocument"]["Statement"]
                if statement["Effect"] == "Deny"
                and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            ]
            assert denials, name
            listed = one[targets] if isinstance(one[targets], list) else [one[targets]]
            covered |= {target["Ref"] for target in listed}

    queues = {name for name, _ in resources_of(template, "AWS::SQS::Queue")}
    assert covered == queues | {"DropsBucket", "ResultsBucket"}


def test_each_function_has_the_policy_file_of_its_name() -> None:
    """``.chalice`` holds one policy for each function, and no other; none is made by guessing."""
    config = json.loads((CHALICE / "config.json").read_text())

    assert config["autogen_policy"] is False
    assert {name: one["iam_policy_file"] for name, one in config["lambda_functions"].items()} == {
        name: f"policy-{name}.json" for name in NAMES.values()
    }
    assert {path.name for path in CHALICE.glob("policy-*.json")} == {
        f"policy-{name}.json" for name in NAMES.values()
    }


def test_policies_name_only_what_is_in_the_stack(template: Json) -> None:
    """Every resource of a policy is a reference, never a name that another stack could have."""
    for function in NAMES:
        for statement in statements_of(template, function):
            resources = statement["Resource"]
            for one in resources if isinstance(resources, list) else [resources]:
                assert isinstance(one, dict), (function, statement["Sid"])


@pytest.mark.parametrize(
    ("prefix", "functions"),
    [
        ("ses:", {"OnEffect"}),
        ("events:", {"OnEffect"}),
        ("s3:Get", {"APIHandler", "OnDrop", "WorkPart"}),
        ("s3:ListBucket", {"APIHandler", "OnDrop", "WorkPart"}),
        ("s3:Put", {"OnDecided", "OnDrop", "WorkPart"}),
        ("s3:Delete", {"WorkPart"}),
        ("states:", {"OnDrop"}),
        (
            "sqs:SendMessage",
            {
                *("APIHandler", "OnDecided", "OnDrop", "OnEffect"),
                *("OnEffectsPlanned", "OnMailEvent", "OnReviewDue", "OnSweep"),
            },
        ),
        (
            "dynamodb:DeleteItem",
            {"APIHandler", "OnDrop", "OnEffectsPlanned", "OnReviewDue", "OnSweep", "WorkPart"},
        ),
        ("dynamodb:GetRecords", {"OnDecided", "OnEffectsPlanned"}),
        (
            "dynamodb:PutItem",
            {
                "APIHandler",
                "OnDecided",
                "OnDrop",
                "OnEffect",
                "OnEffectsPlanned",
                "OnMailEvent",
                "OnReviewDue",
                "OnSweep",
                "WorkPart",
            },
        ),
        ("dynamodb:ConditionCheckItem", {"APIHandler", "OnDrop", "OnEffect", "WorkPart"}),
        ("dynamodb:UpdateItem", {"APIHandler"}),
        ("dynamodb:Scan", set()),
        ("dynamodb:BatchWriteItem", set()),
        (
            "ssm:",
            {
                "APIHandler",
                "OnDecided",
                "OnDrop",
                "OnEffect",
                "OnMailEvent",
                "OnReviewDue",
                "WorkPart",
            },
        ),
    ],
)
def test_only_those_who_need_it_may(template: Json, prefix: str, functions: set[str]) -> None:
    """Who may send mail, publish, read files, write: each power is in as few hands as can be."""
    allowed = {
        function
        for function in NAMES
        for statement in statements_of(template, function)
        if any(action.startswith(prefix) for action in statement["Action"])
    }

    assert allowed == functions


@pytest.mark.parametrize(
    ("table", "functions"),
    [
        ("ProfilesTable", {"APIHandler", "OnDrop", "OnMailEvent", "OnReviewDue", "WorkPart"}),
        ("DecisionsTable", {"APIHandler", "OnDrop", "OnReviewDue", "WorkPart"}),
        (
            "EffectsTable",
            {
                "APIHandler",
                "OnDrop",
                "OnEffect",
                "OnMailEvent",
                "OnReviewDue",
                "OnSweep",
                "WorkPart",
            },
        ),
        ("ControlTable", {"APIHandler", "OnDecided", "OnDrop", "OnMailEvent", "WorkPart"}),
        ("SignalsTable", {"OnDrop", "OnEffectsPlanned"}),
    ],
)
def test_only_those_who_write_a_table_may(template: Json, table: str, functions: set[str]) -> None:
    """A checkout cannot change the catalogue, and the API cannot make itself a key."""
    allowed = {
        function
        for function in NAMES
        for statement in statements_of(template, function)
        if "dynamodb:PutItem" in statement["Action"] and table in json.dumps(statement["Resource"])
    }

    assert allowed == functions


def test_whoever_settles_codes_or_mails_them_may_check_that_they_stand(template: Json) -> None:
    """A code that an order cannot have, or that a mail offers, is a condition of the write."""
    allowed = {
        function
        for function in NAMES
        for statement in statements_of(template, function)
        if "dynamodb:ConditionCheckItem" in statement["Action"]
        and "EffectsTable" in json.dumps(statement["Resource"])
    }

    assert allowed == {"APIHandler", "OnDrop", "OnEffect", "WorkPart"}


def test_the_api_writes_tombstones_switches_and_policies_and_no_keys(template: Json) -> None:
    """API keys lie in the same table: whoever serves requests must not be able to make one."""
    for function in ("APIHandler", "OnEffect", "OnReviewDue"):
        for statement in statements_of(template, function):
            resources = statement["Resource"]
            listed = resources if isinstance(resources, list) else [resources]
            writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
            if {"Fn::GetAtt": ["ControlTable", "Arn"]} in listed and writes & {
                *statement["Action"]
            }:
                assert function == "APIHandler"
                prefixes = ["x#*", "switch#*", "alias#*", "policy#*", "policies#*"]
                prefixes += ["simulation#*", "breaker#*", "restarts#*"]
                assert statement["Condition"] == {
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": prefixes}
                }


def test_nobody_may_write_where_files_are_dropped(template: Json) -> None:
    """Results go to another bucket: no function can set itself off by writing an input."""
    writes: dict[str, list[str]] = {}
    for function in NAMES:
        for statement in statements_of(template, function):
            if "s3:PutObject" in statement["Action"]:
                named = statement["Resource"]
                for each in named if isinstance(named, list) else [named]:
                    writes.setdefault(function, []).append(each["Fn::Sub"])

    bucket = "${ResultsBucket.Arn}"
    assert writes == {
        "OnDecided": [f"{bucket}/log/decisions/*"],
        "OnDrop": [f"{bucket}/results/*", f"{bucket}/log/state/*"],
        "WorkPart": [f"{bucket}/results/*", f"{bucket}/work/*"],
    }


def test_only_results_of_parts_may_be_taken_away(template: Json) -> None:
    """Of a file that was refused; no input, no summary, manifest or rejects, and no log."""
    bucket = "${ResultsBucket.Arn}/results/*"
    [deletes] = [
        statement["Resource"]
        for statement in statements_of(template, "WorkPart")
        if "s3:DeleteObject" in statement["Action"]
    ]

    assert deletes == [{"Fn::Sub": f"{bucket}/scores/*"}, {"Fn::Sub": f"{bucket}/unscored/*"}]


def test_the_api_reads_results_and_no_drops(template: Json) -> None:
    """The console shows what was rejected of a file, which holds the file's own words."""
    reads = [
        (tuple(statement["Action"]), statement["Resource"])
        for statement in statements_of(template, "APIHandler")
        if any(action.startswith("s3:") for action in statement["Action"])
    ]

    assert reads == [
        (("s3:GetObject",), {"Fn::Sub": "${ResultsBucket.Arn}/results/*"}),
        (("s3:ListBucket",), {"Fn::GetAtt": ["ResultsBucket", "Arn"]}),
    ]


def test_the_decision_log_reads_no_person_and_writes_counts_alone(template: Json) -> None:
    """Of the tables it reads streams; keys, switches and tombstones are out of its reach."""
    tables = [
        (statement["Resource"], statement["Condition"])
        for statement in statements_of(template, "OnDecided")
        if {"dynamodb:BatchGetItem", "dynamodb:PutItem"} & {*statement["Action"]}
    ]

    assert tables == [
        (
            {"Fn::GetAtt": ["ControlTable", "Arn"]},
            {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["rollup#*"]}},
        )
    ]


def test_the_rule_of_the_night_may_send_to_the_queue_of_files_and_park_there(
    template: Json,
) -> None:
    """Rules of this stack alone, and into no other queue of work."""
    allowed = {
        statement["Resource"]["Fn::GetAtt"][0]
        for _, one in resources_of(template, "AWS::SQS::QueuePolicy")
        for statement in one["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "events.amazonaws.com"}
    }

    assert allowed == {"DropsQueue", "DropsDeadLetters", "ScheduleDeadLetters"}


def test_mail_leaves_from_one_address_through_one_configuration_set(template: Json) -> None:
    """Sending is bound to the identity, the configuration set and the From address.

    SES judges a raw message that comes through its v2 interface as ses:SendRawEmail.
    """
    (statement,) = [
        one for one in statements_of(template, "OnEffect") if "ses:SendEmail" in one["Action"]
    ]

    assert set(statement["Action"]) == {"ses:SendEmail", "ses:SendRawEmail"}
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "SenderAddress"}}}
    assert [one["Fn::Sub"].rpartition(":")[2] for one in statement["Resource"]] == [
        "identity/${SenderIdentity}",
        "configuration-set/${ConfigurationSet}",
    ]


def test_the_state_machine_may_run_itself_and_one_function(template: Json) -> None:
    """Its maps are executions of its own; it reads the items of maps and no row of any file."""
    [policy] = template["Resources"]["DividedDropsRole"]["Properties"]["Policies"]
    allowed = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
    named = template["Resources"]["DividedDrops"]["Properties"]["StateMachineName"]["Fn::Sub"]

    assert allowed == {
        "lambda:InvokeFunction": {"Fn::GetAtt": ["WorkPart", "Arn"]},
        "s3:GetObject": {"Fn::Sub": "${ResultsBucket.Arn}/work/*/items/*"},
        "states:StartExecution": {"Fn::Sub": f"{arn}:stateMachine:{named}"},
        "states:DescribeExecution": {"Fn::Sub": f"{arn}:execution:{named}/*"},
        "states:StopExecution": {"Fn::Sub": f"{arn}:execution:{named}/*"},
    }
