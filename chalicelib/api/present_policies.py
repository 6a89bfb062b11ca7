"""Policies in the words of the interface."""

from __future__ import annotations

from typing import Any

from chalicelib.core.instants import format_instant
from chalicelib.core.policy_life import StoredPolicy
from chalicelib.flows.policies import Shown

Json = dict[str, Any]


def policies(shown: Shown) -> Json:
    """Which there are, and which decided when; the packaged one by its own hash."""
    packaged = shown.packaged.hash
    return {
        "active": shown.log.active or packaged,
        "packaged": packaged,
        "agreed": shown.agreed,
        "policies": [
            {
                "hash": each.hash,
                "name": each.name,
                "author": each.author,
                "stored_at": format_instant(each.stored_at),
            }
            for each in shown.log.listed
        ],
        "activations": [
            {
                "policy": each.hash or packaged,
                "key_id": each.key_id,
                "at": format_instant(each.at),
            }
            for each in shown.log.activations
        ],
    }


def policy(policy_hash: str, stored: StoredPolicy) -> Json:
    """One policy with its simulations."""
    return {
        "hash": policy_hash,
        "author": stored.author,
        "stored_at": format_instant(stored.stored_at),
        "simulations": [
            {
                "key_id": each.key_id,
                "at": format_instant(each.at),
                "subject": each.subject,
                "figures": dict(each.figures),
            }
            for each in stored.simulations
        ],
        "document": dict(stored.document),
    }
