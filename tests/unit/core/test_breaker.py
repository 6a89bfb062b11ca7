"""Marketing stops before the provider stops us."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from chalicelib.core.breaker import (
    LEAST_SENT,
    SHARDS,
    Counts,
    Tally,
    add_to,
    news,
    opened_by,
    shard_of,
    tally_from_json,
    tally_to_json,
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
    tally = Tally({DAY: Counts(5, 1, 1), DAY - 1: Counts(3)})

    assert tally_from_json(tally_to_json(tally)) == tally


def _ever_opens(chance: Random, *, bounce: float, complaint: float, mails: int) -> bool:
    """Whether the breaker opens at any mail of a week in which these shares are true."""
    bounced = complained = 0
    for number in range(1, mails + 1):
        bounced += chance.random() < bounce
        complained += chance.random() < complaint
        if number % 100 == 0:
            tally = Tally({DAY: Counts(number, bounced, complained)})
            if opened_by([tally], now=NOW) is not None:
                return True
    return False


@pytest.mark.parametrize(
    ("bounce", "complaint", "opens"),
    [
        (0.02, 0.0002, False),
        (0.05, 0, True),
        (0.10, 0, True),
        (0, 0.0015, True),
        (0, 0.005, True),
    ],
)
def test_its_power_and_its_false_alarms(bounce: float, complaint: float, opens: bool) -> None:
    """Over weeks of 20,000 mails: a bad list is stopped in 95 %, a good one in at most 1 %."""
    chance = Random(20260225)  # noqa: S311 - seeded
    weeks = 200
    opened_weeks = sum(
        _ever_opens(chance, bounce=bounce, complaint=complaint, mails=20_000) for _ in range(weeks)
    )

    share = opened_weeks / weeks
    assert share >= 0.95 if opens else share <= 0.01
