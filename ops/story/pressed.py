"""What the demo's buttons came to, and whether each kept its word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_PRESS_SECONDS = 60
# The last that the news said of a press: its step, its text, and facts by name.
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pressed:
    """What each press came to.

    Attributes:
        drop, checkout, lapse: those buttons.
        mail_fails: the first press of the fourth, while SES fails.
        recovers: its second press.
        seconds: for all of it.
    """

    drop: Told
    checkout: Told
    lapse: Told
    mail_fails: Told
    recovers: Told
    seconds: float


def broken_presses(pressed: Pressed) -> Iterator[str]:
    """Every rule that does not hold, as ``name: what was found``."""
    named = {
        "drop": pressed.drop,
        "checkout": pressed.checkout,
        "lapse": pressed.lapse,
        "mail_fails": pressed.mail_fails,
        "recovers": pressed.recovers,
    }
    for name, told in named.items():
        if told["step"] == "failed":
            yield f"pressed_{name}: {told['text']}"
        elif not _KEPT[name](told["facts"]):
            yield f"pressed_{name}: {told['text']} ({dict(told['facts'])})"
    if pressed.seconds > MOST_PRESS_SECONDS:
        yield f"pressed_in_time: {pressed.seconds:.0f} s, at most {MOST_PRESS_SECONDS}"


def _dropped(facts: Mapping[str, Any]) -> bool:
    """Every record has found its place, the repeated and the unreadable one theirs."""
    places = [facts.get(name, 0) for name in ("folded", "duplicate", "rejected")]
    return (
        facts.get("state") == "COMPLETE"
        and places[1:] == [1, 1]
        and facts.get("records") == sum(places)
        and facts.get("scored", 0) > 0
    )


def _decided(facts: Mapping[str, Any]) -> bool:
    """Somebody with a history was decided for, by the model and not by a fallback."""
    return facts.get("degraded") is False and facts.get("segment") not in {None, "unknown"}


def _lapsed(facts: Mapping[str, Any]) -> bool:
    """Silence made them another, and they were written to."""
    before, after = facts.get("before"), facts.get("after")
    return None not in {before, after} and before != after and facts.get("mails", 0) >= 1


def _doubted(facts: Mapping[str, Any]) -> bool:
    """Nobody knows whether it left, and SES was asked once."""
    return facts.get("state") == "IN_DOUBT" and facts.get("posts") == 1


def _recovered(facts: Mapping[str, Any]) -> bool:
    """It was delivered, and still SES was asked once, and one mail is in the inbox."""
    counts = facts.get("posts"), facts.get("mails")
    return facts.get("state") == "DELIVERED" and counts == (1, 1)


_KEPT = {
    "drop": _dropped,
    "checkout": _decided,
    "lapse": _lapsed,
    "mail_fails": _doubted,
    "recovers": _recovered,
}
