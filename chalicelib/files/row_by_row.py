"""Scores of a model that no select can say: customer by customer, through a text, into Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from chalicelib.core.features import Features
from chalicelib.core.scores import Scorer
from chalicelib.files.database import literal


def write_scores(rows: Iterable[tuple[Any, ...]], scorer: Scorer, path: Path) -> None:
    """Score rows of a customer id and the features, and write them as CSV without a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_scored(rows, scorer))


def scores_select(path: Path) -> str:
    """A select of what ``write_scores`` wrote; every float is the same again."""
    return (
        f"SELECT * FROM read_csv({literal(str(path))}, auto_detect=false, header=false,"  # noqa: S608
        " delim=',', quote='\"', escape='\"', new_line='\\n', parallel=false,"
        " buffer_size=8388608, columns={'customer_id': 'VARCHAR', 'segment': 'VARCHAR',"
        " 'churn': 'DOUBLE', 'expected_orders': 'DOUBLE'})"
    )


def _scored(
    rows: Iterable[tuple[Any, ...]], scorer: Scorer
) -> Iterator[tuple[str, str, float | None, float | None]]:
    for customer_id, *features in rows:
        scores = scorer.score(Features(*features))
        yield customer_id, scores.segment, scores.churn, scores.expected_orders
