"""The demo's story: what the shop says is valid, what came of it adds up, mails can be opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.schemas import DecisionRequest
from chalicelib.core.control import Drop
from chalicelib.core.messages import CheckoutStarted, parse_message
from chalicelib.core.policy import Policy, policy_from_toml
from ops.demo import has_display, shoppers
from ops.places import ROOT
from ops.seed import Contact, make_contact
from ops.story.letters import SentMail, clear_mails, from_mime, save_index, save_mails
from ops.story.pressed import Pressed
from ops.story.script import checkout, guest_checkout, pick_shopper, scenes
from ops.story.verdict import Outcome, broken_rules

NOW = 1_795_000_000


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The policy that ships."""
    return policy_from_toml((ROOT / "policies" / "default.toml").read_text())


@pytest.fixture(scope="module")
def contacts() -> list[Contact]:
    """Some customers of the demo."""
    return [make_contact(f"{number:05}") for number in range(1, 200)]


def test_every_live_event_is_one_that_segue_takes(contacts: list[Contact], policy: Policy) -> None:
    """Each message of each scene parses, and none lies in the future."""
    for scene in scenes(contacts, now=NOW, policy=policy):
        for message in scene.messages:
            parsed = parse_message(message, now=NOW, default_currency="USD")
            assert parsed.envelope.at <= NOW


def test_one_message_is_sent_twice_and_no_other(contacts: list[Contact], policy: Policy) -> None:
    """The story shows what a redelivered event does, exactly once."""
    sent = [
        message["messageId"]
        for scene in scenes(contacts, now=NOW, policy=policy)
        for message in scene.messages
    ]

    assert len(sent) - len(set(sent)) == 1


def test_the_abandoned_checkout_is_left_to_the_schedule(
    contacts: list[Contact], policy: Policy
) -> None:
    """It is not abandoned yet when it is sent, and is within seconds."""
    messages = [
        parse_message(message, now=NOW, default_currency="USD")
        for scene in scenes(contacts, now=NOW, policy=policy)
        for message in scene.messages
    ]
    left = [each.envelope.at for each in messages if isinstance(each, CheckoutStarted)]

    assert len(left) == 1
    assert NOW < left[0] + policy.cart_abandoned_after_seconds <= NOW + 30


def test_those_who_get_mail_in_the_story_agreed_to_it(
    contacts: list[Contact], policy: Policy
) -> None:
    """Every known customer who acts in the story consented to marketing mail."""
    consents = {each.customer_id: each.consent_marketing_email for each in contacts}
    actors = {
        message["userId"]
        for scene in scenes(contacts, now=NOW, policy=policy)
        for message in scene.messages
        if "userId" in message
    }

    assert {consents[actor] for actor in actors & consents.keys()} == {"true"}


@pytest.mark.parametrize(
    "request_body",
    [checkout("00004", country="US", region="NY", session_id="s-1"), guest_checkout()],
)
def test_every_checkout_is_one_that_the_interface_takes(request_body: dict[str, Any]) -> None:
    """The requests that are printed pass the interface's own model."""
    DecisionRequest.model_validate(request_body)


def test_the_shopper_is_one_for_whom_there_is_a_price(
    contacts: list[Contact], policy: Policy
) -> None:
    """Among those of the region, a segment with a price tier is preferred to any other."""
    there = [
        each
        for each in contacts
        if each.place.region == "NY" and each.consent_personalised_pricing != "false"
    ]
    segments = {each.customer_id: "loyal" for each in contacts}
    segments[there[-1].customer_id] = "at_risk"

    assert pick_shopper(contacts, segments, policy=policy, region="NY") == there[-1]


def test_a_region_without_customers_is_named(contacts: list[Contact], policy: Policy) -> None:
    """Nobody is made up for a region in which nobody lives."""
    with pytest.raises(LookupError, match="AK"):
        pick_shopper(contacts, {}, policy=policy, region="AK")


