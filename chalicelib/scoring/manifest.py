"""``manifest.json``: which files a packaged model has, their hashes, and which of them ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from chalicelib.core.canonical import sha256_hex
from chalicelib.scoring.document import Name, Part, Sha256
from chalicelib.scoring.rejections import FileMissing, HashMismatch, ManifestUnusable

MANIFEST_FILE = "manifest.json"
DOCUMENT_FILE = "model.json"
PIPELINE_FILE = "model.joblib"


class ManifestFile(Part):
    """One file; ``ships`` says with which engine it goes into the deployed package."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    ships: Literal["always", "with_joblib", "never"]


class Manifest(Part):
    """The files of one packaged model; the manifest itself always ships."""

    schema_version: Literal[1]
    name: str
    version: str
    trained_at: str
    features: tuple[Name, ...]
    segments: tuple[Name, ...]
    files: dict[str, ManifestFile]


def read_manifest(artefact: Path) -> Manifest:
    """Read the manifest of the artefact in this directory; raises FileMissing, ManifestUnusable."""
    try:
        return Manifest.model_validate_json(read_bytes(artefact / MANIFEST_FILE))
    except ValidationError as error:
        raise ManifestUnusable(
            f"{artefact.name}/{MANIFEST_FILE}: {error.errors()[0]['msg']}"
        ) from None


def read_listed(artefact: Path, manifest: Manifest, file: str) -> bytes:
    """Read a file and check it against the manifest.

    Raises FileMissing, ManifestUnusable when the manifest does not list it, HashMismatch.
    """
    data = read_bytes(artefact / file)
    expected = listed_sha256(manifest, file)
    if sha256_hex(data) != expected:
        raise HashMismatch(
            f"{file} is {sha256_hex(data)[:12]}…, the manifest says {expected[:12]}…"
        )
    return data


def listed_sha256(manifest: Manifest, file: str) -> str:
    """The hash that the manifest gives for a file; raises ManifestUnusable when it lists none."""
    if file not in manifest.files:
        raise ManifestUnusable(f"{MANIFEST_FILE} does not list {file}")
    return manifest.files[file].sha256


def shipped_files(manifest: Manifest, *, engine: str) -> tuple[str, ...]:
    """The files that a package for this engine holds, the manifest included."""
    ships = {"always", "with_joblib"} if engine == "joblib" else {"always"}
    listed = (file for file, entry in manifest.files.items() if entry.ships in ships)
    return (MANIFEST_FILE, *sorted(listed))


def read_bytes(path: Path) -> bytes:
    """Read a file of an artefact; raises FileMissing."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileMissing(f"{path.parent.name}/{path.name}: {error.strerror or error}") from error
