"""How the doctor looks things up, and what it says at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from dns.resolver import LifetimeTimeout

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Switches
from chalicelib.core.kinds import SWITCH
from chalicelib.core.storage import WHATEVER, Put
from ops.cli import main
from ops.diagnosis import diagnose
from ops.dmarc import Dmarc
from ops.doctor import batch_concurrency, gather, tell
from ops.finding import Finding
from ops.operating import read_operating_table
from ops.ses.account import Identity as SesIdentity
from ops.ses.server import SesServer
from ops.stage_facts import Alarms, Facts, Identity, MailAccount
from ops.template import read_template
from tests.ops.ses_makers import client as client_of
from tests.ops.ses_makers import production, raw_request, ses
from tests.stack import create_tables

NOW = 1_795_000_000
ACCOUNT: dict[str, Any] = {
    "ProductionAccessEnabled": False,
    "SendingEnabled": True,
    "EnforcementStatus": "HEALTHY",
    "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 3.0},
}
DOMAIN: dict[str, Any] = {
    "IdentityType": "DOMAIN",
    "VerifiedForSendingStatus": True,
    "DkimAttributes": {"SigningEnabled": True, "Status": "SUCCESS"},
    "MailFromAttributes": {
        "MailFromDomain": "bounce.example.com",
        "MailFromDomainStatus": "PENDING",
        "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
    },
}


class StubbedSession:
    """moto, save for what moto does not know: SES's account and the limits of Lambda."""

    def __init__(self) -> None:
        """Make the stubs; a test says what they answer."""
        self.mail, self.functions = boto3.client("sesv2"), boto3.client("lambda")
        self.mail_says, self.functions_say = Stubber(self.mail), Stubber(self.functions)

    def client(self, name: str) -> Any:
        """A stub where there is one."""
        return {"sesv2": self.mail, "lambda": self.functions}.get(name) or boto3.client(name)  # type: ignore[call-overload]


