"""After an erasure: the old file again, a redriven message, a late reply, a repeated call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import EFFECT, RECORD, TOMBSTONE
from chalicelib.core.ports import AgainPorts
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.feedback import FeedbackPorts
from chalicelib.flows.feedback import from_messages as take_in_mail_events
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import SIGNING_KEYS, MemoryQueue
from tests.mail_events import TOPIC, notification, queued, ses_event
from tests.mail_makers import SETTINGS, sqs_event
from tests.persons import ANN, CANARY, EMAIL, settle_in, stored_text
from tests.storefront import MUGS, TEXAS, Storefront, open_storefront
from tests.unit.core.situations import NOW

HOUR = 3600


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows Ann."""
    with open_storefront() as storefront:
        settle_in(storefront)
        yield storefront


def erase(shop: Storefront) -> None:
    """Erase Ann, and let an hour pass."""
    assert shop.call("DELETE", f"/v1/customers/{ANN}").json_body["state"] == "ERASED"
    assert CANARY not in stored_text(shop)
    shop.clock.forward(HOUR)


def team_of(shop: Storefront) -> DataTeam:
    """The data team that fills the same storage."""
    return DataTeam(store=shop.store)


CUSTOMERS = f"customer_id,email,first_name\n{ANN},{EMAIL},Canaryann\nbob,bob@example.com,Bob\n"


def test_the_old_files_again_do_not_bring_her_back(shop: Storefront) -> None:
    """Her rows are rejected under a name, nothing of hers is told, and the counts add up."""
    erase(shop)
    team = team_of(shop)
    rows = [order_row("canary-o-9", ANN, days_ago=9), order_row("b-1", "bob", days_ago=9)]
    old = format_instant(NOW - 9 * 86_400)

    orders = team.handle(team.put("orders/old.csv", orders_csv(*rows)), now=NOW + HOUR)
    customers = team.handle(team.put("customers/old.csv", CUSTOMERS, at=NOW - 9), now=NOW + HOUR)

    for drop in (orders, customers):
        assert drop.state == "COMPLETE"
        assert (drop.counts["records"], drop.counts["folded"]) == (2, 1)
        assert (drop.counts["rejected"], drop.counts["erased"]) == (1, 1)
        [reject] = team.rejects(drop)
        assert (reject["column"], reject["value"]) == ("customer_id", "")
        assert "erased" in reject["reason"]
    assert team.summary(orders)["unscored"] == {"erased": 1}
    assert CANARY not in stored_text(shop)
    assert old not in stored_text(shop)


