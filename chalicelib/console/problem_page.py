"""What went wrong, and what to do about it: a page for every error."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.console.page import Page
from chalicelib.core.errors import BadInput, Refused

_TITLES: Mapping[int, str] = {
    400: "That could not be read",
    403: "Not with this key or form",
    404: "There is no such thing",
    409: "A rule said no",
    413: "That is too large",
    415: "That could not be read",
    422: "Something is not right yet",
    503: "Storage did not answer",
}
_ADVICE: Mapping[int, str] = {
    503: "Nothing was shown and nothing more was changed. Wait a moment and reload the page.",
    500: "This is a fault of ours. The log has one line with the id below and says where.",
}
# Why a flow refuses something, in words.
REFUSALS: Mapping[str, str] = {
    "not_simulated": "Nobody has simulated this policy yet. Simulate it on its page; then it can "
    "be activated.",
    "decides_already": "This policy decides already, so a simulation would show no difference.",
    "no_queue_for_simulations": "This stage was deployed before simulations were worked on here. "
    "Deploy it once more.",
    "own_policy": "This key stored the policy. A second person activates it, with another key.",
    "another_is_active": "Another policy decides by now than when you opened the page.",
    "ERASED": "The person was erased. What a decision was made from is gone, so it cannot be made "
    "again.",
    "other_policy": "The policy that decided can no longer be had, so it cannot be decided again.",
    "other_model": "Another model runs here than the one that decided.",
    "other_jurisdictions": "Another table of law is deployed here than the one of then.",
}


def problem_page(error: Exception, *, status: int, correlation_id: str) -> Page:
    """The page of an error; only what is the operator's business is said."""
    said: list[tuple[str, str]] = []
    match error:
        case BadInput(errors=errors):
            said = [(each.field, each.problem) for each in errors]
        case Refused(reason=reason):
            said = [("", REFUSALS.get(reason, reason.replace("_", " ")))]
        case _:
            pass
    return Page(
        "problem",
        _TITLES.get(status, "Something went wrong"),
        {
            "said": said,
            "advice": _ADVICE.get(status, "Nothing was changed."),
            "correlation_id": correlation_id,
            "scope": getattr(error, "scope", None),
        },
        status=status,
    )
