"""What holds for every personal price: bounds, rounding, largest step, and how demand moves it.

[pricing]
floor_basis_points = 7000              # no price below 70 % of the published one
max_step_basis_points_per_day = 300
rounding = { CHF = 5 }                 # prices end on 5 Rappen

[pricing.demand]
half_life_minutes = 360
view = 1.0
piece = 5.0

[[pricing.adjustments]]                # whoever is in a tier pays nearly full price for it
name = "in-demand"
min_demand = 200
discount_basis_points = -300
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from chalicelib.core.actions import NAME, Part
from chalicelib.core.catalogue import Product
from chalicelib.core.demand import Demand, decayed

BASIS_POINTS = 10_000
MOST_ADJUSTMENTS = 32
LARGEST_INCREMENT = 100_000
_Weight = Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False)]
_Level = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class DemandTerms(Part):
    """How demand is counted: ``view`` for a view, ``piece`` for a piece sold.

    After each half-life half of it is left. A changed half-life holds from then on; what was
    counted before is not counted anew.
    """

    half_life_minutes: int = Field(ge=1, le=60 * 24 * 90)
    view: _Weight = 1.0
    piece: _Weight = 1.0

    @property
    def half_life_seconds(self) -> int:
        """In seconds."""
        return self.half_life_minutes * 60

    def level(self, demand: Demand | None, *, as_of: int) -> float | None:
        """The demand of an article now; None where nothing was ever counted."""
        if demand is None:
            return None
        now = decayed(demand, at=as_of, half_life_seconds=self.half_life_seconds)
        return self.view * now.views + self.piece * now.pieces


class Adjustment(Part):
    """Deepens the discount of a tier (positive) or shrinks it (negative) by stock and demand.

    It holds where all bounds that it names are met, the bounds included. What is not known meets
    none.
    """

    name: str = Field(pattern=NAME)
    min_stock: int | None = Field(default=None, ge=0)
    max_stock: int | None = Field(default=None, ge=0)
    min_demand: _Level | None = None
    max_demand: _Level | None = None
    discount_basis_points: int = Field(ge=-BASIS_POINTS, le=BASIS_POINTS)

    @model_validator(mode="after")
    def _asks_something(self) -> Adjustment:
        if not (self.asks_stock or self.asks_demand):
            raise ValueError("min_stock: or another bound must be given; without one use the tier")
        if self.discount_basis_points == 0:
            raise ValueError("discount_basis_points: 0 changes nothing")
        for low, high in (("min_stock", "max_stock"), ("min_demand", "max_demand")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ValueError(f"{low}: must be at most {high}")
        return self

    @property
    def asks_stock(self) -> bool:
        """Whether it depends on stock."""
        return self.min_stock is not None or self.max_stock is not None

    @property
    def asks_demand(self) -> bool:
        """Whether it depends on demand."""
        return self.min_demand is not None or self.max_demand is not None

    def holds(self, stock: int | None, level: float | None) -> bool:
        """Whether its bounds are met."""
        return _within(stock, self.min_stock, self.max_stock) and _within(
            level, self.min_demand, self.max_demand
        )


def _within(value: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    if value is None:
        return False
    # Written so that a value that is no number meets no bound.
    return (least is None or value >= least) and (most is None or value <= most)


class Pricing(Part):
    """The table ``[pricing]``; everything that is left out changes nothing.

    Attributes:
        floor_basis_points: the lowest personal price, as a share of the published one.
        ceiling_basis_points: the highest; above 10,000 only where the mode is neither
            ``discount_only`` nor ``ban``.
        max_step_basis_points_per_day: by how much, as a share of the published price, the prices
            that one customer is quoted for an article may differ within a UTC day, the last one
            before it included.
        rounding: minor units that a price of a currency is a multiple of; the published price
            stands as it is.
        demand: how demand is counted; without it none is.
        adjustments: of every tier, added to its own.
    """

    floor_basis_points: int = Field(default=0, ge=0, le=BASIS_POINTS)
    ceiling_basis_points: int = Field(default=BASIS_POINTS, ge=BASIS_POINTS, le=2 * BASIS_POINTS)
    max_step_basis_points_per_day: int | None = Field(default=None, ge=1, le=BASIS_POINTS)
    rounding: dict[str, Annotated[int, Field(ge=1, le=LARGEST_INCREMENT)]] = Field(
        default_factory=dict
    )
    demand: DemandTerms | None = None
    adjustments: tuple[Adjustment, ...] = Field(default=(), max_length=MOST_ADJUSTMENTS)

    def level_of(self, product: Product, *, as_of: int) -> float | None:
        """The demand of an article now; None where none is counted."""
        return None if self.demand is None else self.demand.level(product.demand, as_of=as_of)
