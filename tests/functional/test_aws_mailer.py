"""Mail through SES: on moto what is taken, on a server of our own what may or may not have been."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.aws.clients import Clients
from chalicelib.aws.mailer import SesMailer
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, MailTooFast, SegueError
from tests.loopback import HangUp, Loopback, Reaction, Reply, Stall, in_turn
from tests.stack import Stack

ADDRESS = "jane.roe@example.com"


def _raw() -> bytes:
    message = EmailMessage()
    message["Subject"] = "We miss you"
    message["To"] = ADDRESS
    message.set_content("Come back.")
    return message.as_bytes()


def _send(mailer: SesMailer, recipient: str = ADDRESS) -> str:
    return mailer.send(
        _raw(), sender="shop@example.com", recipient=recipient, tags={"effect_id": "abc"}
    )


def _mailer(server: Loopback) -> SesMailer:
    clients = Clients(endpoint_url=server.url)
    return SesMailer(clients.sesv2, configuration_set="set")


def test_a_mail_arrives_as_it_was_rendered(stack: Stack, clients: Clients) -> None:
    """SES gets the MIME source byte for byte, for one recipient, and its id comes back."""
    mailer = SesMailer(clients.sesv2, configuration_set=stack.configuration_set)

    message_id = mailer.send(_raw(), sender=stack.sender, recipient=ADDRESS, tags={})

    [sent] = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    assert sent.id == message_id
    assert sent.raw_data.encode() == _raw()
    assert ADDRESS in sent.destinations


def test_a_refused_address_is_refused_for_good(stack: Stack, clients: Clients) -> None:
    """An address that SES refuses raises MailRefused with a reason code, without the address."""
    mailer = SesMailer(clients.sesv2, configuration_set=stack.configuration_set)

    with pytest.raises(MailRefused) as refused:
        mailer.send(_raw(), sender=stack.sender, recipient="nobody at all", tags={})

    assert refused.value.reason == "bad_request"
    assert "nobody" not in str(refused.value)


def test_one_call_is_one_post_with_everything_in_it() -> None:
    """A call is one POST that names sender, recipient, configuration set and tags."""
    with Loopback(in_turn(Reply({"MessageId": "m-1"}))) as server:
        assert _send(_mailer(server)) == "m-1"

    [request] = server.requests
    body = request.json()
    assert body["FromEmailAddress"] == "shop@example.com"
    assert body["Destination"] == {"ToAddresses": [ADDRESS]}
    assert body["ConfigurationSetName"] == "set"
    assert body["EmailTags"] == [{"Name": "effect_id", "Value": "abc"}]
    assert request.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("reaction", "error"),
    [
        (HangUp(), MailInDoubt),
        (Reply(status=500, error="InternalFailure"), MailInDoubt),
        (Reply(status=503, error="ServiceUnavailable"), MailInDoubt),
        (Reply({"message": "an answer without an id"}), MailInDoubt),
        (Reply(status=429, error="TooManyRequestsException"), MailTooFast),
        (Reply(status=400, error="LimitExceededException"), MailTooFast),
        (Reply(status=400, error="SendingPausedException"), MailThrottled),
        (Reply(status=400, error="AccountSuspendedException"), MailThrottled),
        (Reply(status=400, error="MailFromDomainNotVerifiedException"), MailThrottled),
        (Reply(status=403, error="AccessDeniedException"), MailThrottled),
        (Reply(status=400, error="MessageRejected"), MailRefused),
        (Reply(status=400, error="BadRequestException"), MailRefused),
    ],
    ids=str,
)
def test_each_outcome_is_posted_once_and_named_truly(
    reaction: Reaction, error: type[SegueError]
) -> None:
    """Whatever SES does, there is one POST, and the error says: refused, not sent, or in doubt."""
    with Loopback(in_turn(reaction)) as server, pytest.raises(error) as raised:
        _send(_mailer(server))

    assert type(raised.value) is error
    assert len(server.requests) == 1
    assert ADDRESS not in str(raised.value)


def test_a_mail_without_an_answer_is_in_doubt() -> None:
    """A read time-out is in doubt after one POST: SES may have taken the mail."""
    with Loopback(in_turn(Stall())) as server, pytest.raises(MailInDoubt):
        _send(_mailer(server))

    assert len(server.requests) == 1


def test_a_mail_without_a_connection_was_not_sent() -> None:
    """A refused connection leaves no doubt: not a byte of the mail left."""
    with Loopback(in_turn(Reply())) as server:
        mailer = _mailer(server)

    with pytest.raises(MailThrottled):
        _send(mailer)


def test_each_mail_has_a_connection_of_its_own() -> None:
    """A second mail never goes into the first one's connection, which may have died meanwhile."""
    with Loopback(in_turn(Reply({"MessageId": "m-1"}))) as server:
        mailer = _mailer(server)
        _send(mailer)
        _send(mailer)

    assert [request.headers["Connection"] for request in server.requests] == ["close", "close"]
    assert server.connections == 2
