"""One mail to Amazon SES, once, and the plain truth about whether it was taken.

``SendEmail`` has no idempotency token: each call is one POST, and what happened to it is one of
three things. Texts of the errors never hold an address or SES's own message, which may quote one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from chalicelib.aws.errors import code_of, status_of
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, MailTooFast

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

# SES looked at this mail and will never take it.
_REFUSED = {
    "MessageRejected": "message_rejected",
    "BadRequestException": "bad_request",
    "InvalidParameterValue": "bad_request",
}
# The rate of a second or the quota of a day is used up, perhaps by another sender of the account.
_TOO_FAST = frozenset(
    {"TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling"}
)
_SERVER_FAULT = 500
# No connection came about, so not a byte of the mail left.
_NEVER_CONNECTED = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class SesMailer:
    """Sends through one configuration set, which publishes what becomes of each mail."""

    def __init__(self, client: Callable[[], SESV2Client], *, configuration_set: str) -> None:
        """Take a client that tries once (``Clients.sesv2``) and the configuration set."""
        self._client = client
        self._configuration_set = configuration_set

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """Hand over one rendered mail and return SES's id for it.

        Accepted is not delivered. Raises MailRefused when SES will never take this mail,
        MailThrottled when it was definitely not sent and may be taken later (paused or unverified
        account, no permission, no connection; MailTooFast: rate or quota), MailInDoubt when it
        may have been sent.

        Args:
            raw: the MIME message.
            sender: the From mailbox; its identity must be verified.
            recipient: the one address, bare.
            tags: names and values of at most 256 letters, digits, ``_`` and ``-``.
        """
        try:
            answer = self._client().send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": [recipient]},
                Content={"Raw": {"Data": raw}},
                ConfigurationSetName=self._configuration_set,
                EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
            )
        except ClientError as error:
            _raise_answered(error)
        except BotoCoreError as error:
            _raise_unanswered(error)
        message_id = answer.get("MessageId")
        if not message_id:
            raise MailInDoubt("SendEmail: an answer without a message id")
        return message_id


def _raise_answered(error: ClientError) -> NoReturn:
    code = code_of(error)
    if code in _REFUSED:
        raise MailRefused(_REFUSED[code]) from None
    if status_of(error) >= _SERVER_FAULT:
        raise MailInDoubt(f"SendEmail: {code}") from None
    if code in _TOO_FAST:
        raise MailTooFast(f"SendEmail: {code}") from None
    raise MailThrottled(f"SendEmail: {code}") from None


def _raise_unanswered(error: BotoCoreError) -> NoReturn:
    text = f"SendEmail: {type(error).__name__}"
    on_the_wire = isinstance(error, BotoConnectionError | HTTPClientError)
    if on_the_wire and not isinstance(error, _NEVER_CONNECTED):
        raise MailInDoubt(text) from None
    raise MailThrottled(text) from None  # no connection, or refused before one was tried
