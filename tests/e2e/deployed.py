"""What the end-to-end tests see of a deployment, and how they wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core.control import Drop
from ops.seed import Seed
from ops.story.books import Books
from ops.story.letters import SentMail

CUSTOMERS = 150
T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, within_seconds: float, what: str) -> T:
    """Look at a real server until it shows something, at most for so long."""
    until = time.monotonic() + within_seconds
    while (seen := look()) is None:
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {within_seconds} s")
        time.sleep(0.3)
    return seen


@dataclass(frozen=True, slots=True)
class Filled:
    """A deployment that has taken in a small demo.

    Attributes:
        drops: the files, the orders last.
        books: the ledger once everything was quiet.
        mails: the inbox at that moment.
    """

    seed: Seed
    drops: tuple[Drop, ...]
    books: Books
    mails: tuple[SentMail, ...]
