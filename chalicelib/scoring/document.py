"""``model.json``: the closed schema of a packaged model, and the checks before it is used.

The document is data. Reading it runs no code of the artefact's, and every number that decides
stands in it: bounds, imputation, scaling, centroids and coefficients.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.money import MINOR_DIGITS
from chalicelib.core.scores import Scorer
from chalicelib.scoring.rejections import (
    FeatureOrderChanged,
    HashMismatch,
    NotJson,
    SchemaVersionUnknown,
    SchemaViolated,
    SelfTestFailed,
)

SCHEMA_VERSION = 1
# The numbers of the self-test are stored with 12 significant digits, and libm differs in the last
# bit between machines; an error in any parameter is far larger than this.
SELF_TEST_TOLERANCE = 1e-10

MODEL_NAME = r"^[a-z][a-z0-9-]{0,47}$"
MODEL_VERSION = r"^\d+\.\d+\.\d+$"

Row = Annotated[
    tuple[float, ...], Field(min_length=len(FEATURE_NAMES), max_length=len(FEATURE_NAMES))
]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
InstantText = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Part(BaseModel):
    """A part of a packaged document: closed, immutable, strict about types, without NaN."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class FeatureSpec(Part):
    """One input: what it means, and what becomes of it before the model sees it.

    A value outside ``lower``…``upper`` (infinities too) is clipped, a missing one (None or NaN)
    becomes ``impute``; then comes ``transform``.
    """

    name: str
    unit: str
    description: str
    lower: float
    upper: float
    impute: float
    transform: Literal["log1p"]

    @model_validator(mode="after")
    def _bounds_hold(self) -> Self:
        if not -1 < self.lower <= self.impute <= self.upper:
            raise ValueError("must be -1 < lower <= impute <= upper")
        return self


class Linear(Part):
    """A linear predictor over the standardised features."""

    intercept: float
    coefficients: Row


class PortableParameters(Part):
    """All numbers that the portable engine needs.

    Standardised = (log1p(clipped or imputed) - mean) / scale. The segment is the centroid nearest
    to the standardised features clipped to ±``segment_cap``; a tie, distances closer than
    ``tie_distance``, goes to the lowest index. Churn is the logistic function of ``churn``,
    expected orders the exponential of ``expected_orders``, both of the standardised features.
    """

    kind: Literal["portable"]
    mean: Row
    scale: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=5, max_length=5)]
    centroids: Annotated[tuple[Row, ...], Field(min_length=1)]
    segment_cap: Annotated[float, Field(gt=0)]
    tie_distance: Annotated[float, Field(gt=0)]
    churn: Linear
    expected_orders: Linear


class OpaqueParameters(Part):
    """The pipeline could not be written as data; only the joblib engine serves it."""

    kind: Literal["opaque"]
    tie_distance: Annotated[float, Field(gt=0)]
    reasons: Annotated[tuple[str, ...], Field(min_length=1)]


class SegmentProfile(Part):
    """One segment as training saw it; index = position in the list.

    ``rows`` counts training rows (a customer at a snapshot), ``customers`` those at the data's end.
    The profile holds medians in the unit of each feature, None where most rows lack the feature.
    """

    name: Name
    description: str
    rows: Count
    share: Share
    customers: Count
    repurchase_rate: Share | None
    profile: dict[str, float | None]


class FeatureBaseline(Part):
    """The distribution of one feature at the data's end; deciles are absent below two values."""

    missing_share: Share
    deciles: Annotated[tuple[float, ...], Field(min_length=9, max_length=9)] | None


class Baselines(Part):
    """What later scores are compared with to notice drift; all of it at ``as_of``."""

    as_of: InstantText
    features: dict[str, FeatureBaseline]
    segment_shares: dict[str, Share]
    churn_histogram: Annotated[tuple[Share, ...], Field(min_length=10, max_length=10)]
    expected_orders_mean: Annotated[float, Field(ge=0)]


class SelfTest(Part):
    """One input and the answer that the trained pipeline gave."""

    features: Annotated[tuple[float | None, ...], Field(min_length=5, max_length=5)]
    segment: Name
    churn: Share
    expected_orders: Annotated[float, Field(ge=0)]


