"""Offers with a unique code: what a customer was promised, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from chalicelib.core.canonical import keyed_digest

OfferKind = Literal["percent_off", "amount_off", "free_shipping", "gift", "early_access"]
# Crockford's base 32: no I, L, O, U, so that a code survives being read aloud. 32 divides 256, so
# every letter is as likely as any other.
_LETTER_OF_BYTE = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8
_LETTERS = frozenset(_LETTER_OF_BYTE.decode())
_MISREAD = str.maketrans("OIL", "011")
CODE_LETTERS = 12  # 60 bits: a million codes collide with odds below one in two million


class Scope(NamedTuple):
    """What a cart must hold for an offer to apply; with neither SKUs nor categories, anything.

    Attributes:
        min_spend_minor: the least that the articles in scope come to.
        skus: articles in scope.
        categories: categories of the catalogue in scope.
    """

    min_spend_minor: int = 0
    skus: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def names_articles(self) -> bool:
        """Whether it is about some articles alone."""
        return bool(self.skus or self.categories)


ANY_CART = Scope()


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer made to one customer.

    Attributes:
        action: the policy's action.
        code: unique, unguessable, stored before anyone sees it.
        kind: what it gives.
        value: percent for ``percent_off``, minor units for ``amount_off``, 0 otherwise.
        expires_at: the moment from which it cannot be used.
        spent: whether the code is used up or was taken back; then it is shown to nobody.
        revoked: of a spent one, whether it was taken back.
        scope: what a cart must hold.
        gift_sku: the article of a ``gift``.
        access: what ``early_access`` opens, in the shop's own name for it.
        exclusive: whether nothing else may be taken off beside it.
        redeemed_at: when an order last used the code, as far as it is known.
    """

    action: str
    code: str
    kind: OfferKind
    value: int
    expires_at: int
    spent: bool = False
    revoked: bool = False
    scope: Scope = ANY_CART
    gift_sku: str | None = None
    access: str | None = None
    exclusive: bool = False
    redeemed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """One order's use of a code.

    Attributes:
        order_id: the order, or the cart that will become one.
        state: how far it is; ``core.coupons`` moves it.
        amount_minor: the discount, in the policy's currency.
        budgeted: whether the amount counts against the action's budget.
        until: when the lock of a reservation ends.
        rolled_back_minor: how much of the amount was given back.
    """

    order_id: str
    state: Literal["reserved", "redeemed", "rolled_back"]
    amount_minor: int
    budgeted: bool
    until: int = 0
    rolled_back_minor: int = 0


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code as storage keeps it; its state follows from its uses (``core.coupons.state_of``).

    Attributes:
        offer: what was promised.
        subject_key: to whom.
        decision_id: the decision that issued it.
        issued_at: when.
        redemptions: how many orders may use it.
        lock_seconds: how long a cart holds it.
        uses: the orders that do, and the cart that holds it.
        revoked_at: when it was taken back, None when it was not.
        revoked_for: why, in the operator's words.
    """

    offer: Offer
    subject_key: str
    decision_id: str
    issued_at: int
    redemptions: int = 1
    lock_seconds: int = 900
    uses: tuple[Use, ...] = ()
    revoked_at: int | None = None
    revoked_for: str | None = None


def coupon_code(secret: bytes, *, effect_id: str) -> str:
    """The code of one offer effect: an HMAC, so repeating a crashed issue repeats the code."""
    digest = keyed_digest(secret, b"coupon:" + effect_id.encode())
    return digest[:CODE_LETTERS].translate(_LETTER_OF_BYTE).decode()


def offer_to_json(offer: Offer) -> dict[str, Any]:
    """The stored form; spelt out because ``asdict`` costs ten times as much on the hot path."""
    stored: dict[str, Any] = {
        "action": offer.action,
        "code": offer.code,
        "kind": offer.kind,
        "value": offer.value,
        "expires_at": offer.expires_at,
    }
    if offer.spent:
        stored["spent"] = True
    if offer.revoked:
        stored["revoked"] = True
    if offer.redeemed_at is not None:
        stored["redeemed_at"] = offer.redeemed_at
    stored.update(terms_to_json(offer))
    return stored


def terms_to_json(offer: Offer) -> dict[str, Any]:
    """What an offer asks of a cart and gives besides its value; nothing where it is the usual."""
    terms: dict[str, Any] = {}
    if offer.scope is not ANY_CART:
        least_minor, skus, categories = offer.scope
        terms["min_spend"] = least_minor
        terms["skus"] = list(skus)
        terms["categories"] = list(categories)
    if offer.gift_sku is not None:
        terms["gift_sku"] = offer.gift_sku
    if offer.access is not None:
        terms["access"] = offer.access
    if offer.exclusive:
        terms["exclusive"] = True
    return {name: value for name, value in terms.items() if value}


def offer_from_json(stored: Mapping[str, Any]) -> Offer:
    """Undo ``offer_to_json``."""
    kept = dict(stored)
    scope = Scope(
        kept.pop("min_spend", 0), tuple(kept.pop("skus", ())), tuple(kept.pop("categories", ()))
    )
    return Offer(**kept, scope=ANY_CART if scope == ANY_CART else scope)


def still_good(offers: Mapping[str, Offer], *, now: int) -> dict[str, Offer]:
    """The customer's codes that have not expired; what is kept of others only says of their use."""
    return {action: offer for action, offer in offers.items() if offer.expires_at > now}


def last_use(offers: Iterable[Offer]) -> int | None:
    """When one of these codes was last used, None when none was."""
    used = [offer.redeemed_at for offer in offers if offer.redeemed_at is not None]
    return max(used, default=None)


def coupon_to_json(coupon: Coupon) -> dict[str, Any]:
    """The stored form."""
    return {
        "offer": offer_to_json(coupon.offer),
        "subject_key": coupon.subject_key,
        "decision_id": coupon.decision_id,
        "issued_at": coupon.issued_at,
        "redemptions": coupon.redemptions,
        "lock_seconds": coupon.lock_seconds,
        "uses": [asdict(use) for use in coupon.uses],
        "revoked_at": coupon.revoked_at,
        "revoked_for": coupon.revoked_for,
    }


def coupon_from_json(stored: Mapping[str, Any]) -> Coupon:
    """Undo ``coupon_to_json``."""
    uses = tuple(Use(**use) for use in stored["uses"])
    return Coupon(**{**stored, "offer": offer_from_json(stored["offer"]), "uses": uses})


def is_code(text: str) -> bool:
    """Whether a normal code could be one of ours.

    >>> is_code("ABC0119XYZ0K"), is_code("HASBR0S")
    (True, False)
    """
    return len(text) == CODE_LETTERS and set(text) <= _LETTERS


def normal_code(text: str) -> str:
    """A code as it was issued, from one as a person or another system writes it.

    >>> normal_code(" abc-o1l 9xyz0k ")
    'ABC0119XYZ0K'
    """
    letters = text.upper().replace("-", "").replace(" ", "")
    return letters.translate(_MISREAD)
