"""Work that is under way while somebody is erased: it was gathered before, and is stored after.

Ann is erased, whole, before each single call that a flow makes to storage; the flow then goes on
with what it has read. Whatever its next writes prove or fail to prove, nothing of her is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any, Literal, cast

import pytest

from chalicelib.core.errors import SegueError
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import RECORD
from chalicelib.core.ports import AgainPorts
from chalicelib.core.storage import Key, Put
from chalicelib.core.tokens import sign
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.erase import SECOND_LOOK_SECONDS, erase_customer
from chalicelib.flows.feedback import FeedbackPorts
from chalicelib.flows.feedback import from_messages as take_in_mail_events
from chalicelib.flows.settled import EventPorts
from chalicelib.flows.silence import review_due
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.coupon_makers import limited
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import SIGNING_KEYS, MemoryQueue, MemoryStore
from tests.mail_events import TOPIC, notification, queued, ses_event
from tests.mail_makers import SETTINGS, hash_of, sqs_event
from tests.makers import DAY_SECONDS, identify, order_event, track
from tests.persons import ANN, CANARY, EMAIL, GUEST, consent, settle_in, stored_text
from tests.storefront import MUGS, TEXAS, Storefront, open_storefront
from tests.stores import no_sleep
from tests.unit.core.situations import NOW, shipped_rules

Flow = Callable[[Storefront], object]
HANG_SECONDS = 30.0
# Words of Ann's past, which no later call says.
PAST = ("canary-o-", "canary.ann", "canaryann", "canary-sku")
CALLS = ("read", "write", "due", "recent_decisions", "belongings", "overdue", "listed")


class Meddled:
    """A store before whose n-th call something else happens; nobody else is numbered."""

    def __init__(self, store: MemoryStore, at: int, meddle: Callable[[], None]) -> None:
        """Take the store, the number of the call, and what happens before it."""
        self.count = 0
        self._store, self._at, self._meddle = store, at, meddle

    def __getattr__(self, name: str) -> Any:
        """A call, numbered if it is one to storage."""
        wanted = getattr(self._store, name)
        if name not in CALLS:
            return wanted

        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                self._meddle()
            return wanted(*args, **kwargs)

        return call


def erase(store: MemoryStore, pause: Callable[[float], None] = no_sleep, *, now: int = NOW) -> None:
    """Erase Ann, whole, past whatever the flow under test holds."""
    told = erase_customer(
        ANN,
        store=store,
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=pause,
        now=now,
        key_id="k",
        correlation_id="erasing",
    )
    assert told.is_complete


def act_ports(shop: Storefront) -> ActPorts:
    """What the worker works with."""
    return ActPorts(shop.store, shop.bus, shop.mailer, shop.queue, SIGNING_KEYS, SETTINGS)


def effect_ids(shop: Storefront) -> list[str]:
    """Every effect that is stored."""
    return [effect.effect_id for effect in shop.store.all("effect").values()]


# --- what may be under way ------------------------------------------------------------------------


def checkout(shop: Storefront) -> object:
    """A checkout that is shown a tier and a code."""
    body = {"customer_id": ANN, "context": {**TEXAS, "session_id": "s-2"}, "cart": MUGS}
    return shop.call("POST", "/v1/decisions", body=body, headers={"Idempotency-Key": "canary-k"})


def guests_checkout(shop: Storefront) -> object:
    """The same under the guest's id that she had."""
    body = {"anonymous_id": GUEST, "context": {**TEXAS, "session_id": "s-2"}, "cart": MUGS}
    return shop.call("POST", "/v1/decisions", body=body)


def events(shop: Storefront) -> object:
    """Messages under all of her names."""
    batch = [
        identify(user=ANN, email=EMAIL, firstName="Canary", consent_profiling=True, at=NOW - 9),
        order_event("Order Completed", "canary-o-9", user=ANN, total=30, at=NOW - 9),
        order_event("Order Refunded", "canary-o-1", user=ANN, total=3, at=NOW - 9),
        track("Product Viewed", visitor=GUEST, sku="canary-sku", at=NOW - 8),
    ]
    headers = {"Idempotency-Key": "canary-k"}
    return shop.call("POST", "/v1/events", body={"batch": batch}, headers=headers)


