"""What stops or slows all mail: the breaker, the account's rate, its quota. Nothing is lost."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from random import Random
from typing import Any

import pytest

from chalicelib.core.breaker import SHARDS, Counts, Tally
from chalicelib.core.errors import MailTooFast, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER, PACE, PACE_NAME
from chalicelib.core.pace import Limits
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.act import from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from ops.ses.account import Account
from ops.ses.errors import SesError
from tests.baton import Switch, interleave
from tests.gate import Gate
from tests.mail_events import hear, ses_event
from tests.mail_makers import NOW, World, contact_of, mail_effect, sqs_event, world_with_a_mail

ID = "e" * 32
Message = str | Mapping[str, Any]
DAY = NOW // DAY_SECONDS


def world_of(count: int) -> tuple[World, list[str]]:
    """So many people, and a mail for each."""
    world, names = World(), [f"{index:032x}" for index in range(count)]
    for index, name in enumerate(names):
        person = customer(f"p-{index}")
        world.meet(contact_of(person, email=f"p{index}@example.com"))
        world.plan(mail_effect(name, subject=person, offer=None))
    return world, names


def tally(world: World, counts: Counts) -> None:
    """Let these counts of today stand, in one of the shards."""
    put = Put(BREAKER.key(str(SHARDS - 1)), Tally({DAY: counts}), WHATEVER)
    world.store.write([put], now=NOW)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (Counts(1000, 40, 0), "breaker_bounces"),
        (Counts(10_000, 0, 8), "breaker_complaints"),
        (Counts(999, 999, 999), None),
        (Counts(1000, 39, 5), None),
    ],
)
def test_the_breaker_holds_marketing_and_loses_none(counts: Counts, reason: str | None) -> None:
    """An open breaker puts marketing off; when the bad days have passed, it goes out."""
    world = world_with_a_mail()
    tally(world, counts)

    outcome = world.act()

    assert outcome.put_off == reason
    if reason is not None:
        assert (world.effect().state, world.effect().not_before) == ("PLANNED", NOW + 900)
        assert len(world.later.messages) == 0
        assert world.act(now=NOW + 7 * DAY_SECONDS).state == "ACCEPTED"


def test_the_breaker_does_not_stop_transactional_mail() -> None:
    """A customer who waits for a mail about an order is no newsletter."""
    world = world_with_a_mail()
    tally(world, Counts(1000, 500, 500))
    world.plan(mail_effect(purpose="transactional", offer=None))

    assert world.act().state == "ACCEPTED"


def test_bounces_open_it_by_themselves() -> None:
    """From SES's events alone: 40 of 1,000 bounce, and the next marketing mail is held."""
    world = World()
    sent = replace(mail_effect(), state="ACCEPTED", posts=1)
    for index in range(1000):
        effect_id = f"{index:032x}"
        world.plan(replace(sent, effect_id=effect_id))
        name = "bounce" if index % 25 == 0 else "delivery"
        hear(world, ses_event(name, effect_id=effect_id), now=NOW + 60)
    world.meet(contact_of(customer("c-2"), email="bo@example.com"))
    world.plan(mail_effect("f" * 32, subject=customer("c-2")))

    assert world.act("f" * 32, now=NOW + 60).put_off == "breaker_bounces"
    assert len(world.store.all("breaker")) == SHARDS


@dataclass(frozen=True, slots=True)
class PutOff:
    """A queue that is one function."""

    send: Callable[..., None]


