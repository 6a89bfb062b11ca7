"""Marketing stops before the provider stops us."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chalicelib.core.breaker import (
    LEAST_SENT,
    SHARDS,
    Counts,
    Restart,
    Tally,
    add_to,
    news,
    opened_by,
    restart,
    restarts_from_json,
    restarts_to_json,
    shard_of,
    tally_from_json,
    tally_to_json,
    total_of,
    window,
)
from chalicelib.core.effects import Effect
from chalicelib.core.instants import DAY_SECONDS

NOW = 1_772_000_000
DAY = NOW // DAY_SECONDS
SENT = Effect("e", "mail", "a", "c#1", None, "r", planned_at=1, state="ACCEPTED")


def opened(sent: int, bounced: int = 0, complained: int = 0) -> str | None:
    """What these counts of today, spread over the shards, do to the breaker."""
    tallies = [Tally({DAY: Counts(sent - sent // 2, bounced, 0)})]
    tallies.append(Tally({DAY: Counts(sent // 2, 0, complained)}))
    return opened_by(tallies, now=NOW)


@pytest.mark.parametrize(
    ("sent", "bounced", "complained", "why"),
    [
        (LEAST_SENT, 40, 0, "breaker_bounces"),
        (LEAST_SENT, 39, 0, None),
        (LEAST_SENT - 1, 500, 500, None),
        (10_000, 400, 0, "breaker_bounces"),
        (10_000, 399, 7, None),
        (10_000, 0, 8, "breaker_complaints"),
        (LEAST_SENT, 0, 5, None),
        (LEAST_SENT, 0, 6, "breaker_complaints"),
        (0, 0, 0, None),
    ],
)
def test_it_opens_at_4_percent_and_at_8_in_10_000(
    sent: int, bounced: int, complained: int, why: str | None
) -> None:
    """At the share, not above it; on a thousand mails, and on six complaints at the least."""
    assert opened(sent, bounced, complained) == why


def test_it_closes_as_days_leave_the_window() -> None:
    """Seven days count, the day of sending for whatever became of a mail."""
    tally = Tally({DAY: Counts(2000, 200, 0)})

    assert opened_by([tally], now=NOW + 6 * DAY_SECONDS) == "breaker_bounces"
    assert opened_by([tally], now=NOW + 7 * DAY_SECONDS) is None


def test_counts_go_to_the_day_of_sending_and_old_days_are_forgotten() -> None:
    """A bounce of yesterday's mail is yesterday's; one of last month's is no news."""
    tally = Tally({DAY - 7: Counts(9), DAY - 1: Counts(5)})

    tally = add_to(tally, Counts(bounced=1), sent_at=NOW - DAY_SECONDS, now=NOW)
    assert tally == Tally({DAY - 1: Counts(5, 1)})
    assert add_to(tally, Counts(1), sent_at=NOW - 30 * DAY_SECONDS, now=NOW) == tally


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ((), ("send",), Counts(1)),
        (("send",), ("delivery", "send"), Counts()),
        ((), ("bounce_permanent_general",), Counts(1, 1)),
        (("bounce_permanent_general",), ("bounce_permanent_general", "send"), Counts()),
        (("send",), ("bounce_transient_general", "send"), Counts()),
        (("send",), ("complaint_abuse", "send"), Counts(0, 0, 1)),
        (("complaint_abuse",), ("complaint_abuse", "complaint_fraud"), Counts()),
    ],
)
def test_each_thing_counts_once_for_each_mail(
    before: tuple[str, ...], after: tuple[str, ...], counts: Counts
) -> None:
    """The first word of a mail says that it was sent, whichever word comes first."""
    assert news(replace(SENT, heard=before), replace(SENT, heard=after)) == counts


def test_shards_share_the_work() -> None:
    """Every shard counts some, and always the same."""
    shards = [shard_of(f"{n:032x}") for n in range(400)]

    assert set(shards) == {str(n) for n in range(SHARDS)}
    assert shards == [shard_of(f"{n:032x}") for n in range(400)]


