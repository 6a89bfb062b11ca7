"""What every engine must do, and what each must refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import astuple
from itertools import pairwise
from math import inf, nan
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.scores import Scorer
from chalicelib.scoring.document import ModelDocument, read_document
from chalicelib.scoring.joblib_engine import JoblibScorer
from chalicelib.scoring.load import ENGINES, load_scorer
from chalicelib.scoring.portable import PortableScorer
from chalicelib.scoring.rejections import (
    ArtifactRejected,
    EngineUnknown,
    FeatureOrderChanged,
    FileMissing,
    HashMismatch,
    LibraryMismatch,
    ManifestUnusable,
    NotJson,
    NotPortable,
    SchemaVersionUnknown,
    SchemaViolated,
    SelfTestFailed,
)
from ops.training.history import at_most, cdnow_history
from ops.training.model import Recipe, predict, train
from ops.training.package import package
from ops.training.segmentation import stack
from ops.training.snapshots import Matrix, take_snapshots
from tests.trained import artefact, generated_rows, trained

TYPICAL = Features(30.0, 3.0, 2700.0, 150.0, 65.0)
# scikit-learn takes milliseconds for one row, so the joblib engine proves itself on fewer.
ROWS = {"portable": None, "joblib": 60}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
def scorer(engine: str) -> Scorer:
    """The engine, loaded from the packaged model."""
    return load_scorer(engine, artefact())


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the packaged model that a test may damage."""
    return Path(shutil.copytree(artefact(), tmp_path / artefact().name))


def differences(scorer: Scorer, rows: Matrix) -> tuple[int, float, float]:
    """Against the pipelines: other segments, largest |Δp|, largest relative Δ of the orders."""
    expected = predict(trained().pipelines, rows)
    given = [scorer.score(Features(*row)) for row in rows.tolist()]
    churn = np.array([scores.churn for scores in given])
    orders = np.array([scores.expected_orders for scores in given])
    names = [scorer.segments[index] for index in expected.segments]
    return (
        sum(scores.segment != name for scores, name in zip(given, names, strict=True)),
        float(np.abs(churn - expected.churn).max()),
        float((np.abs(orders - expected.expected_orders) / expected.expected_orders).max()),
    )


class TestEveryEngine:
    """The contract of ``Scorer``."""

    def test_names_a_segment_and_propensities_of_the_model(self, scorer: Scorer) -> None:
        """An answer names one of the model's segments, a probability, a count and the model."""
        scores = scorer.score(TYPICAL)

        assert scores.segment in scorer.segments
        assert scores.churn is not None
        assert 0 < scores.churn < 1
        assert scores.expected_orders is not None
        assert scores.expected_orders > 0
        assert (scores.model, scores.fallback) == (scorer.name, False)

    def test_says_what_it_is(self, scorer: Scorer) -> None:
        """Name, currency, segments and the hash of what decides are those of the artefact."""
        assert (scorer.name, scorer.currency) == ("cdnow-1.0.0", "USD")
        assert scorer.segments == tuple(a.name for a in trained().names)
        assert scorer.hash.startswith("sha256:")

    def test_equals_the_pipeline_on_all_of_cdnow(self, scorer: Scorer, engine: str) -> None:
        """Every customer at every snapshot: same segment, |Δp| at most 1e-12."""
        rows = stack(trained().snapshots).features
        step = len(rows) // (ROWS[engine] or len(rows))

        others, churn, orders = differences(scorer, rows[::step])

        assert others == 0
        assert churn <= 1e-12
        assert orders <= 1e-12

    def test_equals_the_pipeline_on_the_master_file(self) -> None:
        """The 23,570 customers of the master file at the data's end as well."""
        history = cdnow_history("master")
        (end,) = take_snapshots(history, [history.ends_at], horizon_days=91, currency="USD")

        others, churn, orders = differences(load_scorer("portable", artefact()), end.features)

        assert len(end.customers) == 23_570
        assert others == 0
        assert churn <= 1e-12
        assert orders <= 1e-12

    def test_equals_the_pipeline_on_generated_rows(self, scorer: Scorer, engine: str) -> None:
        """Missing, infinite, negative and enormous values: same segment, |Δp| at most 1e-12."""
        rows = generated_rows(ROWS[engine] or 10_000, seed=20_260)

        others, churn, orders = differences(scorer, rows)

        assert others == 0
        assert churn <= 1e-12
        assert orders <= 1e-12

    @pytest.mark.parametrize("position", range(len(FEATURE_NAMES)), ids=FEATURE_NAMES)
    def test_takes_none_and_nan_alike_as_missing(self, scorer: Scorer, position: int) -> None:
        """None and NaN both get the document's imputation."""
        values = list(astuple(TYPICAL))
        imputed = document().features[position].impute

        answers = [
            scorer.score(Features(*(*values[:position], value, *values[position + 1 :])))
            for value in (None, nan, imputed)
        ]

        assert answers[0] == answers[1] == answers[2]

    @pytest.mark.parametrize("position", range(len(FEATURE_NAMES)), ids=FEATURE_NAMES)
    def test_clips_infinities_and_outliers(self, scorer: Scorer, position: int) -> None:
        """Whatever lies beyond a bound scores as the bound does."""
        values = list(astuple(TYPICAL))
        spec = document().features[position]

        def score(value: float) -> Any:
            return scorer.score(Features(*(*values[:position], value, *values[position + 1 :])))

        assert score(inf) == score(1e308) == score(spec.upper)
        assert score(-inf) == score(-1e308) == score(spec.lower)

    def test_silence_makes_a_customer_leave(self, scorer: Scorer) -> None:
        """As nothing happens, churn never falls, and even a regular of many orders leaves."""
        months = [
            scorer.score(Features(1.0 + silent, 40.0, 3000.0, 500.0 + silent, 12.8))
            for silent in range(0, 361, 30)
        ]

        churn = [scores.churn for scores in months if scores.churn is not None]
        assert all(earlier < later for earlier, later in pairwise(churn))
        assert (months[0].segment, months[-1].segment) == ("champions", "at_risk")

    def test_gives_the_lowest_index_on_a_tie(self, engine: str) -> None:
        """Of centroids whose distances differ by less than 1e-9, the first one wins."""
        tied = with_centroids(engine, lambda c: np.array([c[1], c[0], c[0] + 1e-11, *c[3:]]))
        apart = with_centroids(engine, lambda c: np.array([c[1], c[0] + 1e-6, c[0], *c[3:]]))
        champion = Features(26.0, 5.0, 3155.0, 300.0, 52.0)

        assert tied.score(champion).segment == tied.segments[1]
        assert apart.score(at_centroid(0)).segment == apart.segments[2]

    def test_does_not_depend_on_what_it_scored_before(self, scorer: Scorer) -> None:
        """The same customer gets the same answer, whoever came in between."""
        first = scorer.score(TYPICAL)

        scorer.score(Features(400.0, 1.0, 900.0, 400.0, None))

        assert scorer.score(TYPICAL) == first


