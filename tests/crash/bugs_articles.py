"""Planted bugs about articles: counted twice, or not at all."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.storage import WHATEVER, Delete, Write
from tests.crash.rewrites import add_rewrite, left_out, unconditional

CASE = ["event, about articles"]


def _kept(write: Write) -> Write | None:
    is_signal = isinstance(write, Delete) and write.key.kind.name == "signal"
    return None if is_signal else write


def _taken_blindly(write: Write) -> Write:
    if isinstance(write, Delete) and write.key.kind.name == "signal":
        return replace(write, condition=WHATEVER)
    return write


add_rewrite(
    "a signal that stays",
    "An article is written, and the signals that were counted are not taken off.",
    CASE,
    _kept,
)
add_rewrite(
    "a signal taken off blindly",
    "Signals are taken off whether or not somebody has counted them.",
    CASE,
    _taken_blindly,
)
add_rewrite(
    "an article saved blindly",
    "An article is saved over what another shard has counted meanwhile.",
    CASE,
    unconditional("sku"),
)
add_rewrite(
    "a signal apart",
    "Messages are folded, and what they say of articles is forgotten on the way.",
    CASE,
    left_out("signal"),
)
