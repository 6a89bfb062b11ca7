"""Quiet hours on the wall clock of any zone, and the rolling cap."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.core.contact_policy import (
    MARGIN_SECONDS,
    ContactPolicy,
    Mailed,
    QuietHours,
    count_mail,
    is_capped,
    mailed_from_json,
    mailed_to_json,
    quiet_until,
)
from tests.zones import ZONES, edges_of

WINDOWS = [("21:00", "08:00"), ("00:00", "06:30"), ("01:30", "02:30"), ("22:00", "02:00")]
NOW = 1_772_000_000


def policy(start: str, end: str) -> ContactPolicy:
    """Quiet from when to when."""
    return ContactPolicy(quiet_hours=QuietHours(start=start, end=end))


def is_quiet(moment: int, zone: str, start: str, end: str) -> bool:
    """Whether the clock on the wall is within the hours; written apart from the code under test."""
    clock = datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%H:%M")
    return start <= clock < end if start < end else clock >= start or clock < end


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("start", "end"), WINDOWS)
def test_over_every_change_of_the_clock(zone: str, start: str, end: str) -> None:
    """No minute is let through that is quiet, and a hold ends within a day, when it is not."""
    rule = policy(start, end)
    for edge in edges_of(zone):
        for now in range(edge - 86_400, edge + 86_400, 600):
            until = quiet_until(zone, policy=rule, now=now)
            if until is None:
                assert not is_quiet(now, zone, start, end)
                assert not is_quiet(now + MARGIN_SECONDS, zone, start, end)
                continue
            assert now < until <= now + 86_400
            assert not is_quiet(until, zone, start, end)


@pytest.mark.parametrize(
    ("zone", "now", "until"),
    [
        # clocks are set forward: the night is an hour shorter
        ("Europe/Berlin", (2026, 3, 28, 20, 0), (2026, 3, 29, 6, 0)),
        # and back: an hour longer
        ("Europe/Berlin", (2026, 10, 24, 19, 0), (2026, 10, 25, 7, 0)),
        ("America/New_York", (2026, 3, 8, 2, 0), (2026, 3, 8, 12, 0)),
        ("Asia/Kathmandu", (2026, 2, 25, 16, 0), (2026, 2, 26, 2, 15)),
        # two hours of it, and a night whose hour before midnight is left out
        ("Antarctica/Troll", (2026, 3, 28, 22, 0), (2026, 3, 29, 6, 0)),
        ("America/Nuuk", (2026, 3, 29, 0, 30), (2026, 3, 29, 9, 0)),
        # midnight does not exist, and midnight comes twice
        ("America/Havana", (2026, 3, 8, 2, 0), (2026, 3, 8, 12, 0)),
        ("America/Havana", (2026, 11, 1, 1, 0), (2026, 11, 1, 13, 0)),
        # a whole day does not exist: after the 29th of December came the 31st
        ("Pacific/Apia", (2011, 12, 30, 8, 0), (2011, 12, 30, 18, 0)),
        # half an hour of daylight saving
        ("Australia/Lord_Howe", (2026, 4, 4, 12, 0), (2026, 4, 4, 21, 30)),
    ],
)
def test_a_night_ends_at_eight_on_the_wall(
    zone: str, now: tuple[int, ...], until: tuple[int, ...]
) -> None:
    """Eight o'clock is eight o'clock, however long the night was; moments in UTC."""
    moment = int(datetime(*now, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]
    ends = quiet_until(zone, policy=policy("21:00", "08:00"), now=moment)

    assert ends is not None
    assert datetime.fromtimestamp(ends, UTC) == datetime(*until, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_quiet_begins_a_worker_sooner() -> None:
    """A permission at one minute to nine would be used at nine."""
    rule = policy("21:00", "08:00")
    nine = int(datetime(2026, 2, 25, 21, tzinfo=UTC).timestamp())

    assert quiet_until("UTC", policy=rule, now=nine - MARGIN_SECONDS - 1) is None
    assert quiet_until("UTC", policy=rule, now=nine - MARGIN_SECONDS) == nine + 11 * 3600


def test_without_quiet_hours_nobody_waits() -> None:
    """They are a choice of the policy."""
    assert quiet_until("UTC", policy=ContactPolicy(), now=NOW) is None


@given(
    zone=st.one_of(st.none(), st.sampled_from(ZONES), st.text(max_size=40)),
    now=st.integers(min_value=0, max_value=4_000_000_000),
)
def test_any_zone_and_any_moment_have_an_answer(zone: str | None, now: int) -> None:
    """Whatever a customer called their zone, the policy's own zone stands in for it."""
    until = quiet_until(zone, policy=policy("21:00", "08:00"), now=now)

    assert until is None or until > now


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"max_marketing_mails": 0}, "max_marketing_mails"),
        ({"window_days": 0}, "window_days"),
        ({"default_time_zone": "Mars/Olympus"}, "default_time_zone"),
        ({"quiet_hours": {"start": "9pm", "end": "08:00"}}, "start"),
        ({"quiet_hours": {"start": "24:00", "end": "08:00"}}, "start"),
        ({"quiet_hours": {"start": "08:00", "end": "08:00"}}, "never|nobody"),
        ({"daily": 1}, "daily"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(document: object, problem: str) -> None:
    """The field is named."""
    with pytest.raises(ValidationError, match=problem):
        ContactPolicy.model_validate(document)


@given(
    moments=st.lists(st.integers(min_value=0, max_value=3_000_000), max_size=40),
    most=st.integers(min_value=1, max_value=5),
)
def test_no_window_holds_more_than_the_cap(moments: list[int], most: int) -> None:
    """Mails at any moments, each sent unless capped: every rolling window keeps the cap."""
    rule = ContactPolicy(max_marketing_mails=most, window_days=7)
    mailed: Mailed | None = None
    sent: list[int] = []
    for number, now in enumerate(sorted(moments)):
        if not is_capped(mailed, f"e{number}", policy=rule, now=now):
            mailed = count_mail(mailed, f"e{number}", policy=rule, now=now)
            sent.append(now)

    for end in sent:
        assert sum(end - 7 * 86_400 < at <= end for at in sent) <= most


def test_a_mail_is_counted_once() -> None:
    """An effect that is permitted again takes its own place."""
    rule = ContactPolicy(max_marketing_mails=1)
    mailed = count_mail(None, "a", policy=rule, now=NOW)

    assert not is_capped(mailed, "a", policy=rule, now=NOW + 1)
    assert is_capped(mailed, "b", policy=rule, now=NOW + 1)
    assert count_mail(mailed, "a", policy=rule, now=NOW + 1) == Mailed({"a": NOW + 1})


def test_the_count_survives_storage_and_forgets() -> None:
    """What is stored comes back equal; what has left the window is gone."""
    rule = ContactPolicy(window_days=1)
    mailed = count_mail(Mailed({"old": NOW - 90_000}), "new", policy=rule, now=NOW)

    assert mailed == Mailed({"new": NOW})
    assert mailed_from_json(mailed_to_json(mailed)) == mailed


def test_hours_within_a_day() -> None:
    """Quiet hours need not span midnight; their end is not quiet, their start is."""
    quiet = QuietHours(start="12:00", end="14:00")

    assert [quiet.hold(time(h)) for h in (11, 12, 13, 14)] == [False, True, True, False]
