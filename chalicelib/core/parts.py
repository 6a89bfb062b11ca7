"""What every part of the policy document has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
REASON = r"^[a-z][a-z0-9_]{0,47}$"


class Part(BaseModel):
    """A closed part of the policy: frozen, and unknown keys and infinite numbers are refused."""

    # A number that is not finite has no canonical form, so the document would have no hash.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
