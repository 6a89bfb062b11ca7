"""*Let a customer lapse*: nothing is heard of them any more, and that alone makes them another.

Their orders lie so far back that the model lets go of them within seconds. A profile is looked at
when its review is due, which a silent history makes once in about 40 minutes; the checkout that
they left alone an hour ago is due to the second, and whoever looks then finds both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.core.rules import Rules
from ops.panel.lapsing import AMOUNT_MINOR, find_lapse
from ops.panel.ways import Ways
from ops.panel.words import (
    PressFailed,
    Tell,
    Turn,
    address_of,
    introduced,
    not_left_alone,
    ordered,
    tracked,
)
from ops.story.letters import SentMail

# The events must be stored while the customer is still who they were.
LAPSES_AFTER_SECONDS = 8
REVIEW_AFTER_SECONDS = LAPSES_AFTER_SECONDS + 1
BROWSED_SECONDS = 3_700


def let_lapse(ways: Ways, turn: Turn, tell: Tell, *, rules: Rules) -> None:
    """Let a new customer lapse and follow them to the mail; raises PressFailed."""
    who = not_left_alone(f"lapse-{turn.tag}", rules.policy)
    link = turn.pages.customer(who)
    ways.send(history(who, now=turn.now, rules=rules))
    before = _segment(ways, turn, who)
    tell(
        "begun",
        f"{who}, {before}, left a checkout and falls silent; "
        f"their review is due in {REVIEW_AFTER_SECONDS} seconds",
        link,
    )
    turn.pause(REVIEW_AFTER_SECONDS + 1)
    # The schedule runs every minute; nobody waits for that here.
    ways.run_review()

    def lapsed() -> str | None:
        now = _segment(ways, turn, who)
        return now if now != before else None

    after = turn.until(lapsed, what=f"another segment than {before}")
    known = _known(ways, who)
    tell(
        "going",
        f"the schedule's function, run at once in place of the next full minute, finds silence: "
        f"{before} → {after}",
        *[turn.pages.decision(each["decision_id"]) for each in known["decisions"][:1]],
        link,
    )
    mails = turn.until(lambda: _mails(ways, who, len(known["messages"])), what="a mail")
    subjects = " and ".join(f"“{mail.subject}”" for _, mail in mails)
    tell(
        "done",
        f"in the inbox: {subjects}",
        *(turn.pages.mail(number) for number, _ in mails),
        link,
        customer_id=who,
        before=before,
        after=after,
        mails=len(mails),
    )


def history(who: str, *, now: int, rules: Rules) -> Sequence[Mapping[str, Any]]:
    """The events of somebody who lapses ``LAPSES_AFTER_SECONDS`` after ``now``."""
    times = find_lapse(rules).ordered_at(now + LAPSES_AFTER_SECONDS)
    left_at = now + REVIEW_AFTER_SECONDS - rules.policy.cart_abandoned_after_seconds
    return (
        introduced(who, at=times[0]),
        *(ordered(who, at=at, amount_minor=AMOUNT_MINOR) for at in times),
        tracked(who, "Checkout Started", at=left_at),
    )


def _segment(ways: Ways, turn: Turn, who: str) -> str:
    known = turn.until(lambda: ways.customer(who), what=f"a profile of {who}")
    announced = (known["facts"] or {}).get("announced_segment")
    if announced is None:
        raise PressFailed(f"{who} has no segment")
    return str(announced)


def _known(ways: Ways, who: str) -> Mapping[str, Any]:
    known = ways.customer(who)
    if known is None:
        raise PressFailed(f"nothing is known of {who} any more")
    return known


def _mails(ways: Ways, who: str, planned: int) -> Sequence[tuple[int, SentMail]] | None:
    """Their mails, once as many have come as decisions planned."""
    mails = ways.mails_to(address_of(who))
    return mails if mails and len(mails) >= planned else None