@pytest.fixture
def outputs(aws: None) -> dict[str, str]:
    """What the stack of a stage says of itself, with a mailbox that hears of alarms."""
    sqs = boto3.client("sqs")
    topic = boto3.client("sns").create_topic(Name="alarms")["TopicArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="segue-dev-Mute",
        Namespace="AWS/SQS",
        MetricName="x",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    names = [name for name in read_template()["Outputs"] if name.endswith("Letters")]
    return {
        **{name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names},
        "Sender": "Example Shop <shop@example.com>",
        "PublicUrl": "https://api.shop.example/api",
        "ConfigurationSet": "mails",
        "ControlTable": create_tables(boto3.client("dynamodb"))["control"],
        "AlarmTopic": topic,
    }


@pytest.fixture
def stubbed(aws: None) -> Iterator[StubbedSession]:
    """AWS with everything in order but what a test says."""
    stubs = StubbedSession()
    with stubs.mail_says, stubs.functions_say:
        yield stubs


def looked_up(stubbed: StubbedSession, outputs: dict[str, str]) -> Facts:
    """The facts of the stage."""
    return gather(stubbed, outputs, stage="dev", now=NOW, ask=answer_txt)  # type: ignore[arg-type]


def answer_txt(name: str) -> tuple[str, ...]:
    """A DNS that knows one policy."""
    return ("v=DMARC1; p=none",) if name == "_dmarc.example.com" else ()


def answer_well(stubbed: StubbedSession) -> None:
    """SES knows the domain and not the address."""
    stubbed.mail_says.add_client_error("get_email_identity", "NotFoundException")
    stubbed.mail_says.add_response("get_email_identity", DOMAIN, {"EmailIdentity": "example.com"})
    stubbed.mail_says.add_response("get_account", ACCOUNT)
    stubbed.mail_says.add_response("get_configuration_set", {})
    limits = {"AccountLimit": {"ConcurrentExecutions": 10}}
    stubbed.functions_say.add_response("get_account_settings", limits)


def test_every_fact_is_looked_up(stubbed: StubbedSession, outputs: dict[str, str]) -> None:
    """Account, identity, switches, limits, what is parked, and who hears of it."""
    answer_well(stubbed)
    boto3.client("sqs").send_message(QueueUrl=outputs["EffectsDeadLetters"], MessageBody="x")

    facts = looked_up(stubbed, outputs)

    assert facts == Facts(
        stage="dev",
        address="shop@example.com",
        public_url="https://api.shop.example/api",
        identities=(Identity("example.com", True, "SUCCESS", "bounce.example.com", "PENDING"),),
        dmarc=Dmarc("example.com", "example.com", ("v=DMARC1; p=none",)),
        account=MailAccount(False, True, "HEALTHY", 200, 3, 1),
        set_sends=True,
        switched_on=True,
        concurrency=10,
        batch_concurrency=batch_concurrency(read_operating_table()),
        workers=2,
        dead_letters={"drops": 0, "effects": 1, "stream": 0, "schedule": 0, "mail-events": 0},
        alarms=Alarms(listening=1, unconfirmed=0, mute=("segue-dev-Mute",), ringing=()),
    )


def test_one_copy_of_the_switch_that_is_off_counts(
    stubbed: StubbedSession, outputs: dict[str, str]
) -> None:
    """A flip that did not come through stops a part of the mails."""
    answer_well(stubbed)
    client = boto3.client("dynamodb")
    store = DynamoStore(lambda: client, tables={"control": outputs["ControlTable"]})
    store.write([Put(SWITCH.key("7"), Switches(sending=False), WHATEVER)], now=NOW)

    assert looked_up(stubbed, outputs).switched_on is False


def test_what_refuses_to_answer_is_unknown(
    stubbed: StubbedSession, outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is looked up all the same, and why it is unknown is said."""
    for call in ("get_email_identity", "get_account", "get_configuration_set"):
        stubbed.mail_says.add_client_error(call, "AccessDeniedException")
    stubbed.functions_say.add_client_error("get_account_settings", "AccessDeniedException")
    gone = {**outputs, "AlarmTopic": outputs["AlarmTopic"] + "-gone", "ControlTable": "gone"}

    facts = looked_up(stubbed, gone)

    assert [facts.identities, facts.account, facts.set_sends, facts.switched_on] == [None] * 4
    assert (facts.concurrency, facts.alarms) == (None, None)
    assert facts.dead_letters is not None
    assert "AccessDeniedException" in capsys.readouterr().err


def test_nothing_in_ses_is_no_identity(stubbed: StubbedSession, outputs: dict[str, str]) -> None:
    """That is a finding, and not a failure to look."""
    for _ in range(2):
        stubbed.mail_says.add_client_error("get_email_identity", "NotFoundException")
    stubbed.mail_says.add_response("get_account", ACCOUNT)
    stubbed.mail_says.add_response(
        "get_configuration_set", {"SendingOptions": {"SendingEnabled": False}}
    )
    stubbed.functions_say.add_client_error("get_account_settings", "Throttled")

    facts = looked_up(stubbed, outputs)

    assert (facts.identities, facts.set_sends) == ((), False)


def test_batch_work_is_what_the_operating_table_says() -> None:
    """Workers of queues and one run of each schedule; the same figure as in its preface."""
    assert batch_concurrency(read_operating_table()) == 8


def test_the_last_line_is_json(
    stubbed: StubbedSession, outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """For people first, for scripts at the end."""
    answer_well(stubbed)

    blocked = tell(diagnose(looked_up(stubbed, outputs)))

    lines = capsys.readouterr().out.splitlines()
    told = json.loads(lines[-1])
    assert lines[0].startswith("blocks   sandbox: ")
    assert lines[1].strip().startswith("→ aws sesv2 put-account-details")
    assert blocked
    assert lines[-2] == "mail cannot go out"
    assert (told["blocks"], len(told["findings"])) == (1, sum(
        told[name] for name in ("blocks", "warns", "unknown")
    ))  # fmt: skip


def test_warnings_alone_block_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The command then ends well."""
    assert not tell(
        [Finding("warns", "rate", "slow", "ask"), Finding("unknown", "dmarc", "?", "dig")]
    )
    assert "nothing keeps mail from going out" in capsys.readouterr().out


def test_a_dns_that_does_not_answer_is_unknown(
    stubbed: StubbedSession, outputs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As is everything that nobody answers for."""
    answer_well(stubbed)

    def ask(name: str) -> tuple[str, ...]:
        raise LifetimeTimeout(timeout=5.0, errors=[])  # type: ignore[no-untyped-call]

    facts = gather(stubbed, outputs, stage="dev", now=NOW, ask=ask)  # type: ignore[arg-type]

    assert facts.dmarc is None
    assert "LifetimeTimeout" in capsys.readouterr().err


def through(server: SesServer) -> Any:
    """moto, with the stand-in as its SES; and Lambda's limits of a new account."""
    functions = boto3.client("lambda")
    says = Stubber(functions)
    says.add_response("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": 1000}})
    says.activate()
    known = {"sesv2": client_of(server), "lambda": functions}
    return SimpleNamespace(client=lambda name: known.get(name) or boto3.client(name))


@pytest.mark.parametrize("sender", ["shop@example.com", "shop@news.example.com"])
def test_an_account_in_order_is_in_order(outputs: dict[str, str], sender: str) -> None:
    """Asked of a real client, the stand-in answers as SES does; a domain above counts too."""
    account = production()
    identity = account.identities["example.com"]
    identity.mail_from_domain, identity.mail_from_status = "bounce.example.com", "SUCCESS"
    with ses(account) as server:
        client_of(server).create_configuration_set(ConfigurationSetName="mails")
        facts = gather(
            through(server),
            {**outputs, "Sender": f"Shop <{sender}>"},
            stage="dev",
            now=NOW,
            ask=answer_txt,
        )

    assert {each.topic for each in diagnose(facts)} == {"alarms"}


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"production": False}, ("blocks", "sandbox")),
        ({"sending_enabled": False}, ("blocks", "paused")),
        ({"enforcement": "PROBATION"}, ("warns", "enforcement")),
        ({"rate": 1.0}, ("warns", "rate")),
        ({"identities": {}}, ("blocks", "identity")),
        ({"identities": {"example.com": SesIdentity("example.com")}}, ("blocks", "identity")),
        (
            {"identities": {"example.com": SesIdentity("example.com", True, "PENDING")}},
            ("warns", "dkim"),
        ),
        (
            {"identities": {"shop@example.com": SesIdentity("shop@example.com", True)}},
            ("warns", "dkim"),
        ),
    ],
)
def test_what_is_wrong_with_an_account_is_found_through_a_real_client(
    outputs: dict[str, str], change: dict[str, Any], finding: tuple[str, str]
) -> None:
    """One thing at a time, set at the stand-in and found by the doctor."""
    with ses() as server:
        client_of(server).create_configuration_set(ConfigurationSetName="mails")
        for name, value in change.items():
            setattr(server.stand_in.account, name, value)
        facts = gather(through(server), outputs, stage="dev", now=NOW, ask=answer_txt)

    assert finding in {(each.severity, each.topic) for each in diagnose(facts)}


