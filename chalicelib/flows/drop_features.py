"""A features file scored by the model that serves: the data team's own figures, no profile."""

from __future__ import annotations

from pathlib import Path

from chalicelib.core.scores import Scorer
from chalicelib.files.layout import Layout
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.score_file import ScoredFile, score_file, score_file_row_by_row
from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.guarded import GuardedScorer
from chalicelib.scoring.portable import PortableScorer
from chalicelib.scoring.sql import score_select


def score_features(
    source: Path,
    layout: Layout,
    *,
    scorer: Scorer,
    target: Path,
    rejects: RejectSpool,
    workdir: Path,
    memory_mb: int,
) -> ScoredFile:
    """Score every row of a features file into a Parquet file.

    A portable model is one select; a pipeline or the rule scorecard scores row by row, and writes
    the same columns. Raises FileRefused when the file as a whole cannot be used.

    Args:
        source: plain UTF-8 text or Parquet.
        layout: its format and columns.
        scorer: the model that serves.
        target: where the scores go.
        rejects: is told of each record that is not taken.
        workdir: a directory for what does not fit into memory.
        memory_mb: what DuckDB may hold before it spills.
    """
    document = _portable(scorer)
    if document is None:
        return score_file_row_by_row(
            source,
            layout,
            scorer=scorer,
            target=target,
            rejects=rejects,
            workdir=workdir,
            memory_mb=memory_mb,
        )

    def query(relation: str) -> str:
        return score_select(document, source=relation, keep=("customer_id",), only_duckdb=True)

    return score_file(
        source,
        layout,
        query=query,
        target=target,
        rejects=rejects,
        workdir=workdir,
        memory_mb=memory_mb,
    )


def _portable(scorer: Scorer) -> ModelDocument | None:
    """The document that a scorer computes with; None where there is none to compute with."""
    model = scorer.model if isinstance(scorer, GuardedScorer) else scorer
    return model.document if isinstance(model, PortableScorer) else None
