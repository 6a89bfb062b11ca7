"""The handlers that Segue is compared with, written as their documentation writes them.

Both send with a boto3 client as boto3 makes it, but for its read time-out: 1 s instead of 60, so
that silence does not take minutes to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

READ_SECONDS = 1.0
SENDER = "Example Shop <shop@example.com>"
TABLE = "idempotency"
# What is left of an invocation, which Powertools takes for how long it holds its claim.
LONG_MILLIS, SHORT_MILLIS = 60_000, 50


class Died(BaseException):
    """The process is gone: nothing in it can catch this or clean up."""


@dataclass(slots=True)
class Mortality:
    """Ends a worker as soon as SES has answered it."""

    armed: bool = False

    def strike(self, **_: Any) -> None:
        """Raise Died once when armed: a botocore hook for ``after-call``."""
        if self.armed:
            self.armed = False
            raise Died


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue brings: one mail to one address.

    Attributes:
        effect_id: names the mail, and tags it.
        recipient: the address.
        raw: the MIME source.
    """

    effect_id: str
    recipient: str
    raw: bytes


class MessageFailed(Exception):
    """The handler failed as it may: the message comes back. Anything else ends the run."""


class Contender(Protocol):
    """A handler of messages.

    Attributes:
        name: what a reader sees.
    """

    name: str

    def plan(self, messages: Sequence[Message], *, now: int) -> None:
        """Know of mails before their messages come; ``now`` in epoch seconds."""

    def handle(self, message: Message, *, worker: str, now: int, short: bool) -> None:
        """Handle one delivery; raises MessageFailed, which brings the message back, and Died.

        Args:
            message: what is delivered.
            worker: names this invocation.
            now: epoch seconds, for whoever takes time as an argument.
            short: whether this invocation has next to no time left.
        """

    def in_doubt(self, messages: Sequence[Message]) -> int:
        """How many mails it says that it does not know about."""


def ses_client(url: str, mortality: Mortality, **config: Any) -> Any:
    """A boto3 client for the stand-in, whose worker can die after an answer."""
    client = boto3.session.Session(region_name="us-east-1").client(
        "sesv2", endpoint_url=url, config=Config(read_timeout=READ_SECONDS, **config)
    )
    client.meta.events.register("after-call.sesv2.SendEmail", mortality.strike)
    return client


def send(client: Any, message: Message, *, configuration_set: str) -> str:
    """One plain ``send_email``."""
    answer = client.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [message.recipient]},
        Content={"Raw": {"Data": message.raw}},
        ConfigurationSetName=configuration_set,
        EmailTags=[{"Name": "effect_id", "Value": message.effect_id}],
    )
    message_id: str = answer["MessageId"]
    return message_id


class PlainBoto3:
    """A handler that sends, and lets the queue try again when that raises."""

    name = "plain boto3"

    def __init__(self, make_client: Callable[[], Any], *, configuration_set: str) -> None:
        """Take how to make a client, and the configuration set of every mail."""
        self._make_client = make_client
        self._client = make_client()
        self._configuration_set = configuration_set

    def plan(self, messages: Sequence[Message], *, now: int) -> None:
        """Nothing is known before it comes; begin with a fresh client.

        A client stops retrying once it has retried some 35 times without much success, and a new
        day begins with a new process.
        """
        self._client = self._make_client()

    def handle(self, message: Message, *, worker: str, now: int, short: bool) -> None:
        """Send."""
        try:
            send(self._client, message, configuration_set=self._configuration_set)
        except (BotoCoreError, ClientError) as error:
            raise MessageFailed from error

    def in_doubt(self, messages: Sequence[Message]) -> int:
        """There is no such state."""
        return 0


class Powertools(PlainBoto3):
    """The same handler behind ``idempotent_function`` with a DynamoDB table."""

    def __init__(
        self,
        make_client: Callable[[], Any],
        *,
        configuration_set: str,
        name: str = "Powertools",
    ) -> None:
        """Make the table, and wrap the handler for long and for short invocations."""
        super().__init__(make_client, configuration_set=configuration_set)
        self.name = name
        session = boto3.session.Session(region_name="us-east-1")
        dynamodb = session.client("dynamodb")
        table = f"{TABLE}-{name.lower().replace(' ', '-').replace(',', '')}"
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self._long = self._wrap(dynamodb, table, LONG_MILLIS)
        self._short = self._wrap(dynamodb, table, SHORT_MILLIS)

    def handle(self, message: Message, *, worker: str, now: int, short: bool) -> None:
        """Send unless the table says that it was done."""
        # Needed by this contender alone, and nothing that ships has it.
        from aws_lambda_powertools.utilities.idempotency import exceptions  # noqa: PLC0415

        wrapped = self._short if short else self._long
        try:
            wrapped(order={"effect_id": message.effect_id}, message=message)
        except (BotoCoreError, ClientError, exceptions.IdempotencyAlreadyInProgressError) as error:
            raise MessageFailed from error

    def _wrap(self, dynamodb: Any, table: str, left_millis: int) -> Callable[..., Any]:
        from aws_lambda_powertools.utilities.idempotency import (  # noqa: PLC0415 - as above
            DynamoDBPersistenceLayer,
            IdempotencyConfig,
            idempotent_function,
        )

        config = IdempotencyConfig(event_key_jmespath="effect_id")
        config.register_lambda_context(_Context(left_millis))

        def send_once(*, order: Any, message: Message) -> str:
            return send(self._client, message, configuration_set=self._configuration_set)

        wrapped: Callable[..., Any] = idempotent_function(
            send_once,
            data_keyword_argument="order",
            persistence_store=DynamoDBPersistenceLayer(table_name=table, boto3_client=dynamodb),
            config=config,
            key_prefix="send_once",
        )
        return wrapped


@dataclass(frozen=True, slots=True)
class _Context:
    """The one thing that Powertools asks of Lambda's context."""

    left_millis: int

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the invocation."""
        return self.left_millis