class TestRefusals:
    """A damaged artefact is refused under the name of its damage."""

    def test_the_packaged_model_is_accepted(self, engine: str) -> None:
        """Undamaged, both engines load: so each refusal below is owed to its damage."""
        assert load_scorer(engine, artefact()).name == "cdnow-1.0.0"

    @pytest.mark.parametrize("position", [0, 1_000, -2])
    def test_a_flipped_bit_in_the_document(self, damaged: Path, engine: str, position: int) -> None:
        """One bit anywhere in model.json is a HashMismatch."""
        data = bytearray((damaged / "model.json").read_bytes())
        data[position] ^= 1
        (damaged / "model.json").write_bytes(data)

        with pytest.raises(HashMismatch):
            load_scorer(engine, damaged)

    @pytest.mark.parametrize("file", ["model.json", "manifest.json"])
    def test_a_missing_file(self, damaged: Path, engine: str, file: str) -> None:
        """A file that is not there is a FileMissing that names it."""
        (damaged / file).unlink()

        with pytest.raises(FileMissing, match=file):
            load_scorer(engine, damaged)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"schema_version": 2}'], ids=["empty", "list", "bare", "newer"]
    )
    def test_an_unusable_manifest(self, damaged: Path, engine: str, text: str) -> None:
        """A manifest that this version did not write is a ManifestUnusable."""
        (damaged / "manifest.json").write_text(text)

        with pytest.raises(ManifestUnusable):
            load_scorer(engine, damaged)

    def test_a_manifest_that_lists_no_document(self, damaged: Path, engine: str) -> None:
        """A file without a hash cannot be trusted."""
        manifest = json.loads((damaged / "manifest.json").read_bytes())
        del manifest["files"]["model.json"]
        (damaged / "manifest.json").write_text(json.dumps(manifest))

        with pytest.raises(ManifestUnusable, match="does not list"):
            load_scorer(engine, damaged)

    def test_a_document_that_is_not_json(self, damaged: Path, engine: str) -> None:
        """Half a document, with a hash that fits, is a NotJson."""
        rewrite(damaged, "model.json", (damaged / "model.json").read_bytes()[:500])

        with pytest.raises(NotJson):
            load_scorer(engine, damaged)

    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_another_schema_version(self, damaged: Path, engine: str, version: object) -> None:
        """A document of another version of Segue is refused before its fields are read."""
        edit(damaged, lambda document: {"schema_version": version, "from": "another Segue"})

        with pytest.raises(SchemaVersionUnknown, match="train again"):
            load_scorer(engine, damaged)

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d | {"comment": "hello"},
            lambda d: {k: v for k, v in d.items() if k != "baselines"},
            lambda d: d | {"horizon_days": "91"},
            lambda d: d | {"horizon_days": True},
            lambda d: d | {"currency": "usd"},
            lambda d: d | {"segments": d["segments"][:-1]},
            lambda d: d | {"segments": [d["segments"][0], *d["segments"][:-1]]},
            lambda d: d | {"parameters": d["parameters"] | {"scale": [1.0, 1.0, 0.0, 1.0, 1.0]}},
            lambda d: d | {"parameters": d["parameters"] | {"mean": [1.0, 1.0]}},
            lambda d: d | {"features": [d["features"][0] | {"lower": 9e9}, *d["features"][1:]]},
        ],
        ids=[
            "unknown field",
            "missing field",
            "text for a number",
            "truth for a number",
            "no such currency",
            "fewer segments than centroids",
            "a name twice",
            "scale of zero",
            "short row",
            "lower above upper",
        ],
    )
    def test_a_document_that_breaks_the_schema(
        self, damaged: Path, change: Callable[[dict[str, Any]], Any]
    ) -> None:
        """The schema is closed, strict about types and checks that the parts agree."""
        edit(damaged, change)

        with pytest.raises(SchemaViolated, match=r"model\.json"):
            load_scorer("portable", damaged)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_a_number_that_is_none(self, damaged: Path, number: str) -> None:
        """NaN and infinities have no place among parameters."""
        text = (damaged / "model.json").read_text()
        rewrite(damaged, "model.json", text.replace('"seed":1997', f'"seed":{number}').encode())

        with pytest.raises((SchemaViolated, NotJson)):
            load_scorer("portable", damaged)

    def test_reordered_features(self, damaged: Path, engine: str) -> None:
        """A model of the same features in another order would misread every customer."""
        edit(damaged, lambda d: d | {"features": d["features"][::-1]})

        with pytest.raises(FeatureOrderChanged):
            load_scorer(engine, damaged)

    @pytest.mark.parametrize("part", ["mean", "scale", "centroids", "churn", "expected_orders"])
    def test_a_parameter_that_changed(self, damaged: Path, part: str) -> None:
        """Numbers that give other answers than training gave fail the self-test."""

        def change(document: dict[str, Any]) -> dict[str, Any]:
            parameters = document["parameters"]
            if part in ("churn", "expected_orders"):
                changed: Any = parameters[part] | {
                    "intercept": parameters[part]["intercept"] + 1e-6
                }
            elif part == "centroids":
                changed = parameters[part][::-1]
            else:
                changed = [parameters[part][0] * 1.001, *parameters[part][1:]]
            return document | {"parameters": parameters | {part: changed}}

        edit(damaged, change)

        with pytest.raises(SelfTestFailed, match="self_test"):
            load_scorer("portable", damaged)

    def test_parameters_that_would_overflow(self, damaged: Path) -> None:
        """No input within the bounds may leave the floats; it is found at load, not at checkout."""
        edit(
            damaged,
            lambda d: (
                d
                | {
                    "parameters": d["parameters"]
                    | {"churn": {"intercept": 1e6, "coefficients": [0.0] * 5}}
                }
            ),
        )

        with pytest.raises(SchemaViolated, match="overflows"):
            load_scorer("portable", damaged)

    def test_an_unknown_engine(self) -> None:
        """A setting that names no engine is told which there are."""
        with pytest.raises(EngineUnknown, match="portable, joblib"):
            load_scorer("onnx", artefact())

    def test_every_refusal_is_ours_to_fix(self) -> None:
        """All of them are one kind, which the caller answers by serving the rules."""
        refusals = ArtifactRejected.__subclasses__()

        assert len(refusals) == 11
        assert all(refusal.__doc__ for refusal in refusals)


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


def document() -> ModelDocument:
    """The packaged document."""
    data = (artefact() / "model.json").read_bytes()
    return read_document(data, expected_sha256=sha256_hex(data))


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


def at_centroid(index: int) -> Features:
    """Features that lie on a centroid of the packaged model."""
    parameters = document().parameters
    assert parameters.kind == "portable"
    logs = np.array(parameters.centroids[index]) * parameters.scale + parameters.mean
    return Features(*(float(value) for value in np.expm1(logs)))


def with_centroids(engine: str, change: Callable[[Matrix], Matrix]) -> Scorer:
    """The engine with other centroids, its self-test left out."""
    pipelines = dict(trained().pipelines)
    segment = pipelines["segment"]
    centroids = change(segment.named_steps["model"].cluster_centers_)
    if engine == "joblib":
        pipelines["segment"] = deepcopy(segment)
        pipelines["segment"].named_steps["model"].cluster_centers_ = centroids
        return JoblibScorer(pipelines, document(), sha256="0" * 64)
    parameters = document().parameters.model_copy(
        update={"centroids": tuple(tuple(map(float, row)) for row in centroids)}
    )
    return PortableScorer(document().model_copy(update={"parameters": parameters}), sha256="0" * 64)
