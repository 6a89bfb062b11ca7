"""Load the engine that the setting names, or say why not; the caller then serves by rules."""

from __future__ import annotations

from pathlib import Path

from chalicelib.core.scores import Scorer
from chalicelib.scoring.document import read_document
from chalicelib.scoring.manifest import (
    DOCUMENT_FILE,
    PIPELINE_FILE,
    listed_sha256,
    read_bytes,
    read_manifest,
)
from chalicelib.scoring.portable import PortableScorer
from chalicelib.scoring.rejections import EngineUnknown

ENGINES = ("portable", "joblib")


def load_scorer(engine: str, artefact: Path) -> Scorer:
    """Load the model in the directory ``artefact`` into the engine named by SEGUE_SCORER.

    Raises ArtifactRejected, by a class of its own for each cause.
    """
    if engine not in ENGINES:
        raise EngineUnknown(f"SEGUE_SCORER is {engine!r}, must be one of {', '.join(ENGINES)}")
    manifest = read_manifest(artefact)
    data = read_bytes(artefact / DOCUMENT_FILE)
    expected_sha256 = listed_sha256(manifest, DOCUMENT_FILE)
    if engine == "portable":
        return PortableScorer.from_document(data, expected_sha256=expected_sha256)
    document = read_document(data, expected_sha256=expected_sha256)
    pickled = read_bytes(artefact / PIPELINE_FILE)
    # Imported here: the API path of the portable engine must not even know the other one.
    from chalicelib.scoring.joblib_engine import JoblibScorer  # noqa: PLC0415

    return JoblibScorer.from_bytes(
        pickled, document, expected_sha256=listed_sha256(manifest, PIPELINE_FILE)
    )
