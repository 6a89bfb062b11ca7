"""The kill switches: every copy before the answer, and the next send or decision obeys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import SWITCH
from chalicelib.core.storage import WHATEVER, Conflict, Put
from chalicelib.flows.act import ActPorts, perform
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.mail_makers import NOW as MAIL_NOW
from tests.mail_makers import SETTINGS, contact_of, mail_effect, world_with_a_mail
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

ON = {"sending": True, "pricing": True, "offers": True}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


def flip(shop: Storefront, **switches: bool) -> Any:
    """Flip some switches; the others are on."""
    return shop.call("PUT", "/v1/control", body={**ON, **switches})


def copies(store: MemoryStore) -> list[Switches]:
    """Every copy that is stored."""
    return list(store.all("switch").values())


def test_all_are_on_until_somebody_says_otherwise(shop: Storefront) -> None:
    """A stage without a single copy sends, prices and offers."""
    assert shop.call("GET", "/v1/control").json_body == {**ON, "agreed": True}


def test_a_flip_has_written_every_copy(shop: Storefront) -> None:
    """All sixteen say the same before the answer is given."""
    response = flip(shop, sending=False)

    assert response.json_body == {**ON, "sending": False, "agreed": True}
    assert copies(shop.store) == [Switches(sending=False)] * SWITCH_COPIES


def test_the_very_next_decision_obeys(shop: Storefront) -> None:
    """Personal prices and offers end, in the same session, and come back."""
    assert shop.decide()["price"]["tier"] != "base"

    flip(shop, pricing=False, offers=False)
    after = shop.decide()
    assert (after["price"]["tier"], after["price"]["reason"]) == ("base", "pricing_switched_off")
    assert after["offers"] == []

    flip(shop)
    assert shop.decide()["price"]["tier"] != "base"


def test_the_very_next_send_obeys(shop: Storefront) -> None:
    """Every one of two hundred mails, whichever copy it reads, is put off."""
    world = world_with_a_mail()
    shop.store = world.store
    shop.start()
    flip(shop, sending=False)
    ports = ActPorts(world.store, world.bus, world.mailer, world.later, SIGNING_KEYS, SETTINGS)

    for number in range(200):
        world.meet(contact_of())
        world.plan(mail_effect(f"{number:032x}"))
        told = perform(f"{number:032x}", ports=ports, now=MAIL_NOW, worker="w", correlation_id="c")
        assert told.put_off == "sending_off"

    assert world.mailer.sent == []


@pytest.mark.parametrize("at", range(SWITCH_COPIES))
def test_a_flip_that_was_cut_short_is_repaired_by_repeating(shop: Storefront, at: int) -> None:
    """It is answered 503, the state says that copies differ, and the next flip sets them all."""
    shop.store.fail_writes(*[None] * at, *[Transient("down")] * 4)

    assert flip(shop, offers=False).status_code == 503
    told = shop.call("GET", "/v1/control").json_body
    assert told["agreed"] is (at == 0)
    assert told["offers"] is (at == 0)  # off where any copy says so

    assert flip(shop, offers=False).json_body["agreed"]
    assert copies(shop.store) == [Switches(offers=False)] * SWITCH_COPIES


def test_a_copy_that_a_mail_holds_is_tried_again(shop: Storefront) -> None:
    """A transaction that checks a copy delays the switch, and does not stop it."""
    shop.store.fail_writes(*[Conflict(())] * 3)

    assert flip(shop, sending=False).status_code == 200


def test_a_lost_reply_is_written_again(shop: Storefront) -> None:
    """The copy was saved; saving it once more changes nothing."""
    shop.store.lose_replies(Transient("reply lost"))

    assert flip(shop, sending=False).json_body["agreed"]


def test_two_who_flip_at_once_do_not_leave_copies_apart(shop: Storefront) -> None:
    """Whoever finds another's copy among theirs writes again, so that in the end all agree."""

    def rival() -> None:
        shop.store.write(
            [Put(SWITCH.key(str(copy)), Switches(pricing=False), WHATEVER) for copy in range(9)],
            now=NOW,
        )

    shop.store.before_write = rival

    assert flip(shop, sending=False).json_body["agreed"]
    assert copies(shop.store) == [Switches(sending=False)] * SWITCH_COPIES


def test_a_flip_leaves_an_audit_line(shop: Storefront) -> None:
    """Which key, and what it set."""
    flip(shop, sending=False)

    [line] = shop.lines("control_flipped")
    assert (line["sending"], line["pricing"], line["offers"]) == (False, True, True)
    assert len(line["key_id"]) == 12


@pytest.mark.parametrize(
    "body", [{}, {"sending": False}, {**ON, "sending": "off"}, {**ON, "prices": True}, []]
)
def test_half_a_flip_is_refused(shop: Storefront, body: Any) -> None:
    """All three switches, nothing else, and true or false alone; nothing is written."""
    assert shop.call("PUT", "/v1/control", body=body).status_code == 422
    assert copies(shop.store) == []
