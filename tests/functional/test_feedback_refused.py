"""Mail events that change nothing: each refused by name, counted, and done with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.engagement import suspects
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, format_instant
from chalicelib.core.kinds import EFFECT_WINDOW_SECONDS
from tests.mail_events import notification, ses_event, take
from tests.mail_makers import EMAIL, NOW, World, effect, world_with_a_mail

ID = "e" * 32
FOREIGN = "arn:aws:sns:us-east-1:123456789012:somebody-elses"


@pytest.fixture
def world() -> World:
    """Ada, to whom a mail was sent."""
    world = world_with_a_mail()
    world.act()
    return world


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was written to the log since."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.configure(stage="unset")


def tables(world: World) -> list[Any]:
    """Everything that an event could change."""
    return [dict(world.store.all(kind)) for kind in ("effect", "address", "breaker", "engagement")]


def bounce(**changes: Any) -> str:
    """A bounce, as it arrives."""
    return notification(ses_event("bounce", **changes))


def without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    """An event that lacks something."""
    inner = event
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return event


REFUSED: dict[str, tuple[str, str]] = {
    "another topic": (notification(ses_event("bounce"), TopicArn=FOREIGN), "foreign_topic"),
    "a subscription": (notification("", Type="SubscriptionConfirmation"), "unreadable"),
    "raw delivery": (json.dumps(ses_event("bounce")), "unreadable"),
    "no JSON": ("hello", "unreadable"),
    "no JSON inside": (notification("hello"), "unreadable"),
    "a list": ("[]", "unreadable"),
    "no mail": (notification(without(ses_event("bounce"), "mail")), "unreadable"),
    "no bounce": (notification(without(ses_event("bounce"), "bounce")), "unreadable"),
    "no click": (notification(without(ses_event("click"), "click")), "unreadable"),
    "no time": (notification(without(ses_event("bounce"), "bounce", "timestamp")), "unreadable"),
    "no zone": (bounce(timestamp="2026-02-25T06:13:25"), "unreadable"),
    "a new kind": (notification({**ses_event("send"), "eventType": "Applause"}), "unknown_kind"),
    "no tag": (bounce(effect_id=None), "untagged"),
    "a strange tag": (bounce(effect_id="e' OR 1=1"), "untagged"),
    "somebody else's tag": (bounce(effect_id="ada"), "untagged"),
    "an unknown effect": (bounce(effect_id="f" * 32), "unknown_effect"),
    "an effect that is no mail": (bounce(effect_id="0" * 32), "unknown_effect"),
    "a mail that never left": (bounce(effect_id="1" * 32), "never_sent"),
    "praise": (
        notification(ses_event("complaint", complaintFeedbackType="not-spam")),
        "not_a_complaint",
    ),
    "a clock that is ahead": (
        bounce(timestamp=format_instant(NOW + 3600 + CLOCK_SKEW_SECONDS + 1)),
        "clock_ahead",
    ),
    "a mail of tomorrow": (bounce(sent_at=NOW + 90_000), "clock_ahead"),
    "older than the ledger": (bounce(sent_at=NOW + 3600 - EFFECT_WINDOW_SECONDS), "too_old"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_by_name_and_changes_nothing(
    world: World, name: str, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """The message is done with: it would be refused again. Its neighbours are taken."""
    body, reason = REFUSED[name]
    world.plan(
        effect("offer", "0" * 32, payload={}),
        replace(world.effect(), effect_id="1" * 32, state="SUPPRESSED"),
    )
    before = tables(world)

    assert take(world, body, now=NOW + 3600) == []

    assert tables(world) == before
    [line] = [line for line in lines() if line["event"] == "mail_event_refused"]
    assert (line["reason"], line["MailEventsRefused"]) == (reason, 1)

    assert take(world, body, notification(ses_event("delivery"))) == []
    assert world.effect().state == "DELIVERED"


@pytest.mark.parametrize("ahead", [0, CLOCK_SKEW_SECONDS])
def test_a_clock_may_be_five_minutes_off(world: World, ahead: int) -> None:
    """Ours or SES's: what is that close is taken."""
    body = bounce(timestamp=format_instant(NOW + 3600 + ahead))

    assert take(world, body, now=NOW + 3600) == []
    assert world.effect().state == "BOUNCED"


