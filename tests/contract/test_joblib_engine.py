"""Unpickling runs code, so it comes last: after the hash and the versions of the libraries."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import astuple
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from chalicelib.core.features import Features
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.rejections import (
    FileMissing,
    HashMismatch,
    LibraryMismatch,
    NotPortable,
    SchemaViolated,
    SelfTestFailed,
)
from ops.training.history import at_most, cdnow_history
from ops.training.model import Recipe, predict, train
from ops.training.package import package
from tests.trained import copy_of_artefact, edit, rewrite, trained

TYPICAL = Features(30.0, 3.0, 2700.0, 150.0, 65.0)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the packaged model that a test may damage."""
    return copy_of_artefact(tmp_path)


class Mark:
    """A pickle that leaves a mark when it is loaded, as a hostile one would do worse."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Create the file on loading."""
        return (Path.touch, (self.path,))


class TestJoblib:
    """Unpickling runs code, so it comes last."""

    def test_loads_only_the_file_of_the_manifest(self, damaged: Path, tmp_path: Path) -> None:
        """A pickle with another hash is not unpickled."""
        mark = tmp_path / "mark"
        joblib.dump(Mark(mark), damaged / "model.joblib")

        with pytest.raises(HashMismatch, match=r"model\.joblib"):
            load_scorer("joblib", damaged)

        assert not mark.exists()

    @pytest.mark.parametrize("library", ["scikit-learn", "numpy", "no-such-library"])
    def test_loads_only_with_the_libraries_of_training(
        self, damaged: Path, tmp_path: Path, library: str
    ) -> None:
        """With another version of a library nothing is unpickled, even when the hash fits."""
        mark = tmp_path / "mark"
        joblib.dump(Mark(mark), damaged / "model.joblib")
        rewrite(damaged, "model.joblib", (damaged / "model.joblib").read_bytes())
        edit(damaged, lambda d: d | {"libraries": d["libraries"] | {library: "0.1"}})

        with pytest.raises(LibraryMismatch, match=library):
            load_scorer("joblib", damaged)

        assert not mark.exists()

    def test_the_mark_would_be_left(self, damaged: Path, tmp_path: Path) -> None:
        """Where both checks pass, the pickle does run: the two tests above prove something."""
        mark = tmp_path / "mark"
        joblib.dump({"segment": Mark(mark)}, damaged / "model.joblib")
        rewrite(damaged, "model.joblib", (damaged / "model.joblib").read_bytes())

        with pytest.raises(SchemaViolated, match="no pipeline churn"):
            load_scorer("joblib", damaged)

        assert mark.exists()

    def test_needs_its_file(self, damaged: Path) -> None:
        """The default package leaves model.joblib out, and says so when it is asked for."""
        (damaged / "model.joblib").unlink()

        with pytest.raises(FileMissing, match=r"model\.joblib"):
            load_scorer("joblib", damaged)

    def test_refuses_another_models_pipeline(self, damaged: Path) -> None:
        """A pipeline that gives other answers than the document's fails the self-test."""
        pipelines = deepcopy(dict(trained().pipelines))
        pipelines["churn"].named_steps["model"].intercept_ += 1e-6
        joblib.dump(pipelines, damaged / "model.joblib")
        rewrite(damaged, "model.joblib", (damaged / "model.joblib").read_bytes())

        with pytest.raises(SelfTestFailed, match="churn"):
            load_scorer("joblib", damaged)

    def test_serves_what_cannot_be_written_as_data(self, tmp_path: Path) -> None:
        """Boosted trees serve through joblib, and the portable engine says why it cannot."""
        few = at_most(cdnow_history("sample"), 300)
        model = train(few, Recipe("USD", ks=(5,), bootstraps=1, churn_model="boosted"))
        directory, _ = package(model, tmp_path, name="boosted", release="1.0.0", engine="joblib")

        scores = load_scorer("joblib", directory).score(TYPICAL)

        row = np.array([astuple(TYPICAL)], dtype=np.float64)
        assert scores.churn == predict(model.pipelines, row).churn[0]
        with pytest.raises(NotPortable, match="HistGradientBoostingClassifier"):
            load_scorer("portable", directory)
