"""The decision: from a situation to segment, price, offers and reasons; nothing happens here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chalicelib.core.actions import Action, Placement, Scalar
from chalicelib.core.arbitration import Arbitrated, arbitrate
from chalicelib.core.assignment import NO_ARMS, Arms, enter
from chalicelib.core.assignment import in_holdout as in_holdout
from chalicelib.core.candidates import Candidate, Seen, see
from chalicelib.core.effects import effect_id
from chalicelib.core.exploration import Choice
from chalicelib.core.exposures import arms_of, exposures
from chalicelib.core.features import Features, describe
from chalicelib.core.law import Jurisdictions, Mode, Ruling, rule_at
from chalicelib.core.offer_terms import promise
from chalicelib.core.offers import Offer
from chalicelib.core.policy import Policy
from chalicelib.core.price_tiers import BASE_TIER, PriceTier
from chalicelib.core.pricing import (
    BROKEN,
    PLAIN,
    PricedLine,
    Setting,
    basket_of,
    choose_tier,
    price_cart,
)
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scorer, Scores
from chalicelib.core.situation import Situation

CodeFor = Callable[[str], str]
# Reasons of a price for which every tier was tried.
_TIER_ASKED = ("tier_fits", "no_tier_fits")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and why.

    Attributes:
        scores: segment and propensities, with the fallback marked.
        tier: name of the price tier, ``base`` for the published price.
        price_reason: why the tier is what it is.
        mode: the pricing mode that the law and the operator leave; None for an unknown place.
        disclosures: exact texts that must stand with the price.
        lines: the priced cart.
        offers: what is offered, with codes.
        issued: the actions among them whose code is new and must be stored.
        chosen: the actions that won.
        treatments: what the place renders of them, by action; opaque, and only where there is any.
        candidates: what became of every action.
        holdout: whether the customer is in the global holdout.
        quote_expires_at: until when the prices hold.
        choice: how the first action was chosen; None where no choice was made.
        arms: the arm that the customer is in, by experiment.
        exposures: the experiments another arm of which could have changed this decision.
        not_running: experiments whose document is missing, so that the champion decided.
    """

    scores: Scores
    tier: str
    price_reason: str
    mode: Mode | None
    disclosures: tuple[str, ...]
    lines: tuple[PricedLine, ...]
    offers: tuple[Offer, ...]
    issued: tuple[str, ...]
    chosen: tuple[str, ...]
    treatments: Mapping[str, Mapping[str, Scalar]]
    candidates: tuple[Candidate, ...]
    holdout: bool
    quote_expires_at: int
    choice: Choice | None = None
    arms: Mapping[str, str] = field(default_factory=dict)
    exposures: tuple[str, ...] = ()
    not_running: tuple[str, ...] = ()

    @property
    def exposed_arms(self) -> Mapping[str, str]:
        """The arms that this decision is evidence of, by experiment."""
        return {name: self.arms[name] for name in self.exposures}

    @property
    def is_evidence(self) -> bool:
        """Whether it says something even where nothing was chosen: of whom an action is kept."""
        withheld = ("control", "switched_off")
        return bool(self.exposures) or any(c.reason in withheld for c in self.candidates)


def decide(
    situation: Situation,
    *,
    policy: Policy,
    jurisdictions: Jurisdictions,
    scorer: Scorer,
    code_for: CodeFor,
    arms: Arms = NO_ARMS,
) -> Decision:
    """Decide; the same arguments give the same decision, to the byte.

    Args:
        situation: what was gathered.
        policy: what may be done.
        jurisdictions: the dated table of law.
        scorer: the model, or the scorecard in its place.
        code_for: the coupon code of an offer effect, by effect id.
        arms: those of experiments between whole documents, which chose policy and scorer.
    """
    context = situation.context
    ruling = rule_at(
        jurisdictions,
        country=context.country,
        region=context.region,
        at=situation.as_of,
        default=policy.price_mode,
    )
    scores, features = _score(situation, policy, scorer, ruling)
    seen = see(situation, scores, policy=policy, features=features)
    holdout = in_holdout(policy, situation.subject.key)
    if policy.experiments and not holdout and not situation.opted_out:
        changes = enter(policy, situation.subject.key, seen.values, as_of=situation.as_of)
        seen = seen._replace(changes=changes)
    tier, price_reason = _tier(seen, policy, ruling, holdout=holdout)
    lines = price_cart(
        situation.lines,
        situation.products,
        currency=context.currency,
        tier=tier,
        setting=_setting(situation, policy, ruling, tier),
    )
    if lines and policy.weighs_baskets:
        basket = basket_of(lines, situation.products, currency=context.currency)
        seen = seen._replace(basket=basket)
    chosen, candidates, choice = _choose(seen, policy, ruling, holdout=holdout)
    exposed = exposures(
        seen,
        candidates,
        policy=policy,
        arms=arms,
        scored=features is not None and bool(features.frequency),
        tier_asked=price_reason in _TIER_ASKED,
    )
    offers, issued = _offers(situation, chosen, code_for)
    if not chosen and not offers:
        candidates = (*candidates, fall_back(policy, situation.placement))
    return Decision(
        scores=scores,
        tier=BASE_TIER if tier is None else tier.name,
        price_reason=price_reason,
        mode=ruling.mode,
        disclosures=ruling.disclosures if tier is not None or offers else (),
        lines=lines,
        offers=offers,
        issued=issued,
        chosen=tuple([action.id for action in chosen]),
        treatments=_treatments(chosen, situation.placement),
        candidates=candidates,
        holdout=holdout,
        quote_expires_at=situation.as_of + policy.quote_valid_seconds,
        choice=choice,
        arms=arms_of(seen.changes, arms),
        exposures=exposed,
        not_running=arms.not_running,
    )


