"""Every kind of thing that is stored, in one table: where it lies, under which key, how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.address import AddressState, address_from_json, address_to_json
from chalicelib.core.catalogue import Product, product_from_json, product_to_json
from chalicelib.core.contact import Contact, contact_from_json, contact_to_json
from chalicelib.core.control import (
    ApiKey,
    Drop,
    Switches,
    api_key_from_json,
    drop_from_json,
    switches_from_json,
    to_json,
)
from chalicelib.core.effects import Effect, effect_from_json, effect_to_json
from chalicelib.core.facts import Facts, facts_from_json, facts_to_json
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.mail_list import mail_index
from chalicelib.core.offers import (
    Coupon,
    Offer,
    coupon_from_json,
    coupon_to_json,
    offer_from_json,
    offer_to_json,
)
from chalicelib.core.orders import OrderState, order_from_json, order_to_json
from chalicelib.core.overdue import open_index
from chalicelib.core.sessions import Session, session_from_json, session_to_json
from chalicelib.core.storage import IndexAttributes, Kind

ORDER_WINDOW_SECONDS = 400 * DAY_SECONDS
MESSAGE_WINDOW_SECONDS = 30 * DAY_SECONDS
GUEST_WINDOW_SECONDS = 30 * DAY_SECONDS
RECORD_WINDOW_SECONDS = 400 * DAY_SECONDS
EFFECT_WINDOW_SECONDS = 400 * DAY_SECONDS

Json = Mapping[str, Any]


def _as_is(value: Json) -> Json:
    return value


def _due(facts: Facts) -> IndexAttributes:
    if facts.review_at is None:
        return {}
    return {
        "due_shard": f"due#{facts.subject.due_shard:02}",
        "review_at": facts.review_at,
    }


def _by_subject(record: Json) -> IndexAttributes:
    return {"subject": record["subject"], "decided_at": record["decided_at"]}


def _unfinished_and_listed(effect: Effect) -> IndexAttributes:
    return {**open_index(effect), **mail_index(effect)}


FACTS: Kind[Facts] = Kind("facts", "profiles", "", facts_to_json, facts_from_json, index=_due)
CONTACT: Kind[Contact] = Kind("contact", "profiles", "", contact_to_json, contact_from_json)
ORDER: Kind[OrderState] = Kind("order", "profiles", "o#", order_to_json, order_from_json)
# That a message was folded: {"source": …}; nothing else of it is kept.
MESSAGE: Kind[Json] = Kind("message", "profiles", "m#", _as_is, _as_is)
ADDRESS: Kind[AddressState] = Kind("address", "profiles", "h#", address_to_json, address_from_json)
RECORD: Kind[Json] = Kind(
    "record", "decisions", "d#", _as_is, _as_is, index=_by_subject, compressed=True
)
SESSION: Kind[Session] = Kind(
    "session", "decisions", "s#", session_to_json, session_from_json, compressed=True
)
EFFECT: Kind[Effect] = Kind(
    "effect", "effects", "e#", effect_to_json, effect_from_json, index=_unfinished_and_listed
)
COUPON: Kind[Coupon] = Kind("coupon", "effects", "k#", coupon_to_json, coupon_from_json)
# The one live code of a customer for an action.
LIVE_OFFER: Kind[Offer] = Kind("live", "effects", "l#", offer_to_json, offer_from_json)
# That an address was contacted for an action: {"effect_id": …}; it expires with the interval.
CONTACTED: Kind[Json] = Kind("contacted", "effects", "t#", _as_is, _as_is)
PRODUCT: Kind[Product] = Kind("sku", "signals", "sku#", product_to_json, product_from_json)
SWITCH: Kind[Switches] = Kind("switch", "control", "switch#", to_json, switches_from_json)
API_KEY: Kind[ApiKey] = Kind("key", "control", "k#", to_json, api_key_from_json)
DROP: Kind[Drop] = Kind("drop", "control", "drop#", to_json, drop_from_json)
