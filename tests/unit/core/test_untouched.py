"""What is next for an effect that nobody has touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.effects import TERMINAL, Effect, State
from chalicelib.core.untouched import (
    ABANDON_AFTER_SECONDS,
    RESEND_AFTER_SECONDS,
    End,
    Rest,
    TakeUp,
    Untouched,
    WaitUntil,
    untouched,
)

NOW = 1_772_000_000
MAIL = Effect("e", "mail", "a", "c#1", None, "r", NOW, {"purpose": "marketing_email"})
ORDER = replace(MAIL, payload={"purpose": "transactional"})
DOUBT = replace(MAIL, state="IN_DOUBT", posts=1, changed_at=NOW)
ORDER_DOUBT = replace(ORDER, state="IN_DOUBT", posts=1, changed_at=NOW)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_done_rests(state: State) -> None:
    """Whatever the lease says."""
    assert untouched(replace(MAIL, state=state, lease_until=NOW + 9), now=NOW) == Rest()


@pytest.mark.parametrize(
    ("effect", "now", "next_"),
    [
        (MAIL, NOW, TakeUp()),
        (replace(MAIL, not_before=NOW + 5), NOW, WaitUntil(NOW + 5)),
        (replace(MAIL, not_before=NOW + 5), NOW + 5, TakeUp()),
        (replace(MAIL, state="CLAIMED", lease_until=NOW + 5), NOW + 4, WaitUntil(NOW + 5)),
        (replace(MAIL, state="CLAIMED", lease_until=NOW + 5), NOW + 5, TakeUp()),
        (replace(MAIL, state="CLAIMED"), NOW, TakeUp()),
        (replace(MAIL, state="SENDING", lease_until=NOW + 5), NOW, WaitUntil(NOW + 5)),
        (
            replace(MAIL, state="SENDING", lease_until=NOW + 5),
            NOW + 5,
            End("IN_DOUBT", "worker_vanished"),
        ),
        (DOUBT, NOW, WaitUntil(NOW + ABANDON_AFTER_SECONDS)),
        (DOUBT, NOW + ABANDON_AFTER_SECONDS, End("ABANDONED", "unresolved")),
        (ORDER_DOUBT, NOW, WaitUntil(NOW + RESEND_AFTER_SECONDS)),
        (ORDER_DOUBT, NOW + RESEND_AFTER_SECONDS, TakeUp()),
        (replace(ORDER_DOUBT, not_before=NOW + 9_000), NOW + 8_999, WaitUntil(NOW + 9_000)),
        (replace(ORDER_DOUBT, not_before=NOW + 9_000), NOW + 9_000, TakeUp()),
        (
            replace(ORDER_DOUBT, posts=2),
            NOW + RESEND_AFTER_SECONDS,
            WaitUntil(NOW + ABANDON_AFTER_SECONDS),
        ),
        (
            replace(ORDER_DOUBT, posts=2),
            NOW + ABANDON_AFTER_SECONDS,
            End("ABANDONED", "unresolved"),
        ),
    ],
)
def test_every_other_state_says_what_and_when(effect: Effect, now: int, next_: Untouched) -> None:
    """Held, leased, dead, in doubt; marketing is given up, transactional posted once more."""
    assert untouched(effect, now=now) == next_
