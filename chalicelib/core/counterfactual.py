"""What would have changed a decision: it is made again with one thing different.

Each alternative is a whole situation or policy, decided by the very same function, so that what
is said of it is true by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chalicelib.core.decide import Decision, decide_by
from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.policy import Holdout
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation

LONGEST_SILENCE_DAYS = 730


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One thing different, in words, and what the decision would have been."""

    had: str
    outcome: str


def outcome_of(decision: Decision) -> tuple[str, tuple[str, ...]]:
    """What a customer would notice of a decision: the price tier and the actions."""
    return decision.tier, decision.chosen


def counterfactuals(
    situation: Situation, decision: Decision, *, rules: Rules
) -> list[Counterfactual]:
    """Every alternative that leads elsewhere, nearest first by how little it takes."""
    rules = rules.under(situation.subject.key, as_of=situation.as_of)
    actual = outcome_of(decision)
    found = []
    for had, other, other_rules in _alternatives(situation, rules):
        decided = decide_by(other_rules, other)
        alternative = outcome_of(decided)
        if alternative != actual and _is_known(situation, decided):
            found.append(Counterfactual(had, _in_words(alternative)))
    return found


def _is_known(situation: Situation, alternative: Decision) -> bool:
    """Whether an alternative rests on nothing that was learned and is not in the record.

    A record keeps of the learning document what its own decision used. Where others would have
    competed, or in another segment, nothing is claimed.
    """
    learned, choice = situation.learned, alternative.choice
    if learned is None or learned.refused is not None or choice is None:
        return True
    known = learned.of(alternative.scores.segment)
    competed = {c.action for c in alternative.candidates if c.layer == "arbitration"}
    finalists = {each.action for each in choice.finalists}
    return competed <= known.keys() and all(known[each].samples for each in finalists)


def _alternatives(situation: Situation, rules: Rules) -> Iterator[tuple[str, Situation, Rules]]:
    yield from _choices(situation, rules)
    facts = situation.facts
    if facts is None or not facts.order_count:
        return
    last = facts.recent[-1] if facts.recent else None
    if last is not None:
        yield (
            "had they ordered today, for as much as last time",
            _ordered_today(situation, facts, last),
            rules,
        )
    silent = _silent_longer(situation, rules)
    if silent is not None:
        days, later = silent
        yield f"had they stayed away {days} more day{'s' * (days != 1)}", later, rules


def _choices(situation: Situation, rules: Rules) -> Iterator[tuple[str, Situation, Rules]]:
    """What the customer, the operator or the caller could have said otherwise."""
    context, permissions, consents = (
        situation.context,
        situation.permissions,
        situation.permissions.consents,
    )
    if situation.opted_out:
        permitted = {**consents, "personalised_pricing": True, "profiling": True}
        yield (
            "had they not opted out of personalisation",
            replace(
                situation,
                context=replace(context, pricing_opt_out=False, gpc=False),
                permissions=replace(permissions, consents=permitted),
            ),
            rules,
        )
    else:
        yield (
            "had they opted out of personalisation",
            replace(situation, context=replace(context, pricing_opt_out=True)),
            rules,
        )
    if situation.held is not None:
        yield (
            "had this session not begun with another answer",
            replace(situation, held=None),
            rules,
        )
    if situation.placement != "checkout" and not permissions.agrees_to("marketing_email"):
        agreed = replace(permissions, consents={**consents, "marketing_email": True})
        yield (
            "had they agreed to marketing mail",
            replace(situation, permissions=agreed),
            rules,
        )
    if situation.contacted:
        yield (
            "had they not been contacted recently",
            replace(situation, contacted=frozenset()),
            rules,
        )
    if rules.policy.holdout.share_percent:
        nobody = Holdout(share_percent=0, salt=rules.policy.holdout.salt)
        policy = rules.policy.model_copy(update={"holdout": nobody})
        yield (
            "had they not been in the global holdout",
            situation,
            replace(rules, policy=policy),
        )
    if situation.lines and context.country is None:
        known = replace(context, country="US")
        yield (
            "had the caller named a country with known rules (US)",
            replace(situation, context=known),
            rules,
        )


def _ordered_today(situation: Situation, facts: Facts, last: CountedOrder) -> Situation:
    order = OrderState(
        "counterfactual",
        situation.subject.key,
        completed=Amount(situation.as_of, last.amount_minor, last.currency),
    )
    return replace(situation, facts=recount(facts, before=None, after=order))


def _silent_longer(situation: Situation, rules: Rules) -> tuple[int, Situation] | None:
    """The fewest whole days of further silence that change the outcome, searched by weeks."""
    actual = outcome_of(decide_by(rules, situation))

    def differs(days: int) -> bool:
        later = replace(situation, as_of=situation.as_of + days * DAY_SECONDS)
        return outcome_of(decide_by(rules, later)) != actual

    for week_end in range(7, LONGEST_SILENCE_DAYS + 1, 7):
        if differs(week_end):
            days = next(day for day in range(week_end - 6, week_end + 1) if differs(day))
            return days, replace(situation, as_of=situation.as_of + days * DAY_SECONDS)
    return None


def _in_words(outcome: tuple[str, tuple[str, ...]]) -> str:
    tier, chosen = outcome
    return f"price tier {tier}, " + (", ".join(chosen) if chosen else "no action")
