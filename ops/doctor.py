"""What stands in the way of real sending: gathers the facts of a stage, and tells the findings.

python -m ops doctor --stage prod

It changes nothing. ``ops.diagnosis`` judges; here is only how each fact is looked up, and that
one which cannot be is None.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from email.utils import parseaddr
from typing import TYPE_CHECKING, TypeVar

import click
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from dns.exception import DNSException

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import SWITCH_COPIES
from chalicelib.core.errors import SegueError
from chalicelib.core.kinds import SWITCH
from chalicelib.core.storage import Table
from ops.cloudformation import stack_outputs
from ops.dead_letters import count_messages, dead_letter_queues
from ops.diagnosis import diagnose
from ops.dmarc import Ask, ask_dns, find_dmarc, upwards
from ops.finding import Finding
from ops.operating import OperatingTable, read_operating_table
from ops.session import is_local, open_session
from ops.stage_facts import Alarms, Facts, Identity, MailAccount
from ops.template import read_template

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

T = TypeVar("T")
# Functions that serve people.
_SERVING = ("api_handler", "bearer")


def gather(
    session: Session, outputs: Mapping[str, str], *, stage: str, now: int, ask: Ask | None
) -> Facts:
    """Look everything up, whatever of it can be.

    Args:
        session: AWS, or a local stack.
        outputs: those of the stage's stack.
        stage: its name.
        now: epoch seconds.
        ask: gives the TXT records of a name; None asks nobody.
    """
    table = read_operating_table()
    mail = session.client("sesv2")
    address = parseaddr(outputs["Sender"])[1]
    return Facts(
        stage=stage,
        address=address,
        public_url=outputs["PublicUrl"],
        identities=_asked(lambda: tuple(find_identity(mail, address))),
        dmarc=None
        if ask is None
        else _asked(lambda: find_dmarc(address.rpartition("@")[2], ask=ask)),
        account=_asked(lambda: describe_account(mail)),
        set_sends=_asked(lambda: _set_sends(mail, outputs["ConfigurationSet"])),
        switched_on=_asked(lambda: _switched_on(session, outputs["ControlTable"], now)),
        concurrency=_asked(lambda: _concurrency(session)),
        batch_concurrency=batch_concurrency(table) + int(outputs.get("PartsAtOnce", "0")),
        workers=table["on_effect"].concurrency or 1,
        dead_letters=_asked(lambda: _parked(session, outputs)),
        alarms=_asked(lambda: describe_alarms(session, outputs["AlarmTopic"], f"segue-{stage}-")),
    )


def needed_outputs() -> set[str]:
    """What the stack has to say of itself before there is anything to look at."""
    parked = {one.logical_id for one in dead_letter_queues(read_template())}
    return {"Sender", "PublicUrl", "ConfigurationSet", "ControlTable", "AlarmTopic"} | parked


def batch_concurrency(table: OperatingTable) -> int:
    """How many functions batch work runs at once: workers of queues, and one of each schedule.

    The relay of the stream is left out: it runs for milliseconds at a time; so are parts of big
    files, whose number is a parameter.
    """
    schedules = [
        name
        for name, row in table.items()
        if row.batch_size is None and row.at_once is None and name not in _SERVING
    ]
    return sum(row.concurrency or 0 for row in table.values()) + len(schedules)


def describe_account(mail: SESV2Client) -> MailAccount:
    """What SES says of the account."""
    account = mail.get_account()
    quota = account["SendQuota"]
    return MailAccount(
        production=account["ProductionAccessEnabled"],
        sending=account["SendingEnabled"],
        enforcement=account["EnforcementStatus"],
        most_per_day=quota["Max24HourSend"],
        sent_of_late=quota["SentLast24Hours"],
        most_per_second=quota["MaxSendRate"],
    )


def find_identity(mail: SESV2Client, address: str) -> Iterator[Identity]:
    """The identity that SES judges an address by: the narrowest that it knows, or none.

    A verified domain may also send as the domains below it.
    """
    for name in (address, *upwards(address.rpartition("@")[2])):
        try:
            known = mail.get_email_identity(EmailIdentity=name)
        except mail.exceptions.NotFoundException:
            continue
        dkim = known.get("DkimAttributes", {})
        mail_from = known.get("MailFromAttributes", {})
        yield Identity(
            name=name,
            verified=known["VerifiedForSendingStatus"],
            dkim=dkim.get("Status", "NOT_STARTED") if dkim.get("SigningEnabled") else "DISABLED",
            mail_from=mail_from.get("MailFromDomain") or None,
            mail_from_status=mail_from.get("MailFromDomainStatus"),
        )
        return


def describe_alarms(session: Session, topic: str, prefix: str) -> Alarms:
    """Who hears of the stage's alarms, and which ring."""
    subscriptions = [
        one["SubscriptionArn"]
        for page in session.client("sns")
        .get_paginator("list_subscriptions_by_topic")
        .paginate(TopicArn=topic)
        for one in page["Subscriptions"]
    ]
    confirmed = [one for one in subscriptions if one.startswith("arn:")]
    alarms = [
        one
        for page in session.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=prefix)
        for one in page["MetricAlarms"]
    ]
    return Alarms(
        listening=len(confirmed),
        unconfirmed=len(subscriptions) - len(confirmed),
        mute=tuple(
            one["AlarmName"]
            for one in alarms
            if not one.get("ActionsEnabled", True) or not one.get("AlarmActions")
        ),
        ringing=tuple(one["AlarmName"] for one in alarms if one.get("StateValue") == "ALARM"),
    )


