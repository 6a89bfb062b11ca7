"""What the stand-in does when its script says so: each failure, before and after accepting."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from ops.ses.inbox import ask, delivered_mails
from ops.ses.script import LIMIT, PAUSE, REFUSE, SERVER_ERROR, THROTTLE, Close, Fault, Hang, Step
from tests.ops.ses_makers import RECIPIENT, client, raw_request, ses

ONCE: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "read_timeout": 0.5}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (THROTTLE, "TooManyRequestsException", 429),
        (LIMIT, "LimitExceededException", 400),
        (PAUSE, "SendingPausedException", 400),
        (REFUSE, "MessageRejected", 400),
        (SERVER_ERROR, "InternalFailure", 500),
    ],
    ids=str,
)
def test_it_answers_any_error(fault: Fault, code: str, status: int, after: bool) -> None:
    """An error by script has its code and status; the mail was taken only if it says after."""
    with ses() as server:
        server.stand_in.script.add(Step(fault, after_accepting=after))
        with pytest.raises(ClientError) as raised:
            client(server, **ONCE).send_email(**raw_request())

    answer: Any = raised.value.response
    assert answer["Error"]["Code"] == code
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(server.stand_in.mails) == int(after)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("fault", "error"), [(Hang(), ReadTimeoutError), (Close(), ConnectionClosedError)], ids=str
)
def test_it_breaks_connections(fault: Fault, error: type[Exception], after: bool) -> None:
    """It hangs until the client gives up, or closes; the mail was taken only if it says after."""
    with ses() as server:
        server.stand_in.script.add(Step(fault, after_accepting=after))
        with pytest.raises(error):
            client(server, **ONCE).send_email(**raw_request())

    assert len(server.stand_in.mails) == int(after)
    assert len(server.stand_in.posts) == 1


@pytest.mark.parametrize("fault", [SERVER_ERROR, Close(), Hang()], ids=str)
def test_plain_boto3_posts_three_times(fault: Fault) -> None:
    """One ``send_email()`` of boto3 as it comes is three mails when SES accepts and then fails."""
    with ses() as server:
        server.stand_in.script.add(Step(fault, after_accepting=True, times=10))
        plain = client(server, read_timeout=0.5)
        with pytest.raises((ClientError, ConnectionClosedError, ReadTimeoutError)):
            plain.send_email(**raw_request())

    assert len(server.stand_in.posts) == 3
    assert server.stand_in.accepted_by_tag("effect_id")["e-1"] == 3


def test_a_step_is_used_up_and_may_be_for_one_address() -> None:
    """A step counts down by the requests that match it, and leaves the others alone."""
    with ses() as server:
        server.stand_in.script.add(Step(REFUSE, times=2, recipient=RECIPIENT))
        plain = client(server, **ONCE)
        plain.send_email(**raw_request("other@example.net"))
        for _ in range(2):
            with pytest.raises(ClientError):
                plain.send_email(**raw_request())
        plain.send_email(**raw_request())

    assert [post.refused is None for post in server.stand_in.posts].count(True) == 4
    assert [mail.destination[0] for mail in server.stand_in.mails] == [
        "other@example.net",
        RECIPIENT,
    ]


def test_another_process_scripts_and_reads_it() -> None:
    """Under /_stand_in there are script, mails, posts, fates, events and the account."""
    with ses() as server:
        steps = [{"do": "pass"}, {"do": "error", "status": 503, "when": "after"}]
        ask(server.url, "script", {"steps": steps})
        plain = client(server, **ONCE)
        plain.send_email(**raw_request())
        with pytest.raises(ClientError, match="InternalFailure"):
            plain.send_email(**raw_request())
        mails, posts = ask(server.url, "mails")["mails"], ask(server.url, "posts")["posts"]
        assert len(delivered_mails(server.url)) == 2
        assert len(delivered_mails(server.url, after=1)) == 1
        ask(server.url, "account", {"production": False, "verified": ["friend@example.net"]})

    assert [mail["tags"] for mail in mails] == [{"effect_id": "e-1"}] * 2
    assert [post["accepted"] for post in posts] == [mail["message_id"] for mail in mails]
    assert server.stand_in.account.verified("friend@example.net")


def test_a_script_can_be_cleared() -> None:
    """Steps that are left over give way to those that come with clear, or to none."""
    with ses() as server:
        ask(server.url, "script", {"steps": [{"do": "throttle", "times": 9}]})
        ask(server.url, "script", {"steps": [{"do": "refuse"}], "clear": True})
        plain = client(server, **ONCE)
        with pytest.raises(ClientError, match="MessageRejected"):
            plain.send_email(**raw_request())
        ask(server.url, "script", {"steps": [{"do": "throttle", "times": 9}]})
        ask(server.url, "script", {"steps": [], "clear": True})
        plain.send_email(**raw_request())

    assert len(server.stand_in.mails) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("script", {"steps": [{"do": "explode"}]}),
        ("script", {"steps": [{"when": "later"}]}),
        ("script", {"steps": [{"wen": "after"}]}),
        ("fates", {"address": "a@b.c", "fates": ["eaten"]}),
        ("happen", {"message_id": "none", "fates": []}),
        ("account", {"rating": 1}),
        ("events", {"do": "sing"}),
        ("nothing", {}),
        ("nothing", None),
    ],
    ids=str,
)
def test_a_misused_admin_request_is_told_so(path: str, body: dict[str, Any] | None) -> None:
    """A script that says nothing it knows is refused by name, and changes nothing."""
    with ses() as server, pytest.raises(urllib.error.HTTPError) as raised:
        ask(server.url, path, body)

    assert raised.value.code == 400
    assert json.load(raised.value)["message"]