def decide_by(rules: Rules, situation: Situation, *, code_for: CodeFor = str) -> Decision:
    """Decide by everything that decides for one customer (``Rules.under``).

    Without ``code_for`` the codes are made up: it is only asked what would be decided.
    """
    return decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=code_for,
        arms=rules.arms,
    )


def _score(
    situation: Situation, policy: Policy, scorer: Scorer, ruling: Ruling
) -> tuple[Scores, Features | None]:
    """Score, unless nothing is known or nothing may be read; then there are no features."""
    facts = situation.facts
    nobody = Scores(policy.unknown_segment, None, None, scorer.name, fallback=True)
    if situation.opted_out or ruling.mode == "ban" or facts is None:
        return nobody, None
    features = describe(facts, as_of=situation.as_of, currency=scorer.currency)
    if not features.frequency:
        return nobody, features
    return scorer.score(features), features


def _tier(
    seen: Seen, policy: Policy, ruling: Ruling, *, holdout: bool
) -> tuple[PriceTier | None, str]:
    """The tier and the reason; every reason for the published price has its own name."""
    situation = seen.situation
    forbidden = _no_personal_price(situation, ruling, holdout=holdout)
    if forbidden is not None:
        return None, forbidden
    if situation.held is not None and situation.held.tier is not None:
        held = next((t for t in policy.price_tiers if t.name == situation.held.tier), None)
        if held is not None:
            return held, "session_kept"
    try:
        tier = choose_tier(policy, seen)
    except BROKEN:
        return None, "price_rule_failed"
    return tier, "no_tier_fits" if tier is None else "tier_fits"


def _setting(
    situation: Situation, policy: Policy, ruling: Ruling, tier: PriceTier | None
) -> Setting:
    """What a tier's prices are made in; where there is no tier, nothing of the person."""
    if tier is None:
        return PLAIN
    held = situation.held
    return Setting(
        policy.pricing,
        ruling.mode,
        situation.as_of,
        held.prices if held is not None and held.tier == tier.name else {},
        situation.shown,
    )


def _no_personal_price(situation: Situation, ruling: Ruling, *, holdout: bool) -> str | None:
    """Why the published price must stand; None when a personal one may be given."""
    if not situation.lines:
        return "no_cart"
    if not situation.switches.pricing:
        return "pricing_switched_off"
    if situation.opted_out:
        return "opted_out"
    if ruling.mode is None:
        return "unknown_jurisdiction"
    if not ruling.permits_personal_price:
        return "banned"
    return "global_holdout" if holdout else None


def _choose(seen: Seen, policy: Policy, ruling: Ruling, *, holdout: bool) -> Arbitrated:
    """Keep what the session was shown; otherwise let the candidates compete."""
    situation = seen.situation
    held = situation.held
    overridden = situation.opted_out or ruling.mode == "ban" or not situation.switches.offers
    if held is None or not held.offers or overridden:
        return arbitrate(policy, seen, holdout=holdout)
    kept = {offer.action for offer in held.offers if offer.expires_at > situation.as_of}
    candidates = tuple(
        Candidate(action.id, "chosen", "session", "kept")
        if action.id in kept
        else Candidate(action.id, "rejected", "session", "session_shows_another")
        for action in policy.actions_at(situation.placement)
    )
    return Arbitrated(tuple(a for a in policy.actions if a.id in kept), candidates, None)


def fall_back(policy: Policy, placement: Placement) -> Candidate:
    """What a placement shows when nothing survives; a place that the policy does not know, nothing.

    Whoever asks is answered all the same: a page must not fail because its policy lags behind.
    """
    fallback = policy.fallbacks.get(placement)
    if fallback is None:
        return Candidate("no-action", "chosen", "fallback", "placement_not_in_policy")
    return Candidate(fallback.action, "chosen", "fallback", "nothing_else_survived")


def _treatments(
    chosen: tuple[Action, ...], placement: Placement
) -> Mapping[str, Mapping[str, Scalar]]:
    return {
        action.id: action.treatments[placement].content
        for action in chosen
        if placement in action.treatments
    }


def _offers(
    situation: Situation, chosen: tuple[Action, ...], code_for: CodeFor
) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    """The offers of the chosen actions: a live code where there is one, else a new one."""
    held = {offer.action: offer for offer in situation.held.offers} if situation.held else {}
    offers: list[Offer] = []
    issued: list[str] = []
    for action in chosen:
        if action.offer is None:
            continue
        standing = held.get(action.id) or situation.live_offers.get(action.id)
        if standing is not None and not standing.spent and standing.expires_at > situation.as_of:
            offers.append(standing)
            continue
        issued.append(action.id)
        code = code_for(offer_effect_id(situation, action.id))
        offers.append(promise(action.id, action.offer, code=code, as_of=situation.as_of))
    return tuple(offers), tuple(issued)


def offer_effect_id(situation: Situation, action_id: str) -> str:
    """The effect that issues the code of an action in this decision."""
    return effect_id("offer", situation.decision_id, action_id)
