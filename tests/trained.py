"""A model trained once for all tests that need one: CDNOW's sample, five segments, few bootstraps.

The parameters do not depend on the bootstraps, so this is the model that ships, made in seconds.
"""

from __future__ import annotations

import atexit
import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.scoring.document import ModelDocument, read_document
from ops.training.history import cdnow_history
from ops.training.model import Recipe, TrainedModel, train
from ops.training.package import package
from ops.training.snapshots import Matrix

RECIPE = Recipe(currency="USD", ks=(5,), bootstraps=2)
MISSING, LARGEST = float("nan"), 1e308


@cache
def trained() -> TrainedModel:
    """The model; training takes some seconds."""
    return train(cdnow_history("sample"), RECIPE)


@cache
def artefact() -> Path:
    """The directory it was packaged into; tests that damage it copy it first."""
    root = Path(mkdtemp(prefix="segue-model-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    directory, _ = package(trained(), root, name="cdnow", release="1.0.0")
    return directory


def generated_rows(count: int, *, seed: int) -> Matrix:
    """Features of all magnitudes, a third of them missing, infinite, negative or enormous."""
    generator = np.random.default_rng(seed)
    shape = (count, 5)
    rows: Matrix = np.exp(generator.normal(4.0, 3.0, shape)) * generator.choice(
        [1, 1, 1, -1], shape
    )
    special = np.array(
        [MISSING, np.inf, -np.inf, 0.0, -0.0, LARGEST, -LARGEST, 5e-324, -1.0, 1.0, 3.0]
    )
    chosen = generator.random(shape) < 1 / 3
    rows[chosen] = generator.choice(special, int(chosen.sum()))
    return rows


def document() -> ModelDocument:
    """The packaged document."""
    data = (artefact() / "model.json").read_bytes()
    return read_document(data, expected_sha256=sha256_hex(data))


def copy_of_artefact(directory: Path) -> Path:
    """The packaged model in a directory where it may be damaged."""
    return Path(shutil.copytree(artefact(), directory / artefact().name))


def rewrite(directory: Path, file: str, data: bytes) -> None:
    """Replace a file and its hash in the manifest."""
    manifest = json.loads((directory / "manifest.json").read_bytes())
    manifest["files"][file]["sha256"] = sha256_hex(data)
    (directory / file).write_bytes(data)
    (directory / "manifest.json").write_text(json.dumps(manifest))


def edit(directory: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Change the document and its hash."""
    document = json.loads((directory / "model.json").read_bytes())
    rewrite(directory, "model.json", canonical_json(change(document)))
