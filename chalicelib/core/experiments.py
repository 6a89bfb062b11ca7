"""Experiments as a policy states them: who takes part, which arms there are, what each changes.

An experiment takes a range of its layer: every customer has one place in a layer, from a salted
hash, so experiments whose ranges do not meet never share a customer. Its arms are dealt out by a
hash of their own. An arm changes something of the policy (it switches actions off, gives actions
another lever, or takes other price tiers), or it names another policy or model that decides in its
place: champion and challenger.
"""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.parts import NAME, Part

_MODEL = r"^[a-z0-9][a-z0-9._-]{0,63}$"
_EPOCH_DAY = date(1970, 1, 1).toordinal()
LARGEST_LEVER = 1_000.0


class Arm(Part):
    """One arm; one that changes nothing is what the others are compared with.

    Attributes:
        share_percent: of the experiment's customers; the arms' shares sum to 100.
        off: actions that are switched off.
        levers: the lever of an action in place of its own, by action.
        price_tiers: names of the tiers that are tried instead, in order; none gives the base price.
        policy: a document in ``policies/`` that decides instead.
        model: a document in ``model_artifacts/`` that scores instead.
    """

    id: str = Field(pattern=NAME)
    share_percent: float = Field(gt=0, le=100, allow_inf_nan=False)
    off: tuple[str, ...] = ()
    levers: dict[str, float] = Field(default={})
    price_tiers: tuple[str, ...] | None = None
    policy: str | None = Field(default=None, pattern=NAME)
    model: str | None = Field(default=None, pattern=_MODEL)

    @model_validator(mode="after")
    def _changes_or_replaces(self) -> Arm:
        for action_id, lever in self.levers.items():
            if not 0 <= lever <= LARGEST_LEVER:
                raise ValueError(f"levers.{action_id}: must be 0 to {LARGEST_LEVER:.0f}")
        if self.replaces and (self.off or self.levers or self.price_tiers is not None):
            raise ValueError("policy: an arm either names documents or changes parts of this one")
        return self

    @property
    def replaces(self) -> bool:
        """Whether another document decides in this arm."""
        return self.policy is not None or self.model is not None


class Experiment(Part):
    """One experiment.

    Attributes:
        layer: experiments of one layer exclude each other by their ranges; its own by default.
        from_percent: where its range of the layer begins.
        to_percent: where it ends; what begins there is not in it.
        salt: deals the arms out; another one deals them anew.
        when: a condition for taking part, asked with every decision.
        since: the first day (UTC) on which it runs.
        until: the last.
        arms: at least two.
    """

    id: str = Field(pattern=NAME)
    layer: str | None = Field(default=None, pattern=NAME)
    from_percent: float = Field(default=0, ge=0, le=100, allow_inf_nan=False)
    to_percent: float = Field(default=100, ge=0, le=100, allow_inf_nan=False)
    salt: str = Field(min_length=1, max_length=64)
    when: str | None = Field(default=None, min_length=1)
    since: date | None = None
    until: date | None = None
    arms: tuple[Arm, ...] = Field(min_length=2, max_length=8)

    @model_validator(mode="after")
    def _fits_together(self) -> Experiment:
        if self.from_percent >= self.to_percent:
            raise ValueError("to_percent: must be more than from_percent")
        if self.since is not None and self.until is not None and self.until < self.since:
            raise ValueError("until: lies before since")
        total = sum(arm.share_percent for arm in self.arms)
        if abs(total - 100) > 1e-6:
            raise ValueError(f"arms: the shares sum to {total:g}, must be 100")
        if len({arm.id for arm in self.arms}) < len(self.arms):
            raise ValueError("arms: two have the same id; give each its own")
        if self.replaces and self.when is not None:
            raise ValueError(
                "when: cannot stand with an arm's policy or model, which are chosen before "
                "anything of the customer is read"
            )
        return self

    @property
    def lies_in(self) -> str:
        """The name of its layer."""
        return self.layer or self.id

    @property
    def replaces(self) -> bool:
        """Whether some arm names another policy or model."""
        return any(arm.replaces for arm in self.arms)

    @property
    def treats(self) -> frozenset[str]:
        """The actions that some arm treats otherwise than another."""
        return frozenset(name for arm in self.arms for name in (*arm.off, *arm.levers))

    @property
    def treats_tiers(self) -> bool:
        """Whether some arm takes other price tiers."""
        return any(arm.price_tiers is not None for arm in self.arms)

    def runs_at(self, as_of: int) -> bool:
        """Whether it runs at a moment."""
        today = as_of // DAY_SECONDS + _EPOCH_DAY
        begun = self.since is None or self.since.toordinal() <= today
        return begun and (self.until is None or today <= self.until.toordinal())

    def meets(self, other: Experiment) -> bool:
        """Whether both run on some day."""
        return _begins(self) <= _ends(other) and _begins(other) <= _ends(self)


def _begins(experiment: Experiment) -> date:
    return experiment.since or date.min


def _ends(experiment: Experiment) -> date:
    return experiment.until or date.max
