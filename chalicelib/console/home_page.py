"""Signing in, and what turning a switch would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.console.page import Page
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
