"""How long one decision takes, and that it grows with the number of actions and no faster.

CPU time of this process, the median of many batches; a machine that is busy with other things does
not change it much. The situations are those of customers with a history and a cart.
"""

from __future__ import annotations

import time
from statistics import median

from chalicelib.core.actions import Action
from chalicelib.core.decide import decide
from chalicelib.core.policy import Policy
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation
from ops.prove import Figures, within
from ops.simulation.chance import situations
from ops.stage_rules import packaged_rules

DEFAULT_MOST_US = 80.0
MOST_US_AT_200 = 800.0
# Twice the actions may not cost more than twice the time, and a little for what is measured.
MOST_GROWTH = 2.4
_BATCHES, _SEED = 60, 20_261_127


def figures(batches: int = _BATCHES) -> Figures:
    """Time the shipped policy, and policies of 100 and 200 actions that all ask conditions."""
    rules = packaged_rules()
    given = [s for s in situations(rules.policy, count=400, seed=_SEED) if s.lines and s.facts]
    default = median(_us(given, rules) for _ in range(batches))
    hundred, two_hundred = (_with_actions(rules, number) for number in (100, 200))
    # By turns, so that what else the machine does meets both alike.
    turns = [(_us(given[:40], hundred), _us(given[:40], two_hundred)) for _ in range(batches)]
    told: Figures = {
        "decide_p50_us": round(default, 1),
        "decide_100_actions_p50_us": round(median(one for one, _ in turns), 1),
        "decide_200_actions_p50_us": round(median(two for _, two in turns), 1),
        "decide_growth_from_100_to_200": round(median(two / one for one, two in turns), 2),
    }
    within(told, "decide_p50_us", at_most=DEFAULT_MOST_US)
    within(told, "decide_200_actions_p50_us", at_most=MOST_US_AT_200)
    within(told, "decide_growth_from_100_to_200", at_most=MOST_GROWTH)
    return told


def _with_actions(rules: Rules, number: int) -> Rules:
    """The shipped policy with so many actions, each with a condition in every layer."""
    shipped = rules.policy.model_dump(mode="json")
    template = Action(
        id="template",
        placements=("checkout", "home", "product", "chat", "mail", "batch"),
        propensity=0.1,
        value_minor=1_000,
        mail=rules.policy.actions[0].mail,
    ).model_dump(mode="json")
    shipped["actions"] = [
        {
            **template,
            "id": f"action-{nth}",
            "eligibility": [{"when": "segment in ['at_risk', 'champions', 'hibernating']"}],
            "applicability": [{"when": f"cart_minor >= {nth} or not known(trigger)"}],
            "suitability": [{"when": "churn >= 0.1 and recency_days < 400"}],
            "weights": [{"when": "country == 'US'", "weight": 1.2}],
        }
        for nth in range(number)
    ]
    shipped["fallbacks"] |= {name: {"action": f"no-{name}"} for name in ("home", "product", "chat")}
    policy = Policy.model_validate(shipped)
    return Rules(policy, rules.jurisdictions, rules.jurisdictions_hash, rules.scorer)


def _us(given: list[Situation], rules: Rules) -> float:
    """What one decision of a batch takes."""
    began = time.process_time_ns()
    for situation in given:
        decide(
            situation,
            policy=rules.policy,
            jurisdictions=rules.jurisdictions,
            scorer=rules.scorer,
            code_for=lambda effect: effect,
        )
    return (time.process_time_ns() - began) / len(given) / 1_000
