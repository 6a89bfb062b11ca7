"""Every kind of thing that is stored, in one table: where it lies, under which key, how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.core.allotments import Allotment, allotment_from_json, allotment_to_json
from chalicelib.core.catalogue import Product, product_from_json, product_to_json
from chalicelib.core.contact import Contact, contact_from_json, contact_to_json
from chalicelib.core.contact_policy import Mailed, mailed_from_json, mailed_to_json
from chalicelib.core.control import (
    ApiKey,
    Drop,
    Switches,
    api_key_from_json,
    drop_from_json,
    switches_from_json,
    to_json,
)
from chalicelib.core.coupons import reserved_index
from chalicelib.core.effects import Effect, effect_from_json, effect_to_json
from chalicelib.core.facts import Facts, facts_from_json, facts_to_json
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.learning import Learning, learning_from_json, learning_to_json
from chalicelib.core.mail_list import mail_index
from chalicelib.core.offers import (
    Coupon,
    Offer,
    coupon_from_json,
    coupon_to_json,
    offer_from_json,
    offer_to_json,
)
from chalicelib.core.overdue import open_index
from chalicelib.core.repeats import Repeat, repeat_from_json, repeat_to_json
from chalicelib.core.sessions import Session, session_from_json, session_to_json
from chalicelib.core.shown_prices import Shown, shown_from_json, shown_to_json
from chalicelib.core.storage import IndexAttributes, Kind
from chalicelib.core.subject import customer
from chalicelib.core.tombstones import Tombstone, tombstone_from_json, tombstone_to_json
from chalicelib.late import late_calls

if TYPE_CHECKING:
    from chalicelib.core import (
        address,
        breaker,
        budgets,
        consents,
        engagement,
        orders,
        pace,
        policy_life,
        rollup,
        signals,
        watched,
    )
else:  # how these are encoded is nothing to a checkout, so its cold start does not load them
    address, breaker, budgets, consents, engagement, orders = late_calls(
        "chalicelib.core", "address", "breaker", "budgets", "consents", "engagement", "orders"
    )
    pace, policy_life, rollup, signals, watched = late_calls(
        "chalicelib.core", "pace", "policy_life", "rollup", "signals", "watched"
    )

ORDER_WINDOW_SECONDS = 400 * DAY_SECONDS
MESSAGE_WINDOW_SECONDS = 30 * DAY_SECONDS
GUEST_WINDOW_SECONDS = 30 * DAY_SECONDS
RECORD_WINDOW_SECONDS = 400 * DAY_SECONDS
EFFECT_WINDOW_SECONDS = 400 * DAY_SECONDS

Json = Mapping[str, Any]


def _as_is(value: Json) -> Json:
    return value


def _due(facts: Facts) -> IndexAttributes:
    if facts.merged_into is not None:
        return {"owned_by": customer(facts.merged_into).key}
    if facts.review_at is None:
        return {}
    return {
        "due_shard": f"due#{facts.subject.due_shard:02}",
        "review_at": facts.review_at,
    }


def _owned(thing: orders.OrderState | Effect | Coupon) -> IndexAttributes:
    """Whose it is, so that everything of a person is found when they ask for it."""
    return {"owned_by": thing.subject_key}


def _by_subject(record: Json) -> IndexAttributes:
    return {"subject": record["subject"], "decided_at": record["decided_at"]}


def _issued_to(issued: Json) -> IndexAttributes:
    return {"owned_by": issued["subject"]} if "subject" in issued else {}


def _of_coupon(coupon: Coupon) -> IndexAttributes:
    return {**_owned(coupon), **reserved_index(coupon)}


def _of_effect(effect: Effect) -> IndexAttributes:
    return {**_owned(effect), **open_index(effect), **mail_index(effect)}


FACTS: Kind[Facts] = Kind("facts", "profiles", "", facts_to_json, facts_from_json, index=_due)
CONTACT: Kind[Contact] = Kind("contact", "profiles", "", contact_to_json, contact_from_json)
ORDER: Kind[orders.OrderState] = Kind(
    "order", "profiles", "o#", orders.order_to_json, orders.order_from_json, index=_owned
)
# That a message was folded: {"source": …}; nothing else of it is kept.
MESSAGE: Kind[Json] = Kind("message", "profiles", "m#", _as_is, _as_is)
ADDRESS: Kind[address.AddressState] = Kind(
    "address", "profiles", "h#", address.address_to_json, address.address_from_json
)
# The consent ledger of a customer: its entries by number, and where it ends.
CONSENT: Kind[consents.Entry] = Kind(
    "consent", "profiles", "n#", consents.entry_to_json, consents.entry_from_json
)
LEDGER_HEAD: Kind[consents.LedgerHead] = Kind(
    "ledger_head", "profiles", "", consents.head_to_json, consents.head_from_json
)
RECORD: Kind[Json] = Kind(
    "record", "decisions", "d#", _as_is, _as_is, index=_by_subject, compressed=True
)
# That a person shall look at a decision: {"requested_at": …, "key_id": …}.
REVIEW: Kind[Json] = Kind("review", "decisions", "r#", _as_is, _as_is)
SESSION: Kind[Session] = Kind(
    "session", "decisions", "s#", session_to_json, session_from_json, compressed=True
)
EFFECT: Kind[Effect] = Kind(
    "effect", "effects", "e#", effect_to_json, effect_from_json, index=_of_effect
)
COUPON: Kind[Coupon] = Kind(
    "coupon", "effects", "k#", coupon_to_json, coupon_from_json, index=_of_coupon
)
# The one live code of a customer for an action.
LIVE_OFFER: Kind[Offer] = Kind("live", "effects", "l#", offer_to_json, offer_from_json)
# Part of a count or budget of an action: ACTION#codes or money#SHARD.
ALLOTMENT: Kind[Allotment] = Kind(
    "allotment", "effects", "b#", allotment_to_json, allotment_from_json
)
# How many codes of an action were issued to a customer, and since when: {"count", "subject",
# "since"}; only where that is limited. It outlives the codes, so it says itself whose it is.
ISSUED: Kind[Json] = Kind("issued", "effects", "n#", _as_is, _as_is, index=_issued_to)
# What a customer was quoted lately, by article; only where the policy limits the step of a day.
SHOWN: Kind[Shown] = Kind("shown", "decisions", "q#", shown_to_json, shown_from_json)
# What a call with an Idempotency-Key was answered, or that it is under way.
REPEAT: Kind[Repeat] = Kind(
    "repeat", "decisions", "i#", repeat_to_json, repeat_from_json, compressed=True
)
# That an address was contacted for an action: {"effect_id": …}; it expires with the interval.
CONTACTED: Kind[Json] = Kind("contacted", "effects", "t#", _as_is, _as_is)
# The marketing mails to an address of late; it expires with the window of the cap.
MAILED: Kind[Mailed] = Kind("mailed", "effects", "f#", mailed_to_json, mailed_from_json)
# Opens and clicks of one mail, by the id of its effect.
ENGAGEMENT: Kind[engagement.Engagement] = Kind(
    "engagement", "effects", "g#", engagement.engagement_to_json, engagement.engagement_from_json
)
# What an events request says of articles, until the stream has brought it to the catalogue.
SIGNAL: Kind[signals.Signal] = Kind(
    "signal", "effects", "y#", signals.signal_to_json, signals.signal_from_json
)
# How fast mails leave: one item for the whole account, named PACE_NAME.
PACE: Kind[pace.Pace] = Kind("pace", "effects", "p#", pace.pace_to_json, pace.pace_from_json)
PACE_NAME = "account"
PRODUCT: Kind[Product] = Kind("sku", "signals", "sku#", product_to_json, product_from_json)
SWITCH: Kind[Switches] = Kind("switch", "control", "switch#", to_json, switches_from_json)
# Bounces and complaints, counted in shards.
BREAKER: Kind[breaker.Tally] = Kind(
    "breaker", "control", "breaker#", breaker.tally_to_json, breaker.tally_from_json
)
# Which policy decides: {"policy": hash or null}, in copies; the policies; and their log.
ALIAS: Kind[Json] = Kind("alias", "control", "alias#", _as_is, _as_is)
STORED_POLICY: Kind[policy_life.StoredPolicy] = Kind(
    "policy",
    "control",
    "policy#",
    policy_life.stored_policy_to_json,
    policy_life.stored_policy_from_json,
    compressed=True,
)
POLICY_LOG: Kind[policy_life.PolicyLog] = Kind(
    "policy_log",
    "control",
    "policies#",
    policy_life.policy_log_to_json,
    policy_life.policy_log_from_json,
    compressed=True,
)
POLICY_LOG_NAME = "all"
# When operators let those counts begin anew, and what stood there; one item, RESTARTS_NAME.
RESTARTS: Kind[breaker.Restarts] = Kind(
    "restarts", "control", "restarts#", breaker.restarts_to_json, breaker.restarts_from_json
)
RESTARTS_NAME = "breaker"
API_KEY: Kind[ApiKey] = Kind("key", "control", "k#", to_json, api_key_from_json)
DROP: Kind[Drop] = Kind("drop", "control", "drop#", to_json, drop_from_json)
# That somebody was erased, by the HMAC of the subject ("s") or of the address ("a").
TOMBSTONE: Kind[Tombstone] = Kind(
    "tombstone", "control", "x#", tombstone_to_json, tombstone_from_json
)
# What outcomes have taught; one item, which the learner replaces.
LEARNING: Kind[Learning] = Kind(
    "learning", "control", "learning#", learning_to_json, learning_from_json, compressed=True
)
LEARNING_KEY = LEARNING.key("published")
# Counts of one hour of a table's stream, named as 2026-11-27T18#decisions.
ROLLUP: Kind[rollup.Rollup] = Kind(
    "rollup",
    "control",
    "rollup#",
    rollup.rollup_to_json,
    rollup.rollup_from_json,
    compressed=True,
)
# What the decision log said of a day, and what the exposures of a day came to; named as 2026-11-27.
WATCHED: Kind[watched.Watched] = Kind(
    "watched",
    "control",
    "watched#",
    watched.watched_to_json,
    watched.watched_from_json,
    compressed=True,
)
MEASURED: Kind[Json] = Kind("measured", "control", "measured#", _as_is, _as_is, compressed=True)
# How budgets stood in the night of a day, named as 2026-11-27.
BUDGETS: Kind[budgets.Budgets] = Kind(
    "budgets", "control", "budgets#", budgets.budgets_to_json, budgets.budgets_from_json
)
# The last day that was worked through at night: {"through": "2026-11-27"}; one item.
NIGHT: Kind[Json] = Kind("night", "control", "night#", _as_is, _as_is)
NIGHT_KEY = NIGHT.key("measured")
# What an index that finds a person's things may name, by its sort key.
OWNED: Mapping[str, Kind[Any]] = {
    kind.name: kind for kind in (FACTS, ORDER, EFFECT, COUPON, ISSUED)
}
