from __future__ import annotations

from typing import Literal

import pytest

from chalicelib.scoring.manifest import Manifest, ManifestFile, shipped_files


def manifest(**ships: Literal["always", "with_joblib", "never"]) -> Manifest:
    """A manifest of files that ship so."""
    return Manifest(
        schema_version=1,
        name="shop",
        version="1.0.0",
        trained_at="1998-07-01T00:00:00Z",
        features=("frequency",),
        segments=("new",),
        files={
            name: ManifestFile(sha256="0" * 64, bytes=1, ships=when) for name, when in ships.items()
        },
    )


@pytest.mark.parametrize(
    ("engine", "shipped"),
    [
        ("portable", ("manifest.json", "card", "model")),
        ("joblib", ("manifest.json", "card", "model", "pickle")),
    ],
)
def test_the_pickle_ships_only_with_its_engine(engine: str, shipped: tuple[str, ...]) -> None:
    """The report never ships, the pickle only where it serves, the manifest always."""
    files = manifest(model="always", pickle="with_joblib", report="never", card="always")

    assert shipped_files(files, engine=engine) == shipped
