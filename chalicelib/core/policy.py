"""The policy: one document that says what may be done for whom, named by its content hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from chalicelib.core.actions import (
    NAME,
    PLACEMENTS,
    Action,
    OfferLimits,
    Part,
    Placement,
)
from chalicelib.core.canonical import content_hash
from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.declared import BUILT_IN, Declared, FeatureType
from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.experiment_checks import experiment_misfits
from chalicelib.core.experiments import Experiment
from chalicelib.core.exploration import Exploration
from chalicelib.core.law import Mode
from chalicelib.core.learning import Estimate
from chalicelib.core.money import MINOR_DIGITS
from chalicelib.core.offers import ANY_CART
from chalicelib.core.policy_checks import (
    Misfit,
    Misfits,
    cool_downs_name_actions,
    fallbacks_stand,
    names_stand_once,
    offers_to_strangers_end,
    tiers_are_not_base,
)
from chalicelib.core.policy_conditions import Conditions, compile_conditions
from chalicelib.core.policy_prices import prices_fit
from chalicelib.core.price_rules import Pricing
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.stacking import (
    Stacking,
    StackingRules,
    stacking_misfits,
    stacking_rules,
)

_SEGMENT = r"^[a-z][a-z0-9_]{0,47}$"
MOVED_BY_SILENCE = ("churn", "expected_orders", "recency_days", "tenure_days")
_FEATURE = r"^[a-z][a-z0-9_]{0,63}$"


class SuppliedFeature(Part):
    """A column of ``customers/`` files that conditions may name, and its type."""

    name: str = Field(pattern=_FEATURE)
    type: Literal["number", "text", "flag"]


class ScorecardRule(Part):
    """One RFM rule of the fallback scorecard; the first rule that holds names the segment."""

    segment: str = Field(pattern=_SEGMENT)
    max_recency_days: float | None = Field(default=None, ge=0)
    min_recency_days: float | None = Field(default=None, ge=0)
    min_frequency: float | None = Field(default=None, ge=0)
    min_monetary_minor: float | None = Field(default=None, ge=0)
    max_tenure_days: float | None = Field(default=None, ge=0)


class Holdout(Part):
    """The global holdout: customers for whom nothing is personalised, to measure against."""

    share_percent: float = Field(ge=0, le=50)
    salt: str = Field(min_length=1, max_length=64)


class Fallback(Part):
    """The action that a placement shows when nothing else survives; it carries no offer."""

    action: str = Field(pattern=NAME)


class Policy(Part):
    """The whole document.

    Attributes:
        features: what shops supply and conditions may name, besides the built-in features.
        price_proxies: names that nothing touching a price may read, besides the built-in list.
        exploration: how choices are explored; None chooses the best that is known, always.
    """

    schema_version: Literal[1]
    name: str = Field(pattern=NAME)
    default_currency: str
    price_mode: Mode = "discount_only"
    quote_valid_seconds: int = Field(ge=60, le=86_400)
    cart_abandoned_after_seconds: int = Field(ge=60, le=7 * 86_400)
    unknown_segment: str = Field(pattern=_SEGMENT)
    offers_per_decision: int = Field(ge=0, le=5)
    features: tuple[SuppliedFeature, ...] = Field(default=(), max_length=64)
    price_proxies: tuple[str, ...] = ()
    holdout: Holdout
    contact_policy: ContactPolicy = ContactPolicy()
    exploration: Exploration | None = None
    fallbacks: dict[Placement, Fallback]
    scorecard: tuple[ScorecardRule, ...] = Field(min_length=1)
    price_tiers: tuple[PriceTier, ...] = ()
    pricing: Pricing = Pricing()
    actions: tuple[Action, ...] = ()
    stacking: Stacking = Stacking()
    experiments: tuple[Experiment, ...] = Field(default=(), max_length=64)

    @field_validator("default_currency")
    @classmethod
    def _is_a_currency(cls, code: str) -> str:
        if code not in MINOR_DIGITS:
            raise ValueError("must be an ISO 4217 code such as USD")
        return code

    @field_validator("scorecard")
    @classmethod
    def _ends_with_everyone(cls, rules: tuple[ScorecardRule, ...]) -> tuple[ScorecardRule, ...]:
        if rules[-1].model_dump(exclude={"segment"}, exclude_none=True):
            raise ValueError("the last rule must hold for everyone")
        return rules

    @model_validator(mode="after")
    def _fits_together(self) -> Policy:
        conditions, misfits = self._compile()
        prices = prices_fit(self.pricing, self.price_tiers, self.price_mode, conditions.tiers)
        found = [*self._names(), *misfits, *prices]
        if found:
            raise Misfits(found)
        return self

    def _names(self) -> Iterator[Misfit]:
        yield from names_stand_once("actions.{}.id", (a.id for a in self.actions))
        yield from names_stand_once("price_tiers.{}.name", (t.name for t in self.price_tiers))
        yield from names_stand_once("features.{}.name", (f.name for f in self.features))
        for number, feature in enumerate(self.features):
            if feature.name in BUILT_IN:
                yield Misfit(f"features.{number}.name", f"{feature.name} is built in")
        yield from tiers_are_not_base(self.price_tiers)
        yield from offers_to_strangers_end(self.actions, unknown_segment=self.unknown_segment)
        yield from fallbacks_stand(
            self.actions, {placement: each.action for placement, each in self.fallbacks.items()}
        )
        yield from stacking_misfits(self.actions, self.price_tiers, self.stacking)
        yield from experiment_misfits(
            self.experiments, self.actions, self.price_tiers, holdout_salt=self.holdout.salt
        )
        yield from cool_downs_name_actions(self.contact_policy.cool_downs, self.actions)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Policy:
        """A copy, changed without validation, that has nothing remembered of the original."""
        copied = super().model_copy(update=update, deep=deep)
        fields = type(self).model_fields
        for name in [name for name in vars(copied) if name not in fields]:
            del copied.__dict__[name]
        return copied

    @property
    def declared(self) -> Mapping[str, Declared]:
        """Every feature that a condition may name."""
        supplied = {each.name: Declared(each.type, "supplied") for each in self.features}
        return MappingProxyType({**supplied, **BUILT_IN})

    @cached_property
    def supplied_types(self) -> Mapping[str, FeatureType]:
        """The types of the supplied features, by name."""
        return {each.name: each.type for each in self.features}

    def _compile(self) -> tuple[Conditions, tuple[Misfit, ...]]:
        return compile_conditions(
            self.actions,
            self.price_tiers,
            self.declared,
            proxies=self.price_proxies,
            experiments=self.experiments,
        )

    @cached_property
    def conditions(self) -> Conditions:
        """Every condition, read and typed."""
        return self._compile()[0]

    @cached_property
    def hash(self) -> str:
        """``sha256:…`` of the canonical document."""
        return content_hash(self.model_dump(mode="json"))

    @cached_property
    def silence_thresholds(self) -> Mapping[str, tuple[float, ...]]:
        """Every value at which a decision may change, of each feature that silence alone moves."""
        churn = [action.min_churn for action in self.actions]
        churn += [tier.min_churn for tier in self.price_tiers]
        orders = [action.max_expected_orders for action in self.actions]
        stated = {"churn": churn, "expected_orders": orders}
        found = {
            name: {*stated.get(name, ()), *self.conditions.thresholds_of(name)} - {None}
            for name in MOVED_BY_SILENCE
        }
        return {
            name: tuple(sorted(each for each in values if each is not None))
            for name, values in found.items()
            if values
        }

    @cached_property
    def stacking_rules(self) -> StackingRules | None:
        """What the actions say of each other; None where nothing is ruled."""
        return stacking_rules(self.actions, self.stacking)

    @cached_property
    def weighs_baskets(self) -> bool:
        """Whether some offer or the cap on discounts asks what is in the cart."""
        scoped = any(a.offer.scope is not ANY_CART for a in self.actions if a.offer is not None)
        priced = any(a.offer.kind == "amount_off" for a in self.actions if a.offer is not None)
        return scoped or priced or self.stacking.cap is not None

    @cached_property
    def cools_down(self) -> bool:
        """Whether an outcome keeps actions away for a while."""
        return bool(self.contact_policy.cool_downs)

    @cached_property
    def has_controls(self) -> bool:
        """Whether some action has a control group."""
        return any(action.control_share_percent for action in self.actions)

    @cached_property
    def replacing(self) -> tuple[Experiment, ...]:
        """The experiments between whole documents: champion and challenger."""
        return tuple(each for each in self.experiments if each.replaces)

    @cached_property
    def standing_tiers(self) -> tuple[PriceTier, ...]:
        """The tiers that are tried where no experiment says otherwise."""
        return tuple(tier for tier in self.price_tiers if not tier.only_in_experiments)

    def tiers_for(self, names: tuple[str, ...] | None) -> tuple[PriceTier, ...]:
        """The tiers to try in this order; without names the standing ones."""
        if names is None:
            return self.standing_tiers
        by_name = {tier.name: tier for tier in self.price_tiers}
        return tuple(by_name[name] for name in names)

    def actions_at(self, placement: str) -> tuple[Action, ...]:
        """The actions that a placement knows, in document order."""
        return self._by_placement.get(placement, ())

    @cached_property
    def _by_placement(self) -> dict[str, tuple[Action, ...]]:
        return {
            placement: tuple(a for a in self.actions if placement in a.placements)
            for placement in PLACEMENTS
        }

    def codes_at(self, placement: str) -> tuple[str, ...]:
        """The actions whose codes a decision looks up: those that a placement may offer.

        All of them where the use of a code keeps actions away.
        """
        waits = any(each.after == "redeemed" for each in self.contact_policy.cool_downs)
        actions = self.actions if waits else self.actions_at(placement)
        return tuple([action.id for action in actions if action.offer is not None])

    @cached_property
    def stated(self) -> Mapping[str, Estimate]:
        """What is believed of each action before any outcome: the propensity that it states."""
        return {action.id: Estimate("response", action.propensity) for action in self.actions}

    def limits_of(self, action_id: str) -> OfferLimits:
        """The limits of an action's offer; those of an offer without any where it has none."""
        action = self.action(action_id)
        return OfferLimits() if action is None or action.offer is None else action.offer.limits

    def action(self, action_id: str) -> Action | None:
        """The action with this id."""
        return self._by_id.get(action_id)

    @cached_property
    def _by_id(self) -> dict[str, Action]:
        return {action.id: action for action in self.actions}


def policy_from_json(document: Any) -> Policy:
    """Validate a decoded document; raises BadInput naming the path of each error."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        raise BadInput(*_field_errors(error)) from None


def _field_errors(error: ValidationError) -> Iterator[FieldError]:
    for item in error.errors(include_url=False):
        path = ".".join(map(str, item["loc"]))
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, Misfits):
            yield from (FieldError(each.path, each.problem) for each in cause.found)
        else:
            yield FieldError(path or "policy", item["msg"].removeprefix("Value error, "))


def policy_from_toml(text: str) -> Policy:
    """Read a policy as a person writes it; raises BadInput."""
    # Imported here: a package holds JSON alone, so its cold start reads no text.
    from chalicelib.core.policy_text import document_of  # noqa: PLC0415

    return policy_from_json(document_of(text))
