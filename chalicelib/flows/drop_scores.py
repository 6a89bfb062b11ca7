"""Where a drop leaves a customer: segment, line of the results, and who is worth deciding on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.core.absence import Settled, score_at, settle
from chalicelib.core.assignment import enter, in_holdout
from chalicelib.core.candidates import Candidate, Seen, removed, see_freely
from chalicelib.core.canonical import short_hash
from chalicelib.core.contact import Contact
from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.observed import supplied_of
from chalicelib.core.policy import Policy
from chalicelib.core.price_tiers import BASE_TIER
from chalicelib.core.pricing import choose_tier
from chalicelib.core.reach import Occasion
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Context, Situation, permissions_of, place_of
from chalicelib.core.subject import Subject
from chalicelib.flows.drop_report import ScoredRow
from chalicelib.flows.settled import Given

# A file about a moment longer ago than this is scored and sets nothing in motion.
HISTORIC_SECONDS = 7 * DAY_SECONDS
# From the first question that an action is asked to the last.
_LAYERS = ("eligibility", "applicability", "suitability", "contact_policy", "limits")


@dataclass(frozen=True, slots=True)
class Described:
    """What the results say of a customer, and whether a decision is worth gathering for.

    Attributes:
        row: the line of ``scores.csv`` before any decision; None when not scored.
        unscored: why not.
        reachable: whether some action could want this customer now, caps and holdout aside.
    """

    row: ScoredRow | None
    unscored: str | None
    reachable: bool


def bring_up(
    facts: Facts, contact: Contact | None, *, as_of: int, now: int, rules: Rules
) -> tuple[Settled, Scores | None]:
    """Settle a profile after a file, and score it as of the file's moment.

    What is stored and decided is brought up to now, as after an event: between the upload of a
    file and the work on it a customer may have bought, and no segment may go back behind that.
    """
    may_profile = contact is None or contact.consent("profiling") is not False
    settled = settle(
        facts, as_of=now, scorer=rules.scorer, policy=rules.policy, may_profile=may_profile
    )
    if settled.abandoned_checkout_at is not None:
        # No file says anything of a checkout: the schedule finds it, announces it and reminds.
        kept = replace(
            settled.facts,
            abandoned_checkout_at=facts.abandoned_checkout_at,
            review_at=Instant(min(now, facts.review_at or now)),
        )
        settled = replace(settled, facts=kept, abandoned_checkout_at=None)
    if settled.transition is not None and settled.transition.before is None:
        # A first segment given by a file is an import, not a change that anybody waits for.
        settled = replace(settled, transition=None)
    scores = settled.scores
    if as_of != now and may_profile:
        scores = score_at(facts, as_of, rules.scorer)
    return settled, scores


def occasion_of(subject: Subject, drop_id: str, *, given: Given) -> Occasion:
    """The batch decision on a customer; one for each drop, however often it is delivered."""
    return Occasion(
        decision_id=f"d_{short_hash('drop', drop_id, subject.key)}",
        placement="batch",
        trigger=None,
        as_of=given.now,
        correlation_id=given.correlation_id,
    )


def describe_customer(
    settled: Settled,
    contact: Contact | None,
    scores: Scores | None,
    *,
    as_of: int,
    occasion: Occasion,
    rules: Rules,
) -> Described:
    """Say what the results hold of a customer; scored ones may be worth a decision.

    Segment and scores are those as of the file's moment; tier, action and reason are those of now.
    """
    facts = settled.facts
    rules = rules.under(facts.subject.key, as_of=occasion.as_of)
    situation = Situation(
        decision_id=occasion.decision_id,
        subject=facts.subject,
        placement=occasion.placement,
        as_of=occasion.as_of,
        context=place_of(Context(), contact),
        facts=facts,
        permissions=permissions_of(contact),
        supplied=supplied_of(contact, rules.policy.supplied_types),
    )
    if scores is None or settled.scores is None:
        objects = situation.permissions.objects_to("profiling")
        return Described(None, "no_consent_to_profiling" if objects else "no_orders", False)
    policy, now_scores = rules.policy, settled.scores
    if rules.arms.by_experiment:
        now_scores = score_at(facts, occasion.as_of, rules.scorer) or now_scores
    seen = see_freely(situation, now_scores, policy=policy, currency=rules.scorer.currency)
    refusal = _refusal(seen, policy)
    row = ScoredRow(
        customer_id=facts.subject.id,
        segment=scores.segment,
        churn=scores.churn,
        expected_orders=scores.expected_orders,
        action="",
        tier=_tier(seen, policy),
        reason="" if refusal is None else refusal.reason,
    )
    if as_of < occasion.as_of - HISTORIC_SECONDS:
        return Described(replace(row, reason="about_the_past"), None, False)
    return Described(row, None, refusal is None)


def _refusal(seen: Seen, policy: Policy) -> Candidate | None:
    """Why no action could want this customer: what stopped the one that came furthest."""
    situation, refusals = seen.situation, []
    for action in policy.actions_at(situation.placement):
        refusal = removed(action, seen, policy)
        if refusal is None:
            return None
        refusals.append(refusal)
    nothing = Candidate(
        policy.fallbacks[situation.placement].action,
        "rejected",
        "fallback",
        "nothing_else_survived",
    )
    return max(refusals, key=lambda each: _LAYERS.index(each.layer), default=nothing)


def _tier(seen: Seen, policy: Policy) -> str:
    """The tier that a checkout would give now; where the customer then is, its law may forbid."""
    situation = seen.situation
    if situation.opted_out or in_holdout(policy, situation.subject.key):
        return BASE_TIER
    changes = enter(policy, situation.subject.key, seen.values, as_of=situation.as_of)
    tier = choose_tier(policy, seen._replace(changes=changes))
    return BASE_TIER if tier is None else tier.name
