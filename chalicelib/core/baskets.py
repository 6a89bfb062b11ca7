"""Whether an offer applies to the cart at hand, and how much it would take off it.

Measured by what the customer pays for the articles in scope, at the prices of the very answer that
makes the offer, so that a shop which applies it comes to the same. Without a cart nothing can be
said: the offer is then a promise for a later one, and names what that must hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from chalicelib.core.offer_terms import OfferTerms
from chalicelib.core.offers import Offer, Scope


class Article(NamedTuple):
    """One line of a cart: what it is, and what all its pieces come to."""

    sku: str
    category: str | None
    amount_minor: int


class Basket(NamedTuple):
    """A cart as offers see it.

    Attributes:
        articles: its lines, at the prices quoted.
        published_minor: what it comes to at the published prices.
        currency: of these amounts; None where the caller did not say.
    """

    articles: tuple[Article, ...]
    published_minor: int
    currency: str | None

    @property
    def paid_minor(self) -> int:
        """What it comes to at the prices quoted."""
        return sum([article.amount_minor for article in self.articles])


def within(scope: Scope, articles: Iterable[Article]) -> tuple[Article, ...]:
    """The articles that a scope is about."""
    if not scope.names_articles:
        return tuple(articles)
    return tuple(
        [each for each in articles if each.sku in scope.skus or each.category in scope.categories]
    )


def misses(terms: OfferTerms, basket: Basket | None, *, currency: str, as_of: int) -> str | None:
    """Why an offer does not apply here and now, None when it does.

    Args:
        terms: of the offer.
        basket: the cart; None without one.
        currency: the policy's, in which the terms count.
        as_of: the moment of the decision.
    """
    if terms.opens_to_all_at is not None and terms.opens_to_all_at <= as_of:
        return "open_to_all"
    scope = terms.scope
    if basket is None:
        return None
    if basket.currency != currency and (terms.kind == "amount_off" or scope.min_spend_minor):
        return "another_currency"
    articles = within(scope, basket.articles)
    if not articles:
        return "not_in_scope"
    if sum([article.amount_minor for article in articles]) < scope.min_spend_minor:
        return "below_minimum_spend"
    return None


def discount_minor(terms: OfferTerms | Offer, basket: Basket) -> int:
    """The most that an offer takes off a cart, by itself; a fraction of a minor unit counts whole.

    What shipping or a gift costs is not known here, and counts nothing.
    """
    in_scope_minor = sum([each.amount_minor for each in within(terms.scope, basket.articles)])
    match terms.kind:
        case "percent_off":
            return -(-in_scope_minor * terms.value // 100)
        case "amount_off":
            return min(terms.value, in_scope_minor)
        case "free_shipping" | "gift" | "early_access":
            return 0


def share_taken_off(terms: OfferTerms, basket: Basket | None) -> Fraction:
    """Which part of the published price an offer takes off, at the most.

    Without a cart it is that of the smallest cart to which the offer applies, so that what holds
    of it holds of every cart: an amount off without a minimum spend may be all of it.
    """
    if basket is not None:
        taken_minor = discount_minor(terms, basket)
        return Fraction(taken_minor, basket.published_minor) if taken_minor else Fraction(0)
    match terms.kind:
        case "percent_off":
            return Fraction(terms.value, 100)
        case "amount_off":
            return Fraction(terms.value, max(terms.value, terms.min_spend_minor))
        case "free_shipping" | "gift" | "early_access":
            return Fraction(0)


def share_already_off(basket: Basket | None) -> Fraction:
    """Which part of the published price a personal price has taken off already."""
    if basket is None or not basket.published_minor:
        return Fraction(0)
    return Fraction(max(0, basket.published_minor - basket.paid_minor), basket.published_minor)
