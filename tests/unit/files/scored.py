"""Features files scored as the flow does it, for tests of the engine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from chalicelib.documents import Documents
from chalicelib.files.layout import FileFormat, Layout
from chalicelib.files.rejects import Reject, RejectSpool
from chalicelib.files.score_file import ScoredFile, score_file
from chalicelib.flows.drop_layouts import features_layout
from chalicelib.scoring.document import ModelDocument, read_document
from chalicelib.scoring.manifest import DOCUMENT_FILE, listed_sha256, read_bytes, read_manifest
from chalicelib.scoring.sql import score_select

HEADER = "customer_id,recency_days,frequency,monetary_minor,tenure_days,mean_gap_days"


@cache
def shipped_document() -> ModelDocument:
    """The model that ships."""
    artefact = Documents().model("cdnow-1.0.0")
    expected = listed_sha256(read_manifest(artefact), DOCUMENT_FILE)
    return read_document(read_bytes(artefact / DOCUMENT_FILE), expected_sha256=expected)


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of a file."""

    file: ScoredFile
    scores: list[tuple[str, str, float, float]]
    rejects: list[Reject]

    def told(self) -> list[tuple[int, str, str, str]]:
        """The rejects as tuples."""
        return [(each.record, each.column, each.value, each.reason) for each in self.rejects]


def query(relation: str) -> str:
    """The select of the model that ships."""
    return score_select(
        shipped_document(), source=relation, keep=("customer_id",), only_duckdb=True
    )


def score_text(text: str, *, file_format: FileFormat = "csv", memory_mb: int = 128) -> Scored:
    """Score text by the model that ships."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plain"
        source.write_text(text, encoding="utf-8", newline="")
        return score_path(source, features_layout(file_format), memory_mb=memory_mb)


def score_path(source: Path, layout: Layout, *, memory_mb: int = 128) -> Scored:
    """Score a file by the model that ships."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        target = workdir / "scores.parquet"
        rejects = RejectSpool(workdir / "rejected")
        try:
            file = score_file(
                source,
                layout,
                query=query,
                target=target,
                rejects=rejects,
                workdir=workdir,
                memory_mb=memory_mb,
            )
            scores = duckdb.read_parquet(str(target)).fetchall()
            return Scored(file, scores, list(rejects))
        finally:
            rejects.close()
