"""Random pasts, erased, and everything that ever was said played again: nobody comes back."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from chalicelib.core.ports import AgainPorts
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.feedback import FeedbackPorts
from chalicelib.flows.feedback import from_messages as take_in_mail_events
from chalicelib.flows.reapply import reapply_tombstones
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import SIGNING_KEYS, MemoryQueue
from tests.mail_events import TOPIC, notification, queued, ses_event
from tests.mail_makers import SETTINGS, sqs_event
from tests.makers import DAY_SECONDS, identify, order_event, track
from tests.persons import ANN, CANARY, EMAIL, GUEST, consent, stored_text
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW

HISTORIES = 50
SWEPT_HISTORIES = 200
HOUR = 3600


def a_past(chance: Random) -> list[Any]:
    """Messages about Ann under both of her names, in any order."""
    messages: list[Any] = []
    for number in range(chance.randrange(1, 9)):
        at = NOW - chance.randrange(1, 300 * DAY_SECONDS)
        who: Any = {"user": ANN} if chance.random() < 0.6 else {"visitor": GUEST}
        messages.append(
            chance.choice(
                [
                    identify(user=ANN, visitor=GUEST, email=EMAIL, firstName=CANARY, at=at),
                    identify(**who, email=EMAIL, consent_marketing_email=True, at=at),
                    track("Product Viewed", **who, sku="canary-sku", at=at),
                    track("Checkout Started", **who, at=at),
                    order_event("Order Completed", f"canary-o-{number}", **who, total=30, at=at),
                    order_event("Order Refunded", f"canary-o-{number}", **who, total=3, at=at),
                ]
            )
        )
    return messages


def files(chance: Random) -> list[tuple[str, str]]:
    """Files that speak of Ann, by key and text."""
    days_ago = chance.randrange(1, 90)
    return [
        ("orders/a.csv", orders_csv(order_row("canary-f-1", ANN, days_ago=days_ago))),
        ("customers/a.csv", f"customer_id,email,canary_score\n{ANN},{EMAIL},3\n"),
    ]


def play(shop: Storefront, past: list[Any], dropped: list[tuple[str, str]], *, now: int) -> None:
    """Send messages and files, and let the worker take up every effect, twice."""
    shop.call("POST", "/v1/events", body={"batch": past})
    team = DataTeam(store=shop.store)
    for key, text in dropped:
        team.handle(team.put(key, text, at=NOW - 60), now=now)
    effects = shop.store.all("effect").values()
    ids = [effect.effect_id for effect in effects]
    ports = ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, SETTINGS)
    for _ in range(2):
        from_messages(sqs_event(*ids), ports=ports, now=now, worker="w")


def told_of_her(shop: Storefront) -> int:
    """How many events on the bus name her."""
    return sum(event.data.get("customer_id") == ANN for event in shop.bus.events)


def late_feedback(shop: Storefront, mails: list[str], chance: Random, *, now: int) -> None:
    """SES tells, late, what became of mails; perhaps in two ways."""
    ports = FeedbackPorts(shop.store, SIGNING_KEYS, TOPIC, AgainPorts(MemoryQueue(), MemoryQueue()))
    for effect_id in mails:
        for name in chance.sample(["bounce", "complaint", "delivery", "open", "click"], 2):
            said = json.dumps(ses_event(name, effect_id=effect_id, sent_at=NOW - 60))
            event = said.replace("ada@example.com", EMAIL)
            take_in_mail_events(queued(notification(event)), ports=ports, now=now)


def play_history(seed: int) -> None:
    """A past, an erasure, and all of it again: by file, message, redrive, feedback and restore."""
    chance = Random(seed)  # noqa: S311  (a seed, not a secret)
    with open_storefront() as shop:
        past, dropped = a_past(chance), files(chance)
        play(shop, past, dropped, now=NOW)
        shop.decide(ANN)
        consent(shop)
        if chance.random() < 0.3:
            shop.decide(None, anonymous_id=GUEST)
        merged = any("userId" in each and "anonymousId" in each for each in past)
        effects = list(shop.store.all("effect").values())
        ids = [effect.effect_id for effect in effects]
        mails = [effect.effect_id for effect in effects if effect.kind == "mail"]
        backup = shop.store.backup()

        shop.call("DELETE", f"/v1/customers/{ANN}")
        shop.clock.forward(HOUR)
        logged = len(shop.log.getvalue())
        sent, told = len(shop.mailer.sent), told_of_her(shop)
        if chance.random() < 0.3:
            shop.store.restore(backup, tables=("profiles", "decisions", "effects"))
            reapply_tombstones(
                shop.store.keys(),
                store=shop.store,
                keys=SIGNING_KEYS,
                new_key=lambda: "0b" * 16,
                now=NOW + HOUR,
            )
        again = past * 2
        chance.shuffle(again)
        if not merged:  # a guest whom nothing ties to her is another person
            again = [each for each in again if "userId" in each]
        for message in again:
            message = {**message, "messageId": f"again-{chance.randrange(10**9)}"}
            shop.call("POST", "/v1/events", body=message)
        play(shop, again, dropped, now=NOW + HOUR)
        late_feedback(shop, mails, chance, now=NOW + HOUR)
        ports = ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, SETTINGS)
        from_messages(sqs_event(*ids), ports=ports, now=NOW + HOUR, worker="w")

        left = stored_text(shop)
        assert ANN not in left, seed
        assert EMAIL not in left or not merged, seed
        assert CANARY not in left or not merged, seed
        assert (len(shop.mailer.sent), told_of_her(shop)) == (sent, told), seed
        assert CANARY not in shop.log.getvalue()[logged:].casefold(), seed
        assert CANARY not in json.dumps(shop.queue.drain()).casefold(), seed


@pytest.mark.slow
def test_nobody_comes_back_in_any_history() -> None:
    """In 50 seeded histories: 0 canaries in any table, 0 mails and 0 events after the erasure."""
    for seed in range(HISTORIES):
        play_history(seed)


@pytest.mark.slow
@pytest.mark.sweep
def test_nobody_comes_back_in_many_more_histories() -> None:
    """In 150 more seeded histories: 0."""
    for seed in range(HISTORIES, SWEPT_HISTORIES):
        play_history(seed)
