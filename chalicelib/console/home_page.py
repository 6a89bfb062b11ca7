"""Signing in, how everything stands, and what turning a switch would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.console.page import Page
from chalicelib.core.breaker import (
    BOUNCED_BASIS_POINTS,
    COMPLAINED_BASIS_POINTS,
    LEAST_SENT,
    WINDOW_DAYS,
    total_of,
)
from chalicelib.flows.breaker import Standing
from chalicelib.flows.policies import Shown
from chalicelib.flows.switches import Control


class SwitchWords(NamedTuple):
    """What a switch is for, and what turning it means for customers."""

    title: str
    when_off: str
    when_on: str


SWITCH_WORDS: Mapping[str, SwitchWords] = {
    "sending": SwitchWords(
        "Sending mail",
        "No mail leaves, from the very next one on. What is planned is held and goes out when the "
        "switch is on again, if it still may.",
        "Mail goes out again. What was held meanwhile is looked at once more and sent if it still "
        "may: consent, cap and quiet hours are asked again.",
    ),
    "pricing": SwitchWords(
        "Personal prices",
        "Every checkout shows the published price, from the very next decision on.",
        "Checkouts show personal prices again where policy and law let them.",
    ),
    "offers": SwitchWords(
        "Offers",
        "No decision makes an offer, from the very next one on. Codes that customers have already "
        "stay good.",
        "Decisions make offers again where the policy lets them.",
    ),
}


def sign_in_page(*, problem: str | None = None, expired: bool = False) -> Page:
    """The form for an API key."""
    return Page(
        "sign-in",
        "Sign in",
        {"problem": problem, "expired": expired},
        status=200 if problem is None else 403,
    )


def overview_page(
    *, control: Control, standing: Standing, policies: Shown, health: Mapping[str, Any]
) -> Page:
    """Switches, breaker, policy and model."""
    total = total_of(standing.by_day)
    return Page(
        "overview",
        "Overview",
        {
            "switches": [
                (name, words.title, getattr(control.switches, name), words.when_off)
                for name, words in SWITCH_WORDS.items()
            ],
            "agreed": control.agreed,
            "breaker": {
                "opened_by": standing.opened_by,
                "sent": total.sent,
                "bounced": total.bounced,
                "complained": total.complained,
                "bounced_share": total.bounced / total.sent if total.sent else None,
                "complained_share": total.complained / total.sent if total.sent else None,
                "bounce_limit": BOUNCED_BASIS_POINTS / 10_000,
                "complaint_limit": COMPLAINED_BASIS_POINTS / 10_000,
                "least": LEAST_SENT,
                "days": WINDOW_DAYS,
                "restart": standing.restarts[-1] if standing.restarts else None,
            },
            "policy": {
                "hash": policies.log.active or policies.packaged.hash,
                "name": _active_name(policies),
                "is_packaged": policies.log.active is None,
                "agreed": policies.agreed,
                "since": policies.log.activations[-1] if policies.log.activations else None,
            },
            "health": health,
        },
    )


def switch_page(name: str, *, control: Control, already: str | None = None) -> Page:
    """What turning a switch would do; ``already`` says that it stands so by now."""
    words = SWITCH_WORDS[name]
    is_on = getattr(control.switches, name)
    return Page(
        "switch",
        f"{words.title}: {'on' if is_on else 'off'}",
        {
            "name": name,
            "words": words,
            "is_on": is_on,
            "agreed": control.agreed,
            "already": already,
        },
        status=200 if already is None else 409,
    )


def _active_name(policies: Shown) -> str:
    active = policies.log.active
    named = (each.name for each in policies.log.listed if each.hash == active)
    return policies.packaged.name if active is None else next(named, "not on the list any more")