class Fingerprint(Part):
    """Which data the model was trained on; ``sha256`` is over the canonical orders."""

    source: str
    sha256: Sha256
    orders: Count
    customers: Count
    first_order_at: InstantText
    last_order_at: InstantText
    snapshots: Annotated[tuple[InstantText, ...], Field(min_length=1)]


class ModelDocument(Part):
    """A whole packaged model."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=MODEL_NAME)]
    version: Annotated[str, Field(pattern=MODEL_VERSION)]
    currency: str
    horizon_days: Annotated[int, Field(ge=1)]
    trained_at: InstantText
    data: Fingerprint
    libraries: Annotated[dict[str, str], Field(min_length=1)]
    seed: Count
    features: Annotated[tuple[FeatureSpec, ...], Field(min_length=1)]
    parameters: Annotated[PortableParameters | OpaqueParameters, Field(discriminator="kind")]
    segments: Annotated[tuple[SegmentProfile, ...], Field(min_length=1)]
    min_segment_share: Share
    baselines: Baselines
    self_test: Annotated[tuple[SelfTest, ...], Field(min_length=1)]
    metrics: dict[str, float]

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = self.segment_names
        if len(set(names)) != len(names):
            raise ValueError("segments: names must be unique")
        if self.parameters.kind == "portable" and len(self.parameters.centroids) != len(names):
            raise ValueError("parameters.centroids: must be one for each segment")
        if self.currency not in MINOR_DIGITS:
            raise ValueError("currency: must be an ISO 4217 code")
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        features = {feature.name for feature in self.features}
        if any(segment.profile.keys() != features for segment in self.segments):
            raise ValueError("segments: each profile must name each feature")
        if self.baselines.features.keys() != features:
            raise ValueError("baselines.features: must name each feature")
        if self.baselines.segment_shares.keys() != set(self.segment_names):
            raise ValueError("baselines.segment_shares: must name each segment")
        return self

    @property
    def id(self) -> str:
        """``NAME-VERSION``."""
        return f"{self.name}-{self.version}"

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The segments' names by index."""
        return tuple(segment.name for segment in self.segments)


def read_document(data: bytes, *, expected_sha256: str) -> ModelDocument:
    """Check and parse ``model.json``; the engine runs the self-test once it stands.

    Raises:
        HashMismatch, NotJson, SchemaVersionUnknown, SchemaViolated, FeatureOrderChanged: in this
            order, each for its own cause.
    """
    if sha256_hex(data) != expected_sha256:
        raise HashMismatch(
            f"model.json is {sha256_hex(data)[:12]}…, the manifest says {expected_sha256[:12]}…"
        )
    try:
        version = _schema_version(json.loads(data))
    except ValueError as error:
        raise NotJson(f"model.json is not JSON: {error}") from None
    if version != SCHEMA_VERSION:
        raise SchemaVersionUnknown(
            f"model.json has schema_version {version!r}, this Segue reads {SCHEMA_VERSION}:"
            " train again"
        )
    try:
        document = ModelDocument.model_validate_json(data)
    except ValidationError as error:
        raise SchemaViolated(f"model.json: {_first_error(error)}") from None
    names = tuple(feature.name for feature in document.features)
    if names != FEATURE_NAMES:
        raise FeatureOrderChanged(
            f"model.json has {names}, describe gives {FEATURE_NAMES}: train again"
        )
    return document


def run_self_test(document: ModelDocument, scorer: Scorer) -> None:
    """Compare the engine with the answers in the document; raises SelfTestFailed."""
    for index, case in enumerate(document.self_test):
        given = scorer.score(Features(*case.features))
        if given.segment != case.segment:
            raise SelfTestFailed(
                f"self_test[{index}]: segment {given.segment}, expected {case.segment}"
            )
        for name, expected in (("churn", case.churn), ("expected_orders", case.expected_orders)):
            value = getattr(given, name)
            if value is None or abs(value - expected) > SELF_TEST_TOLERANCE * max(1.0, expected):
                raise SelfTestFailed(f"self_test[{index}]: {name} {value}, expected {expected}")


def _schema_version(value: object) -> object:
    return value.get("schema_version") if isinstance(value, dict) else None


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
