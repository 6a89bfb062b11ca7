"""That customers were exposed to an experiment: one line and one count for each, when it happened.

Where somebody asks, the answer exposes them, once; a mail does when the provider has taken it. The
record and the effect hold the same, so that what is measured does not depend on a log.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core.effects import SENT, Effect, State
from chalicelib.telemetry import emit_metrics


def tell_exposed(
    arms: Mapping[str, str], *, decision_id: str, placement: str, correlation_id: str
) -> None:
    """Say which experiments a decision was evidence of, and in which arm."""
    for experiment, arm in arms.items():
        emit_metrics(
            "exposed",
            {"Exposures": 1},
            dimensions={"placement": placement},
            experiment=experiment,
            arm=arm,
            decision_id=decision_id,
            correlation_id=correlation_id,
        )


def tell_mailed(before: State, effect: Effect) -> None:
    """The same of a mail, in the move with which the provider is known to have it."""
    arms: Mapping[str, str] = effect.payload.get("exposures", {})
    if arms and before not in SENT and effect.state in SENT:
        tell_exposed(
            arms,
            decision_id=effect.decision_id or "",
            placement="mail",
            correlation_id=effect.correlation_id,
        )