class Rush:
    """Workers who empty a queue while the clock ticks, and an account that counts for itself.

    Attributes:
        posts: the moments of all posts, in epoch milliseconds.
        refused: how many of them the account refused, as SES does.
    """

    def __init__(self, count: int, *, limits: Limits, account: Account, seed: int) -> None:
        """So many mails, all of them due."""
        self.world, self.names = world_of(count)
        self.limits, self.account = limits, account
        self.chance = Random(seed)  # noqa: S311 - replays
        self.ms = NOW * 1_000
        self.posts: list[int] = []
        self.refused = 0
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []
        self.put_off([{"effect_id": n, "correlation_id": "c"} for n in self.names])

    def send(self, raw: bytes, **arguments: Any) -> str:
        """As ``Mailer.send``."""
        self.posts.append(self.ms)
        try:
            self.account.spend(1, counted=1, now=self.ms / 1_000)
        except SesError:
            self.refused += 1
            raise MailTooFast("SendEmail: TooManyRequestsException") from None
        return self.world.mailer.send(raw, **arguments)

    def put_off(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``Queue.send``."""
        at = self.ms + 1_000 * (delay_seconds or 0)
        self._waiting += [(at, body) for body in bodies]

    def run(self, *, workers: int, seconds: int = 10**9) -> None:
        """Work until every mail is sent, or for so many seconds; the sweep runs every minute."""
        end, swept = self.ms + 1_000 * seconds, self.ms
        while len(self.world.mailer.sent) < len(self.names) and self.ms < end:
            soonest = min((at for at, _ in self._waiting), default=end)
            self.ms = max(self.ms + 1, min(soonest, swept + 60_000))
            if self.ms >= swept + 60_000:
                swept = self.ms
                ports = SweepPorts(self.world.store, PutOff(self.put_off))
                sweep(ports=ports, now=self.ms // 1_000, correlation_id="sweep")
            self._waiting.sort(key=itemgetter(0))
            due = [body for at, body in self._waiting if at <= self.ms][: workers * 10]
            self._waiting = self._waiting[len(due) :]
            shares = [share for n in range(workers) if (share := due[n::workers])]
            interleave(
                [self._worker(share, f"w-{self.ms}-{n}") for n, share in enumerate(shares)],
                seed=self.chance.randrange(10**9),
            )

    def _worker(self, share: Sequence[Mapping[str, Any]], who: str) -> Callable[[Switch], None]:
        def work(switch: Switch) -> None:
            def before(_number: int, _port: str) -> None:
                switch()
                self.ms += self.chance.randint(0, 1)  # sixteen calls of some eight ms, side by side

            ports = self.world.ports_with(
                mailer=self,
                later=PutOff(self.put_off),
                limits=self.limits,
                clock_ms=lambda: self.ms,
            )
            event = sqs_event(bodies={f"m-{n}": json.dumps(body) for n, body in enumerate(share)})
            gated = Gate(before=before).guard(ports)
            answer = from_messages(event, ports=gated, now=self.ms // 1_000, worker=who)
            again = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            # Another worker holds it: two messages of one effect.
            self.put_off(
                [body for n, body in enumerate(share) if f"m-{n}" in again], delay_seconds=360
            )

        return work

    def busiest(self, window_ms: int) -> int:
        """The most posts in any window, whenever it begins."""
        ends = [bisect_left(self.posts, at + window_ms) for at in self.posts]
        return max(end - begin for begin, end in enumerate(ends))


@pytest.mark.parametrize(
    ("rate", "count", "seconds", "used"), [(14, 1_000, 15, 0.9), (1, 300, 40, 0.8)]
)
def test_16_workers_keep_the_rate_in_every_second_and_use_it(
    rate: int, count: int, seconds: int, used: float
) -> None:
    """In every second that can be cut out of the run; SES, who counts for itself, refuses none.

    Nine tenths of the rate are used. Of a sandbox's one a second it is less: messages come back
    in whole seconds.
    """
    account = Account(production=True, rate=rate, max_24_hours=-1)
    rush = Rush(count, limits=Limits(per_second=rate), account=account, seed=rate)

    rush.run(workers=16, seconds=seconds)

    assert rush.busiest(1_000) == rate
    assert rush.refused == 0
    assert len(rush.posts) >= used * rate * (rush.posts[-1] - rush.posts[0]) / 1_000


@pytest.mark.parametrize("seed", range(2))
def test_16_workers_send_every_mail_in_the_end_and_once(seed: int) -> None:
    """What finds no slot is held and comes back; no two mails go to one person."""
    account = Account(production=True, rate=14, max_24_hours=-1)
    rush = Rush(100, limits=Limits(per_second=14), account=account, seed=seed)

    rush.run(workers=16)

    assert {rush.world.effect(name).state for name in rush.names} == {"ACCEPTED"}
    assert set(Counter(mail.recipient for mail in rush.world.mailer.sent).values()) == {1}
    assert (rush.busiest(1_000), rush.refused, len(rush.posts)) == (14, 0, 100)


def test_16_workers_use_the_quota_of_24_hours_and_never_exceed_it() -> None:
    """In every 24 hours; what does not fit waits for the hour in which there is room again."""
    account = Account(production=True, rate=1_000, max_24_hours=20)
    rush = Rush(50, limits=Limits(per_day=20), account=account, seed=1)

    rush.run(workers=16)

    day_ms = DAY_SECONDS * 1_000
    assert rush.busiest(day_ms) == 20
    assert (rush.refused, len(rush.posts)) == (0, 50)
    # 20 mails, then 20 more as soon as they may: what was used of the quota of that time.
    first, again = rush.posts[0], rush.posts[20]
    assert 20 >= 0.9 * 20 * (again - first) / day_ms
    assert {rush.world.effect(name).state for name in rush.names} == {"ACCEPTED"}


def test_a_full_second_holds_the_mail_and_a_message_comes_back_soon() -> None:
    """Not in a quarter of an hour, and not all at once: over ten seconds."""
    world, names = world_of(30)
    for name in names:
        world.act(name, limits=Limits(per_second=1), worker=f"w-{name}")

    assert len(world.mailer.sent) == 1
    held = [world.effect(name) for name in names[1:]]
    assert {(each.state, each.reason) for each in held} == {("PLANNED", "rate")}
    assert len(world.later.messages) == 29
    assert {2, 11} <= set(world.later.delays) <= set(range(2, 12))


def test_a_slot_that_nobody_used_costs_a_slot_and_no_mail() -> None:
    """A reply that was lost: the mail goes out later, and the rate is kept all the same."""
    world = world_with_a_mail()
    world.store.lose_replies(None, Transient("reply lost"))

    assert world.receive(sqs_event(ID), limits=Limits(per_second=5)) == ["m-0"]
    assert world.act(now=NOW + 360, limits=Limits(per_second=5), worker="w-2").state == "ACCEPTED"

    pace = world.store.read([PACE.key(PACE_NAME)], now=NOW).value(PACE.key(PACE_NAME))
    assert pace is not None
    assert sum(pace.by_hour.values()) == 2
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("purpose", ["marketing_email", "transactional"])
def test_a_provider_that_says_too_fast_is_asked_again_later_however_often(purpose: str) -> None:
    """Another sender may have used the account's rate up: the mail is held, and not lost."""
    world = world_with_a_mail()
    world.plan(mail_effect(purpose=purpose, offer=None))
    messages: list[Message] = [ID]
    for minutes in range(20):  # five redeliveries would have ended in the dead-letter queue
        world.mailer.fail_next(MailTooFast("SendEmail: TooManyRequestsException"))
        event = sqs_event(*messages)
        assert world.receive(event, now=NOW + minutes * 60, worker=f"w-{minutes}") == []
        held = world.effect()
        assert (held.state, held.reason, held.posts) == ("PLANNED", "rate", 0)
        messages = [*world.later.drain()]
        assert len(messages) == 1

    assert world.act(now=NOW + 1200, worker="w-last").state == "ACCEPTED"
    assert len(world.mailer.sent) == 1


def test_slots_are_counted_by_the_clock_not_by_when_the_worker_began() -> None:
    """Ten mails take a worker a while; each counts in the second in which it leaves."""
    world, names = world_of(10)
    moments = iter(range(NOW * 1_000, (NOW + 20) * 1_000, 1_100))
    ports = world.ports_with(limits=Limits(per_second=1), clock_ms=lambda: next(moments))

    answer = from_messages(sqs_event(*names), ports=ports, now=NOW, worker="w")

    assert answer == {"batchItemFailures": []}
    assert len(world.mailer.sent) == 10


def test_the_bus_is_not_paced() -> None:
    """Only mails are counted, and without limits nothing is asked."""
    world = world_with_a_mail()

    assert world.act().state == "ACCEPTED"
    assert world.store.all("pace") == {}