@pytest.mark.parametrize("name", ["delivery", "bounce", "complaint", "open", "click"])
def test_a_late_event_of_her_mail_does_not_either(
    shop: Storefront, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What SES says of a mail after her erasure names nobody, in no table and no line."""
    [mail] = [each for each in shop.store.all("effect").values() if each.kind == "mail"]
    accepted = replace(mail, state="ACCEPTED", posts=1)
    shop.store.write([Put(EFFECT.key(mail.effect_id), accepted, WHATEVER)], now=NOW)
    erase(shop)
    said = json.dumps(ses_event(name, effect_id=mail.effect_id, sent_at=NOW - 60))
    event = said.replace("ada@example.com", EMAIL)

    answer = take_in_mail_events(
        queued(notification(event)),
        ports=FeedbackPorts(
            shop.store, SIGNING_KEYS, TOPIC, AgainPorts(MemoryQueue(), MemoryQueue())
        ),
        now=NOW + HOUR,
    )

    assert answer == {"batchItemFailures": []}
    assert CANARY not in stored_text(shop)
    assert CANARY not in capsys.readouterr().out.lower()
    assert EMAIL in event
    assert customer(ANN).key not in shop.store.all("facts")


def test_a_newer_customers_file_does_not_either(shop: Storefront) -> None:
    """A nightly export that still lists her says what the shop keeps, not that she came back."""
    erase(shop)
    team = team_of(shop)

    drop = team.handle(team.put("customers/new.csv", CUSTOMERS, at=NOW + HOUR), now=NOW + 2 * HOUR)

    assert drop.counts["erased"] == 1
    assert CANARY not in stored_text(shop)


def test_a_newer_order_in_a_file_begins_a_new_person(shop: Storefront) -> None:
    """She bought again: that order counts, the old ones beside it do not."""
    erase(shop)
    team = team_of(shop)
    new = f"o-new,{ANN},{format_instant(NOW + HOUR)},1,USD,12.00"
    text = orders_csv(order_row("canary-o-9", ANN, days_ago=9), new)

    drop = team.handle(team.put("orders/both.csv", text), now=NOW + 2 * HOUR)

    assert (drop.counts["folded"], drop.counts["erased"]) == (1, 1)
    facts = team.facts(ANN)
    assert facts is not None
    assert facts.order_count == 1

    customers = team.handle(
        team.put("customers/new.csv", CUSTOMERS, at=NOW + 2 * HOUR), now=NOW + 3 * HOUR
    )
    assert "erased" not in customers.counts


def test_a_redriven_message_does_nothing(shop: Storefront) -> None:
    """Messages of her effects come out of the dead letters again: no mail, no event, no retry."""
    ids = [effect.effect_id for effect in shop.store.all("effect").values()]
    assert len(ids) >= 2
    erase(shop)
    ports = ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, mail=SETTINGS)

    for attempt in range(3):
        answer = from_messages(sqs_event(*ids), ports=ports, now=NOW + HOUR, worker=f"w-{attempt}")
        assert answer == {"batchItemFailures": []}

    assert (shop.mailer.sent, shop.bus.events) == ([], [])
    assert CANARY not in stored_text(shop) + json.dumps(shop.queue.drain())


def test_an_effect_that_the_index_did_not_name_yet_is_suppressed(shop: Storefront) -> None:
    """Planned before the erasure and stored behind its back: the worker finds the tombstone."""
    [mail] = [each for each in shop.store.all("effect").values() if each.kind == "mail"]
    erase(shop)
    shop.store.write([Put(EFFECT.key(mail.effect_id), mail, WHATEVER)], now=NOW)
    ports = ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, mail=SETTINGS)

    from_messages(sqs_event(mail.effect_id), ports=ports, now=NOW + HOUR, worker="w")

    effect = shop.store.all("effect")[f"e#{mail.effect_id}"]
    assert (effect.state, effect.reason) == ("SUPPRESSED", "erased")
    assert shop.mailer.sent == []


def test_a_worker_that_was_just_sending_still_writes_down_what_happened(shop: Storefront) -> None:
    """The mail was out before the erasure: the ledger says so, without her."""
    [mail] = [each for each in shop.store.all("effect").values() if each.kind == "mail"]
    ports = ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, mail=SETTINGS)

    class ErasesMeanwhile:
        """Hands mails over, and lets her be erased before the answer comes."""

        def send(self, raw: bytes, **address: object) -> str:
            shop.call("DELETE", f"/v1/customers/{ANN}")
            return shop.mailer.send(raw, **address)  # type: ignore[arg-type]

    meanwhile = ActPorts(
        shop.store, shop.bus, ErasesMeanwhile(), shop.queue, SIGNING_KEYS, ports.mail
    )
    from_messages(sqs_event(mail.effect_id), ports=meanwhile, now=NOW, worker="w")

    effect = shop.store.all("effect")[f"e#{mail.effect_id}"]
    assert (effect.state, len(shop.mailer.sent)) == ("ACCEPTED", 1)
    assert CANARY not in stored_text(shop)


def test_a_record_that_was_stored_behind_the_erasures_back_shows_nobody(shop: Storefront) -> None:
    """A checkout under way during the erasure: what it stored is shown without the person."""
    records = shop.store.all("record")
    erase(shop)
    name, record = next(iter(records.items()))
    shop.store.write([Put(RECORD.key(name.removeprefix("d#")), record, WHATEVER)], now=NOW)

    shown = shop.call("GET", f"/v1/decisions/{name.removeprefix('d#')}")

    assert shown.json_body["situation"] == {}
    assert CANARY not in shown.body.decode()


def test_a_repeated_checkout_call_is_answered_without_her(shop: Storefront) -> None:
    """Its Idempotency-Key names an erased record: base prices, no error, nothing of the past."""
    body = {"customer_id": ANN, "context": TEXAS, "cart": MUGS}
    headers = {"Idempotency-Key": "again"}
    first = shop.call("POST", "/v1/decisions", body=body, headers=headers).json_body
    assert first["price"]["tier"] != "base"
    erase(shop)

    again = shop.call("POST", "/v1/decisions", body=body, headers=headers)

    assert again.status_code == 200
    assert (again.json_body["price"]["tier"], again.json_body["offers"]) == ("base", [])


def test_the_next_checkout_knows_nobody(shop: Storefront) -> None:
    """In the very same session: the fallback segment, base prices, no code."""
    before = shop.decide(ANN)
    assert before["price"]["tier"] != "base"
    erase(shop)

    after = shop.decide(ANN)

    assert after["segment"]["fallback"]
    assert (after["price"]["tier"], after["offers"]) == ("base", [])


def test_a_tombstone_names_nobody_and_has_no_end(shop: Storefront) -> None:
    """Neither id nor address can be read from it, and it does not expire."""
    erase(shop)

    tombstones = shop.store.all("tombstone")
    assert len(tombstones) == 3  # of the customer, of the guest, of the address
    assert {tombstone.is_complete for tombstone in tombstones.values()} == {True}
    found = shop.store.read(
        [TOMBSTONE.key(*name.removeprefix("x#").split("#")) for name in tombstones],
        now=NOW + 10 * 365 * 86_400,
    )
    assert all(
        found.stored(TOMBSTONE.key(*name.removeprefix("x#").split("#"))) for name in tombstones
    )


def test_a_withdrawal_outlives_the_account(shop: Storefront) -> None:
    """Whoever unsubscribed and was erased is not mailed when a new account has the address."""
    shop.call(
        "PUT",
        f"/v1/customers/{ANN}/consent",
        body={
            "purpose": "marketing_email",
            "granted": False,
            "basis": "consent",
            "wording": "v1",
            "source": "form",
            "said_at": format_instant(NOW - 60),
        },
    )
    erase(shop)

    [state] = shop.store.all("address").values()
    assert state.binds("marketing_email", subject_key=customer("another").key)