def test_a_tally_survives_storage() -> None:
    """What is stored comes back equal."""
    tally = Tally({DAY: Counts(5, 1, 1), DAY - 1: Counts(3)}, since=NOW - DAY_SECONDS)

    assert tally_from_json(tally_to_json(tally)) == tally


@pytest.mark.parametrize("after", [0, 1, 3 * DAY_SECONDS])
def test_begun_anew_only_later_mails_count(after: int) -> None:
    """Whatever was counted is gone; a late bounce of an earlier mail does not come back."""
    fresh = restart(now=NOW)
    assert opened_by([fresh], now=NOW) is None

    late = add_to(fresh, Counts(bounced=1), sent_at=NOW - 1, now=NOW + after)
    assert (late, window([late], now=NOW)) == (fresh, {})

    counted = add_to(late, Counts(2000, 80), sent_at=NOW + after, now=NOW + after)
    assert counted.since == NOW
    assert opened_by([counted], now=NOW + after) == "breaker_bounces"


def test_an_operators_clock_that_is_far_ahead_does_not_switch_the_breaker_off() -> None:
    """Five minutes are taken; a restart of next year counts for nothing."""
    soon, next_year = restart(now=NOW + 300), restart(now=NOW + 365 * DAY_SECONDS)

    assert add_to(soon, Counts(1), sent_at=NOW, now=NOW) == soon
    assert add_to(next_year, Counts(1), sent_at=NOW, now=NOW) == Tally({DAY: Counts(1)})


def test_the_window_adds_the_shards_up() -> None:
    """By day, oldest first, and only days that still count."""
    tallies = [
        Tally({DAY: Counts(5, 1), DAY - 7: Counts(9)}),
        Tally({DAY - 1: Counts(2), DAY: Counts(1, 0, 1)}),
    ]

    by_day = window(tallies, now=NOW)

    assert list(by_day.items()) == [(DAY - 1, Counts(2)), (DAY, Counts(6, 1, 1))]
    assert total_of(by_day) == Counts(8, 1, 1)


def test_restarts_survive_storage() -> None:
    """And a shard that was stored before there were any says that there was none."""
    restarts = (Restart(NOW, "the list of May is deleted", {DAY: Counts(1000, 45, 0)}),)

    assert restarts_from_json(restarts_to_json(restarts)) == restarts
    assert tally_from_json({"by_day": {str(DAY): [5, 1, 0]}}) == Tally({DAY: Counts(5, 1)})


def _opens_in(weeks: int, *, bounce: float, complaint: float, mails: int) -> float:
    """In which part of weeks with these true shares it opens, looked at every 100 mails."""
    chance = np.random.default_rng(20260225)
    looks = (weeks, mails // 100)
    bounced = chance.binomial(100, bounce, looks).cumsum(axis=1).tolist()
    complained = chance.binomial(100, complaint, looks).cumsum(axis=1).tolist()
    return (
        sum(
            any(
                opened_by([Tally({DAY: Counts(100 * number, *counts)})], now=NOW)
                for number, counts in enumerate(zip(*week, strict=True), start=1)
            )
            for week in zip(bounced, complained, strict=True)
        )
        / weeks
    )


@pytest.mark.parametrize(
    ("bounce", "complaint", "mails", "opens"),
    [
        (0.02, 0, 20_000, False),
        (0.05, 0, 2_000, True),
        (0.10, 0, LEAST_SENT, True),
        (0, 0.0002, 30_000, False),
        (0.02, 0.0002, 30_000, False),
        (0, 0.001, 30_000, True),
        (0, 0.005, 3_000, True),
    ],
)
def test_its_power_and_its_false_alarms(
    bounce: float, complaint: float, mails: int, opens: bool
) -> None:
    """A bad list is stopped in 95 % of weeks of so many mails, a good one in at most 1 %."""
    share = _opens_in(500, bounce=bounce, complaint=complaint, mails=mails)

    assert share >= 0.95 if opens else share <= 0.01
