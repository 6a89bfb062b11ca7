"""Policies: which there are, what one changes against another, and letting it decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from chalicelib.console.page import Page
from chalicelib.console.policy_diff import changes
from chalicelib.console.simulation_page import latest_of
from chalicelib.core.errors import FieldError
from chalicelib.core.policy_life import StoredPolicy
from chalicelib.core.simulation_job import (
    DEFAULT_DAYS,
    DEFAULT_DECISIONS,
    MOST_DAYS,
    MOST_DECISIONS,
    Job,
)
from chalicelib.flows.policies import Shown

# Of a document that is wrong all over, so many errors are shown.
MOST_WRONG = 30


class Policy(NamedTuple):
    """A policy; ``stored`` is None for the one that ships."""

    hash: str
    document: Mapping[str, Any]
    stored: StoredPolicy | None

    @property
    def name(self) -> str:
        """As the document calls itself."""
        return str(self.document.get("name", "unnamed"))


def policies_page(shown: Shown, *, typed: str = "", wrong: Sequence[FieldError] = ()) -> Page:
    """Every policy, newest first, and which decided when; and what was wrong with a new one."""
    log, packaged = shown.log, shown.packaged
    deciding = log.active or packaged.hash
    names = {packaged.hash: packaged.name, **{each.hash: each.name for each in log.listed}}
    return Page(
        "policies",
        "Policies",
        {
            "deciding": deciding,
            "agreed": shown.agreed,
            "packaged": {"hash": packaged.hash, "name": packaged.name},
            "listed": list(reversed(log.listed)),
            "activations": [
                {
                    "hash": each.hash or packaged.hash,
                    "name": names.get(each.hash or packaged.hash, "no longer listed"),
                    "key_id": each.key_id,
                    "at": each.at,
                }
                for each in reversed(log.activations)
            ],
            "typed": typed,
            "wrong": wrong[:MOST_WRONG],
            "more_wrong": max(0, len(wrong) - MOST_WRONG),
        },
        status=422 if wrong else 200,
    )


def policy_page(
    policy: Policy,
    *,
    against: Policy,
    shown: Shown,
    key_id: str,
    job: Job | None = None,
    moved: tuple[Policy, Policy] | None = None,
) -> Page:
    """One policy, what it changes, and whether this key may activate it.

    Args:
        policy: the one that the page is about.
        against: the one that it is compared with.
        shown: how policies stand.
        key_id: who looks.
        job: its latest simulation that was asked for here.
        moved: the policy that the operator saw deciding and the one that does by now, where an
            activation was asked for in place of the former.
    """
    deciding = shown.log.active or shown.packaged.hash
    simulations = () if policy.stored is None else policy.stored.simulations
    return Page(
        "policy",
        f"Policy {policy.name}",
        {
            "policy": policy,
            "against": against,
            "deciding": deciding,
            "is_deciding": policy.hash == deciding,
            "changes": changes(against.document, policy.document),
            "others": [
                (each.hash, each.name) for each in shown.log.listed if each.hash != policy.hash
            ]
            + [(shown.packaged.hash, f"{shown.packaged.name} (ships)")],
            "latest": latest_of(simulations),
            "job": job,
            "ask": {
                "most_days": MOST_DAYS,
                "most_decisions": MOST_DECISIONS,
                "days": DEFAULT_DAYS,
                "decisions": DEFAULT_DECISIONS,
            },
            "hindrance": _hindrance(policy, shown, key_id),
            "returns": _has_decided(policy, shown),
            "document": to_json(policy.document, indent=2).decode(),
            "moved": None
            if moved is None
            else {
                "seen": moved[0],
                "deciding": moved[1],
                "changes": changes(moved[0].document, moved[1].document),
            },
        },
        status=200 if moved is None else 409,
    )


def _has_decided(policy: Policy, shown: Shown) -> bool:
    """Whether one person may go back to it; the one that ships may have been stored as well."""
    return policy.hash == shown.packaged.hash or shown.log.was_active(policy.hash)


def _hindrance(policy: Policy, shown: Shown, key_id: str) -> str | None:
    """Why this key could not activate it, as the flow would say; None where it could."""
    stored = policy.stored
    if stored is None or _has_decided(policy, shown):
        return None
    if not stored.simulations:
        return "not_simulated"
    return "own_policy" if stored.author == key_id else None
