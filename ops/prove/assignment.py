"""Sticky assignment at a million ids: shares as stated, and nobody moved by another experiment.

Every id is assigned by the function that decisions call, once by a policy with one experiment and
once by the same policy with others before and after it. No seed is needed: assignment is a hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

from chalicelib.core.assignment import enter, in_control, in_holdout
from chalicelib.core.policy import Policy, policy_from_json
from chalicelib.documents import Documents
from ops.prove import Figures, within

IDS = 1_000_000
MOST_STANDARD_ERRORS = 3.0
AS_OF = 1_795_000_000
ACTION = "cart-reminder"
WATCHED: dict[str, Any] = {
    "id": "watched",
    "layer": "pricing",
    "from_percent": 20,
    "to_percent": 80,
    "salt": "watched-1",
    "arms": [
        {"id": "as-ever", "share_percent": 50},
        {"id": "off", "share_percent": 30, "off": [ACTION]},
        {"id": "pushed", "share_percent": 20, "levers": {ACTION: 2.0}},
    ],
}
BESIDE: tuple[dict[str, Any], ...] = (
    {**WATCHED, "id": "before", "from_percent": 0, "to_percent": 20, "salt": "before-1"},
    {**WATCHED, "id": "after", "from_percent": 80, "to_percent": 100, "salt": "after-1"},
    {
        "id": "elsewhere",
        "salt": "elsewhere-1",
        "arms": [
            {"id": "as-ever", "share_percent": 50},
            {"id": "off", "share_percent": 50, "off": ["welcome"]},
        ],
    },
)


def figures(ids: int = IDS) -> Figures:
    """Measure shares and drift."""
    alone, among = policy_of([WATCHED]), policy_of([BESIDE[0], WATCHED, *BESIDE[1:]])
    counts: Counter[str] = Counter()
    drifted = shared = 0
    for number in range(ids):
        key = f"c#{number}"
        arm = enter(alone, key, {}, as_of=AS_OF).arms.get("watched")
        arms = enter(among, key, {}, as_of=AS_OF).arms
        drifted += arms.get("watched") != arm
        shared += len(arms.keys() & {"watched", "before", "after"}) != 1
        counts[f"arm {arm}"] += 1
        counts[f"elsewhere {arms['elsewhere']}"] += 1
        counts["holdout"] += in_holdout(alone, key)
        counts["control"] += in_control(alone.actions[0], key)
    worst = max(
        abs(counts[name] - ids * share) / sqrt(ids * share * (1 - share))
        for name, share in stated(alone)
    )
    found: Figures = {
        "assignment_ids": ids,
        "assignment_worst_standard_errors": round(worst, 3),
        "assignment_drifted": drifted,
        "assignment_in_two_of_a_layer_or_none": shared,
    }
    within(found, "assignment_worst_standard_errors", at_most=MOST_STANDARD_ERRORS)
    within(found, "assignment_drifted", at_most=0)
    within(found, "assignment_in_two_of_a_layer_or_none", at_most=0)
    return found


def stated(policy: Policy) -> Iterator[tuple[str, float]]:
    """The share that each group is stated to have, of all ids."""
    width = (WATCHED["to_percent"] - WATCHED["from_percent"]) / 100
    for arm in WATCHED["arms"]:
        yield f"arm {arm['id']}", width * arm["share_percent"] / 100
    yield "arm None", 1 - width
    yield "elsewhere off", 0.5
    yield "holdout", policy.holdout.share_percent / 100
    yield "control", policy.actions[0].control_share_percent / 100


def policy_of(experiments: Sequence[Mapping[str, Any]]) -> Policy:
    """The policy that ships with these experiments, and a control group for its first action."""
    document = Documents().policy("default").model_dump(mode="json")
    document["actions"][0]["control_share_percent"] = 10
    return policy_from_json({**document, "experiments": list(experiments)})
