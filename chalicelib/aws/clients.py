"""One botocore session, and one client for each manner of talking to a service.

botocore is used without boto3: nothing here needs resources or transfer managers, and importing
boto3 and making a first client takes about an eighth more CPU (309 against 273 ms with bytecode,
1,629 against 1,419 ms without) and 3 MB more. Making a client takes 10 to 130 ms, so clients are
made on first use, and ``warm`` makes those of a checkout before the first request.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.aws.deadline import CONNECT_SECONDS, READ_SECONDS
from chalicelib.aws.errors import translated

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.session import Session
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a client talks: how long it waits and how often it tries, in all."""

    service: str
    connect_seconds: float
    read_seconds: float
    attempts: int
    lean: bool = False


_MANNERS: Mapping[str, _Manner] = {
    # A checkout: the store retries by itself, within the caller's deadline. Lean: checking
    # parameters that we build ourselves and composing the User-Agent anew cost a quarter of the
    # CPU of a call (1.65 against 1.25 ms).
    "dynamodb_fast": _Manner("dynamodb", CONNECT_SECONDS, READ_SECONDS, 1, lean=True),
    "dynamodb_patient": _Manner("dynamodb", 1.0, 5.0, 6, lean=True),
    # SendEmail has no idempotency token: a second POST could be a second mail. Ten mails that
    # each time out still fit into the worker's 60 s.
    "sesv2": _Manner("sesv2", 1.0, 4.0, 1),
    "sqs": _Manner("sqs", 1.0, 5.0, 4),
    "s3": _Manner("s3", 2.0, 20.0, 5),
    "events": _Manner("events", 1.0, 5.0, 4),
    "stepfunctions": _Manner("stepfunctions", 1.0, 5.0, 4),
    # Signing keys are read within a checkout, and retried there.
    "ssm": _Manner("ssm", CONNECT_SECONDS, READ_SECONDS, 1),
    # By a worker that nobody waits for: giving up early would put a whole batch off by minutes.
    "ssm_patient": _Manner("ssm", 1.0, 5.0, 4),
}


_making = threading.Lock()  # a session must not make two clients at once


@functools.cache
def _session() -> Session:
    """The one session of the process: it holds the service models and the credentials."""
    import botocore.session  # noqa: PLC0415  (a quarter of a second, so on first use only)

    from chalicelib.aws.service_models import NamedServices  # noqa: PLC0415

    session = botocore.session.Session()
    lean = {manner.service for manner in _MANNERS.values() if manner.lean}
    models = NamedServices(
        {manner.service for manner in _MANNERS.values()},
        by_region=set() if _wants_another_endpoint(session) else lean,
        data_path=session.get_config_variable("data_path"),
    )
    session.register_component("data_loader", models)
    return session


def _wants_another_endpoint(session: Session) -> bool:
    """Whether the environment asks for endpoints that do not follow from the region alone."""
    fips_or_dual_stack = ("use_fips_endpoint", "use_dualstack_endpoint")
    return (
        any(session.get_config_variable(name) for name in fips_or_dual_stack)
        or session.get_config_variable("account_id_endpoint_mode") == "required"
    )


class Clients:
    """The clients of one process; each is made once, on first use, by whichever thread asks."""

    def __init__(self, *, region: str | None = None, endpoint_url: str | None = None) -> None:
        """Remember where to connect; None leaves it to the environment (``AWS_ENDPOINT_URL``)."""
        self._region = region
        self._endpoint_url = endpoint_url
        self._made: dict[str, Any] = {}

    def dynamodb_fast(self) -> DynamoDBClient:
        """For a checkout: one attempt of at most 0.5 s."""
        client: DynamoDBClient = self._client("dynamodb_fast")
        return client

    def dynamodb_patient(self) -> DynamoDBClient:
        """For flows that nobody waits for: the SDK's standard retries with back-off."""
        client: DynamoDBClient = self._client("dynamodb_patient")
        return client

    def sesv2(self) -> SESV2Client:
        """For mail: exactly one POST for each call."""
        client: SESV2Client = self._client("sesv2")
        return client

    def sqs(self) -> SQSClient:
        """For queues."""
        client: SQSClient = self._client("sqs")
        return client

    def s3(self) -> S3Client:
        """For files."""
        client: S3Client = self._client("s3")
        return client

    def events(self) -> EventBridgeClient:
        """For the event bus."""
        client: EventBridgeClient = self._client("events")
        return client

    def stepfunctions(self) -> Any:
        """For state machines."""
        return self._client("stepfunctions")

    def ssm(self) -> SSMClient:
        """For secrets: one attempt of at most 0.5 s."""
        client: SSMClient = self._client("ssm")
        return client

    def ssm_patient(self) -> SSMClient:
        """For secrets that nobody waits for: the SDK's standard retries with back-off."""
        client: SSMClient = self._client("ssm_patient")
        return client

    def warm(self, *names: str) -> None:
        """Make clients before they are needed; a checkout's when none is named.

        Lambda lends its start-up phase more CPU than most functions are given later.
        """
        for name in names or ("dynamodb_fast", "ssm"):
            self._client(name)

    def _client(self, name: str) -> Any:
        made = self._made.get(name)
        if made is not None:
            return made
        with _making, translated():
            if name not in self._made:
                self._made[name] = self._make(_MANNERS[name])
            return self._made[name]

    def _make(self, manner: _Manner) -> Any:
        from botocore.config import Config  # noqa: PLC0415

        session = _session()
        lean: dict[str, Any] = (
            {"parameter_validation": False, "user_agent": f"segue {session.user_agent()}"}
            if manner.lean
            else {}
        )
        client = session.create_client(
            manner.service,
            region_name=self._region,
            endpoint_url=self._endpoint_url,
            config=Config(
                connect_timeout=manner.connect_seconds,
                read_timeout=manner.read_seconds,
                retries={"mode": "standard", "total_max_attempts": manner.attempts},
                tcp_keepalive=True,
                **lean,
            ),
        )
        if manner.service == "sesv2":
            client.meta.events.register("before-send.sesv2.SendEmail", _close_after)
        return client


def _close_after(request: AWSPreparedRequest, **_: Any) -> None:
    """Ask for a connection of its own for each mail.

    While a Lambda sleeps, an idle connection may die without a word. On any other call that
    costs a retry; a mail written into it would be in doubt for ever, and never sent.
    """
    request.headers["Connection"] = "close"
