"""What happens, by minute: counted from the streams, each thing once, and shown for an hour."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import EFFECT, LIVE_OFFER, MESSAGE, ROLLUP
from chalicelib.core.offers import Offer
from chalicelib.core.rollup import (
    HOUR_SECONDS,
    LATE_SECONDS,
    STREAMS,
    TICKS,
    Rollup,
    hour_of,
    minute_of,
    name_of,
    total,
)
from chalicelib.core.storage import AtVersion, Put
from chalicelib.flows.activity import MINUTES, Activity, read_activity
from chalicelib.flows.chronicle import from_stream
from chalicelib.settings import read_settings
from ops.pump import Handlers, Pump, find_sources, streams_client
from tests.chronicles import change_event, effects_event, messages_event, ports, records_event
from tests.fakes import MemoryObjects, MemoryStore
from tests.functional.test_chronicle import record
from tests.stack import Stack, session
from tests.unit.core.situations import NOW

MAIL = Effect("e" * 32, "mail", "winback-10", "c#1", "d_1", "r-1", planned_at=NOW - 900)
ACCEPTED = replace(MAIL, state="ACCEPTED", changed_at=NOW, provider_id="p-1")
LIVE = Offer("winback-10", "ABC0119XYZ0K", "percent_off", 10, NOW + 900)
USED = replace(LIVE, spent=True, redeemed_at=NOW)


class Watch:
    """What the flow counts of batches, and what is shown of it."""

    def __init__(self) -> None:
        telemetry.configure(stage="test", stream=io.StringIO())
        self.store = MemoryStore()

    def take(self, *events: Mapping[str, Any], now: int = NOW) -> None:
        """Let the flow take batches."""
        for event in events:
            from_stream(event, ports=ports(self.store, MemoryObjects()), now=now)

    def mail(self, effect: Effect, *, stored_at: int = NOW) -> int:
        """How many mails one change of an effect adds."""
        before = self.sum("mails")
        put = Put(EFFECT.key(effect.effect_id), effect)
        self.take(change_event(put, stored_at=stored_at, first=self._next()))
        return self.sum("mails") - before

    def code(self, live: Offer, *, stored_at: int = NOW) -> int:
        """How many redemptions one change of a live code adds."""
        before = self.sum("redemptions")
        put = Put(LIVE_OFFER.key("c#1", live.action), live)
        self.take(change_event(put, stored_at=stored_at, first=self._next()))
        return self.sum("redemptions") - before

    def _next(self) -> int:
        self._number = getattr(self, "_number", 0) + 100
        return self._number

    def shown(self, now: int = NOW) -> Activity:
        """The last hour."""
        return read_activity(self.store, now=now)

    def sum(self, tick: Any, now: int = NOW) -> int:
        """How much of one thing the last hour has."""
        return sum(self.shown(now).counts[tick])

    def hour(self) -> Mapping[str, int]:
        """The counts of the hour."""
        keys = [ROLLUP.key(name_of(hour_of(NOW), stream)) for stream in STREAMS]
        found = self.store.read(keys, now=NOW)
        return total(each for key in keys if (each := found.value(key)) is not None)


@pytest.fixture
def watch() -> Watch:
    """Nothing counted."""
    return Watch()


def test_each_thing_counts_in_its_minute_and_in_its_hour(watch: Watch) -> None:
    """Events as they are stored, decisions, mails and redemptions as they say of themselves."""
    watch.take(
        records_event([record(1), record(2, at=NOW - 120)]),
        messages_event("m-1", "m-2", "m-3", stored_at=NOW - 60),
    )
    watch.mail(ACCEPTED)
    watch.code(USED)

    shown = watch.shown()
    assert {tick: sum(counts) for tick, counts in shown.counts.items()} == {
        "events": 3,
        "decisions": 2,
        "mails": 1,
        "redemptions": 1,
    }
    assert shown.counts["events"][-2] == 3
    assert (shown.counts["decisions"][-3], shown.counts["decisions"][-1]) == (1, 1)
    assert shown.counts["mails"][-1] == shown.counts["redemptions"][-1] == 1
    told = watch.hour()
    assert (told["events"], told["sent|winback-10"], told["redeemed|winback-10"]) == (3, 1, 1)


def test_a_batch_that_comes_again_counts_nothing(watch: Watch) -> None:
    """By minute as by hour."""
    event = messages_event("m-1", "m-2", stored_at=NOW)
    watch.take(event, event)

    assert watch.sum("events") == 2


def test_what_a_file_brought_is_no_event(watch: Watch) -> None:
    """Rows of a file are remembered as messages are, and nobody has sent them just now."""
    watch.take(messages_event("file-m-1", "m-2", stored_at=NOW))

    assert watch.sum("events") == 1


def test_a_mail_counts_when_the_provider_takes_it_and_never_again(watch: Watch) -> None:
    """Not when it is planned, claimed or under way, nor when it hears more, nor much later."""
    watch.take(effects_event([MAIL]))
    assert watch.sum("mails") == 0
    for state in ("CLAIMED", "SENDING", "FAILED", "SUPPRESSED", "IN_DOUBT"):
        assert watch.mail(replace(ACCEPTED, state=state)) == 0, state

    assert watch.mail(ACCEPTED) == 1

    assert watch.mail(replace(ACCEPTED, heard=("send",))) == 0
    assert watch.mail(replace(ACCEPTED, state="DELIVERED", heard=("delivery", "send"))) == 0
    assert watch.mail(ACCEPTED, stored_at=NOW + LATE_SECONDS + 1) == 0
    assert watch.mail(replace(ACCEPTED, kind="event", effect_id="f" * 32)) == 0


def test_a_code_counts_when_an_order_uses_it_and_never_again(watch: Watch) -> None:
    """Not when it is issued, revoked, or passes from a guest to a customer."""
    assert watch.code(LIVE) == 0
    assert watch.code(replace(LIVE, spent=True, revoked=True)) == 0

    assert watch.code(USED) == 1

    assert watch.code(USED, stored_at=NOW + LATE_SECONDS + 1) == 0
    assert watch.code(replace(USED, revoked=True)) == 0


def test_the_last_hour_reaches_back_over_the_full_hour(watch: Watch) -> None:
    """Sixty minutes, the last of them not over; what is older has left."""
    start = hour_of(NOW)
    for number, at in enumerate((start - HOUR_SECONDS + 60, start - 60, start)):
        watch.take(messages_event("m", stored_at=at, first=1_000 * (number + 1)))

    shown = watch.shown(start + 59)
    assert len(shown.minutes) == MINUTES
    assert shown.minutes[-1] == start
    assert [minute_of(at) for at in shown.minutes[-2:]] == [59, 0]
    assert shown.counts["events"][0] == 1
    assert shown.counts["events"][-2:] == (1, 1)
    assert watch.sum("events", start + 60) == 2


def test_an_hour_from_before_minutes_were_counted_shows_none(watch: Watch) -> None:
    """Its counts stay as they are."""
    key = ROLLUP.key(name_of(hour_of(NOW), "decisions"))
    stored = ROLLUP.from_json({"counts": {"decisions|checkout|new": 3}, "batches": []})
    watch.store.write([Put(key, stored)], now=NOW)

    assert stored == Rollup({"decisions|checkout|new": 3})
    assert watch.sum("decisions") == 0


def test_the_real_streams_are_counted(stack: Stack, clients: Clients) -> None:
    """Records as DynamoDB makes them, keys alone for messages, through the filters of the app."""
    now = int(time.time())  # the streams of moto have the clock of this machine
    settings = read_settings(stack.environment)
    made = wiring.Parts(settings, aws_adapters(settings, clients), clock=lambda: now)
    telemetry.configure(stage="test", stream=io.StringIO())
    wiring.install(made)
    store = made.adapters.store
    mail, live = EFFECT.key(MAIL.effect_id), LIVE_OFFER.key("c#1", LIVE.action)
    try:
        store.write([Put(mail, MAIL), Put(live, LIVE)], now=now)
        for message in ("m-1", "m-2", "file-m-3"):
            store.write([Put(MESSAGE.key(message), {"source": "x"})], now=now)
        accepted = replace(ACCEPTED, changed_at=now)
        store.write([Put(mail, replace(MAIL, state="CLAIMED"), AtVersion(1))], now=now)
        store.write([Put(mail, accepted, AtVersion(2))], now=now)
        store.write([Put(mail, replace(accepted, heard=("send",)), AtVersion(3))], now=now)
        store.write([Put(live, replace(USED, redeemed_at=now), AtVersion(1))], now=now)
        pump = Pump(
            Handlers(**{name: getattr(segue, name) for name in Handlers.__slots__}),
            find_sources(session(), stack.environment, prefix="test"),
            sqs=boto3.client("sqs"),
            streams=streams_client(session()),
        )
        for _ in range(4):
            pump.step()
    finally:
        wiring.install(None)

    shown = read_activity(store, now=now)
    assert {tick: sum(shown.counts[tick]) for tick in TICKS} == {
        "events": 2,
        "decisions": 0,
        "mails": 1,
        "redemptions": 1,
    }
