"""What becomes of mails: SES's events, into the ledger and onto the address."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chalicelib.core.errors import MailInDoubt
from tests.fakes import MemoryStore
from tests.mail_events import hear, ses_event
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    contact_of,
    hash_of,
    mail_effect,
    world_with_a_mail,
)

ID = "e" * 32


@pytest.fixture
def world() -> World:
    """Ada, to whom a mail was sent."""
    world = world_with_a_mail()
    world.act()
    world.store.calls.clear()
    return world


def suppressed(world: World) -> dict[str, str]:
    """Why Ada's address gets no more mail, by audience."""
    states = world.store.all("address")
    state = states.get(f"h#{hash_of(EMAIL)}")
    return {} if state is None else {each: why.reason for each, why in state.suppressed.items()}


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("send", "ACCEPTED", None),
        ("delivery", "DELIVERED", None),
        ("bounce", "BOUNCED", "bounce_permanent_general"),
        ("soft_bounce", "BOUNCED", "bounce_transient_mailboxfull"),
        ("complaint", "COMPLAINED", "complaint_abuse"),
        ("reject", "REJECTED", "reject"),
    ],
)
def test_each_event_moves_the_effect_whose_tag_it_carries(
    world: World, name: str, state: str, reason: str | None
) -> None:
    """The ledger says what became of a mail, and why."""
    hear(world, ses_event(name))

    effect = world.effect()
    assert (effect.state, effect.reason) == (state, reason)


def test_an_event_costs_one_read_and_one_write(world: World) -> None:
    """Effect, address and count are looked up together and written together."""
    hear(world, ses_event("bounce"))

    assert world.store.calls == [("read", 3), ("write", 3)]


@pytest.mark.parametrize("name", ["send", "delivery", "bounce", "complaint"])
def test_an_event_again_changes_nothing(world: World, name: str) -> None:
    """A message that comes twice finds that its effect has heard it."""
    hear(world, ses_event(name))
    before = dict(world.store.all("effect")), dict(world.store.all("breaker"))
    world.store.calls.clear()

    hear(world, ses_event(name), ses_event(name))

    assert (world.store.all("effect"), world.store.all("breaker")) == before
    assert world.store.count("write") == 0


NAMES = ("send", "delivery", "bounce", "soft_bounce", "complaint")


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES)))
def test_in_any_order_the_tables_end_the_same(order: tuple[str, ...]) -> None:
    """A delivery after a complaint, a bounce after a delivery: what weighs most stands."""

    def after(names: tuple[str, ...]) -> MemoryStore:
        world = world_with_a_mail()
        world.act()
        for name in names:
            hear(world, ses_event(name))
        return world.store

    one, other = after(order), after(NAMES)

    for kind in ("effect", "address", "breaker"):
        assert one.all(kind) == other.all(kind), kind
    assert one.all("effect")[f"e#{ID}"].state == "COMPLAINED"


@pytest.mark.parametrize(
    ("name", "detail", "audiences"),
    [
        ("bounce", {}, {"marketing": "bounced", "transactional": "bounced"}),
        (
            "bounce",
            {"bounceSubType": "NoEmail"},
            {"marketing": "bounced", "transactional": "bounced"},
        ),
        ("bounce", {"bounceSubType": "Suppressed"}, {"marketing": "bounced"}),
        ("bounce", {"bounceSubType": "OnAccountSuppressionList"}, {"marketing": "bounced"}),
        ("bounce", {"bounceType": "Undetermined", "bounceSubType": "Undetermined"}, {}),
        ("soft_bounce", {}, {}),
        ("complaint", {}, {"marketing": "complained"}),
        ("delivery", {}, {}),
    ],
)
def test_what_suppresses_whom(
    world: World, name: str, detail: dict[str, Any], audiences: dict[str, str]
) -> None:
    """Hard bounces and complaints suppress by type and purpose; soft ones do not."""
    hear(world, ses_event(name, **detail))

    assert suppressed(world) == audiences


