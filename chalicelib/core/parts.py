"""What every part of the policy document has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
REASON = r"^[a-z][a-z0-9_]{0,47}$"


class Part(BaseModel):
    """A closed part of the policy: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