def guests_identify(shop: Storefront) -> object:
    """A guest whom nothing ties to her but her address."""
    message = identify(visitor="guest-2", email=EMAIL, consent_marketing_email=True, at=NOW - 9)
    return shop.call("POST", "/v1/events", body=message)


def statement(shop: Storefront) -> object:
    """Her consent, with proof."""
    said_at = format_instant(NOW - 9)
    return consent(shop, said_at=said_at, purpose="profiling", source="canary form")


def unsubscribing(shop: Storefront) -> object:
    """The second button behind a link in her mail."""
    [mail] = [each for each in shop.store.all("effect").values() if each.kind == "mail"]
    payload = {"a": hash_of(EMAIL), "p": "marketing_email", "e": mail.effect_id}
    token = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=payload)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return shop.call("POST", f"/u/{token}", body=b"choice=all", scopes=None, headers=headers)


def offer(operation: Literal["reserve", "redeem"]) -> Flow:
    """Her cart takes her code."""

    def move(shop: Storefront) -> object:
        [coupon] = [c for c in shop.store.all("coupon").values() if c.subject_key == f"c#{ANN}"]
        body = {"customer_id": ANN, "order_id": "canary-o-7", "amount": 200, "currency": "USD"}
        path = f"/v1/offers/{coupon.offer.code}/{operation}"
        return shop.call("POST", path, body=body, headers={"Idempotency-Key": "canary-k"})

    move.__name__ = operation
    return move


def silence(shop: Storefront) -> object:
    """The schedule, months later: her segment has lapsed."""
    return review_due(
        ports=EventPorts(shop.store),
        rules=shop.rules,
        keys=SIGNING_KEYS,
        now=NOW + 200 * DAY_SECONDS,
        correlation_id="run",
    )


def customers_file(shop: Storefront) -> object:
    """A file that lists her."""
    team = DataTeam(store=shop.store)
    text = (
        "customer_id,email,first_name,consent_marketing_email,canary_score\n"
        f"{ANN},{EMAIL},Canary,true,3\n"
    )
    return team.handle(team.put("customers/a.csv", text, at=NOW - 9), now=NOW)


def orders_file(shop: Storefront) -> object:
    """A file of her orders."""
    team = DataTeam(store=shop.store)
    text = orders_csv(order_row("canary-o-8", ANN, days_ago=9))
    return team.handle(team.put("orders/a.csv", text), now=NOW)


def worker(shop: Storefront) -> object:
    """The worker that performs what was planned for her."""
    event = sqs_event(*effect_ids(shop))
    return from_messages(event, ports=act_ports(shop), now=NOW, worker="w-1")


def bounce(shop: Storefront) -> object:
    """A mail of hers that bounces."""
    [mail] = [each for each in shop.store.all("effect").values() if each.kind == "mail"]
    said = notification(ses_event("bounce", effect_id=mail.effect_id, sent_at=NOW - 60))
    ports = FeedbackPorts(shop.store, SIGNING_KEYS, TOPIC, AgainPorts(MemoryQueue(), MemoryQueue()))
    return take_in_mail_events(queued(said), ports=ports, now=NOW)


def lookups(shop: Storefront) -> object:
    """Whoever looks her up meanwhile."""
    shop.call("GET", f"/v1/customers/{ANN}")
    return shop.call("GET", f"/v1/customers/{ANN}/export")


FLOWS: tuple[Flow, ...] = (
    checkout, guests_checkout, events, guests_identify, statement, unsubscribing, offer("reserve"),
    offer("redeem"), silence, customers_file, orders_file, worker, bounce, lookups,
)  # fmt: skip


@contextlib.contextmanager
def known() -> Iterator[Storefront]:
    """A shop that knows Ann, with a limit on codes, so that hers are counted."""
    rules = shipped_rules(actions=limited("winback-10", codes_per_customer=2))
    with open_storefront(rules=rules) as shop:
        settle_in(shop)
        yield shop


