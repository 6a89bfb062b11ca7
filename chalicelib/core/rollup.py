"""Counts of one hour, added up as things are stored: for a chart, not for a proof.

A few of them are counted by minute as well, for whoever watches what happens.

A stream delivers a batch at least once, so an hour remembers which batches it has counted, by the
sequence number of their first record and how far they went. A batch that comes again counts what
it has beyond that, which is nothing unless it has grown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from chalicelib.core.instants import DAY_SECONDS, format_instant

HOUR_SECONDS = 3600
MINUTE_SECONDS = 60
# Longer than a console looks back; what was measured stays longer.
KEPT_SECONDS = 100 * DAY_SECONDS
# A batch comes again before its shard's next, so this many shards may take turns.
MOST_BATCHES = 32
# A policy of thirty actions has some hundreds; what is beyond is counted together.
MOST_COUNTS = 2_000
OTHER = "other"
# Sequence numbers tell the batches of one table's stream apart, so each table has its own items.
STREAMS = ("decisions", "effects", "profiles")
SEPARATOR = "|"
# A change that is stored this much after what it tells of tells it again, such as of a code that
# passes from a guest to a customer.
LATE_SECONDS = 120
Tick = Literal["events", "decisions", "mails", "redemptions"]
TICKS: tuple[Tick, ...] = get_args(Tick)


class Batch(NamedTuple):
    """Records of one shard, by the sequence numbers of the first and the last."""

    first: int
    last: int


class Counted(NamedTuple):
    """What one stream record adds.

    Attributes:
        number: its sequence number.
        item: to which item, as ``name_of`` names it.
        names: under which names.
        tick: what is counted by minute as well, if anything.
        minute: of the hour, 0 to 59.
    """

    number: int
    item: str
    names: tuple[str, ...]
    tick: Tick | None = None
    minute: int = 0


@dataclass(frozen=True, slots=True)
class Rollup:
    """One hour.

    Attributes:
        counts: by names joined with ``SEPARATOR``, such as ``decisions|checkout|at_risk``.
        batches: those counted last, the latest last.
        minutes: of what is counted by minute, how much in which minute of the hour.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    batches: tuple[Batch, ...] = ()
    minutes: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


def hour_of(moment: int) -> int:
    """The hour that a moment lies in, by its beginning."""
    return moment - moment % HOUR_SECONDS


def minute_of(moment: int) -> int:
    """The minute of its hour that a moment lies in.

    >>> minute_of(852076800 + 125)
    2
    """
    return moment % HOUR_SECONDS // MINUTE_SECONDS


def name_of(hour: int, stream: str) -> str:
    """How storage names an hour of a stream: ``2026-11-27T18#decisions``."""
    return f"{format_instant(hour)[:13]}#{stream}"


def names_of_day(day: str) -> list[str]:
    """The names of a day's hours; ``day`` is as ``2026-11-27``."""
    return [f"{day}T{hour:02}#{stream}" for hour in range(24) for stream in STREAMS]


def names_of_line(line: Mapping[str, Any]) -> tuple[str, ...]:
    """What a line of the decision log adds one to."""
    found = [_joined("decisions", line["placement"], line["segment"])]
    found += [_joined("chosen", action) for action in line["chosen"]]
    found += [_joined("issued", action) for action in line["issued"]]
    for each in line["candidates"]:
        if each["outcome"] == "rejected":
            found.append(_joined("rejected", each["action"], each["layer"], each["reason"]))
    found += [_joined("exposed", name, line["arms"][name]) for name in line["exposures"]]
    found += [claim for claim in ("fallback", "holdout") if line[claim]]
    return (*found, *(() if line["known"] else ("unknown",)))


def names_of_effect(effect: Mapping[str, Any]) -> tuple[str, ...]:
    """What an effect that was just planned adds one to."""
    return (_joined("planned", effect["kind"]),)


def names_of_mail(effect: Mapping[str, Any], *, stored_at: int) -> tuple[str, ...]:
    """What a mail's entry among those that the provider took adds one to.

    Nothing where it stands there already and only heard more, or was stored again.
    """
    if effect["kind"] != "mail" or effect["state"] != "ACCEPTED" or effect.get("heard"):
        return ()
    if stored_at - effect["changed_at"] > LATE_SECONDS:
        return ()
    return (_joined("sent", effect["action"]),)


def names_of_use(live: Mapping[str, Any], *, stored_at: int) -> tuple[str, ...]:
    """What a customer's live code adds one to when an order has just used it; else nothing."""
    used_at = live.get("redeemed_at")
    if used_at is None or live.get("revoked") or stored_at - used_at > LATE_SECONDS:
        return ()
    return (_joined("redeemed", live["action"]),)


def _joined(*parts: str) -> str:
    return SEPARATOR.join(part.replace(SEPARATOR, "/") for part in parts)


def add(rollup: Rollup, counted: Iterable[Counted], *, batch: Batch) -> Rollup:
    """Count what a batch says of an hour; the same rollup where all of it was counted before."""
    known = next((each for each in rollup.batches if each.first == batch.first), None)
    if known is not None and batch.last <= known.last:
        return rollup
    after = -1 if known is None else known.last
    new = [each for each in counted if each.number > after]
    counts = Counter(rollup.counts)
    for name in (name for each in new for name in each.names):
        counts[name if name in counts or len(counts) < MOST_COUNTS else OTHER] += 1
    others = tuple(each for each in rollup.batches if each.first != batch.first)
    minutes = _by_minute(rollup.minutes, new)
    return Rollup(dict(counts), (*others, batch)[-MOST_BATCHES:], minutes)


def _by_minute(
    known: Mapping[str, Mapping[int, int]], new: Iterable[Counted]
) -> Mapping[str, Mapping[int, int]]:
    minutes = {tick: Counter(by_minute) for tick, by_minute in known.items()}
    for each in new:
        if each.tick is not None:
            minutes.setdefault(each.tick, Counter())[each.minute] += 1
    return {tick: dict(by_minute) for tick, by_minute in minutes.items()}


def total(rollups: Iterable[Rollup]) -> Mapping[str, int]:
    """Hours together."""
    counts: Counter[str] = Counter()
    for rollup in rollups:
        counts.update(rollup.counts)
    return dict(sorted(counts.items()))


def rollup_to_json(rollup: Rollup) -> dict[str, Any]:
    """The stored form; of a batch's last number only how far it is from the first."""
    return {
        "counts": dict(rollup.counts),
        "batches": [[str(each.first), each.last - each.first] for each in rollup.batches],
        "minutes": {
            tick: {str(minute): count for minute, count in by_minute.items()}
            for tick, by_minute in rollup.minutes.items()
        },
    }


def rollup_from_json(stored: Mapping[str, Any]) -> Rollup:
    """Undo ``rollup_to_json``; an hour from before there were minutes has none."""
    batches = tuple(Batch(int(first), int(first) + more) for first, more in stored["batches"])
    minutes = {
        tick: {int(minute): count for minute, count in by_minute.items()}
        for tick, by_minute in stored.get("minutes", {}).items()
    }
    return Rollup(stored["counts"], batches, minutes)
