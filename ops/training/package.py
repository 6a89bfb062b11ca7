"""Write a packaged model: the document, the pipeline, the card, the report and the manifest."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Literal

import joblib
from threadpoolctl import threadpool_limits

from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.scoring.document import ModelDocument
from chalicelib.scoring.manifest import (
    DOCUMENT_FILE,
    MANIFEST_FILE,
    PIPELINE_FILE,
    Manifest,
    ManifestFile,
)
from ops.training.card import render_card
from ops.training.document import build_document
from ops.training.model import TrainedModel
from ops.training.report import render_report

CARD_FILE = "MODEL_CARD.md"
REPORT_FILE = "report.html"
Ships = Literal["always", "with_joblib", "never"]


def package(
    model: TrainedModel,
    root: Path,
    *,
    name: str,
    release: str,
    engine: Literal["portable", "joblib"] = "portable",
) -> tuple[Path, ModelDocument]:
    """Write ``root/name-release/`` and return it with its document.

    Raises NotExportable before anything is written.
    """
    with threadpool_limits(limits=1):
        document = build_document(model, name=name, release=release, engine=engine)
    pickled = BytesIO()
    joblib.dump(dict(model.pipelines), pickled)
    files: dict[str, tuple[bytes, Ships]] = {
        DOCUMENT_FILE: (document_bytes(document), "always"),
        PIPELINE_FILE: (pickled.getvalue(), "with_joblib"),
        CARD_FILE: (render_card(model, document).encode(), "always"),
        REPORT_FILE: (render_report(model, document).encode(), "never"),
    }
    directory = root / document.id
    directory.mkdir(parents=True, exist_ok=True)
    for file, (data, _) in files.items():
        (directory / file).write_bytes(data)
    # Last: until it stands, the engines refuse what lies beside it.
    (directory / MANIFEST_FILE).write_text(_manifest(document, files))
    return directory, document


def document_bytes(document: ModelDocument) -> bytes:
    """``model.json`` as it is hashed."""
    return canonical_json(document.model_dump(mode="json"))


def _manifest(document: ModelDocument, files: dict[str, tuple[bytes, Ships]]) -> str:
    manifest = Manifest(
        schema_version=1,
        name=document.name,
        version=document.version,
        trained_at=document.trained_at,
        features=tuple(feature.name for feature in document.features),
        segments=document.segment_names,
        files={
            file: ManifestFile(sha256=sha256_hex(data), bytes=len(data), ships=ships)
            for file, (data, ships) in files.items()
        },
    )
    return json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
