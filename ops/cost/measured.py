"""``benchmarks/measured.toml``, read: what was measured elsewhere, by which command and when."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ops.places import ROOT

MEASURED = ROOT / "benchmarks" / "measured.toml"


class Figure(BaseModel):
    """One figure with its origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(gt=0)
    measured_on: date
    command: str


class Measured(BaseModel):
    """Every figure that a bill needs and that takes longer than a bill to measure."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    features_file_rows_per_cpu_second: Figure
    features_file_row_bytes: Figure
    scores_file_row_bytes: Figure
    cold_start_cpu_ms: Figure


def read_measured(path: Path = MEASURED) -> Measured:
    """Read the figures; raises ValidationError naming one that is missing or malformed."""
    return Measured.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
