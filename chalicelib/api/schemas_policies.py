"""What may be said of policies; the policy itself is the core's own model."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from chalicelib.api.schemas import Part, Reference


class SimulationRequest(Part):
    """That a policy was simulated, as ``ops simulate`` sends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": "decisions of 2026-11",
                    "figures": {"policy": "sha256:5f…", "cases": 2357, "changed": 12},
                }
            ]
        }
    )

    subject: Reference = Field(description="What it ran on: a file, a stretch of decisions.")
    figures: dict[str, JsonValue] = Field(
        min_length=1, description="What came out; `policy` is the hash of what was simulated."
    )
