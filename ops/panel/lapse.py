"""*Let a customer lapse*: nothing is heard of them any more, and that alone makes them another.

Their orders lie so far back that the model lets go of them within seconds. A profile is looked at
when its review is due, which a silent history makes once in about 40 minutes; the checkout that
they left alone an hour ago is due to the second, and whoever looks then finds both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.core.policy import Policy
from ops.panel.lapsing import AMOUNT_MINOR, Lapse
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

# The events must be stored while the customer is still who they were; on a machine with much to do
# that takes longer, and another customer gets more time.
MARGINS_SECONDS = (8, 25, 75)


def let_lapse(ways: Ways, turn: Turn, tell: Tell, *, lapse: Lapse, policy: Policy) -> None:
    """Let a new customer lapse and follow them to the mail; raises PressFailed."""
    who, due_at = _somebody_who_will(ways, turn, tell, lapse, policy)
    link = turn.pages.customer(who)
    turn.pause(max(0, due_at + 1 - turn.now))
    # The schedule runs every minute; nobody waits for that here.
    ways.run_review()

    def lapsed() -> str | None:
        now = _segment(ways, turn, who)
        return now if now != lapse.before else None

    after = turn.until(lapsed, what=f"another segment than {lapse.before}")
    known = _known(ways, who)
    tell(
        "going",
        f"the schedule's function, run at once in place of the next full minute, finds silence: "
        f"{lapse.before} → {after}",
        *[turn.pages.decision(each["decision_id"]) for each in known["decisions"][:1]],
        link,
    )
    mails = turn.until(lambda: _mails(ways, who, len(known["messages"])), what="a mail")
    tell(
        "done",
        f"{who} has been written to",
        *(turn.pages.mail(number, mail.subject) for number, mail in mails),
        link,
        customer_id=who,
        before=lapse.before,
        after=after,
        mails=len(mails),
    )


def _somebody_who_will(
    ways: Ways, turn: Turn, tell: Tell, lapse: Lapse, policy: Policy
) -> tuple[str, int]:
    """Somebody new who will lapse, and when their review is due; raises PressFailed."""
    late = ""
    for margin_seconds in MARGINS_SECONDS:
        who = not_left_alone(f"lapse-{turn.tag}-{margin_seconds}", policy)
        lapses_at = turn.now + margin_seconds
        due_at = lapses_at + 1
        ways.send(history(who, lapse, lapses_at=lapses_at, due_at=due_at, policy=policy))
        stored = _segment(ways, turn, who)
        if stored == lapse.before:
            left = max(0, due_at - turn.now)
            tell(
                "begun",
                f"{who}, {stored}, left a checkout and falls silent; their review is due in "
                f"{left} seconds{late}",
                turn.pages.customer(who),
            )
            return who, due_at
        late = "; who came before had lapsed before they were stored"
    raise PressFailed(f"events took more than {MARGINS_SECONDS[-1]} s to be stored")


def history(
    who: str, lapse: Lapse, *, lapses_at: int, due_at: int, policy: Policy
) -> Sequence[Mapping[str, Any]]:
    """The events of somebody who lapses at one moment, and whose review is due at another."""
    times = lapse.ordered_at(lapses_at)
    return (
        introduced(who, at=times[0]),
        *(ordered(who, at=at, amount_minor=AMOUNT_MINOR) for at in times),
        tracked(who, "Checkout Started", at=due_at - policy.cart_abandoned_after_seconds),
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
