"""A damaged artefact is refused under the name of its damage, by every engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.scoring.load import ENGINES, load_scorer
from chalicelib.scoring.rejections import (
    ArtifactRejected,
    EngineUnknown,
    FeatureOrderChanged,
    FileMissing,
    HashMismatch,
    ManifestUnusable,
    NotJson,
    SchemaVersionUnknown,
    SchemaViolated,
    SelfTestFailed,
)
from tests.trained import artefact, copy_of_artefact, edit, rewrite


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the packaged model that a test may damage."""
    return copy_of_artefact(tmp_path)


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
            lambda d: d | {"segments": [d["segments"][0] | {"profile": {}}, *d["segments"][1:]]},
            lambda d: d | {"baselines": d["baselines"] | {"features": {}}},
            lambda d: d | {"baselines": d["baselines"] | {"segment_shares": {"regulars": 1.0}}},
            lambda d: d | {"libraries": {}},
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
            "a profile of other features",
            "baselines of other features",
            "baselines of other segments",
            "no libraries",
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