def test_the_greeting_of_a_new_topic_is_nothing(
    world: World, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """SES says hello once when the destination is made."""
    hello = "Successfully validated SNS topic for Amazon SES event publishing."

    assert take(world, notification(hello)) == []
    assert [line["event"] for line in lines()] == ["mail_events_connected"]


@pytest.mark.parametrize("error", [Transient("down"), Broken("damaged"), RuntimeError(EMAIL)])
def test_what_is_not_the_events_fault_brings_it_back(
    world: World, error: Exception, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Alone, as a copy that names nobody; nor does the log (``test_feedback_again.py``)."""
    world.store.fail_reads(error)

    assert take(world, notification(ses_event("bounce")), notification(ses_event("delivery"))) == []

    assert world.effect().state == "DELIVERED"
    assert len(world.aside.messages) == 1
    assert EMAIL not in json.dumps([lines(), *world.aside.messages])
    assert [line["event"] for line in lines() if line.get("message_id") == "m-0"] == [
        "effect_failed",
        "mail_event_put_aside",
    ]


@pytest.mark.parametrize(
    ("name", "detail", "word"),
    [
        ("complaint", {"complaintFeedbackType": "Ada hates this"}, "complaint_other"),
        ("complaint", {"complaintFeedbackType": "auth-failure"}, "complaint_authfailure"),
        ("complaint", {"complaintFeedbackType": None}, "complaint_unspecified"),
        ("bounce", {"bounceSubType": EMAIL}, "bounce_permanent_other"),
        ("bounce", {"bounceSubType": "NoEmail"}, "bounce_permanent_noemail"),
        ("soft_bounce", {"bounceSubType": "MessageTooLarge"}, "bounce_transient_messagetoolarge"),
    ],
)
def test_a_word_is_one_of_a_few(world: World, name: str, detail: Any, word: str) -> None:
    """A mailbox provider chooses the text of its report; what is kept and listed we choose."""
    assert take(world, notification(ses_event(name, **detail))) == []

    assert (world.effect().reason, world.effect().heard) == (word, (word,))


def test_no_line_names_anybody(world: World, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Events hold addresses, subjects and IP addresses; what is written holds none of them."""
    names = ("send", "delivery", "bounce", "soft_bounce", "complaint", "reject", "open", "click")
    good = [notification(ses_event(name)) for name in names]

    take(world, *good, *good, *(body for body, _ in REFUSED.values()))

    written = json.dumps(lines())
    for secret in (EMAIL, "Ada", "192.0.2", "shop.example", "user unknown", "iPhone"):
        assert secret not in written
    assert "left_out" not in written


def test_each_kind_is_counted_once(world: World, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """By kind; an event that comes again is not counted again."""
    events = [notification(ses_event(name)) for name in ("send", "delivery", "bounce", "click")]
    early = notification(ses_event("open", timestamp=format_instant(NOW + 2)))

    take(world, *events, early, *events, early)

    counted = [line["kind"] for line in lines() if "MailEvents" in line]
    assert counted == ["send", "delivery", "bounce", "click", "suspect_open"]


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "Mozilla/5.0",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "Barracuda Sentinel (EE)",
        "python-requests/2.32",
        "Mozilla/5.0 (compatible; SomeBot/2.1)",
    ],
)
def test_known_scanners_are_suspect_and_move_nothing(world: World, agent: str) -> None:
    """A click by a program is kept as such, and no state follows from it."""
    before = world.effect()

    assert take(world, notification(ses_event("click", userAgent=agent))) == []

    [engagement] = world.store.all("engagement").values()
    [mark] = engagement.marks
    assert mark.scanner
    assert world.effect() == before


def test_many_links_in_a_second_are_suspect(world: World) -> None:
    """Whatever they call themselves."""
    bodies = [
        notification(
            ses_event(
                "click",
                link=f"https://shop.example/{n}",
                timestamp=f"2026-02-25T06:40:00.{n}00Z",
            )
        )
        for n in range(4)
    ]
    before = world.effect()

    assert take(world, *bodies) == []

    [engagement] = world.store.all("engagement").values()
    assert len(suspects(engagement)) == 4
    assert world.effect() == before
    assert "shop.example" not in str(engagement)
