"""What every part of the policy document has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
REASON = r"^[a-z][a-z0-9_]{0,47}$"


class Part(BaseModel):
    """A closed part of the policy: frozen, and unknown keys and infinite numbers are refused."""

    # Built with the whole document, once one is read: not each part by itself at every cold start.
    # A number that is not finite has no canonical form, so the document would have no hash.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)
