"""The fault sweep of erasure and consent: broken off at any call and asked again, it is done."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from chalicelib.core.consents import Statement
from chalicelib.core.errors import Transient
from chalicelib.core.subject import customer
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.consent import record_consent
from chalicelib.flows.consent_ledger import read_ledger
from chalicelib.flows.erase import Erasure, erase_customer
from tests.fakes import SIGNING_KEYS
from tests.gate import Died, Gate, Hook, fault, nothing
from tests.gated_store import GatedStore
from tests.mail_makers import SETTINGS, sqs_event
from tests.makers import identify
from tests.persons import ANN, CANARY, EMAIL, settle_in, stored_text
from tests.storefront import Storefront, open_storefront
from tests.stores import no_sleep
from tests.unit.core.situations import NOW

FAULTS = ("dies before", "dies after", "fails before", "reply lost")
STATEMENT = Statement("marketing_email", False, "consent", "newsletter-3", "form", NOW - 60)


def erase(shop: Storefront, hooks: tuple[Hook, Hook] = (nothing, nothing)) -> tuple[Erasure, int]:
    """Erase Ann behind hooks; returns what came of it and how many calls it took."""
    gate = Gate(before=hooks[0], after=hooks[1])
    erasure = erase_customer(
        ANN,
        store=GatedStore(gate, shop.store),
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=no_sleep,
        now=shop.clock(),
        key_id="k",
        correlation_id="erasing",
    )
    return erasure, len(gate.passed)


def calls_of_erasing() -> int:
    """How many calls an erasure takes that nothing breaks."""
    with open_storefront() as shop:
        settle_in(shop)
        return erase(shop)[1]


def check_erased(shop: Storefront, erasure: Erasure) -> None:
    """Nothing is left, the pseudonym's key is dead, and what comes late is dropped."""
    assert erasure.is_complete
    assert CANARY not in stored_text(shop)
    assert "pseudonym_key" not in stored_text(shop)
    late = identify(user=ANN, email=EMAIL, at=NOW - 5)
    assert shop.call("POST", "/v1/events", body=late).json_body["erased"] == 1
    assert CANARY not in stored_text(shop)


@pytest.mark.parametrize("kind", FAULTS)
def test_erasing_is_finished_by_asking_again(kind: str) -> None:
    """Whatever breaks at whichever call, the next call leaves nothing of the person."""
    for at in range(1, calls_of_erasing() + 1):
        with open_storefront() as shop:
            settle_in(shop)

            with contextlib.suppress(Died, Transient):
                erase(shop, fault(kind, at))
            shop.clock.forward(30)

            check_erased(shop, erase(shop)[0])


@pytest.mark.slow
@pytest.mark.sweep
def test_erasing_survives_a_second_fault() -> None:
    """The call after a fault may break as well: the third one finishes."""
    calls = calls_of_erasing()
    for first, second in itertools.product(range(1, calls + 1, 2), range(1, calls + 1, 3)):
        with open_storefront() as shop:
            settle_in(shop)
            for kind, at in (("dies after", first), ("reply lost", second)):
                with contextlib.suppress(Died, Transient):
                    erase(shop, fault(kind, at))

            check_erased(shop, erase(shop)[0])


def test_an_event_at_any_call_of_an_erasure_does_not_stay() -> None:
    """A message from before, folded between any two calls, is dropped or erased with the rest."""
    for at in range(1, calls_of_erasing() + 1):
        with open_storefront() as shop:
            settle_in(shop)

            def intrude(number: int, _port: str, *, at: int = at, shop: Storefront = shop) -> None:
                if number == at:
                    late = identify(user=ANN, email=EMAIL, firstName="Canary", at=NOW - 9)
                    shop.call("POST", "/v1/events", body=late)

            erasure, _ = erase(shop, (intrude, nothing))

            check_erased(shop, erasure)


def test_nothing_planned_happens_once_the_erasure_has_begun() -> None:
    """From its first write on no mail goes out and no event, though nobody finished the erasure."""
    for at in range(1, calls_of_erasing() + 1):
        with open_storefront() as shop:
            settle_in(shop)
            ids = [effect.effect_id for effect in shop.store.all("effect").values()]
            with contextlib.suppress(Died):
                erase(shop, fault("dies after", at))
            begun = bool(shop.store.all("tombstone"))
            ports = ActPorts(
                shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, mail=SETTINGS
            )

            from_messages(sqs_event(*ids), ports=ports, now=NOW, worker="w-1")

            assert bool(shop.mailer.sent) is not begun
            assert bool(shop.bus.events) is not begun


def record(shop: Storefront, hooks: tuple[Hook, Hook] = (nothing, nothing)) -> int:
    """Record a withdrawal of Ann's behind hooks; returns how many calls it took."""
    gate = Gate(before=hooks[0], after=hooks[1])
    record_consent(
        ANN,
        STATEMENT,
        store=GatedStore(gate, shop.store),
        keys=SIGNING_KEYS,
        now=shop.clock(),
        key_id="k",
        correlation_id="consenting",
    )
    return len(gate.passed)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_statement_is_one_entry_whatever_breaks(kind: str) -> None:
    """Broken off at any call and sent again: one entry, an unbroken chain, and it is respected."""
    with open_storefront() as shop:
        settle_in(shop)
        calls = record(shop)
    for at in range(1, calls + 1):
        with open_storefront() as shop:
            settle_in(shop)

            with contextlib.suppress(Died, Transient):
                record(shop, fault(kind, at))
            record(shop)

            ledger = read_ledger(customer(ANN).key, store=shop.store, now=NOW)
            said = [(entry.statement.source, entry.statement.granted) for entry in ledger.entries]
            assert said == [("event", True), ("form", True), ("form", False)]
            assert ledger.is_intact
            view = shop.call("GET", f"/v1/customers/{ANN}").json_body
            assert view["consent"]["marketing_email"]["granted"] is False
