"""What the stand-in imitates of SendEmail, one sentence a test, through real boto3 clients."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.ses.account import Account, Identity
from ops.ses.mails import MAIL_DOMAIN
from ops.ses.server import HOST, SesServer, serving
from ops.ses.stand_in import SesStandIn
from tests.fakes import FixedClock
from tests.ops.ses_makers import (
    RECIPIENT,
    SENDER,
    SET,
    SIMULATOR,
    client,
    mime,
    production,
    raw_request,
    ses,
)

NOW = 1_772_000_000


def send(server: SesServer, recipient: str = RECIPIENT, **changes: Any) -> dict[str, Any]:
    """One raw mail through a client that tries once."""
    answer: dict[str, Any] = client(server, retries={"total_max_attempts": 1}).send_email(
        **raw_request(recipient, **changes)
    )
    return answer


def refusal(server: SesServer, recipient: str = RECIPIENT, **changes: Any) -> tuple[str, int, str]:
    """Code, HTTP status and message of the error that a mail meets."""
    with pytest.raises(ClientError) as raised:
        send(server, recipient, **changes)
    answer: Any = raised.value.response
    error, status = answer["Error"], answer["ResponseMetadata"]["HTTPStatusCode"]
    return error["Code"], status, error["Message"]


def test_it_listens_on_this_machine_alone_and_ends_with_its_block() -> None:
    """The address is 127.0.0.1, and after the block nobody answers there."""
    with ses() as server:
        assert server.url.startswith(f"http://{HOST}:")
        assert HOST == "127.0.0.1"

    with serving(SesStandIn(), port=int(server.url.rpartition(":")[2])):
        pass  # the port is free again


def test_an_accepted_mail_is_answered_with_its_id() -> None:
    """200, JSON, ``MessageId`` in the shape of SES's, and a request id in the headers."""
    with ses() as server:
        answer = send(server)

    assert re.fullmatch(r"0100[0-9a-f]{12}-[0-9a-f-]{36}-000000", answer["MessageId"])
    meta = answer["ResponseMetadata"]
    assert meta["HTTPStatusCode"] == 200
    assert meta["HTTPHeaders"]["content-type"] == "application/json"
    assert meta["RequestId"]


def test_a_raw_mail_is_kept_whole() -> None:
    """Source, headers, tags, configuration set and recipients are kept as they were given."""
    raw = mime(X_Own="one", List_Unsubscribe="<https://shop.example/u/1>")
    with ses() as server:
        answer = send(server, Content={"Raw": {"Data": raw}})

    [mail] = server.stand_in.mails
    assert mail.raw == raw
    assert ("List-Unsubscribe", "<https://shop.example/u/1>") in mail.headers
    assert mail.message_id == answer["MessageId"]
    assert (mail.source, mail.destination) == (SENDER, (RECIPIENT,))
    assert (mail.tags, mail.configuration_set) == ({"effect_id": "e-1"}, SET)


def test_ses_sets_message_id_and_date_and_removes_bcc() -> None:
    """What recipients get has SES's own Message-ID and Date, and nobody's Bcc."""
    raw = mime(Message_ID="<own@shop.example>", Date="Thu, 01 Jan 1998 00:00:00 +0000", Bcc="b@x.y")
    with ses() as server:
        answer = send(server, Content={"Raw": {"Data": raw}})

    message = message_from_bytes(server.stand_in.mails[0].delivered, policy=default)
    assert message.get_all("Message-ID") == [f"<{answer['MessageId']}@{MAIL_DOMAIN}>"]
    assert len(message.get_all("Date", [])) == 1
    assert "1998" not in message["Date"]
    assert message["Bcc"] is None
    assert message["Subject"] == "We miss you"
    assert message.get_content().strip() == "Come back."


