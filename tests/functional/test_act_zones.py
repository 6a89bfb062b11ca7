"""64 actions on one customer at once, over every change of the clock, in more than forty zones.

Workers take turns at every call while time passes for all of them, live for a minute as Lambda
lets them, and die in the middle; the customer moves to another zone meanwhile. What must not
happen is judged by the moment at which the provider takes a mail, by the clock on the wall there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.aws.deadline import Deadline
from chalicelib.core.contact_policy import ContactPolicy, QuietHours
from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import CONTACT, EFFECT
from chalicelib.core.overdue import look_at
from chalicelib.core.storage import Put, Write
from chalicelib.core.subject import customer
from chalicelib.flows.act import from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.baton import Switch, interleave
from tests.delay_queue import DelayQueue, Message
from tests.fakes import MemoryMailer, MemoryStore
from tests.gate import Died, Gate
from tests.mail_makers import ADA, EMAIL, World, contact_of, mail_effect, message_of, sqs_event
from tests.zones import STRANGE, ZONES, edges_of

ACTIONS = 64
BESIDES = 6  # of another account with the same address
LIFE_SECONDS = 60  # of a function
VISIBILITY_SECONDS = 360
EVERY_SECONDS = 60
WINDOWS = [("21:00", "08:00"), ("00:00", "06:30"), ("01:30", "02:30"), ("22:00", "02:00")]
CAPS = (3, 8, 32)
BOB = customer("c-2")


def is_quiet(moment: int, zone: str, start: str, end: str) -> bool:
    """Whether the clock on the wall is within the hours; written apart from the code under test."""
    clock = datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%H:%M")
    return start <= clock < end if start < end else clock >= start or clock < end


class WatchedStore(MemoryStore):
    """Storage that notes in which zone the customer was when a mail was permitted."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.permitted_in: dict[str, str] = {}

    def write(self, writes: Sequence[Write], *, now: int, deadline: Deadline | None = None) -> None:
        """As ``MemoryStore.write``."""
        super().write(writes, now=now, deadline=deadline)
        for each in writes:
            if isinstance(each, Put) and each.key.kind is EFFECT and each.value.state == "SENDING":
                contact = self.one(CONTACT.key(each.value.subject_key))
                assert contact is not None
                # Once: what is saved in SENDING later is the sweep's note.
                self.permitted_in.setdefault(each.value.effect_id, contact.text("time_zone") or "")


