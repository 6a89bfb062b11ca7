"""The operating table, read: what each function may use."""

from __future__ import annotations

import tomllib

from pydantic import BaseModel, ConfigDict, Field

from ops.places import OPERATING_TABLE


class OperatingRow(BaseModel):
    """What one function may use.

    ``concurrency`` to ``batch_size`` only where a queue or a stream feeds it, ``at_once`` names
    the parameter that bounds it where a state machine does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_mb: int = Field(ge=128, le=10_240)
    timeout_seconds: int = Field(ge=1, le=900)
    ephemeral_mb: int = Field(ge=512, le=10_240)
    concurrency: int | None = Field(default=None, ge=2)
    queue: str | None = None
    visibility_seconds: int | None = None
    batch_size: int | None = None
    at_once: str | None = None


OperatingTable = dict[str, OperatingRow]


def read_operating_table() -> OperatingTable:
    """Read the table by function name; raises ValidationError on a field that it does not know."""
    rows = tomllib.loads(OPERATING_TABLE.read_text())
    return {name: OperatingRow.model_validate(row) for name, row in rows.items()}
