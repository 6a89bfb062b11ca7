"""A stand-in for SES, real clients that speak to it, and mails to send: shared by its tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import boto3.session
from botocore.config import Config

from ops.ses.account import Account, ConfigurationSet, Identity
from ops.ses.publishing import Publisher, Sink
from ops.ses.server import SesServer, serving
from ops.ses.stand_in import SesStandIn

SENDER = "Example Shop <shop@example.com>"
RECIPIENT = "jane.roe@example.net"
SET = "segue-mail"
SIMULATOR = "simulator.amazonses.com"


def production(**changes: Any) -> Account:
    """An account out of the sandbox, whose shop may send, with one configuration set."""
    account = Account(production=True, rate=1_000, max_24_hours=50_000, **changes)
    account.identities["example.com"] = Identity("example.com", verified=True, dkim="SUCCESS")
    account.configuration_sets[SET] = ConfigurationSet(SET)
    return account


@contextmanager
def ses(
    account: Account | None = None, *, sink: Sink | None = None, **parts: Any
) -> Iterator[SesServer]:
    """A stand-in that serves, in production unless told otherwise."""
    stand_in = SesStandIn(account or production(), publisher=Publisher(sink), **parts)
    with serving(stand_in) as server:
        yield server


_SESSION = boto3.session.Session(region_name="us-east-1")


def client(server: SesServer, **config: Any) -> Any:
    """A plain boto3 client, by default as boto3 makes it."""
    return _SESSION.client(
        "sesv2", endpoint_url=server.url, config=Config(**config) if config else None
    )


def mime(recipient: str = RECIPIENT, **headers: str) -> bytes:
    """A small message with headers of its own."""
    message = EmailMessage(policy=SMTP)
    message["From"] = SENDER
    message["To"] = recipient
    message["Subject"] = "We miss you"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Come back.\n")
    return message.as_bytes()


def raw_request(recipient: str = RECIPIENT, **changes: Any) -> dict[str, Any]:
    """Arguments of SendEmail for one raw mail; None takes one away."""
    request: dict[str, Any] = {
        "FromEmailAddress": SENDER,
        "Destination": {"ToAddresses": [recipient]},
        "Content": {"Raw": {"Data": mime(recipient)}},
        "ConfigurationSetName": SET,
        "EmailTags": [{"Name": "effect_id", "Value": "e-1"}],
        **changes,
    }
    return {name: value for name, value in request.items() if value is not None}
