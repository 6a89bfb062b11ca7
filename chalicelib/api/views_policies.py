"""Answers about policies."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from chalicelib.api.answers import Moment, Part


class ListedPolicy(Part):
    """A policy that was stored."""

    hash: str
    name: str
    author: str = Field(description="The key that stored it.")
    stored_at: Moment


class PolicyActivation(Part):
    """That a policy began to decide."""

    policy: str
    key_id: str
    at: Moment


class Policies(Part):
    """Which policies there are, and which decided when; oldest first."""

    active: str
    packaged: str = Field(description="The policy that ships, which decides before any other.")
    agreed: bool = Field(description="False: an activation was cut short; repeat it.")
    policies: list[ListedPolicy]
    activations: list[PolicyActivation]


class PolicyStored(Part):
    """A policy was validated and kept."""

    hash: str
    name: str


class PolicySimulation(Part):
    """What a simulation showed."""

    key_id: str
    at: Moment
    subject: str
    figures: dict[str, Any]


class PolicyView(Part):
    """A stored policy."""

    hash: str
    author: str
    stored_at: Moment
    simulations: list[PolicySimulation]
    document: dict[str, Any]
