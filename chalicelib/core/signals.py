"""What one write of an events request says of articles, on its way to the catalogue.

It is stored in the very write that folds the messages, and taken off in the very write that counts
it. So whatever breaks in between, every view and every piece counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from chalicelib.core.catalogue import Statement, statement_from_json, statement_to_json
from chalicelib.core.demand import Demand

# One transaction takes 100 writes: all of a signal's articles, and the signal itself, are in it.
MOST_ARTICLES = 50


@dataclass(frozen=True, slots=True)
class Signal:
    """Demand and statements.

    Attributes:
        half_life_seconds: of demand, as the policy had it.
        demand: by article.
        statements: what was said of articles, in the order in which it came.
    """

    half_life_seconds: int
    demand: Mapping[str, Demand] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()

    @property
    def articles(self) -> frozenset[str]:
        """Every article that it speaks of."""
        return frozenset({*self.demand, *(each.sku for each in self.statements)})


def signals_of(
    demand: Mapping[str, Demand], statements: Iterable[Statement], *, half_life_seconds: int
) -> Iterator[Signal]:
    """As many signals as it takes to fit a transaction each; mostly one, or none."""
    counted, told = iter(demand.items()), iter(statements)
    while True:
        part = dict(islice(counted, MOST_ARTICLES))
        said = tuple(islice(told, MOST_ARTICLES - len(part)))
        if not part and not said:
            return
        yield Signal(half_life_seconds, part, said)


def signal_to_json(signal: Signal) -> dict[str, Any]:
    """The stored form."""
    return {
        "half_life_seconds": signal.half_life_seconds,
        "demand": {sku: list(demand) for sku, demand in signal.demand.items()},
        "statements": [statement_to_json(each) for each in signal.statements],
    }


def signal_from_json(stored: Mapping[str, Any]) -> Signal:
    """Undo ``signal_to_json``."""
    return Signal(
        half_life_seconds=stored["half_life_seconds"],
        demand={sku: Demand(*demand) for sku, demand in stored["demand"].items()},
        statements=tuple(statement_from_json(each) for each in stored["statements"]),
    )