def test_simple_content_becomes_mime() -> None:
    """Subject, text and HTML of Simple content are put together by SES."""
    body = {"Text": {"Data": "Hello"}, "Html": {"Data": "<p>Hello</p>"}}
    content = {"Simple": {"Subject": {"Data": "Grüße"}, "Body": body}}
    with ses() as server:
        send(server, Content=content)

    message = message_from_bytes(server.stand_in.mails[0].raw, policy=default)
    assert (message["Subject"], message["From"], message["To"]) == ("Grüße", SENDER, RECIPIENT)
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]


def test_without_a_destination_the_headers_say_whom() -> None:
    """A raw mail without Destination goes to its To, Cc and Bcc."""
    raw = mime("a@example.net", Cc="b@example.net", Bcc="c@example.net")
    with ses() as server:
        send(server, Destination=None, Content={"Raw": {"Data": raw}})

    assert server.stand_in.mails[0].destination == (
        "a@example.net",
        "b@example.net",
        "c@example.net",
    )


def test_the_same_request_again_is_another_mail() -> None:
    """SendEmail has no idempotency token: the same request twice is two mails."""
    with ses() as server:
        first, second = send(server), send(server)

    assert first["MessageId"] != second["MessageId"]
    assert server.stand_in.accepted_by_tag("effect_id") == {"e-1": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"Content": {"Raw": {"Data": b" "}}},
        {"Content": {}},
        {"Content": {"Simple": {"Subject": {"Data": "x"}, "Body": {}}}},
        {"Destination": {"ToAddresses": ["nobody at all"]}},
        {"Destination": {"ToAddresses": ["no.such..mailbox@example.net"]}},
        {"Destination": {"ToAddresses": [f"n{number}@example.net" for number in range(51)]}},
        {"EmailTags": [{"Name": "effect id", "Value": "1"}]},
        {"EmailTags": [{"Name": "effect_id", "Value": "x" * 257}]},
        {"FromEmailAddress": "nobody"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_malformed_request_is_a_bad_request(changes: dict[str, Any]) -> None:
    """Bad content, addresses, tags and more than 50 recipients are BadRequestException, 400."""
    with ses() as server:
        code, status, _ = refusal(server, **changes)

    assert (code, status) == ("BadRequestException", 400)
    assert server.stand_in.mails == []


def test_templates_are_said_not_to_be_imitated() -> None:
    """What is not imitated fails loudly, with a code that SES does not have."""
    content = {"Template": {"TemplateName": "t", "TemplateData": "{}"}}
    with ses() as server:
        assert refusal(server, Content=content)[:2] == ("NotImitated", 501)


def test_an_unverified_sender_is_rejected() -> None:
    """Sending as an identity that is missing or not verified is MessageRejected, 400."""
    with ses() as server:
        unknown = refusal(server, FromEmailAddress="x@elsewhere.example")
        server.stand_in.account.identities["example.com"].verified = False
        unverified = refusal(server)

    for code, status, message in (unknown, unverified):
        assert (code, status) == ("MessageRejected", 400)
        assert "not verified" in message
        assert "US-EAST-1" in message


def test_the_narrowest_identity_decides() -> None:
    """An address that is an identity of its own counts, even where its domain is verified."""
    with ses() as server:
        server.stand_in.account.identities["shop@example.com"] = Identity("shop@example.com")

        assert refusal(server)[0] == "MessageRejected"
        send(server, FromEmailAddress="other@mail.example.com")


def test_the_sandbox_sends_to_verified_recipients_and_the_simulator_only() -> None:
    """In the sandbox a stranger is MessageRejected; a verified one and the simulator are not."""
    with ses(production()) as server:
        account = server.stand_in.account
        account.production = False
        account.identities["friend@example.net"] = Identity("friend@example.net", verified=True)

        code, _, message = refusal(server)
        send(server, "friend@example.net")
        send(server, f"success@{SIMULATOR}")

    assert code == "MessageRejected"
    assert RECIPIENT in message
    assert len(server.stand_in.mails) == 2


def test_a_new_account_is_in_the_sandbox() -> None:
    """A new account may send 200 mails in 24 hours, one a second, to nobody but its own."""
    account = Account()

    assert (account.production, account.max_24_hours, account.rate) == (False, 200, 1)


def test_a_burst_uses_up_the_rate() -> None:
    """A burst of the rate's size passes, then TooManyRequestsException, 429, for a while."""
    clock = FixedClock(NOW)
    with ses(clock=clock) as server:
        server.stand_in.account.rate = 3
        for _ in range(3):
            send(server)

        assert refusal(server) == (
            "TooManyRequestsException",
            429,
            "Maximum sending rate exceeded.",
        )
        clock.forward(1)
        send(server)

    assert len(server.stand_in.mails) == 4


def test_a_mail_to_many_may_overdraw_the_rate() -> None:
    """Rate counts recipients: five at one a second are taken, then nothing for five seconds."""
    clock = FixedClock(NOW)
    many = {"ToAddresses": [f"n{number}@example.net" for number in range(5)]}
    with ses(clock=clock) as server:
        server.stand_in.account.rate = 1
        send(server, Destination=many)
        for _ in range(4):
            clock.forward(1)
            assert refusal(server)[0] == "TooManyRequestsException"
        clock.forward(1)
        send(server)


def test_the_daily_quota_rolls_over_24_hours() -> None:
    """Past the quota is TooManyRequestsException; what is 24 hours old no longer counts."""
    clock = FixedClock(NOW)
    with ses(clock=clock) as server:
        server.stand_in.account.max_24_hours = 2
        send(server)
        clock.forward(3600)
        send(server)

        code, status, message = refusal(server)
        clock.forward(23 * 3600)
        send(server)

    assert (code, status, message) == (
        "TooManyRequestsException",
        429,
        "Daily message quota exceeded.",
    )


def test_the_simulator_does_not_count_towards_the_quota() -> None:
    """Mails to the mailbox simulator use up the rate, and nothing of the daily quota."""
    with ses() as server:
        send(server, f"bounce+label@{SIMULATOR}")
        quota = client(server).get_account()["SendQuota"]

    assert quota["SentLast24Hours"] == 0


def test_paused_and_suspended_accounts_send_nothing() -> None:
    """Sending off is SendingPausedException, an account shut down AccountSuspendedException."""
    with ses() as server:
        ses_client = client(server)
        ses_client.put_account_sending_attributes(SendingEnabled=False)
        assert refusal(server)[:2] == ("SendingPausedException", 400)
        ses_client.put_account_sending_attributes(SendingEnabled=True)
        ses_client.put_configuration_set_sending_options(
            ConfigurationSetName=SET, SendingEnabled=False
        )
        assert refusal(server)[:2] == ("SendingPausedException", 400)
        server.stand_in.account.enforcement = "SHUTDOWN"
        assert refusal(server)[:2] == ("AccountSuspendedException", 400)


def test_an_unknown_configuration_set_is_not_found() -> None:
    """A configuration set that does not exist is NotFoundException, 404, and nothing is sent."""
    with ses() as server:
        assert refusal(server, ConfigurationSetName="other")[:2] == ("NotFoundException", 404)

    assert server.stand_in.mails == []


def test_a_broken_mail_from_domain_is_refused() -> None:
    """A custom MAIL FROM domain that failed is MailFromDomainNotVerifiedException, 400."""
    with ses() as server:
        identity = server.stand_in.account.identities["example.com"]
        identity.mail_from_domain, identity.mail_from_status = "bounce.example.com", "FAILED"

        assert refusal(server)[:2] == ("MailFromDomainNotVerifiedException", 400)


def test_errors_have_the_classes_that_botocore_knows() -> None:
    """Botocore raises each error under the class of its model, with a request id."""
    with ses() as server:
        ses_client = client(server, retries={"total_max_attempts": 1})
        server.stand_in.account.rate = 0.0001
        ses_client.send_email(**raw_request())
        with pytest.raises(ses_client.exceptions.TooManyRequestsException) as raised:
            ses_client.send_email(**raw_request())

    answer = raised.value.response
    assert answer["ResponseMetadata"]["RequestId"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-errortype"] == "TooManyRequestsException"