def test_a_story_that_adds_up_breaks_no_rule() -> None:
    """Complete files, equal counts, no dead letter, in time: nothing to say."""
    assert broken_rules(good_outcome()) == []


BROKEN: dict[str, dict[str, Any]] = {
    "customers_scored": {"customers": 2_358},
    "mails_match": {"inbox": 29},
    "silence_noticed": {"reminders": 0},
    "enough_mails": {"mails_accepted": 19, "inbox": 19},
    "enough_codes": {"codes": 19},
    "effects_finished": {"unfinished": 1},
    "no_dead_letters": {"dead_letters": {"DropsDeadLetters": 1}},
    "in_time": {"seconds": 120.5},
}


@pytest.mark.parametrize(("rule", "changes"), BROKEN.items(), ids=BROKEN)
def test_each_broken_rule_is_named(rule: str, changes: Mapping[str, Any]) -> None:
    """Whatever does not add up is named, and nothing else is."""
    named = [each.partition(":")[0] for each in broken_rules(replace(good_outcome(), **changes))]

    assert named == [rule]


PRESSES: dict[str, tuple[dict[str, Any], ...]] = {
    "drop": ({"state": "PARTIAL"}, {"duplicate": 0}, {"rejected": 2}, {"folded": 119}),
    "checkout": ({"degraded": True}, {"segment": "unknown"}, {"segment": None}),
    "lapse": ({"after": "champions"}, {"before": None}, {"mails": 0}),
    "mail_fails": ({"state": "ACCEPTED"}, {"posts": 2}, {"posts": 0}),
    "recovers": ({"state": "IN_DOUBT"}, {"posts": 2}, {"mails": 2}, {"mails": 0}),
}


def test_buttons_that_keep_their_word_break_no_rule() -> None:
    """Every button pressed, every effect seen: nothing to say."""
    assert broken_rules(replace(good_outcome(), pressed=good_presses())) == []


@pytest.mark.parametrize(
    ("button", "changes"),
    [(button, changes) for button, each in PRESSES.items() for changes in each],
    ids=str,
)
def test_a_button_that_breaks_its_word_is_named(button: str, changes: Mapping[str, Any]) -> None:
    """Whatever a press came to that it should not, its button is named, and no other."""
    told = getattr(good_presses(), button)
    broken: dict[str, Any] = {button: {**told, "facts": {**told["facts"], **changes}}}
    outcome = replace(good_outcome(), pressed=replace(good_presses(), **broken))

    assert [each.partition(":")[0] for each in broken_rules(outcome)] == [f"pressed_{button}"]


@pytest.mark.parametrize("button", PRESSES)
def test_a_press_that_failed_is_told_in_its_own_words(button: str) -> None:
    """A button that could not do its work says why, without facts to judge by."""
    failed: dict[str, Any] = {button: {"step": "failed", "text": "the bucket is full", "facts": {}}}
    outcome = replace(good_outcome(), pressed=replace(good_presses(), **failed))

    assert broken_rules(outcome) == [f"pressed_{button}: the bucket is full"]


def test_buttons_that_take_too_long_are_named() -> None:
    """Their effects are to be seen within seconds."""
    outcome = replace(good_outcome(), pressed=replace(good_presses(), seconds=120.5))

    assert [each.partition(":")[0] for each in broken_rules(outcome)] == ["pressed_in_time"]


@pytest.mark.parametrize(
    ("environment", "platform", "opens"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"CI": "true", "DISPLAY": ":0"}, "linux", False),
        ({"CI": "true"}, "darwin", False),
    ],
)
def test_a_browser_is_opened_where_somebody_can_see_it(
    environment: Mapping[str, str], platform: str, opens: bool
) -> None:
    """On a desktop, and on no build machine."""
    assert has_display(environment, platform) is opens


def test_nobody_who_objects_is_asked_to_the_checkout(contacts: list[Contact]) -> None:
    """The panel's checkout shows a price of their own, so those who refused one are passed over."""
    chosen = shoppers(contacts)

    assert chosen
    assert {each.consent_personalised_pricing for each in chosen} == {"", "true"}
    assert [each for each in contacts if each not in chosen]


