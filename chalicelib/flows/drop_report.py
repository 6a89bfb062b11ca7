"""What a drop leaves behind in the results bucket: scores, rejects, and a summary that adds up."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken
from chalicelib.core.instants import format_instant
from chalicelib.core.scorecard import Scorecard
from chalicelib.files.rejects import Reject
from chalicelib.files.score_file import ScoredFile

if TYPE_CHECKING:  # policy and law take a tenth of a second, and a laptop scores without either
    from chalicelib.core.rules import Rules

SCORE_COLUMNS = (
    "customer_id",
    "segment",
    "churn",
    "expected_orders",
    "action",
    "tier",
    "reason",
)
UNSCORED_COLUMNS = ("customer_id", "reason")
REJECT_COLUMNS = ("record", "column", "value", "reason")
# What a spreadsheet takes for the beginning of a formula (CWE-1236), full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# What a drop says of work in progress, and no longer when it has ended.
_OF_PROGRESS = frozenset({"phase", "phase_at", "phase_from"})
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One line of ``scores.csv``."""

    customer_id: str
    segment: str
    churn: float | None
    expected_orders: float | None
    action: str
    tier: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What happened to every record and every customer of a drop.

    Of a features file every record is ``scored``, ``unscored`` or ``rejected``, and nothing is
    folded; of any other, every record is folded, a duplicate or rejected, and every customer that
    the records come to is scored or unscored.

    Attributes:
        per_record: whether it is a features file.
    """

    records: int = 0
    folded: int = 0
    duplicate: int = 0
    rejected: int = 0
    erased: int = 0
    customers: int = 0
    scored: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    products: int = 0
    decisions: int = 0
    fallbacks: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    per_record: bool = False

    @classmethod
    def of_features(cls, found: ScoredFile) -> Tally:
        """What became of the records of a features file, rejects aside."""
        return cls(
            records=found.records,
            scored=found.scored,
            unscored=found.unscored,
            segments=found.segments,
            per_record=True,
        )

    def counts(self) -> dict[str, int]:
        """The plain counts, as progress shows them."""
        return {
            "records": self.records,
            "folded": self.folded,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            **({"erased": self.erased} if self.erased else {}),
            "customers": self.customers,
            "scored": self.scored,
            "unscored": sum(self.unscored.values()),
            "products": self.products,
            "decisions": self.decisions,
            **{f"effects_{kind}": count for kind, count in sorted(self.effects.items())},
        }

    def add(self, other: Tally) -> None:
        """Count what happened elsewhere, too."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine or theirs if each.type == "bool" else mine + theirs)

    def check(self) -> None:
        """Nothing may be lost: raises Broken when the counts do not add up."""
        unscored = self.unscored.total()
        if self.per_record:
            if self.records != self.scored + unscored + self.rejected:
                raise Broken(
                    f"records do not add up: {self.records} in, {self.scored} scored,"
                    f" {unscored} unscored, {self.rejected} rejected"
                )
            return
        if self.records != self.folded + self.duplicate + self.rejected:
            raise Broken(
                f"records do not add up: {self.records} in, {self.folded} folded,"
                f" {self.duplicate} duplicate, {self.rejected} rejected"
            )
        if self.customers != self.scored + unscored:
            raise Broken(f"customers do not add up: {self.customers}, {self.scored} scored")


def guarded(text: str) -> str:
    """A cell that no spreadsheet executes; plain numbers stay what they are."""
    if not text.startswith(_FORMULA) or _NUMBER.fullmatch(text):
        return text
    return "'" + text


def write_scores(path: Path, rows: Iterable[ScoredRow]) -> None:
    """Append scored customers; the first call writes the header."""
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(SCORE_COLUMNS)
        for row in rows:
            writer.writerow(
                (
                    guarded(row.customer_id),
                    row.segment,
                    "" if row.churn is None else repr(row.churn),
                    "" if row.expected_orders is None else repr(row.expected_orders),
                    row.action,
                    row.tier,
                    row.reason,
                )
            )


def write_unscored(path: Path, people: Iterable[tuple[str, str]]) -> None:
    """Append who was not scored, each with the reason; the first call writes the header."""
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(UNSCORED_COLUMNS)
        writer.writerows((guarded(customer_id), reason) for customer_id, reason in people)


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write what was not taken, in the order in which it is given."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REJECT_COLUMNS)
        for reject in rejects:
            column, value = guarded(reject.column), guarded(reject.value)
            writer.writerow((reject.record, column, value, reject.reason))


def summary_json(
    drop: Drop,
    *,
    bucket: str,
    rules: Rules,
    tally: Tally,
    correlation_id: str,
    seconds: float,
    more: Mapping[str, Any],
) -> bytes:
    """``summary.json``: what came in, what became of it, by which documents."""
    ended = {name: value for name, value in asdict(drop).items() if name not in _OF_PROGRESS}
    summary: Mapping[str, Any] = {
        **ended,
        "bucket": bucket,
        "as_of": format_instant(drop.as_of),
        "started_at": format_instant(drop.started_at),
        "changed_at": format_instant(drop.changed_at),
        "counts": tally.counts(),
        "unscored": dict(sorted(tally.unscored.items())),
        "segments": dict(sorted(tally.segments.items())),
        "effects": dict(sorted(tally.effects.items())),
        "model": rules.scorer.name,
        "fallback": isinstance(rules.scorer, Scorecard),
        "model_hash": rules.scorer.hash,
        "policy": rules.policy.hash,
        "correlation_id": correlation_id,
        "seconds": round(seconds, 3),
        **more,
    }
    return json.dumps(summary, indent=2, sort_keys=True).encode() + b"\n"
