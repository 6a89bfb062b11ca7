"""The breaker of bounces and complaints: its count begun anew."""

from __future__ import annotations

from chalicelib.api.console.operator import Answered, Operator
from chalicelib.console.breaker_page import breaker_page
from chalicelib.console.page import Elsewhere, Page
from chalicelib.core.errors import BadInput
from chalicelib.flows import breaker
from chalicelib.flows.breaker_reset import reset


def ask_breaker(operator: Operator) -> Page:
    """``GET /console/breaker``: what beginning the count anew would do."""
    return breaker_page(breaker.read_standing(operator.store, now=operator.now))


def reset_breaker(operator: Operator) -> Answered:
    """``POST /console/breaker``."""
    reason = operator.form.get("reason", "").strip()
    try:
        reset(
            operator.store,
            reason=reason,
            now=operator.now,
            key_id=operator.named,
            correlation_id=operator.correlation_id,
        )
    except BadInput as error:
        standing = breaker.read_standing(operator.store, now=operator.now)
        problem = f"The reason {error.errors[0].problem}."
        return breaker_page(standing, reason=reason, problem=problem)
    return Elsewhere(operator.site.path())