def test_a_record_that_went_missing_is_named() -> None:
    """Records in = folded + duplicate + rejected, or the file is named."""
    drop = good_drop(folded=6_897)

    assert broken_rules(replace(good_outcome(), drops=[drop])) == [
        "records_add_up: orders/cdnow/demo.csv has 6919 records, "
        "{'folded': 6897, 'duplicate': 21, 'rejected': 0}"
    ]


def test_a_rejected_file_is_named_with_its_reason() -> None:
    """A file that was rejected as a whole fails the story and says why."""
    drop = replace(good_drop(), key="customers/demo.csv", state="REJECTED", reason="no_header")

    assert broken_rules(replace(good_outcome(), drops=[good_drop(), drop])) == [
        "drop_complete: customers/demo.csv is REJECTED (no_header)"
    ]


def test_the_last_line_has_the_figures_of_the_contract() -> None:
    """scored, decisions, emails, offers and seconds, and nothing else."""
    assert good_outcome().as_json() == {
        "scored": 2_357,
        "decisions": 2_360,
        "emails": 30,
        "offers": 40,
        "seconds": 60.0,
    }


def test_mails_can_be_opened(tmp_path: Path) -> None:
    """Each mail is saved whole, its HTML beside it, and the index links to both."""
    mail = make_mail("10 % for you")

    saved = save_mails([mail, make_mail("Your basket")], tmp_path, first=3)
    index = save_index([mail, mail], saved, tmp_path)

    assert [path.name for path in saved] == ["0003-10-for-you.eml", "0004-your-basket.eml"]
    assert saved[0].read_bytes() == mail.raw
    assert "<b>hello</b>" in saved[0].with_suffix(".html").read_text()
    assert 'href="0003-10-for-you.eml"' in index.read_text()
    assert (mail.subject, mail.recipient) == ("10 % for you", "a@example.com")
    assert mail.text == "hello\n"


def test_clearing_leaves_what_is_not_a_mail(tmp_path: Path) -> None:
    """Only files that an earlier run saved are removed."""
    saved = save_mails([make_mail("one")], tmp_path)
    save_index([make_mail("one")], saved, tmp_path)
    (tmp_path / "notes.html").write_text("mine")

    clear_mails(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.html"]


def good_drop(*, folded: int = 6_898) -> Drop:
    """The orders file, taken in."""
    counts = {
        "records": 6_919,
        "folded": folded,
        "duplicate": 21,
        "rejected": 0,
        "customers": 2_357,
        "scored": 2_357,
    }
    return Drop("d" * 32, "orders/cdnow/demo.csv", "COMPLETE", NOW, NOW, NOW, counts)


def good_outcome() -> Outcome:
    """A story in which everything adds up."""
    return Outcome(
        drops=[good_drop()],
        customers=2_357,
        decisions=2_360,
        mails_accepted=30,
        inbox=30,
        reminders=1,
        codes=40,
        unfinished=0,
        dead_letters={"DropsDeadLetters": 0},
        seconds=60.0,
    )


def good_presses() -> Pressed:
    """Every button, as it should be."""

    def done(**facts: Any) -> dict[str, Any]:
        return {"step": "done", "text": "done", "facts": facts}

    parts = {"records": 122, "folded": 120, "duplicate": 1, "rejected": 1, "scored": 40}
    return Pressed(
        drop=done(state="COMPLETE", **parts),
        checkout=done(degraded=False, segment="at_risk"),
        lapse=done(before="champions", after="at_risk", mails=2),
        mail_fails=done(state="IN_DOUBT", posts=1),
        recovers=done(state="DELIVERED", posts=1, mails=1),
        seconds=14.0,
    )


def make_mail(subject: str) -> SentMail:
    """A mail with both parts."""
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["To"] = "a@example.com"
    message["Subject"] = subject
    message.set_content("hello\n")
    message.add_alternative("<b>hello</b>", subtype="html")
    return from_mime(message.as_bytes())
