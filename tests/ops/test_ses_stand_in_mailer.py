"""The shipped mailer against the stand-in: one POST whatever happens, and the truth about it."""

from __future__ import annotations

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.mailer import SesMailer
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, SegueError
from ops.ses.script import (
    LIMIT,
    PAUSE,
    REFUSE,
    SERVER_ERROR,
    THROTTLE,
    Close,
    Fail,
    Fault,
    Hang,
    Step,
)
from ops.ses.server import SesServer
from tests.ops.ses_makers import RECIPIENT, SENDER, SET, mime, ses


def send(server: SesServer) -> str:
    """One mail through the shipped mailer, with the shipped client."""
    mailer = SesMailer(Clients(endpoint_url=server.url).sesv2, configuration_set=SET)
    return mailer.send(mime(), sender=SENDER, recipient=RECIPIENT, tags={"effect_id": "e-1"})


def test_a_mail_is_one_post_and_one_mail() -> None:
    """What the mailer hands over is kept whole, with its tags and its configuration set."""
    with ses() as server:
        message_id = send(server)

    [mail] = server.stand_in.mails
    assert mail.message_id == message_id
    assert mail.raw == mime()
    assert (mail.tags, mail.configuration_set) == ({"effect_id": "e-1"}, SET)
    assert len(server.stand_in.posts) == server.connections == 1


def test_many_mails_leave_no_doubt() -> None:
    """A client that asks for its connection to be closed is told that it is, and opens another."""
    with ses() as server:
        mailer = SesMailer(Clients(endpoint_url=server.url).sesv2, configuration_set=SET)
        for _ in range(200):
            mailer.send(mime(), sender=SENDER, recipient=RECIPIENT, tags={"effect_id": "e-1"})

    assert server.connections == len(server.stand_in.mails) == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Hang(), MailInDoubt),
        (Close(), MailInDoubt),
        (SERVER_ERROR, MailInDoubt),
        (Fail("ServiceUnavailable", 503), MailInDoubt),
        (Fail("ThrottlingException", 500), MailInDoubt),
    ],
    ids=str,
)
@pytest.mark.parametrize("accepted", [True, False])
def test_failing_without_a_plain_no_is_one_post_and_in_doubt(
    fault: Fault, error: type[SegueError], accepted: bool
) -> None:
    """Hanging, hanging up or a server's fault, after accepting or before: one POST, in doubt."""
    with ses() as server:
        server.stand_in.script.add(Step(fault, after_accepting=accepted))
        with pytest.raises(error) as raised:
            send(server)

    assert type(raised.value) is error
    assert len(server.stand_in.posts) == 1
    assert server.stand_in.accepted_by_tag("effect_id")["e-1"] == int(accepted)


@pytest.mark.parametrize("fault", [THROTTLE, LIMIT, PAUSE], ids=str)
def test_throttled_is_one_post_and_said_not_to_be_sent(fault: Fault) -> None:
    """The rate, the quota and a pause are one POST; the mail was not taken and may be later."""
    with ses() as server:
        server.stand_in.script.add(Step(fault))
        with pytest.raises(MailThrottled):
            send(server)
        assert (len(server.stand_in.posts), server.stand_in.mails) == (1, [])

        assert send(server) == server.stand_in.mails[0].message_id


def test_refused_is_one_post_and_final() -> None:
    """A mail that SES rejects is one POST, refused for good, with a reason and no address."""
    with ses() as server:
        server.stand_in.script.add(Step(REFUSE))
        with pytest.raises(MailRefused) as refused:
            send(server)

    assert refused.value.reason == "message_rejected"
    assert (len(server.stand_in.posts), server.stand_in.mails) == (1, [])


def test_the_real_rate_and_the_real_quota_throttle() -> None:
    """Not only by script: an account whose rate or quota is used up makes MailThrottled."""
    for changes in ({"rate": 0.001}, {"max_24_hours": 1.0}):
        with ses() as server:
            for name, value in changes.items():
                setattr(server.stand_in.account, name, value)
            send(server)
            with pytest.raises(MailThrottled):
                send(server)

        assert len(server.stand_in.mails) == 1


def test_an_unverified_sender_is_refused() -> None:
    """SES's own check of the identity reaches the caller as a refusal."""
    with ses() as server:
        server.stand_in.account.identities.clear()
        with pytest.raises(MailRefused):
            send(server)
