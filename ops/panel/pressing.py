"""The buttons pressed as a browser presses them: over the panel's HTTP, with its token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from ops.panel.press import Button
from ops.panel.serving import Panel
from ops.story.pressed import Pressed, Told

LOOK_SECONDS = 0.2
MOST_SECONDS = 90.0


def press_all(panel: Panel) -> Pressed:
    """Press every button, the fourth twice, and wait for what comes of each.

    Three at once, as an impatient person would; SES fails only after that, so that it is one mail
    that is in doubt.
    """
    begun = time.monotonic()
    drop, checkout, lapse = _press(panel, "drop", "checkout", "lapse")
    [fails] = _press(panel, "mail-fails")
    [recovers] = _press(panel, "mail-fails")
    return Pressed(drop, checkout, lapse, fails, recovers, time.monotonic() - begun)


def _press(panel: Panel, *buttons: Button) -> list[Told]:
    before = _last_number(panel)
    for button in buttons:
        form = urlencode({"token": panel.token, "button": button}).encode()
        accepts = {"Accept": "application/json"}
        _ask(Request(f"{panel.url}demo/press", data=form, headers=accepts))  # noqa: S310
    until = time.monotonic() + MOST_SECONDS
    while True:
        state = _state(panel, after=before)
        if not set(buttons) & set(state["busy"]) or time.monotonic() > until:
            return [_last(state["entries"], button) for button in buttons]
        time.sleep(LOOK_SECONDS)


def _last(entries: Sequence[Told], button: Button) -> Told:
    nothing: Told = {"step": "failed", "text": "nothing was heard of it", "facts": {}}
    return next((each for each in reversed(entries) if each["what"] == button), nothing)


def _last_number(panel: Panel) -> int:
    entries = _state(panel, after=0)["entries"]
    return int(entries[-1]["number"]) if entries else 0


def _state(panel: Panel, *, after: int) -> Mapping[str, Any]:
    return _ask(Request(f"{panel.url}demo/news?after={after}"))  # noqa: S310


def _ask(request: Request) -> Mapping[str, Any]:
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - ours, on 127.0.0.1
        told: Mapping[str, Any] = json.load(answer)
    return told
