"""*Make SES fail*: it takes what it is sent, answers with an error, and says no more about it.

That is the worst that it can do: nobody can know whether the mail left. Segue holds such a mail in
doubt and does not send it again. When SES recovers, its own events settle the doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.policy import Policy
from ops.panel.ways import Ways
from ops.panel.words import Tell, Turn, address_of, introduced, not_left_alone, tracked

MANY = 1_000_000
_ABANDONED_FOR_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Doubted:
    """A mail of which nobody knows whether it left."""

    customer_id: str
    effect_id: str


def break_ses(ways: Ways) -> None:
    """From now on SES takes a mail, answers 500 and tells nothing of it; raises PressFailed."""
    ways.ses("script", {"clear": True, "steps": [{"do": "error", "when": "after", "times": MANY}]})
    ways.ses("events", {"do": "hold"})


def doubt(ways: Ways, turn: Turn, tell: Tell, *, policy: Policy) -> Doubted:
    """Plan a mail while SES fails, and follow it into doubt; raises PressFailed."""
    who = not_left_alone(f"doubt-{turn.tag}", policy)
    link = turn.pages.customer(who)
    tell("begun", "SES takes mails, answers 500, and says nothing about them", link)
    left_at = turn.now - policy.cart_abandoned_after_seconds - _ABANDONED_FOR_SECONDS
    ways.send([introduced(who, at=left_at), tracked(who, "Checkout Started", at=left_at)])
    mail = turn.until(lambda: _mail(ways, who, "IN_DOUBT"), what="a mail in doubt")
    doubted = Doubted(who, mail["effect_id"])
    tell(
        "going",
        f"the reminder to {who} is {mail['state']} ({mail['reason']}): it may have left, so it is "
        f"not sent again; SES was asked {_times(posts(ways, doubted))}",
        turn.pages.messages("IN_DOUBT"),
        link,
        state=mail["state"],
        posts=posts(ways, doubted),
    )
    return doubted


def let_recover(ways: Ways, turn: Turn, tell: Tell, *, doubted: Doubted | None) -> None:
    """Let SES recover, and follow what was in doubt; raises PressFailed."""
    ways.ses("script", {"clear": True, "steps": []})
    released = ways.ses("events", {"do": "release"})["released"]
    link = turn.pages.messages("DELIVERED")
    if doubted is None:
        tell("done", f"SES works again, and told of {released} events", link)
        return
    tell("going", f"SES works again, and tells what became of its mails: {released} events", link)
    who = doubted.customer_id
    mail = turn.until(lambda: _mail(ways, who, "DELIVERED"), what="the end of the doubt")
    mails = ways.mails_to(address_of(who))
    tell(
        "done",
        f"the reminder to {who} is {mail['state']}: SES was asked {_times(posts(ways, doubted))}, "
        f"and the inbox has it {_times(len(mails))}",
        *[turn.pages.mail(number) for number, _ in mails[:1]],
        turn.pages.customer(who),
        state=mail["state"],
        posts=posts(ways, doubted),
        mails=len(mails),
    )


def posts(ways: Ways, doubted: Doubted) -> int:
    """How often SES was asked to send this mail."""
    return sum(
        post["tags"].get("effect_id") == doubted.effect_id for post in ways.ses("posts")["posts"]
    )


def _mail(ways: Ways, who: str, state: str) -> Mapping[str, Any] | None:
    known = ways.customer(who)
    messages = [] if known is None else known["messages"]
    return next((each for each in messages if each["state"] == state), None)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