@pytest.mark.parametrize(
    ("name", "purpose", "reason"),
    [
        ("bounce", "marketing_email", "bounced"),
        ("bounce", "transactional", "bounced"),
        ("complaint", "marketing_email", "complained"),
        ("complaint", "transactional", None),
        ("soft_bounce", "marketing_email", None),
    ],
)
def test_the_very_next_mail_respects_it(
    world: World, name: str, purpose: str, reason: str | None
) -> None:
    """Whoever complained is still told about an order; nobody writes to no mailbox."""
    hear(world, ses_event(name))
    world.plan(mail_effect("f" * 32, purpose=purpose))

    outcome = world.act("f" * 32)

    assert outcome.reason == reason
    assert outcome.state == ("ACCEPTED" if reason is None else "SUPPRESSED")


@pytest.mark.parametrize("spelt", ["ada@b\u00fccher.example.com", "ada@xn--bcher-kva.example.com"])
def test_a_bounce_is_found_again_whatever_the_spelling_of_a_domain(spelt: str) -> None:
    """SES names an international domain in ASCII, a shop in letters: one address, suppressed."""
    world = World()
    world.meet(contact_of(email=spelt))
    world.plan(mail_effect(), mail_effect("f" * 32))
    world.act()
    [mail] = world.mailer.sent
    assert mail.recipient == "ada@xn--bcher-kva.example.com"

    hear(world, ses_event("bounce", bouncedRecipients=[{"emailAddress": mail.recipient}]))

    assert (world.act("f" * 32).state, world.effect("f" * 32).reason) == ("SUPPRESSED", "bounced")


def test_a_withdrawal_survives_a_bounce(world: World) -> None:
    """What the owner said and what the provider said stand side by side."""
    world.withdraw()

    hear(world, ses_event("bounce"))

    [state] = world.store.all("address").values()
    assert (set(state.withdrawn), set(state.suppressed)) == (
        {"marketing_email"},
        {"marketing", "transactional"},
    )


@pytest.mark.parametrize(
    ("name", "state"), [("send", "ACCEPTED"), ("delivery", "DELIVERED"), ("bounce", "BOUNCED")]
)
def test_a_doubt_is_settled_by_any_event_with_the_tag(name: str, state: str) -> None:
    """Nobody knew whether it was sent; the event knows, and nothing is sent again."""
    world = world_with_a_mail()
    world.mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))
    world.act()

    hear(world, ses_event(name))

    assert world.effect().state == state
    assert world.effect().provider_id == "0100019a-ses-1"
    for hours in range(1, 48):
        world.act(now=NOW + 3600 * hours, worker=f"w-{hours}")
    assert len(world.mailer.sent) == 1
    assert world.effect().state == state


def test_an_event_comes_before_the_confirmation() -> None:
    """SES may publish before the worker has written down its answer: the worker agrees."""
    world = world_with_a_mail()

    class Quick:
        """A provider whose event arrives before its answer."""

        def send(self, raw: bytes, **arguments: Any) -> str:
            provider_id = world.mailer.send(raw, **arguments)
            hear(world, ses_event("delivery"))
            return provider_id

    assert world.act(mailer=Quick()).state == "DELIVERED"
    assert world.effect().posts == 1


def test_a_late_event_settles_what_was_given_up() -> None:
    """Abandoned means that nobody knew; a complaint after that still counts."""
    world = world_with_a_mail()
    world.mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))
    world.act()
    world.act(now=NOW + 100_000)
    assert world.effect().state == "ABANDONED"

    hear(world, ses_event("complaint"), now=NOW + 200_000)

    assert world.effect().state == "COMPLAINED"
    assert suppressed(world) == {"marketing": "complained"}


def test_no_row_holds_an_address(world: World) -> None:
    """The address of an event is hashed at once and never stored."""
    hear(world, *(ses_event(name) for name in (*NAMES, "open", "click")))

    for kind in ("effect", "address", "breaker", "engagement"):
        assert EMAIL not in str(world.store.all(kind))