@pytest.mark.parametrize("sent", [1, 2])
def test_a_quota_that_is_used_up_is_found(outputs: dict[str, str], sent: int) -> None:
    """Nearly used up warns, used up blocks; recipients are counted."""
    with ses() as server:
        client_of(server).create_configuration_set(ConfigurationSetName="mails")
        server.stand_in.account.max_24_hours = 10.0 * sent
        many = {"ToAddresses": [f"n{number}@example.net" for number in range(10)]}
        for _ in range(sent):
            client_of(server).send_email(**raw_request(Destination=many))
        server.stand_in.account.max_24_hours = 20.0 if sent == 2 else 12.0
        facts = gather(through(server), outputs, stage="dev", now=NOW, ask=answer_txt)

    [severity] = [each.severity for each in diagnose(facts) if each.topic == "quota"]
    assert severity == ("blocks" if sent == 2 else "warns")


def test_a_stack_of_an_earlier_version_is_told_so(aws: None) -> None:
    """Not with a traceback: what it lacks is named, and the fix."""
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {"Sender": {"Value": "Shop <shop@example.com>"}},
    }
    boto3.client("cloudformation").create_stack(
        StackName="segue-dev", TemplateBody=json.dumps(template)
    )

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert "segue-dev does not say its AlarmTopic" in result.output
    assert "deploy this version" in result.output


def test_a_stage_that_is_not_there_is_named(aws: None) -> None:
    """Whoever mistypes a stage is told so."""
    result = CliRunner().invoke(main, ["doctor", "--stage", "nowhere"])

    assert result.exit_code == 1
    assert "segue-nowhere" in result.output