def run(shop: Storefront, flow: Flow, at: int, *, meddle: Callable[[], None] | None = None) -> int:
    """Run a flow and erase Ann before its n-th call; returns how many calls it made."""
    memory = shop.store
    meddled = Meddled(memory, at, meddle or (lambda: erase(memory)))
    shop.store = cast(MemoryStore, meddled)
    shop.start()
    with contextlib.suppress(SegueError):
        flow(shop)
    shop.store = memory
    shop.start()
    return meddled.count


def settle(shop: Storefront) -> None:
    """Let the worker take up whatever stands open, as the relay and the sweep bring about."""
    for attempt in range(2):
        event = sqs_event(*effect_ids(shop))
        from_messages(event, ports=act_ports(shop), now=NOW + 1000, worker=f"late-{attempt}")


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_nobody_comes_back_whose_erasure_comes_between_any_two_calls(flow: Flow) -> None:
    """Gathered before, stored after: no table holds a word of hers, and no live code."""
    with known() as shop:
        calls = run(shop, flow, 0)
    assert calls
    for at in range(1, calls + 1):
        with known() as shop:
            run(shop, flow, at)
            settle(shop)

            assert not shop.store.all("live"), at
            assert not shop.mailer.sent or flow is worker, at
            if flow in (checkout, guests_checkout):
                # A call that was not answered yet is a word of now: it may leave its own record.
                assert all(record["situation"]["facts"] is None for record in named(shop)), at
                assert not any(word in stored_text(shop) for word in PAST), at
            else:
                assert CANARY not in stored_text(shop), at


@pytest.mark.parametrize(
    "flow", [events, statement, customers_file, orders_file], ids=lambda flow: flow.__name__
)
def test_somebody_of_whom_nothing_was_stored_yet_is_not_stored_either(flow: Flow) -> None:
    """The first that is ever said of her was under way: only her tombstone can tell."""
    with open_storefront() as shop:
        calls = run(shop, flow, 0)
        assert CANARY in stored_text(shop)
    for at in range(1, calls + 1):
        with open_storefront() as shop:
            run(shop, flow, at)

            assert ANN not in stored_text(shop), at
            assert EMAIL not in stored_text(shop), at


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_whoever_goes_on_while_the_erasure_waits_is_found_by_its_second_look(flow: Flow) -> None:
    """Held up before any call, a flow goes on between the two looks: not even its record stays."""
    with known() as shop:
        calls = run(shop, flow, 0)
    for at in range(1, calls + 1):
        with known() as shop:
            erase_while_held_up(shop, flow, at)
            settle(shop)

            assert CANARY not in stored_text(shop), at


def erase_while_held_up(shop: Storefront, flow: Flow, at: int) -> None:
    """Begin a flow, hold it up before its n-th call, and let it go on when the erasure waits."""
    reached, go_on = Event(), Event()

    def hold_up() -> None:
        reached.set()
        assert go_on.wait(HANG_SECONDS)

    worker = Thread(target=run, args=(shop, flow, at), kwargs={"meddle": hold_up})
    memory = shop.store
    worker.start()
    assert reached.wait(HANG_SECONDS)

    def pause(_seconds: float) -> None:
        go_on.set()
        worker.join(HANG_SECONDS)
        assert not worker.is_alive()

    erase(memory, pause)


def named(shop: Storefront) -> list[Any]:
    """The records that still name somebody of hers."""
    records = shop.store.all("record").values()
    return [record for record in records if CANARY in record["subject"]]


def test_the_worker_never_mails_her_after_the_erasure() -> None:
    """At no call of the worker does a mail leave once she is erased."""
    with known() as shop:
        calls = run(shop, worker, 0)
        assert [mail.recipient for mail in shop.mailer.sent] == [EMAIL]
    for at in range(1, calls + 1):
        with known() as shop:
            sent: list[int] = []

            def meddle(
                store: MemoryStore = shop.store,
                shop: Storefront = shop,
                sent: list[int] = sent,
            ) -> None:
                erase(store)
                sent.append(len(shop.mailer.sent))

            shop.store = cast(MemoryStore, Meddled(shop.store, at, meddle))
            worker(shop)

            assert sent == [len(shop.mailer.sent)], at


