"""The customers that a packaged model was trained on, as its document describes them."""

from __future__ import annotations

from pathlib import Path

from chalicelib.core.baselines import Baselines, FeatureBaseline
from chalicelib.scoring.document import ModelDocument, read_document
from chalicelib.scoring.manifest import DOCUMENT_FILE, listed_sha256, read_bytes, read_manifest


def read_baselines(artefact: Path) -> Baselines:
    """Read them from the artefact in this directory; raises ArtifactRejected."""
    manifest = read_manifest(artefact)
    document = read_document(
        read_bytes(artefact / DOCUMENT_FILE),
        expected_sha256=listed_sha256(manifest, DOCUMENT_FILE),
    )
    return baselines_of(document)


def baselines_of(document: ModelDocument) -> Baselines:
    """Those of a document that was read."""
    baselines = document.baselines
    return Baselines(
        model=document.id,
        customers=document.data.customers,
        features={
            name: FeatureBaseline(each.missing_share, each.deciles)
            for name, each in baselines.features.items()
        },
        segments=baselines.segment_shares,
        churn=baselines.churn_histogram,
        horizon_days=document.horizon_days,
    )