@dataclass
class Night:
    """One night with a change of the clock in it.

    Attributes:
        zone: where the customer is when it begins.
        window: the quiet hours.
        cap: so many marketing mails in seven days.
        chance: chooses turns, and how time passes.
        now: the time that it is, for everybody.
        taken: the moments at which the provider took mails, by effect.
        deaths: how many workers did not live to the end of their work.
    """

    zone: str
    window: tuple[str, str]
    cap: int
    chance: Random
    now: int
    store: WatchedStore = field(default_factory=WatchedStore)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)
    taken: dict[str, int] = field(default_factory=dict)
    deaths: int = 0

    def __post_init__(self) -> None:
        # Seconds for each call of anybody: 70 workers make some 700, and each lives for 60.
        self.haste = self.chance.choice((0.05, 0.1, 0.2))
        self.queue = DelayQueue(self.now)
        self.world = World(store=self.store, mailer=self.mailer)
        self.policy = ContactPolicy(
            max_marketing_mails=self.cap,
            window_days=7,
            quiet_hours=QuietHours(start=self.window[0], end=self.window[1]),
        )
        self.ids = [f"{number:032x}" for number in range(ACTIONS + BESIDES)]
        self.move_to(self.zone)
        for number, name in enumerate(self.ids):
            subject = ADA if number < ACTIONS else BOB
            planned = replace(mail_effect(name, subject=subject, offer=None), planned_at=self.now)
            self.world.plan(planned)
            self.queue.send([message_of(planned)])

    def move_to(self, zone: str) -> None:
        """Let the customer, under both accounts, be in a zone."""
        self.world.meet(
            contact_of(time_zone=zone), contact_of(BOB, time_zone=zone, email=EMAIL.upper())
        )

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """As ``Mailer.send``, with a look at the time."""
        assert tags["effect_id"] not in self.taken
        self.taken[tags["effect_id"]] = self.now
        return self.mailer.send(raw, sender=sender, recipient=recipient, tags=tags)

    # --- how it passes --------------------------------------------------------------------------

    def live(self) -> None:
        """Until every mail is at its end."""
        for rounds in range(100):
            if all(self.world.effect(name).state in TERMINAL for name in self.ids):
                return
            self.queue.now = self.now
            sweep(ports=SweepPorts(self.store, self.queue), now=self.now, correlation_id="s")
            visible = self.queue.take()
            if visible:
                tasks = [self.worker(m, f"w-{rounds}-{n}") for n, m in enumerate(visible)]
                interleave([*tasks, self.mover()], seed=self.chance.randrange(2**32))
            else:
                self.now = self.next_sweep()
        raise AssertionError("the night never ends")

    def next_sweep(self) -> int:
        """When something is visible, or the sweep that finds something."""
        open_ones = [
            at for name in self.ids if (at := look_at(self.world.effect(name))) is not None
        ]
        soonest = min([*open_ones, *(at for at, _ in self.queue.waiting)])
        passed = max(soonest - self.queue.began, 0)
        return max(self.now + 1, self.queue.began - -passed // EVERY_SECONDS * EVERY_SECONDS)

    def worker(self, message: Message, who: str) -> Callable[[Switch], None]:
        """A function with one message; it is gone a minute after it began."""

        def work(switch: Switch) -> None:
            switch()
            began = self.now

            def before(_number: int, _port: str) -> None:
                switch()
                self.now += self.chance.random() < self.haste
                if self.now - began > LIFE_SECONDS:
                    raise Died

            ports = replace(self.world.ports, mailer=self, contact_policy=self.policy)
            gated = Gate(before=before).guard(ports)
            back = True
            try:
                answer = from_messages(sqs_event(message), ports=gated, now=began, worker=who)
                back = bool(answer["batchItemFailures"])
            except Died:
                self.deaths += 1
            except Transient:
                pass
            if back:
                self.queue.hide(message, until=began + VISIBILITY_SECONDS)

        return work

    def mover(self) -> Callable[[Switch], None]:
        """The customer travels, and comes home."""

        def move(switch: Switch) -> None:
            for zone in (self.chance.choice(ZONES), self.zone):
                for _ in range(self.chance.randrange(40)):
                    switch()
                self.move_to(zone)

        return move

    # --- what is judged -------------------------------------------------------------------------

    def breaches(self) -> list[str]:
        """What must not have happened."""
        found = []
        for name, at in self.taken.items():
            if is_quiet(at, self.store.permitted_in[name], *self.window):
                found.append(f"{name} was sent in quiet hours")
        moments = sorted(self.taken.values())
        for at in moments:
            if sum(at - 7 * DAY_SECONDS < each <= at for each in moments) > self.cap:
                found.append(f"more than {self.cap} mails in seven days")
        return found


def night(zone: str, edge: int, seed: int) -> Night:
    """A night that begins a little before its quiet hours do, on the eve of a change."""
    chance = Random(f"{zone} {edge} {seed}")  # noqa: S311 - replays
    window = WINDOWS[seed % len(WINDOWS)]
    eve = datetime.fromtimestamp(edge, ZoneInfo(zone)) - timedelta(hours=12)
    hour, minute = map(int, window[0].split(":"))
    start = eve.replace(hour=hour, minute=minute, second=0, fold=0)
    if start < eve:
        start += timedelta(days=1)
    begin = int(start.timestamp()) - chance.randrange(30, 150)
    return Night(zone, window, chance.choice(CAPS), chance, begin)


def judge(one: Night) -> None:
    """Nothing was breached, nothing was lost, and the cap was used up."""
    one.live()

    assert one.breaches() == [], one
    outcomes = [one.world.effect(name) for name in one.ids]
    assert len(one.store.permitted_in) == one.cap
    assert {(each.state, each.reason) for each in outcomes} <= {
        ("ACCEPTED", None),
        ("ABANDONED", "unresolved"),  # its worker died between permission and provider
        ("SUPPRESSED", "frequency_cap"),
    }
    accepted = {each.effect_id for each in outcomes if each.state == "ACCEPTED"}
    assert accepted <= one.taken.keys() <= one.store.permitted_in.keys()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("zone", ["America/Havana", "Australia/Lord_Howe"])
def test_64_actions_at_once_over_a_strange_change_of_the_clock(zone: str, seed: int) -> None:
    """Clocks set at midnight, and by half an hour, with every window of quiet hours."""
    judge(night(zone, edges_of(zone)[seed // 2], seed))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.sweep
def test_64_actions_in_more_than_forty_zones_over_every_edge_of_the_clock(zone: str) -> None:
    """Every change of the year, two windows each: 0 mails in quiet hours, 0 above the cap."""
    for number, edge in enumerate(edges_of(zone), ZONES.index(zone)):
        for seed in (number, number + 2):
            judge(night(zone, edge, seed))


def test_the_zones_hold_every_strange_clock() -> None:
    """Forty and more; changes at midnight, by half an hour and by two hours; the date line."""

    def change(zone: str, edge: int) -> tuple[str, float]:
        at = [datetime.fromtimestamp(edge - before, ZoneInfo(zone)) for before in (1, 0)]
        offsets = [each.utcoffset() or timedelta() for each in at]
        return at[0].strftime("%H:%M"), (offsets[1] - offsets[0]).total_seconds() / 60

    changes = {zone: [change(zone, edge) for edge in edges_of(zone)] for zone in ZONES}

    assert len(ZONES) == len(set(ZONES)) >= 40
    assert set(STRANGE) < set(ZONES)
    at_midnight = [zone for zone, all_ in changes.items() if "23:59" in {at for at, _ in all_}]
    assert len(at_midnight) >= 5
    assert {minutes for all_ in changes.values() for _, minutes in all_} >= {
        -120, -60, -30, 0, 30, 60, 120,
    }  # fmt: skip
    noon = datetime.fromtimestamp(edges_of("Asia/Tokyo")[0]).astimezone()
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for zone in ZONES]
    assert max(offsets) - min(offsets) == timedelta(hours=25)


def test_time_passes_and_workers_die() -> None:
    """The night is no dry run: edges lie in it, workers are cut off, holds and caps are met."""
    nights = [night("Antarctica/Troll", edges_of("Antarctica/Troll")[0], seed) for seed in range(4)]
    said: dict[str, Any] = {"deaths": 0, "held": 0, "before": 0, "after": 0}
    for one in nights:
        began = one.now
        one.live()
        said["deaths"] += one.deaths
        said["held"] += sum(at - began > 600 for at in one.taken.values())
        said["before"] += sum(at - began < 600 for at in one.taken.values())
        said["after"] += one.now > edges_of("Antarctica/Troll")[0]

    assert min(said.values()) > 0, said
