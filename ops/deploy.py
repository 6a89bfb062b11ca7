"""Create or update a stack from a package: one path for AWS and for the local stack.

``chalice deploy`` is not the way: it knows nothing of the tables, queues, alarms and flags of the
merge template, and cannot send a zip through S3. What CloudFormation cannot do is done around it:

1. the code and the template go to an artefact bucket, named by their content, so that deploying
   the same package again changes nothing;
2. the signing keys' SecureString is made where there is none, and the sender's SES identity too;
3. the stack is created or updated, and then once more with the URL of its own API, which no
   function could refer to without a circular dependency.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parseaddr
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

import click
from boto3.session import Session

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.freshness import expected_hours
from ops.cloudformation import DeploymentFailed, apply_template, stack_outputs
from ops.package import CODE_URI, Package, build_from_environment, ensure_package
from ops.refusals import PackageRefused
from ops.session import is_local, open_session
from ops.signing import ensure_signing_keys, signing_keys_parameter
from ops.template import environment, read_template

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

STAGE_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,15}")  # as the template's parameter Stage
PENDING_URL = "https://pending.invalid"
DRAIN_SECONDS = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deploy where.

    Attributes:
        stage: names the stack ``segue-STAGE``, the log groups and the signing keys.
        sender: the From header of every mail, an RFC 5322 mailbox.
        postal_address: stands in the footer of every mail.
        alarm_email: who is told of alarms; empty for nobody, None as before.
        checkout_concurrency: reserved for the API; 0 reserves none, None as before.
        public_url: base URL of the API where it has a domain of its own.
        shop_url: where the button of a mail leads; empty for no button, None as before.
        mails_per_second: how many leave in a second; None for what the SES account may send.
        mails_per_day: how many leave in 24 hours; None for what the SES account may send.
        parts_at_once: of a big file, how many are worked on at once; 0 divides no file, None as
            before.
        divide_above_bytes: a file that is larger is divided; None as before.
        drop_writes_per_second: items that a function writes for a file; None as before.
        fresh_within_hours: how old each source may be, such as ``events=24,orders=30``; empty for
            no bound, None as before.
    """

    sender: str
    postal_address: str
    stage: str = "dev"
    alarm_email: str | None = None
    checkout_concurrency: int | None = None
    public_url: str | None = None
    shop_url: str | None = None
    mails_per_second: int | None = None
    mails_per_day: int | None = None
    parts_at_once: int | None = None
    divide_above_bytes: int | None = None
    drop_writes_per_second: int | None = None
    fresh_within_hours: str | None = None

    @property
    def stack_name(self) -> str:
        """The name of the stack."""
        return f"segue-{self.stage}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack as it now stands.

    Attributes:
        stack_name: its name.
        outputs: what it prints.
        sender_verified: whether SES sends for the sender already.
        changed: whether anything was created or updated.
    """

    stack_name: str
    outputs: Mapping[str, str]
    sender_verified: bool
    changed: bool

    def environment(self) -> dict[str, str]:
        """What its functions are told, for commands that read the same tables."""
        return environment(read_template(), self.outputs)


def deploy_package(
    package: Package, plan: Plan, session: Session, *, endpoint_url: str | None = None, say: Say
) -> Deployment:
    """Bring the stack to what the package and the plan say.

    Raises DeploymentFailed, ClientError.
    """
    stacks = session.client("cloudformation")
    earlier = stack_outputs(stacks, plan.stack_name)
    say("uploading code and template")
    template_url = _upload(session, package)
    created = ensure_signing_keys(session, signing_keys_parameter(plan.stage))
    say("signing keys made" if created else "signing keys are there")
    identity, verified = _ensure_sender(session, plan.sender)
    parameters = _parameters(plan, identity, earlier.get("PublicUrl", PENDING_URL))
    parameters |= sending_limits(session, plan, local=is_local(endpoint_url))
    say(f"{'updating' if earlier else 'creating'} {plan.stack_name}")
    changed = apply_template(stacks, plan.stack_name, template_url, parameters)
    outputs = stack_outputs(stacks, plan.stack_name)
    url = plan.public_url or _api_url(outputs, endpoint_url)
    if url != parameters["PublicUrl"]:
        if is_local(endpoint_url):
            _let_queue_drain(session, outputs["DropsQueue"])
        say("telling the functions their own URL")
        parameters = {**parameters, "PublicUrl": url}
        changed |= apply_template(stacks, plan.stack_name, template_url, parameters)
        outputs = stack_outputs(stacks, plan.stack_name)
    if is_local(endpoint_url):
        # The stand-in for SES looks a set up once in the stack; no mail should wait for that.
        session.client("sesv2").get_configuration_set(
            ConfigurationSetName=outputs["ConfigurationSet"]
        )
    return Deployment(plan.stack_name, outputs, verified, changed)


def stack_environment(session: Session, *, stage: str = "dev") -> dict[str, str]:
    """What the functions of a deployed stage are told; raises DeploymentFailed without a stack."""
    outputs = stack_outputs(session.client("cloudformation"), f"segue-{stage}")
    if not outputs:
        raise DeploymentFailed(f"there is no stack segue-{stage} here: deploy it first")
    return environment(read_template(), outputs)


def _upload(session: Session, package: Package) -> str:
    objects = session.client("s3")
    account = session.client("sts").get_caller_identity()["Account"]
    bucket = f"segue-artefacts-{account}-{objects.meta.region_name}"
    _ensure_bucket(objects, bucket)
    code = package.zip_path.read_bytes()
    code_key = f"code/{sha256_hex(code)}.zip"
    _put_once(objects, bucket, code_key, code)
    template = json.loads(package.template_path.read_text())
    for resource in template["Resources"].values():
        if resource.get("Properties", {}).get("CodeUri") == CODE_URI:
            resource["Properties"]["CodeUri"] = f"s3://{bucket}/{code_key}"
    # Above 51,200 bytes a template must come from S3; the path style is right for every endpoint.
    body = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    template_key = f"templates/{sha256_hex(body)}.json"
    _put_once(objects, bucket, template_key, body)
    return f"{objects.meta.endpoint_url}/{bucket}/{template_key}"


def _ensure_bucket(objects: S3Client, bucket: str) -> None:
    region: Any = objects.meta.region_name
    elsewhere = {} if region == "us-east-1" else {"LocationConstraint": region}
    where: Any = {"CreateBucketConfiguration": elsewhere} if elsewhere else {}
    try:
        objects.create_bucket(Bucket=bucket, **where)
    except objects.exceptions.BucketAlreadyOwnedByYou:
        return
    objects.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )


def _put_once(objects: S3Client, bucket: str, key: str, body: bytes) -> None:
    found = objects.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
    if not found:
        objects.put_object(Bucket=bucket, Key=key, Body=body)


def _ensure_sender(session: Session, sender: str) -> tuple[str, bool]:
    """Find or make the SES identity that may send as ``sender``; whether SES verified it."""
    mail = session.client("sesv2")
    address = parseaddr(sender)[1]
    domain = address.rpartition("@")[2]
    # SES judges a mail by the narrowest identity that it knows for the sender.
    for identity in (address, domain):
        with suppress(mail.exceptions.NotFoundException):
            known = mail.get_email_identity(EmailIdentity=identity)
            return identity, bool(known["VerifiedForSendingStatus"])
    mail.create_email_identity(EmailIdentity=address)
    made = mail.get_email_identity(EmailIdentity=address)
    return address, bool(made["VerifiedForSendingStatus"])


def _let_queue_drain(session: Session, queue_url: str) -> None:
    """Let a function of the local stack answer S3's test event before it is changed.

    Unlike Lambda, the local stack ends a function's process when its configuration changes,
    whatever it is doing; a message that dies so is hidden for the queue's visibility timeout.
    """
    queues = session.client("sqs")
    counts: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        found = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=counts)
        if not any(int(found["Attributes"][count]) for count in counts):
            return
        time.sleep(0.1)


def _parameters(plan: Plan, identity: str, public_url: str) -> dict[str, str | None]:
    reserved, above = plan.checkout_concurrency, plan.divide_above_bytes
    writes = plan.drop_writes_per_second
    return {
        "Stage": plan.stage,
        "Sender": plan.sender,
        "SenderAddress": parseaddr(plan.sender)[1],
        "SenderIdentity": identity,
        "PostalAddress": plan.postal_address,
        "PublicUrl": plan.public_url or public_url,
        "SigningKeysParameter": signing_keys_parameter(plan.stage),
        "AlarmEmail": plan.alarm_email,
        "ShopUrl": plan.shop_url,
        "CheckoutConcurrency": None if reserved is None else str(reserved),
        "PartsAtOnce": None if plan.parts_at_once is None else str(plan.parts_at_once),
        "DivideAboveBytes": None if above is None else str(above),
        "DropWritesPerSecond": None if writes is None else str(writes),
        "FreshWithinHours": plan.fresh_within_hours,
    }


def sending_limits(session: Session, plan: Plan, *, local: bool) -> dict[str, str | None]:
    """How fast mails may leave, as template parameters: the plan's, else what SES grants.

    A local stack grants nothing and is not paced; nor is a day without a quota (SES says -1).
    """
    granted: Mapping[str, Any] = {}
    if not local and (plan.mails_per_second is None or plan.mails_per_day is None):
        granted = session.client("sesv2").get_account().get("SendQuota", {})
    limits = {
        "MailsPerSecond": (plan.mails_per_second, granted.get("MaxSendRate", -1.0)),
        "MailsPerDay": (plan.mails_per_day, granted.get("Max24HourSend", -1.0)),
    }
    return {
        name: str(chosen) if chosen is not None else str(int(account)) if account >= 1 else ""
        for name, (chosen, account) in limits.items()
    }


def _api_url(outputs: Mapping[str, str], endpoint_url: str | None) -> str:
    url = outputs["EndpointURL"].rstrip("/")
    if endpoint_url is None or not is_local(endpoint_url):
        return url
    stage = url.rpartition("/")[2]
    return f"{endpoint_url}/restapis/{outputs['RestAPIId']}/{stage}/_user_request_"


def _checked_freshness(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """As the functions will read it, without spaces; what they would refuse is refused here."""
    if value is None:
        return None
    try:
        expected_hours(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return "".join(value.split())


@click.command()
@click.option("--stage", default="dev", show_default=True)
@click.option("--sender", envvar="SEGUE_SENDER", help="Shop <shop@example.com>")
@click.option("--postal-address", envvar="SEGUE_POSTAL_ADDRESS", help="In the footer of each mail.")
@click.option("--alarm-email", help="Who is told of alarms.")
@click.option("--checkout-concurrency", type=int, help="Reserved for the API; 0 reserves none.")
@click.option("--mails-per-second", type=click.IntRange(1), help="Else the SES account's rate.")
@click.option("--mails-per-day", type=click.IntRange(1), help="Else the SES account's quota.")
@click.option(
    "--parts-at-once", type=click.IntRange(0, 1000), help="Of a big file; 0 divides none."
)
@click.option("--divide-above-bytes", type=click.IntRange(1), help="Where a file is a big one.")
@click.option(
    "--drop-writes-per-second",
    type=click.IntRange(1, 999_999),
    help="Items that one function writes for a file, at most.",
)
@click.option(
    "--fresh-within-hours",
    callback=_checked_freshness,
    help="How old sources may be: events=24,orders=30.",
)
@click.option("--public-url", help="Base URL of the API, where it has a domain of its own.")
@click.option("--shop-url", help="Where the button of a mail leads.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def deploy(endpoint_url: str | None, region: str | None, **chosen: Any) -> None:
    """Create or update the stack segue-STAGE and print its outputs.

    An update keeps what is not named again; a first deployment needs a sender and an address.
    """

    def say(step: str) -> None:
        click.echo(f"… {step}", err=True)

    session = open_session(endpoint_url=endpoint_url, region=region)
    plan = _plan(session, **chosen)
    try:
        build = build_from_environment(local=is_local(endpoint_url))
        package = ensure_package(build, say=say)
        done = deploy_package(package, plan, session, endpoint_url=endpoint_url, say=say)
    except (DeploymentFailed, PackageRefused) as error:
        raise click.ClickException(str(error)) from None
    except CalledProcessError as error:
        raise click.ClickException(f"{error.cmd[0]} failed; it says why above") from None
    _print(done, plan)


def _plan(
    session: Session,
    *,
    stage: str,
    sender: str | None,
    postal_address: str | None,
    public_url: str | None,
    **chosen: Any,
) -> Plan:
    if not STAGE_PATTERN.fullmatch(stage):
        raise click.BadParameter("--stage: at most 16 lower-case letters, digits and dashes")
    earlier = stack_outputs(session.client("cloudformation"), f"segue-{stage}")
    sender = sender or earlier.get("Sender", "")
    postal_address = postal_address or earlier.get("PostalAddress", "")
    if "@" not in parseaddr(sender)[1]:
        raise click.BadParameter("--sender: must be a mailbox such as Shop <shop@example.com>")
    if not postal_address.strip():
        raise click.BadParameter("--postal-address: must be the shop's postal address")
    url = public_url.rstrip("/") if public_url else None
    return Plan(sender, postal_address, stage, public_url=url, **chosen)


def _print(done: Deployment, plan: Plan) -> None:
    width = max(map(len, done.outputs))
    for name, value in sorted(done.outputs.items()):
        click.echo(f"{name:<{width}}  {value}")
    if not done.sender_verified:
        click.echo(f"SES has not verified {parseaddr(plan.sender)[1]} yet: answer the mail it sent")
    click.echo(f"{done.stack_name}: {'deployed' if done.changed else 'nothing to change'}")
