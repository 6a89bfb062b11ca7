"""What follows once a profile was brought up to now, all of it in one write.

The profile is saved, what changed is announced as events, and a change that the policy waits for
sets off a decision. Events and the schedule share this step. Everything that is written derives
its id from the version of the profile that it follows, so that one stored transition is announced
once, whoever stores it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.absence import Settled, settle
from chalicelib.core.actions import Trigger
from chalicelib.core.canonical import short_hash
from chalicelib.core.contact import Contact
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.decide import Decision
from chalicelib.core.effects import SEGMENT_CHANGED, Effect, effect_id
from chalicelib.core.facts import Facts
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import FACTS, SWITCH
from chalicelib.core.plan import marketing_mails, put_effect
from chalicelib.core.ports import Store
from chalicelib.core.reach import (
    Occasion,
    could_reach,
    most_valuable_first,
    newly_reachable,
    reach_keys,
    reach_out,
)
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scores
from chalicelib.core.storage import AtVersion, Found, Key, Put, Stored, Write, merged
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.learned import tell_if_unused
from chalicelib.telemetry import emit_metrics, log_event

CART_ABANDONED = "Cart Abandoned"


@dataclass(frozen=True, slots=True)
class EventPorts:
    """What events and the schedule need from outside."""

    store: Store


@dataclass(frozen=True, slots=True)
class Given:
    """What every step of one request or one run is given.

    Attributes:
        rules: policy, law and model.
        keys: secrets that name addresses and coupon codes.
        now: the moment of the request or the run.
        correlation_id: ties everything that is written to it.
    """

    rules: Rules
    keys: SigningKeys
    now: int
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Review:
    """One profile brought up to now, on its way to storage.

    Attributes:
        settled: the profile and what changed.
        contact: what the customer said of themselves.
        version: how often the profile had been saved when it was read.
        expires_at: when it will expire, None for customers.
        occasions: the decisions that the changes set off.
    """

    settled: Settled
    contact: Contact | None
    version: int
    expires_at: int | None
    occasions: tuple[Occasion, ...]


def review(
    facts: Facts, contact: Contact | None, *, version: int, expires_at: int | None, given: Given
) -> Review:
    """Bring a profile up to now."""
    settled = settle(
        facts,
        as_of=given.now,
        scorer=given.rules.scorer,
        policy=given.rules.policy,
        may_profile=contact is None or contact.consent("profiling") is not False,
    )
    return Review(
        settled=settled,
        contact=contact,
        version=version,
        expires_at=expires_at,
        occasions=tuple(_occasions(settled, contact, version, given)),
    )


def decision_keys(reviews: Iterable[Review], given: Given) -> tuple[Key[Any], ...]:
    """What the decisions of these reviews need to know; nothing when there are none."""
    wanted: list[Key[Any]] = []
    for each in reviews:
        for occasion in each.occasions:
            facts, contact = each.settled.facts, each.contact
            wanted += reach_keys(
                facts, contact, occasion=occasion, rules=given.rules, keys=given.keys
            )
            wanted.append(switch_key(given))
    return tuple(dict.fromkeys(wanted))


def switch_key(given: Given) -> Key[Switches]:
    """One of the copies of the switches, so that no copy is read by everybody."""
    return SWITCH.key(str(int(short_hash(given.correlation_id, digits=8), 16) % SWITCH_COPIES))


def review_writes(
    reviews: Sequence[Review], found: Found, given: Given
) -> tuple[tuple[Write, ...], tuple[Decision, ...]]:
    """What one write must hold for these reviews, and the decisions that are in it.

    Args:
        reviews: the profiles that are saved together.
        found: what stands under their ``decision_keys``.
        given: the documents and the moment.
    """
    writes: list[Write] = []
    decisions: list[Decision] = []
    known = {key: found.stored(key) for key in decision_keys(reviews, given)}
    standing: dict[Key[Any], Stored[Any]] = {key: at for key, at in known.items() if at is not None}
    switches = found.value(switch_key(given)) or Switches()
    for each in reviews:
        writes += [_save(each), *_announcements(each, given)]
        planned = 0
        occasions = most_valuable_first(
            each.occasions,
            each.settled.facts,
            each.contact,
            each.settled.scores or _nobody(given.rules),
            Found(standing, now=given.now),
            switches=switches,
            rules=given.rules,
            keys=given.keys,
            now=given.now,
        )
        for occasion in occasions:
            decision, effects = reach_out(
                each.settled.facts,
                each.contact,
                Found(standing, now=given.now),
                occasion=occasion,
                switches=switches,
                rules=given.rules,
                keys=given.keys,
                now=given.now,
                planned=planned,
            )
            # The next decision of the same write must see what this one has promised.
            standing |= _as_stored(effects)
            planned += marketing_mails(effects)
            writes += effects
            decisions.append(decision)
    return merged(writes), tuple(decisions)


def tell(reviews: Iterable[Review], decisions: Iterable[Decision], given: Given) -> None:
    """Say outside what was stored: transitions and decisions, without naming anybody."""
    for each in reviews:
        for effect in _effects(each, given):
            log_event(
                "announced",
                event_name=effect.action,
                effect_id=effect.effect_id,
                segment=effect.payload.get("segment"),
                correlation_id=given.correlation_id,
            )
    for decision in decisions:
        emit_metrics(
            "decided",
            {"Decisions": 1, "Fallbacks": int(decision.scores.fallback), "Segments": 1},
            dimensions={"placement": "mail", "segment": decision.scores.segment},
            actions=decision.chosen,
            correlation_id=given.correlation_id,
        )
        tell_if_unused(decision)


def _occasions(
    settled: Settled, contact: Contact | None, version: int, given: Given
) -> Iterable[Occasion]:
    """The decisions that some action of the policy waits for."""
    scores = settled.scores or _nobody(given.rules)
    for trigger in _triggers(settled):
        occasion = Occasion(
            decision_id=f"d_{short_hash(*_told_apart(settled, version, given), trigger)}",
            placement="mail",
            trigger=trigger,
            as_of=given.now,
            correlation_id=given.correlation_id,
        )
        about = (settled.facts, contact, scores)
        if trigger == "segment_changed" and settled.stood is not None:
            wanted = newly_reachable(*about, settled.stood, occasion=occasion, rules=given.rules)
        else:
            wanted = could_reach(*about, occasion=occasion, rules=given.rules)
        if wanted:
            yield occasion


def _triggers(settled: Settled) -> Iterable[Trigger]:
    if settled.transition is not None or settled.stood is not None:
        yield "segment_changed"
    if settled.abandoned_checkout_at is not None:
        yield "cart_abandoned"


def _nobody(rules: Rules) -> Scores:
    return Scores(rules.policy.unknown_segment, None, None, rules.scorer.name, fallback=True)


def _save(each: Review) -> Put[Facts]:
    facts = each.settled.facts
    return Put(FACTS.key(facts.subject.key), facts, AtVersion(each.version), each.expires_at)


def _announcements(each: Review, given: Given) -> Iterable[Write]:
    return (put_effect(effect, now=given.now) for effect in _effects(each, given))


def _effects(each: Review, given: Given) -> Iterable[Effect]:
    """The events that say what changed."""
    settled = each.settled
    if settled.transition is not None:
        payload = {
            "previous": settled.transition.before,
            "segment": settled.transition.after,
            "model": settled.facts.segment_model or given.rules.scorer.name,
            "fallback": isinstance(given.rules.scorer, Scorecard),
            "as_of": format_instant(settled.transition.at),
        }
        yield _event(SEGMENT_CHANGED, payload, each, given)
    if settled.abandoned_checkout_at is not None:
        product = settled.facts.last_product
        payload = {
            "checkout_started_at": format_instant(settled.abandoned_checkout_at),
            "sku": None if product is None else product[1],
        }
        yield _event(CART_ABANDONED, payload, each, given)


def _event(name: str, payload: Mapping[str, Any], each: Review, given: Given) -> Effect:
    told_apart = _told_apart(each.settled, each.version, given)
    return Effect(
        effect_id=effect_id("event", name, *told_apart, *map(str, payload.values())),
        kind="event",
        action=name,
        subject_key=each.settled.facts.subject.key,
        decision_id=None,
        correlation_id=given.correlation_id,
        planned_at=given.now,
        payload=payload,
    )


def _told_apart(settled: Settled, version: int, given: Given) -> tuple[str, str, str]:
    # The version is what a save competes for: two saves never both follow the same one. The
    # moment tells a profile apart from one of the same id that has expired.
    return settled.facts.subject.key, str(version), str(given.now)


def _as_stored(writes: Iterable[Write]) -> dict[Key[Any], Stored[Any]]:
    return {
        write.key: Stored(write.value, 1, write.expires_at)
        for write in writes
        if isinstance(write, Put)
    }