def _set_sends(mail: SESV2Client, name: str) -> bool:
    options = mail.get_configuration_set(ConfigurationSetName=name).get("SendingOptions", {})
    return options.get("SendingEnabled", True)


def _switched_on(session: Session, control_table: str, now: int) -> bool:
    """Whether no copy of the kill switches forbids to send."""
    client = session.client("dynamodb")
    tables: dict[Table, str] = {"control": control_table}
    store = DynamoStore(lambda: client, tables=tables)
    keys = [SWITCH.key(str(copy)) for copy in range(SWITCH_COPIES)]
    found = store.read(keys, now=now)
    copies = [switches for key in keys if (switches := found.value(key)) is not None]
    return all(switches.sending for switches in copies)


def _concurrency(session: Session) -> int:
    limits = session.client("lambda").get_account_settings()["AccountLimit"]
    return int(limits["ConcurrentExecutions"])


def _parked(session: Session, outputs: Mapping[str, str]) -> dict[str, int]:
    queues = session.client("sqs")
    return {
        one.name: count_messages(queues, outputs[one.logical_id])
        for one in dead_letter_queues(read_template())
    }


def _asked(look_up: Callable[[], T]) -> T | None:
    """What a look-up answers; None, and why, when nobody answers."""
    try:
        return look_up()
    except (BotoCoreError, ClientError, DNSException, SegueError) as error:
        click.echo(f"… {type(error).__name__}: {error}", err=True)
        return None


def tell(findings: list[Finding]) -> bool:
    """Say each finding with its fix, then all of them as JSON; whether something blocks."""
    for finding in findings:
        click.echo(f"{finding.severity:<8} {finding.topic}: {finding.says}")
        click.echo(f"{'':<8} → {finding.fix}")
    blocking = sum(finding.severity == "blocks" for finding in findings)
    click.echo("mail cannot go out" if blocking else "nothing keeps mail from going out")
    told = {
        severity: sum(finding.severity == severity for finding in findings)
        for severity in ("blocks", "warns", "unknown")
    }
    click.echo(json.dumps({**told, "findings": [asdict(finding) for finding in findings]}))
    return blocking > 0


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def doctor(stage: str, endpoint_url: str | None, region: str | None) -> None:
    """Say what stands in the way of real sending; exit with 1 when something blocks it."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    outputs = stack_outputs(session.client("cloudformation"), f"segue-{stage}")
    if not outputs:
        raise click.ClickException(f"there is no stack segue-{stage} here: deploy it first")
    missing = sorted(needed_outputs() - set(outputs))
    if missing:
        raise click.ClickException(
            f"the stack segue-{stage} does not say its {', '.join(missing)}: deploy this version"
        )
    ask = None if is_local(endpoint_url) else ask_dns  # a local stack mails to nobody's mailbox
    facts = gather(session, outputs, stage=stage, now=int(time.time()), ask=ask)
    if tell(diagnose(facts)):
        sys.exit(1)
