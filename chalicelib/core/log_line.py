"""One line of the decision log: what was decided and how, and nothing by which a person is known.

The log is for counting, measuring and asking questions in SQL. Of the person it holds a pseudonym,
an HMAC under the stage's own secret, and the numbers that the model was shown; no id of the shop's,
no address, no name, no session, no word that a caller or a shop has chosen, no code. What a line is
about is found again through ``decision_id``, in a record that an erasure strips of the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.core.canonical import keyed_digest
from chalicelib.core.erasure import is_erased
from chalicelib.core.facts import facts_from_json
from chalicelib.core.features import FEATURE_NAMES, describe
from chalicelib.core.instants import format_instant
from chalicelib.core.measurement import chosen_of

Line = dict[str, Any]
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
# As DuckDB and Athena read them; the line has exactly these fields, in this order.
COLUMNS: Mapping[str, str] = {
    "decision_id": "VARCHAR",
    "subject": "VARCHAR",
    "decided_at": "BIGINT",
    "at": "VARCHAR",
    "placement": "VARCHAR",
    "trigger": "VARCHAR",
    "country": "VARCHAR",
    "policy": "VARCHAR",
    "jurisdictions": "VARCHAR",
    "model": "VARCHAR",
    "segment": "VARCHAR",
    "churn": "DOUBLE",
    "expected_orders": "DOUBLE",
    "fallback": "BOOLEAN",
    "known": "BOOLEAN",
    "last_seen_at": "BIGINT",
    **dict.fromkeys(FEATURE_NAMES, "DOUBLE"),
    "tier": "VARCHAR",
    "price_reason": "VARCHAR",
    "mode": "VARCHAR",
    "holdout": "BOOLEAN",
    "choice": "VARCHAR",
    "action_probability": "DOUBLE",
    "withheld": "VARCHAR",
    "chosen": "VARCHAR[]",
    "issued": "VARCHAR[]",
    "candidates": "STRUCT(action VARCHAR, outcome VARCHAR, layer VARCHAR, reason VARCHAR)[]",
    "arms": "MAP(VARCHAR, VARCHAR)",
    "exposures": "VARCHAR[]",
    "measured_action": "VARCHAR",
    "kept": "BOOLEAN",
}


def logged_as(subject_key: str, *, secret: bytes) -> str:
    """The pseudonym of a subject in the log, 32 hex digits; another than a tombstone's name."""
    return keyed_digest(secret, b"decision log:" + subject_key.encode()).hex()[:32]


def line_of(record: Mapping[str, Any], *, secret: bytes, currency: str) -> Line | None:
    """The line of a decision record; None where its person was erased.

    ``currency`` is the model's, in which it was shown amounts. ``measured_action`` is what the
    decision did to the customer, or would have done had it not been ``kept`` from them.
    """
    if is_erased(record):
        return None
    situation, decision = record["situation"], record["decision"]
    chosen = chosen_of(record)
    choice = decision.get("choice") or {}
    country = situation["context"]["country"] or ""
    values = {
        **_values(situation, decision, currency=currency),
        **{name: record[name] for name in ("decision_id", "decided_at", "policy", "jurisdictions")},
        **{name: situation[name] for name in ("placement", "trigger")},
        **{name: decision[name] for name in _DECIDED},
        "subject": logged_as(record["subject"], secret=secret),
        "at": format_instant(record["decided_at"]),
        "country": country if _COUNTRY.match(country) else None,
        "churn": decision["scores"]["churn"],
        "expected_orders": decision["scores"]["expected_orders"],
        "known": situation["facts"] is not None,
        "choice": choice.get("action"),
        "action_probability": choice.get("action_probability"),
        "withheld": choice.get("withheld"),
        "candidates": [dict(zip(_CANDIDATE, each, strict=True)) for each in decision["candidates"]],
        "arms": decision.get("arms", {}),
        "exposures": decision.get("exposures", []),
        "measured_action": None if chosen is None else chosen.action,
        "kept": None if chosen is None else chosen.withheld,
    }
    return {name: values[name] for name in COLUMNS}


_DECIDED = (
    "segment",
    "model",
    "fallback",
    "tier",
    "price_reason",
    "mode",
    "holdout",
    "chosen",
    "issued",
)
_CANDIDATE = ("action", "outcome", "layer", "reason")


def _values(
    situation: Mapping[str, Any], decision: Mapping[str, Any], *, currency: str
) -> dict[str, Any]:
    """What the model was shown; nothing where it was not asked, as after an opt-out."""
    if decision["fallback"] or situation["facts"] is None:
        return {**dict.fromkeys(FEATURE_NAMES), "last_seen_at": None}
    facts = facts_from_json(situation["facts"])
    features = describe(facts, as_of=situation["as_of"], currency=currency)
    known = zip(FEATURE_NAMES, features.as_tuple(), strict=True)
    return {**dict(known), "last_seen_at": facts.last_seen_at}
