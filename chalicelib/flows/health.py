"""What runs here, without asking anybody: versions and hashes."""

from __future__ import annotations

from typing import Any

from chalicelib.core.rules import Rules


def report(*, rules: Rules, engine: str, rejected: str | None, version: str, python: str) -> Any:
    """The body of ``GET /v1/health``; ``rejected`` names why the packaged model does not serve."""
    return {
        "status": "ok" if rejected is None else "fallback",
        "version": version,
        "python": python,
        "model": {
            "name": rules.scorer.name,
            "hash": rules.scorer.hash,
            "engine": engine if rejected is None else "scorecard",
            "fallback": rejected is not None,
            "rejected": rejected,
        },
        "policy": rules.policy.hash,
        "jurisdictions": rules.jurisdictions_hash,
    }
