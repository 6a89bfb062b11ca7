"""What outcomes have taught, as a document that decisions read: posterior samples by segment.

A learner publishes it under one key (``core.kinds.LEARNING``). Nothing here draws anything: the
samples stand in the document, so whoever has the document decides alike. A document that is not
what its hash says, or not of a shape that is known, is refused by name and teaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from chalicelib.core.canonical import content_hash

# ``response``: whether somebody accepts, those included who would have bought anyway. ``lift``:
# how many more order than in the control group. One is never called the other.
Basis = Literal["response", "lift"]
LEARNING_SCHEMA = 1
MOST_SAMPLES = 32


class Estimate(NamedTuple):
    """What is believed of one action in one segment.

    Attributes:
        basis: what ``mean`` and ``samples`` are of.
        mean: posterior mean; a probability, or for ``lift`` a difference of two.
        spend_minor: what an average decision gave away in discounts and costs, for ``lift``; a
            response's cost stands in the policy.
        samples: joint posterior samples: the nth of all estimates belong together.
    """

    basis: Basis
    mean: float
    spend_minor: float = 0.0
    samples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Learning:
    """A learning document, read; or the part of it that one decision used.

    Attributes:
        hash: ``sha256:…`` of the whole document.
        sample_count: how many joint samples it holds.
        estimates: by segment, then by action.
        refused: why it teaches nothing, None when it does.
        document: as it is published; empty in a record.
    """

    hash: str
    sample_count: int
    estimates: Mapping[str, Mapping[str, Estimate]]
    refused: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def of(self, segment: str) -> Mapping[str, Estimate]:
        """What is believed of each action in a segment."""
        return self.estimates.get(segment, {})

    def narrowed(
        self, segment: str, *, actions: Collection[str], finalists: Collection[str]
    ) -> Learning:
        """The part that a decision used: means of these actions, samples of the finalists."""
        used = {
            action: each if action in finalists else each._replace(samples=())
            for action, each in self.of(segment).items()
            if action in actions
        }
        estimates = {segment: used} if used else {}
        return Learning(self.hash, self.sample_count, estimates, self.refused)


class _Wrong(ValueError):
    """A published document that cannot be used; the text is the reason code."""


def publish(document: Mapping[str, Any]) -> Learning:
    """Name a document by its content and read it back.

    Raises ValueError where it would be refused: it is not published then.
    """
    learning = learning_from_json({"hash": content_hash(document), "document": document})
    if learning.refused is not None:
        raise ValueError(learning.refused)
    return learning


def learning_to_json(learning: Learning) -> dict[str, Any]:
    """The published form."""
    return {"hash": learning.hash, "document": learning.document}


def learning_from_json(stored: Mapping[str, Any]) -> Learning:
    """Undo ``learning_to_json``; raises nothing, whatever stands there: a decision must not fail.

    ``refused`` is ``altered``, ``unknown_schema`` or ``malformed`` where it cannot be used.
    """
    claimed = stored.get("hash")
    try:
        return _read(claimed, stored["document"])
    except _Wrong as wrong:
        reason = str(wrong)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        reason = "malformed"
    return Learning(str(claimed)[:80], 0, {}, refused=reason)


def _read(claimed: Any, document: Mapping[str, Any]) -> Learning:
    if claimed != content_hash(document):
        raise _Wrong("altered")
    if document["schema"] != LEARNING_SCHEMA:
        raise _Wrong("unknown_schema")
    count = document["samples"]
    if not 1 <= count <= MOST_SAMPLES:
        raise _Wrong("malformed")
    estimates = {
        segment: dict(_estimates(by_action, count))
        for segment, by_action in document["estimates"].items()
    }
    return Learning(claimed, count, estimates, document=document)


def _estimates(by_action: Mapping[str, Any], count: int) -> Iterator[tuple[str, Estimate]]:
    for action, stored in by_action.items():
        estimate = Estimate(
            stored["basis"], stored["mean"], stored["spend_minor"], tuple(stored["samples"])
        )
        _check(estimate, count)
        yield action, estimate


def _check(estimate: Estimate, count: int) -> None:
    """Refuse what would make a priority meaningless."""
    lowest = {"response": 0.0, "lift": -1.0}.get(estimate.basis)
    values = (estimate.mean, *estimate.samples)
    if (
        lowest is None
        or len(estimate.samples) != count
        or not all(lowest <= value <= 1 for value in values)
        or not (math.isfinite(estimate.spend_minor) and estimate.spend_minor >= 0)
    ):
        raise _Wrong("malformed")


def used_to_json(learning: Learning | None) -> dict[str, Any] | None:
    """What a record keeps of the learning that its decision used."""
    if learning is None:
        return None
    return {
        "hash": learning.hash,
        "samples": learning.sample_count,
        "refused": learning.refused,
        "estimates": {
            segment: {
                action: [each.basis, each.mean, each.spend_minor, list(each.samples)]
                for action, each in by_action.items()
            }
            for segment, by_action in learning.estimates.items()
        },
    }


def used_from_json(stored: Mapping[str, Any] | None) -> Learning | None:
    """Undo ``used_to_json``."""
    if stored is None:
        return None
    estimates = {
        segment: {
            action: Estimate(basis, mean, spend_minor, tuple(samples))
            for action, (basis, mean, spend_minor, samples) in by_action.items()
        }
        for segment, by_action in stored["estimates"].items()
    }
    return Learning(stored["hash"], stored["samples"], estimates, stored["refused"])
