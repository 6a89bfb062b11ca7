"""What an article's published price was, and the lowest of the last 30 days: the only "was".

An announced reduction must name the lowest price of at least 30 days before it, and its percentage
is computed from that price (Directive 98/6/EC article 6a; CJEU C-330/23). So the history is exact
or there is no claim: what cannot be known any more is forgotten, and 30 days of it must be known.

A history is a tuple of (from, price in minor units), the earliest first. Each price was in force
from its moment until the next one's. Statements that only repeat the price leave no trace.
"""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.core.instants import DAY_SECONDS

WINDOW_SECONDS = 30 * DAY_SECONDS
# Whoever changes a price more often than twice a day for a month makes no claim for a while.
MOST_PRICES = 64

History = tuple[tuple[int, int], ...]


class Reduction(NamedTuple):
    """A claim that may be made: the price before in minor units, and whole percent off it."""

    was_minor: int
    percent_off: int


def with_price(history: History, *, at: int, minor: int) -> History:
    """Take in a statement that is not older than any before it."""
    later = history if history and history[-1][1] == minor else (*history, (at, minor))
    return _bounded(later, at)


def with_late_price(history: History, *, at: int, minor: int | None, said_at: int) -> History:
    """Take in a statement that came late.

    Where it contradicts what was in force at its moment, all that is known before ends: how long
    its price stood, nobody can say any more. Of what lies before the first price nothing is taken
    in, since there may be more that was forgotten.

    Args:
        history: the published prices, at least one.
        at: when it was said.
        minor: the price; None for one in another currency.
        said_at: when the price in force now was last said.
    """
    if at < history[0][0] or _in_force(history, at) == minor:
        return history
    known = tuple(each for each in history if each[0] > at)
    return known or ((said_at, history[-1][1]),)


def _bounded(history: History, at: int) -> History:
    """What a window that ends at ``at`` or later can still see, and not too much of it."""
    opens = at - WINDOW_SECONDS
    first = 0
    while first + 1 < len(history) and history[first + 1][0] <= opens:
        first += 1
    return history[max(first, len(history) - MOST_PRICES) :]


def _in_force(history: History, at: int) -> int | None:
    """The price at a moment, None before the first."""
    price = None
    for since, minor in history:
        if since > at:
            break
        price = minor
    return price


def lowest_price(history: History, *, as_of: int, base_minor: int) -> int | None:
    """The lowest published price of the 30 days that end now, now included.

    Args:
        history: the published prices.
        as_of: now.
        base_minor: the published price now.

    Returns:
        None where less than 30 days are known.
    """
    opens = as_of - WINDOW_SECONDS
    opening = _in_force(history, opens)
    if opening is None:
        return None
    within = [minor for since, minor in history if opens <= since <= as_of]
    return min(opening, base_minor, *within)


def reduction(
    history: History, *, as_of: int, base_minor: int, unit_minor: int
) -> Reduction | None:
    """What may be claimed of a unit price; None where it is no true reduction by a whole percent.

    The percentage is rounded down, so that it never promises more than there is.
    """
    if not history or unit_minor >= base_minor:
        return None
    was_minor = lowest_price(history, as_of=as_of, base_minor=base_minor)
    if type(was_minor) is not int or unit_minor >= was_minor:
        return None
    percent = (was_minor - unit_minor) * 100 // was_minor
    return Reduction(was_minor, percent) if percent else None