# --- what no condition can prove: found by the second look ----------------------------------------


def test_a_record_stored_by_a_checkout_under_way_is_found_by_the_second_look() -> None:
    """A decision that sets nothing in motion is one plain write, and proves nothing."""
    with known() as shop:
        shop.call("PUT", "/v1/control", body={"sending": True, "pricing": False, "offers": False})
        told = shop.decide(ANN, session_id="canary-s")
        key = RECORD.key(told["decision_id"])
        record = shop.store.one(key)
        assert record is not None
        late = [Put(RECORD.key("late"), {**record, "decision_id": "late"})]
        waited: list[float] = []

        def under_way(seconds: float) -> None:
            waited.append(seconds)
            shop.store.write(late, now=NOW)

        shop.pause = under_way
        shop.start()
        answer = shop.call("DELETE", f"/v1/customers/{ANN}")

        assert answer.json_body["state"] == "ERASED"
        assert waited == [SECOND_LOOK_SECONDS]
        assert CANARY not in stored_text(shop)


class Lagging(MemoryStore):
    """Indexes that do not show yet what was stored last."""

    hidden: frozenset[Key[Any]] = frozenset()

    def belongings(self, subject_key: str, *, table: Any) -> list[Key[Any]]:
        """Without what the index has not heard of."""
        known = super().belongings(subject_key, table=table)
        return [key for key in known if key not in self.hidden]

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """Without what the index has not heard of."""
        known = super().recent_decisions(subject_key, limit=limit)
        return [name for name in known if RECORD.key(name) not in self.hidden]


def test_what_no_index_shows_yet_is_found_by_the_second_look() -> None:
    """Orders, effects, codes and records stored just before: the indexes follow with a delay."""
    with open_storefront(store=Lagging()) as shop:
        settle_in(shop)
        store = cast(Lagging, shop.store)
        store.hidden = frozenset(store.keys())

        def catch_up(_seconds: float) -> None:
            store.hidden = frozenset()

        erase(store, catch_up)

        assert CANARY not in stored_text(shop)
        assert not store.all("live")


def test_what_no_index_shows_in_time_ends_without_her_name() -> None:
    """An effect that even the second look missed: the worker ends it, and takes her out of it."""
    with open_storefront(store=Lagging()) as shop:
        settle_in(shop)
        store = cast(Lagging, shop.store)
        store.hidden = frozenset(key for key in store.keys() if key.kind.name == "effect")

        erase(store)
        assert CANARY in stored_text(shop)
        settle(shop)

        assert CANARY not in stored_text(shop)
        states = {(each.state, each.reason) for each in shop.store.all("effect").values()}
        assert states == {("SUPPRESSED", "erased")}
        assert (shop.mailer.sent, shop.bus.events) == ([], [])


# --- rows that no index names ---------------------------------------------------------------------


def test_an_answer_kept_for_a_repeat_does_not_name_her_order() -> None:
    """The row outlives an erasure for 30 days; a repeat is told the same as before."""
    with known() as shop:
        first: Any = offer("redeem")(shop)
        again: Any = offer("redeem")(shop)
        assert first.json_body == again.json_body
        assert again.json_body["order_id"] == "canary-o-7"

        erase(shop.store)

        assert shop.store.all("repeat")
        assert CANARY not in stored_text(shop)


def test_the_count_of_her_codes_goes_though_the_codes_went_before() -> None:
    """Codes are forgotten 90 days after they expired; the count that outlived them is found."""
    with known() as shop:
        gone = {key for key in shop.store.keys() if key.kind.name in ("coupon", "live")}
        shop.store.restore(
            {key: row for key, row in shop.store.backup().items() if key not in gone},
            tables=("effects",),
        )
        assert shop.store.all("issued")

        erase(shop.store)

        assert not shop.store.all("issued")
        assert CANARY not in stored_text(shop)
