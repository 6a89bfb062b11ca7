"""The demo's inbox at the stand-in: whole messages, each read once."""

from __future__ import annotations

import json
import urllib.request

from ops.story.letters import StandInInbox
from tests.ops.ses_makers import client, mime, raw_request, ses


def test_it_reads_whole_messages_with_every_header() -> None:
    """A mail comes as its recipient gets it, headers that a stack's own inbox drops included."""
    raw = mime(List_Unsubscribe="<https://shop.example/u/1>")
    with ses() as server:
        answer = client(server).send_email(**raw_request(Content={"Raw": {"Data": raw}}))
        [mail] = StandInInbox(server.url).read()

    assert mail.subject == "We miss you"
    assert mail.text.strip() == "Come back."
    assert b"List-Unsubscribe: <https://shop.example/u/1>" in mail.raw
    assert f"Message-ID: <{answer['MessageId']}@".encode() in mail.raw


def test_it_goes_on_where_it_was() -> None:
    """Reading again adds what is new, in order, after what was read."""
    with ses() as server:
        inbox = StandInInbox(server.url)
        assert inbox.read() == ()
        for subject in ("first@example.net", "second@example.net"):
            client(server).send_email(**raw_request(subject))
            inbox.read()
        mails = inbox.read()

    assert [mail.recipient for mail in mails] == ["first@example.net", "second@example.net"]


def test_a_person_can_look_at_it() -> None:
    """Its address shows the mails as JSON."""
    with ses() as server:
        client(server).send_email(**raw_request())
        with urllib.request.urlopen(StandInInbox(server.url).url) as response:  # noqa: S310
            shown = json.load(response)

    assert len(shown["mails"]) == 1
