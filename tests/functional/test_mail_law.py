"""The law in the moment of sending: a mail that waited is lawful by the day on which it leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.effects import Effect
from chalicelib.core.law import Jurisdictions
from chalicelib.flows.act_log import Outcome
from tests.mail_makers import (
    NEW_YORK,
    NOW,
    SETTINGS,
    World,
    contact_of,
    mail_effect,
    parse,
)
from tests.unit.core.situations import shipped_rules

TABLE = shipped_rules().jurisdictions
BANNED = Jurisdictions(
    rows=tuple(
        row.model_copy(update={"enabled": True}) if row.id == "us-ny-a9349-b" else row
        for row in TABLE.rows
    )
)
NEW_YEAR = 1_798_761_600  # 2027-01-01T00:00:00Z


def sent(
    planned: Effect, *, region: str | None, table: Jurisdictions = TABLE, now: int = NOW
) -> tuple[World, Outcome]:
    """A worker takes on this mail for somebody who lives there."""
    world = World()
    world.meet(contact_of(country="US", region=region))
    world.plan(planned)
    mail = replace(SETTINGS, jurisdictions=table)
    return world, world.act(now=now, mail=mail)


@pytest.mark.parametrize(
    ("region", "planned", "shown"),
    [
        ("NY", [], True),
        ("NY", [NEW_YORK], True),
        ("TX", [], False),
        ("TX", [NEW_YORK], True),
        (None, [], True),
    ],
)
def test_what_the_law_has_come_to_ask_is_shown(
    region: str | None, planned: list[str], shown: bool
) -> None:
    """In text and HTML, once; what was to be shown when it was planned stays."""
    world, outcome = sent(mail_effect(disclosures=planned), region=region)

    assert outcome.state == "ACCEPTED"
    mail = parse(world.mailer.sent[0].raw)
    assert mail.text.splitlines().count(NEW_YORK) == int(shown)
    assert mail.visible.count(NEW_YORK) == int(shown)


def test_a_mail_without_an_offer_needs_no_words() -> None:
    """A reminder announces no price."""
    reminder = mail_effect(template="cart-reminder", offer=None, disclosures=[])
    world, outcome = sent(reminder, region="NY")

    assert outcome.state == "ACCEPTED"
    assert NEW_YORK not in parse(world.mailer.sent[0].raw).text


@pytest.mark.parametrize(
    ("region", "now", "mode", "state"),
    [
        ("NY", NEW_YEAR - 1, "discount_only", "ACCEPTED"),
        ("NY", NEW_YEAR, "discount_only", "SUPPRESSED"),
        (None, NEW_YEAR, "discount_only", "SUPPRESSED"),
        ("TX", NEW_YEAR, "discount_only", "ACCEPTED"),
        ("NY", NEW_YEAR, "ban", "ACCEPTED"),
    ],
)
def test_an_offer_that_was_made_for_a_person_is_not_sent_into_a_ban(
    region: str | None, now: int, mode: str, state: str
) -> None:
    """From the first second of its day; what was offered under a ban knew nothing of anybody."""
    offer = {**mail_effect().payload["offer"], "expires_at": NEW_YEAR + 1}
    world, outcome = sent(mail_effect(mode=mode, offer=offer), region=region, table=BANNED, now=now)

    assert (outcome.state, outcome.reason) == (
        state,
        "banned" if state == "SUPPRESSED" else None,
    )
    assert len(world.mailer.sent) == int(state == "ACCEPTED")
